//! QEMU's guest agent: programs that are run in a router, file systems of instances that hold still.
//!
//! What is in a guest is not trusted: its answers are bounded, read as data, and shown shortened.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::driver::Site;
use super::seen::Here;
use super::trouble::{Trouble, not_now};

/// A guest that is up answers in less.
const PATIENCE_SECONDS: i32 = 5;
/// Writing out what its file systems hold may take a guest this long.
const FREEZE_SECONDS: i32 = 30;
/// How long it is asked to go on after that.
const THAW: Duration = Duration::from_secs(60);
/// How long a guest that was just started may take until its agent is there, on emulated processors too. A call
/// has at least this, and then is asked again.
const COMES: Duration = Duration::from_secs(75);
/// A program may take this long.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest answer that is read.
const MOST: usize = 1 << 20;

pub(super) struct Ran {
    pub(super) code: i64,
    pub(super) out: Vec<u8>,
    err: Vec<u8>,
}

impl Ran {
    /// What it said was wrong.
    pub(super) fn complaint(&self) -> String {
        let text = if self.err.is_empty() { &self.out } else { &self.err };
        let text = String::from_utf8_lossy(text);
        let short: String = text.trim().chars().filter(|c| !c.is_control()).take(300).collect();
        if short.is_empty() { format!("code {}", self.code) } else { short }
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    #[serde(rename = "return")]
    answer: T,
}

#[derive(Deserialize)]
struct Started {
    pid: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Status {
    exited: bool,
    exitcode: Option<i64>,
    out_data: Option<String>,
    err_data: Option<String>,
}

impl Site {
    fn ask<T: for<'a> Deserialize<'a>>(&self, here: &Here, question: &Value) -> Result<T, Trouble> {
        self.ask_within(here, question, PATIENCE_SECONDS)
    }

    fn ask_within<T: for<'a> Deserialize<'a>>(
        &self,
        here: &Here,
        question: &Value,
        seconds: i32,
    ) -> Result<T, Trouble> {
        let answer = here.domain.qemu_agent_command(&question.to_string(), seconds, 0)?;
        let unreadable =
            |why: String| not_now(format!("the agent of {} says what makes no sense: {why}", here.guest()));
        if answer.len() > MOST {
            return Err(unreadable(format!("{} bytes", answer.len())));
        }
        let answer: Answer<T> = serde_json::from_str(&answer).map_err(|error| unreadable(error.to_string()))?;
        Ok(answer.answer)
    }

    fn wait_for_agent(&self, here: &Here) -> Result<(), Trouble> {
        let ping = json!({ "execute": "guest-ping" });
        let mut why = None;
        let came = self.wait_until(COMES, || match self.ask::<Value>(here, &ping) {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.is_passing() && here.is_active()? => {
                why = Some(trouble);
                Ok(false)
            }
            Err(trouble) => Err(trouble),
        })?;
        match why {
            Some(why) if !came => Err(why),
            _ => Ok(()),
        }
    }

    pub(super) fn run(&self, here: &Here, path: &str, arguments: &[&str], input: &[u8]) -> Result<Ran, Trouble> {
        let question = json!({
            "execute": "guest-exec",
            "arguments": {
                "path": path,
                "arg": arguments,
                "input-data": STANDARD.encode(input),
                "capture-output": true,
            },
        });
        self.wait_for_agent(here)?;
        let Started { pid } = self.ask(here, &question)?;
        let question = json!({ "execute": "guest-exec-status", "arguments": { "pid": pid } });
        let begin = Instant::now();
        loop {
            let status: Status = self.ask(here, &question)?;
            if status.exited {
                let bytes = |data: Option<String>| STANDARD.decode(data.unwrap_or_default()).unwrap_or_default();
                // A signal ended it.
                let code = status.exitcode.unwrap_or(-1);
                return Ok(Ran { code, out: bytes(status.out_data), err: bytes(status.err_data) });
            }
            if begin.elapsed() > LIMIT {
                return Err(not_now(format!("a program in {} does not end", here.guest())));
            }
            self.pause(Duration::from_millis(50));
        }
    }

    /// That the guest's file systems are whole on its disks, until it is told to go on. None: it has no agent
    /// that would answer, or nothing that could hold still.
    pub(super) fn freeze(&self, here: &Here) -> Option<Frozen> {
        if let Err(trouble) = self.ask::<Value>(here, &json!({ "execute": "guest-ping" })) {
            tracing::debug!(guest = %here.guest(), %trouble, "no agent: its disk is copied as it is");
            return None;
        }
        let question = json!({ "execute": "guest-fsfreeze-freeze" });
        match self.ask_within::<i64>(here, &question, FREEZE_SECONDS) {
            Ok(count) => tracing::debug!(guest = %here.guest(), count, "its file systems hold still"),
            // It may do so all the same, if only its answer is late.
            Err(trouble) => tracing::info!(guest = %here.guest(), %trouble, "its file systems may not hold still"),
        }
        Some(Frozen(()))
    }

    /// The guest goes on. It is asked until it says so, and has a limited time for that: what is in it may
    /// never answer.
    pub(super) fn thaw(&self, here: &Here, _: Frozen) {
        let question = json!({ "execute": "guest-fsfreeze-thaw" });
        let thawed = self.wait_until(THAW, || match self.ask::<i64>(here, &question) {
            Ok(_) => Ok(true),
            Err(trouble) if here.is_active()? => {
                tracing::debug!(guest = %here.guest(), %trouble, "its file systems do not go on yet");
                Ok(false)
            }
            Err(_) => Ok(true),
        });
        if !matches!(thawed, Ok(true)) {
            tracing::warn!(guest = %here.guest(), "its file systems hold still, and its agent does not let them go on");
        }
    }

    /// As above, after a crash that came between.
    pub(super) fn thaw_left(&self, here: &Here) {
        let question = json!({ "execute": "guest-fsfreeze-status" });
        if self.ask::<String>(here, &question).is_ok_and(|status| status == "frozen") {
            self.thaw(here, Frozen(()));
        }
    }
}

/// A guest was asked to hold still, and must be told to go on.
#[must_use]
pub(super) struct Frozen(());
