//! Follows an operation, step by step, until it ends.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::http::{Client, Done, Failure, escaped};
use super::show::{Output, at, cell, print};

/// How an operation ended.
pub struct Ending {
    pub state: String,
    pub error: Option<String>,
}

impl Ending {
    /// An error unless it ended well; `what` begins the sentence.
    pub fn good(self, what: &str, id: &str) -> Done {
        let why = self.error.map(|error| format!(": {error}")).unwrap_or_default();
        match self.state.as_str() {
            "done" => Ok(()),
            "stuck" => Err(Failure::Ended(format!(
                "{what} is stuck{why}\nlook at it with `cascina operation show {id}`, then `cascina operation retry|skip|adopt|cancel {id}`"
            ))),
            state => Err(Failure::Ended(format!("{what} ended as {state}{why}"))),
        }
    }
}

/// Steps that have been told already, by position: (state, attempts).
struct Teller {
    told: Vec<(String, u64)>,
    bar: ProgressBar,
    on_terminal: bool,
}

impl Teller {
    fn new() -> Teller {
        let on_terminal = std::io::stdout().is_terminal();
        let bar = if on_terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("  {spinner} [{bar:24}] {pos}/{len} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Teller { told: Vec::new(), bar, on_terminal }
    }

    fn line(&self, text: &str) -> Done {
        let text = text.trim_end();
        if self.on_terminal {
            self.bar.println(text);
            return Ok(());
        }
        print(&format!("{text}\n"))
    }

    fn tell(&mut self, operation: &Value) -> Done {
        let none = Vec::new();
        let steps = operation.get("steps").and_then(Value::as_array).unwrap_or(&none);
        self.told.resize(steps.len(), (String::new(), 0));
        let ended = |step: &&Value| !matches!(at(step, "state").as_str(), Some("pending" | "acting" | "undoing"));
        self.bar.set_length(steps.len() as u64);
        self.bar.set_position(steps.iter().filter(ended).count() as u64);
        let state = |i: usize| at(&steps[i], "state").as_str().unwrap_or_default();
        let turned = |i: usize| matches!(state(i), "undoing" | "undone");
        // Where it turned back.
        let failed = (0..steps.len()).rev().find(|&i| turned(i));
        for (i, step) in steps.iter().enumerate() {
            if !turned(i) {
                self.tell_step(i, step, state(i))?;
            } else if matches!(self.told[i].0.as_str(), "" | "pending" | "acting") {
                // It ended, and began to be undone, since the last look.
                self.tell_step(i, step, if failed == Some(i) { "failed" } else { "done" })?;
            }
        }
        // Undone from the last to the first.
        for i in (0..steps.len()).rev().filter(|&i| turned(i)) {
            self.tell_step(i, &steps[i], state(i))?;
        }
        Ok(())
    }

    fn tell_step(&mut self, i: usize, step: &Value, state: &str) -> Done {
        let name = cell(at(step, "step"));
        let attempts = at(step, "attempts").as_u64().unwrap_or(0);
        let now = (state.to_owned(), attempts);
        if self.told[i] == now {
            return Ok(());
        }
        let note = [at(step, "error"), at(step, "note")].into_iter().find_map(Value::as_str);
        let note = note.map(|note| format!("  {}", cell(&note.into()))).unwrap_or_default();
        match state {
            "pending" => {}
            "acting" | "undoing" => {
                self.bar.set_message(format!("{name} …"));
                // A repeated attempt is worth a line; the first is not.
                if attempts > 1 && self.told[i].1 < attempts {
                    self.line(&format!("  … {name:20} attempt {attempts}{note}"))?;
                }
            }
            "done" => self.line(&format!("  ✓ {name:20}{note}"))?,
            "failed" => self.line(&format!("  ✗ {name:20}{note}"))?,
            "undone" => self.line(&format!("  ↶ {name:20}  undone"))?,
            other => self.line(&format!("  · {name:20} {other}{note}"))?,
        }
        self.told[i] = now;
        Ok(())
    }
}

/// Shows an operation's steps as they happen. Programs see only how it ended.
pub fn follow(client: &Client, output: Output, id: &str) -> Done<Ending> {
    let mut teller = (output == Output::Table).then(Teller::new);
    loop {
        let operation = client.get(&format!("/v1/operations/{}", escaped(id)))?;
        if let Some(teller) = &mut teller {
            teller.tell(&operation)?;
        }
        let state = at(&operation, "state").as_str().unwrap_or("unknown");
        if matches!(state, "done" | "failed" | "stuck") {
            if let Some(teller) = teller {
                teller.bar.finish_and_clear();
            }
            let error = at(&operation, "error").as_str().map(String::from);
            return Ok(Ending { state: state.to_owned(), error });
        }
        pause(Duration::from_millis(150));
    }
}

#[allow(clippy::disallowed_methods, reason = "a client waits in real time; no simulation runs it")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
