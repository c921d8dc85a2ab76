//! QEMU's guest agent: programs that are run in a router.
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
        let answer = here.domain.qemu_agent_command(&question.to_string(), PATIENCE_SECONDS, 0)?;
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
}
