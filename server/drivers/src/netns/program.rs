//! Programs of the host, run with a vector of arguments and a deadline.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::stand::Stand;

/// Much more than any of them needs.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("`{program}` could not be run: {error}; it is of the package {package}")]
    NotRun { program: &'static str, package: &'static str, error: std::io::Error },
    #[error("`{program}` did not end within {DEADLINE:?}")]
    Slow { program: &'static str },
    #[error("`{program}` failed: {said}")]
    Failed { program: &'static str, said: String },
}

/// One that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) program: &'static str,
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    /// What it wrote, if it did what it should.
    pub(super) fn ok(self) -> Result<String, ProgramError> {
        match self.code {
            Some(0) => Ok(self.stdout),
            _ => Err(ProgramError::Failed { program: self.program, said: self.said() }),
        }
    }

    /// Why it failed, in one line.
    pub(super) fn said(&self) -> String {
        let text: String = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect();
        match (text.is_empty(), self.code) {
            (false, _) => text,
            (true, Some(code)) => format!("it ended with {code}"),
            (true, None) => "it was killed".into(),
        }
    }
}

/// Where a program's network is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Where<'a> {
    Host(&'a Stand),
    Namespace(&'a str),
}

impl Where<'_> {
    fn command(self, program: &'static str) -> Command {
        let netns = match self {
            Where::Host(Stand { inside: None, .. }) => return Command::new(program),
            Where::Host(Stand { inside: Some(inside), .. }) => inside.as_str(),
            Where::Namespace(name) => name,
        };
        let path = super::names::namespace_path(netns);
        let mut command = Command::new("nsenter");
        // Only the network: names of namespaces must be the machine's.
        command.arg(format!("--net={}", path.display())).arg("--").arg(program);
        command
    }
}

pub(super) async fn run<S: AsRef<OsStr>>(
    at: Where<'_>,
    program: &'static str,
    arguments: impl IntoIterator<Item = S>,
    input: &str,
) -> Result<Ended, ProgramError> {
    let not_run = |error| ProgramError::NotRun { program, package: package(program), error };
    let mut child = at
        .command(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(not_run)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let stdin = child.stdin.take();
    let work = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read to the end says why by its exit.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(Ok(output)) => Ok(Ended {
            program,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
        Ok(Err(error)) => Err(not_run(error)),
        Err(_) => {
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            Err(ProgramError::Slow { program })
        }
    }
}

fn package(program: &str) -> &'static str {
    match program {
        "ip" | "bridge" => "iproute2",
        "sysctl" => "procps",
        _ => "dash or util-linux",
    }
}
