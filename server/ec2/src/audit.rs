//! Calls on their way into the books: changes one by one, looks counted.

use std::collections::HashMap;
use std::time::Duration;

use cascina_core::audit::Calls;
use cascina_core::command::Command;
use cascina_core::id::AccessKeyId;
use cascina_core::principal::Principal;
use cascina_core::units::Timestamp;
use cascina_engine::{Engine, Request};
use parking_lot::Mutex;

/// How often lines are written.
pub const EVERY: Duration = Duration::from_secs(10);
/// Lines that wait at the same time. What comes on top is only counted.
const WAITING: usize = 10_000;
/// Of these, lines of callers that nobody knows: who tries many keys does not fill the books.
const UNKNOWN: usize = 100;
const EDGE: &str = "ec2";

/// One call.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// None: nobody that is known.
    pub key: Option<AccessKeyId>,
    /// The key as it was sent, or its holder's name.
    pub actor: &'a str,
    pub action: &'a str,
    /// `ok`, or the error's code.
    pub result: &'static str,
    pub request_id: &'a str,
    pub at: Timestamp,
    /// Whether it is told apart from others like it.
    pub alone: bool,
}

#[derive(Default)]
struct Waiting {
    alone: Vec<Calls>,
    alike: HashMap<(Option<AccessKeyId>, String, String, &'static str), Calls>,
    /// Among `alike`.
    unknown: usize,
    lost: u64,
}

#[derive(Default)]
pub struct Audit(Mutex<Waiting>);

impl Audit {
    pub fn record(&self, line: Line<'_>) {
        let mut waiting = self.0.lock();
        let Waiting { alone, alike, unknown, lost } = &mut *waiting;
        let full = alone.len() + alike.len() >= WAITING;
        let calls = Calls {
            key: line.key,
            actor: line.actor.to_owned(),
            edge: EDGE,
            action: line.action.to_owned(),
            result: line.result.to_owned(),
            request: line.request_id.to_owned(),
            count: 1,
            last: line.at,
        };
        if line.alone {
            if full {
                *lost += 1
            } else {
                alone.push(calls)
            }
            return;
        }
        let name = (line.key, calls.actor.clone(), calls.action.clone(), line.result);
        if let Some(known) = alike.get_mut(&name) {
            known.count += 1;
            known.last = known.last.max(line.at);
            known.request = calls.request;
        } else if full || (line.key.is_none() && *unknown >= UNKNOWN) {
            *lost += 1;
        } else {
            *unknown += usize::from(line.key.is_none());
            alike.insert(name, calls);
        }
    }

    /// Everything that waits, in the order in which it happened.
    fn take(&self) -> Vec<Calls> {
        let Waiting { alone, alike, lost, .. } = std::mem::take(&mut *self.0.lock());
        if lost > 0 {
            tracing::warn!(lost, "more calls came than could be written into the books");
        }
        let mut lines = alone;
        lines.extend(alike.into_values());
        lines.sort_by_key(|line| line.last);
        lines
    }

    /// Writes what waits. What cannot be written is told to the operator and gone.
    pub async fn write(&self, engine: &Engine) {
        let lines = self.take();
        if lines.is_empty() {
            return;
        }
        let count = lines.len();
        let command = Command::RecordCalls(lines);
        let request = Request { principal: Principal::system(), command, idempotency: None };
        if let Err(error) = engine.submit(request).await {
            tracing::warn!(%error, count, "calls could not be written into the books");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: Option<u64>, actor: &str, alone: bool, at: u64) -> Line<'_> {
        let (key, at) = (key.map(AccessKeyId), Timestamp(at));
        Line { key, actor, action: "DescribeRegions", result: "ok", request_id: "r", at, alone }
    }

    #[test]
    fn looks_are_counted_and_changes_are_not() {
        let audit = Audit::default();
        for at in 1..=5 {
            audit.record(line(Some(1), "alice", false, at));
            audit.record(line(Some(1), "alice", true, at));
        }
        audit.record(line(Some(2), "bob", false, 6));
        let lines = audit.take();
        let counts: Vec<_> = lines.iter().map(|line| line.count).collect();
        assert_eq!(counts, [1, 1, 1, 1, 1, 5, 1]);
        assert!(audit.take().is_empty());
    }

    #[test]
    fn strangers_do_not_fill_the_books() {
        let audit = Audit::default();
        let actors: Vec<_> = (0..20_000).map(|number| number.to_string()).collect();
        for actor in &actors {
            audit.record(line(None, actor, false, 1));
        }
        audit.record(line(Some(1), "alice", false, 2));
        assert_eq!(audit.take().len(), UNKNOWN + 1);
        for _ in 0..WAITING + 5 {
            audit.record(line(Some(1), "alice", true, 1));
        }
        assert_eq!(audit.take().len(), WAITING);
    }
}
