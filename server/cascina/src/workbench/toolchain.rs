//! Each language's own tools, called with what makes their components fit the contract: no WASI.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::contract;
use super::project::Project;

const TARGET: &str = "wasm32-unknown-unknown";

/// The contract as a folder for tools that want one.
fn wit(project: &Project, scratch: &Path) -> anyhow::Result<PathBuf> {
    let folder = scratch.join("wit");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("policy.wit"), contract::with_world(&project.hooks))?;
    Ok(folder)
}

/// What a variable names, else the first of these that is there, else the first in the path.
fn find(variable: &str, beside: &[PathBuf], names: &[&str], install: &str) -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(variable).filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    if let Some(found) = beside.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    for name in names {
        if let Some(found) = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()) {
            return Ok(found);
        }
    }
    bail!("{} is not here; {install}, or name it in {variable}", names[0])
}

/// The folder and those above it.
fn above(folder: &Path, below: &str) -> Vec<PathBuf> {
    folder.ancestors().map(|folder| folder.join(below)).collect()
}

/// Runs a tool; what it says is shown if it fails.
fn call(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let done = command.output().with_context(|| format!("{what} ({})", command.get_program().display()))?;
    if done.status.success() {
        return Ok(());
    }
    let said = [&done.stdout[..], &done.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    bail!("{what} failed ({}):\n{}", done.status, said.join("\n").trim())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

pub fn python(folder: &Path, project: &Project, scratch: &Path) -> anyhow::Result<Vec<u8>> {
    let tool = find(
        "CASCINA_COMPONENTIZE_PY",
        &above(folder, ".venv/bin/componentize-py"),
        &["componentize-py"],
        "`python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` installs it",
    )?;
    let module = project.source.file_stem().and_then(|stem| stem.to_str()).context("source names no Python file")?;
    if module == contract::WORLD || module == "wit_world" {
        bail!("the module may not be called {module}: the bindings are called so");
    }
    let (wit, into) = (wit(project, scratch)?, scratch.join("component.wasm"));
    let mut command = Command::new(tool);
    command.arg("-d").arg(wit).args(["-w", contract::WORLD, "componentize", "--stub-wasi", module, "-p"]);
    command.arg(folder).arg("-o").arg(&into);
    // Sets and dictionaries of texts come in the same order in every build.
    command.env("PYTHONHASHSEED", "0");
    call(&mut command, "componentize-py")?;
    read(&into)
}

pub fn javascript(folder: &Path, project: &Project, scratch: &Path) -> anyhow::Result<Vec<u8>> {
    let tool = find(
        "CASCINA_JCO",
        &above(folder, "node_modules/.bin/jco"),
        &["jco"],
        "`npm install` in the policy's folder installs it (@bytecodealliance/jco 1.35.0)",
    )?;
    let (wit, into) = (wit(project, scratch)?, scratch.join("component.wasm"));
    let mut command = Command::new(tool);
    command.arg("componentize").arg(folder.join(&project.source)).arg("--wit").arg(wit);
    command.args(["-n", contract::WORLD, "--backend", "quickjs", "--backend-qjs-stub-wasi"]);
    command.arg("--backend-qjs-disable-async").arg("-o").arg(&into).current_dir(folder);
    call(&mut command, "jco")?;
    read(&into)
}

pub fn c(folder: &Path, project: &Project) -> anyhow::Result<Vec<u8>> {
    let names = ["clang-19", "clang", "clang-20", "clang-18"];
    let install = "`apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32` installs it";
    let tool = find("CASCINA_CLANG", &[], &names, install)?;
    let made = folder.join("build");
    contract::c_bindings(&project.hooks, &made).context("bindings")?;
    let nothing = made.join("no_wasi.c");
    std::fs::write(&nothing, include_str!("../../../../sdk/c/no_wasi.c"))?;
    let into = made.join("core.wasm");
    let mut command = Command::new(tool);
    command.args(["--target=wasm32-wasi", "-mexec-model=reactor", "-std=c17", "-O2", "-Wall"]);
    command.args(["-Wl,--no-entry,--strip-all", "-I"]).arg(&made).arg(folder.join(&project.source));
    command.arg(made.join(format!("{}.c", contract::WORLD)));
    command.arg(made.join(format!("{}_component_type.o", contract::WORLD))).arg(nothing).arg("-o").arg(&into);
    call(&mut command, "clang")?;
    contract::encode(&read(&into)?)
}

pub fn rust(folder: &Path, project: &Project) -> anyhow::Result<Vec<u8>> {
    let cargo = find("CARGO", &[], &["cargo"], "https://rustup.rs installs it")?;
    let made = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), PathBuf::from);
    let made = std::path::absolute(made)?;
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--target", TARGET]).current_dir(folder).env("CARGO_TARGET_DIR", &made);
    // rustup may neither fetch a channel nor a target on behalf of this.
    command.env("RUSTUP_AUTO_INSTALL", "0");
    if !has_target(folder) {
        let (rustc, linker) = with_sources(folder)?;
        command.arg("-Zbuild-std=std,panic_abort").env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    call(&mut command, "cargo build")?;
    let core = made.join(TARGET).join("release").join(format!("{}.wasm", project.name.as_str().replace('-', "_")));
    contract::encode(&read(&core)?)
}

fn asked(program: &Path, arguments: &[&str], folder: &Path) -> Option<PathBuf> {
    let done =
        Command::new(program).args(arguments).current_dir(folder).env("RUSTUP_AUTO_INSTALL", "0").output().ok()?;
    done.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&done.stdout).trim()))
}

/// The standard library for the target lies beside the ordinary compiler's.
fn has_target(folder: &Path) -> bool {
    let Some(libraries) = asked("rustc".as_ref(), &["--print", "target-libdir", "--target", TARGET], folder) else {
        return false;
    };
    let is_std = |name: &str| name.starts_with("libstd-") && name.ends_with(".rlib");
    std::fs::read_dir(libraries)
        .is_ok_and(|entries| entries.flatten().any(|entry| is_std(&entry.file_name().to_string_lossy())))
}

/// A compiler that has the sources of its own standard library, and a linker.
fn with_sources(folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let rustc = std::env::var_os("CASCINA_WASM_RUSTC").map_or_else(|| PathBuf::from("/usr/bin/rustc"), PathBuf::from);
    let explain = "`rustup target add wasm32-unknown-unknown` adds the target, or on Debian `apt-get install rustc-web \
                   rust-web-src lld-19` brings a compiler with the sources of its library; CASCINA_WASM_RUSTC names \
                   another such compiler";
    let sysroot = asked(&rustc, &["--print", "sysroot"], folder)
        .filter(|root| root.join("lib/rustlib/src/rust/library/Cargo.lock").is_file())
        .with_context(|| format!("there is no compiler for {TARGET} here: {explain}"))?;
    let ordinary = asked("rustc".as_ref(), &["--print", "sysroot"], folder);
    let bundled = ordinary.into_iter().chain([sysroot]).filter_map(|root| {
        let targets = std::fs::read_dir(root.join("lib/rustlib")).ok()?;
        targets.flatten().map(|entry| entry.path().join("bin/rust-lld")).find(|path| path.is_file())
    });
    let beside: Vec<PathBuf> = bundled.collect();
    let names = ["wasm-ld", "wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19"];
    let linker = find("CASCINA_WASM_LD", &beside, &names, "`apt-get install lld-19` installs it")?;
    Ok((rustc, linker))
}
