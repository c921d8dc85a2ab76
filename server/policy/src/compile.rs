//! Compiling: in this process, or in a child that limits itself.
//!
//! Cranelift is not linear in everything a hostile module can hold. The bounds of `structure`
//! remove the known bombs; the child removes the unknown ones, because it dies of its own limits
//! on processor time and memory, and the server says so.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use wasmtime::Engine;

use crate::bounds::Bounds;
use crate::engine;
use crate::native::Compiled;

#[derive(Debug, Clone, Default)]
pub enum Compiler {
    /// For tests and tools that trust their components.
    #[default]
    InProcess,
    /// A program that calls [`run_compiler_child`] with [`Bounds::of_compiler`] of what follows its
    /// arguments.
    Child(PathBuf, Vec<String>),
}

/// Output of the compiler is bounded, so that a confused child cannot fill the server's memory.
const MOST_OUTPUT: u64 = 256 << 20;
const MOST_COMPLAINT: u64 = 4 << 10;

impl Compiler {
    pub(crate) fn compile(&self, engine: &Engine, bounds: &Bounds, wasm: &[u8]) -> Result<Compiled, String> {
        match self {
            Compiler::InProcess => {
                let bytes = engine.precompile_component(wasm).map_err(|error| format!("{error:#}"))?;
                Ok(Compiled::vouch(bytes))
            }
            Compiler::Child(program, arguments) => child(program, arguments, bounds, wasm).map(Compiled::vouch),
        }
    }
}

impl Bounds {
    /// What a compiler must know of them.
    fn for_compiler(&self) -> [u64; 6] {
        let (component, memory) = (self.component_bytes as u64, self.memory_bytes as u64);
        [component, memory, self.memories.into(), self.stack_bytes as u64, self.compile_seconds, self.compile_bytes]
    }

    /// The bounds that a compiler child was told.
    #[must_use]
    pub fn of_compiler([component, memory, memories, stack, compile_seconds, compile_bytes]: [u64; 6]) -> Bounds {
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Bounds {
            component_bytes: size(component),
            memory_bytes: size(memory),
            memories: u32::try_from(memories).unwrap_or(u32::MAX),
            stack_bytes: size(stack),
            compile_seconds,
            compile_bytes,
            ..Bounds::default()
        }
    }
}

fn child(program: &PathBuf, arguments: &[String], bounds: &Bounds, wasm: &[u8]) -> Result<Vec<u8>, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .args(bounds.for_compiler().map(|number| number.to_string()))
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the compiler {} does not start: {error}", program.display()))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err("the compiler has no pipes".into());
    };
    let (output, complaint) = std::thread::scope(|scope| {
        // A child that dies early closes its end; why it died is what matters then.
        scope.spawn(move || stdin.write_all(wasm));
        let complaint = scope.spawn(move || {
            let mut text = Vec::new();
            stderr.take(MOST_COMPLAINT).read_to_end(&mut text).map(|_| text)
        });
        let mut output = Vec::new();
        let read = stdout.take(MOST_OUTPUT).read_to_end(&mut output).map(|_| output);
        (read, complaint.join())
    });
    let status = child.wait().map_err(|error| format!("waiting for the compiler: {error}"))?;
    if status.success() {
        return output.map_err(|error| format!("reading from the compiler: {error}"));
    }
    let complaint = complaint.ok().and_then(Result::ok).unwrap_or_default();
    let complaint = String::from_utf8_lossy(&complaint);
    let complaint = complaint.trim();
    Err(if status.code() == Some(1) && !complaint.is_empty() {
        complaint.to_owned()
    } else {
        format!(
            "it takes more than {} s of processor time or {} MiB of memory to compile ({status}); make it smaller or simpler",
            bounds.compile_seconds,
            bounds.compile_bytes >> 20
        )
    })
}

/// The compiler child: a component on standard input, its compiled form on standard output.
///
/// Call it from the program that [`Compiler::Child`] names, before anything else and from the
/// main thread. `bounds` must be those of the sandbox, or its output will not fit.
pub fn run_compiler_child(bounds: &Bounds) -> ExitCode {
    match compile_stdin(bounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

fn compile_stdin(bounds: &Bounds) -> Result<(), String> {
    let limit = |resource, amount: u64| {
        setrlimit(resource, Rlimit { current: Some(amount), maximum: Some(amount) })
            .map_err(|error| format!("the compiler cannot limit itself: {error}"))
    };
    limit(Resource::Cpu, bounds.compile_seconds)?;
    limit(Resource::As, bounds.compile_bytes)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, 64)?;
    // Requests come first. Not being allowed to be modest is no reason to stop.
    let _ = nice(10);
    let mut wasm = Vec::new();
    let most = bounds.component_bytes as u64 + 1;
    std::io::stdin().lock().take(most).read_to_end(&mut wasm).map_err(|error| format!("standard input: {error}"))?;
    let engine = engine::compiler(bounds).map_err(|error| error.to_string())?;
    let bytes = engine.precompile_component(&wasm).map_err(|error| format!("{error:#}"))?;
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&bytes).and_then(|()| stdout.flush()).map_err(|error| format!("standard output: {error}"))
}
