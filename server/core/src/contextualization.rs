//! Whether a guest became what it was to become: what is expected of it, and what it said of itself.

use serde::{Deserialize, Serialize};

use crate::id::{FarmId, InstanceId};
use crate::units::Timestamp;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContextState {
    /// It has not said anything yet.
    Awaited,
    Contextualized,
    /// All that was asked for is there, and its cloud-init had to warn.
    Degraded,
    /// Something that was asked for is not there, or it said nothing in time.
    Failed,
}

impl ContextState {
    pub fn as_str(self) -> &'static str {
        match self {
            ContextState::Awaited => "awaited",
            ContextState::Contextualized => "contextualized",
            ContextState::Degraded => "degraded",
            ContextState::Failed => "failed",
        }
    }
}

/// What becomes of an instance that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It stays, so that somebody can look.
    #[default]
    Keep,
    ShutDown,
    /// It is terminated, and another is run in its place; if that fails too, it is shut down.
    ReplaceOnce,
}

impl OnFailure {
    pub fn as_str(self) -> &'static str {
        match self {
            OnFailure::Keep => "keep",
            OnFailure::ShutDown => "shut-down",
            OnFailure::ReplaceOnce => "replace-once",
        }
    }
}

/// What a guest says of itself. It is a stranger's text: bounded, and without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub state: ContextState,
    pub handlers: Vec<HandlerReport>,
    /// Scripts that failed.
    #[serde(default)]
    pub scripts: Vec<String>,
    /// What its cloud-init warned of.
    #[serde(default)]
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlerReport {
    pub block: String,
    pub outcome: HandlerOutcome,
    #[serde(default)]
    pub errors: Vec<String>,
    /// Milliseconds that it took.
    #[serde(default)]
    pub took: Option<u64>,
    /// The end of its log.
    #[serde(default)]
    pub log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HandlerOutcome {
    Ok,
    Failed,
    /// It never ran.
    Missing,
}

impl HandlerOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            HandlerOutcome::Ok => "ok",
            HandlerOutcome::Failed => "failed",
            HandlerOutcome::Missing => "missing",
        }
    }
}

impl Report {
    /// For people: what failed, in a line.
    pub fn failed(&self) -> Vec<String> {
        let handlers = self.handlers.iter().filter(|handler| handler.outcome != HandlerOutcome::Ok).map(|handler| {
            match handler.errors.first() {
                Some(error) => format!("{}: {error}", handler.block),
                None => handler.block.clone(),
            }
        });
        handlers.chain(self.scripts.iter().map(|name| format!("script {name}"))).collect()
    }
}

/// What is expected of an instance, and what came. A row of its own, since few instances have one, and
/// logs are long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contextualization {
    pub instance: InstanceId,
    pub farm: FarmId,
    pub state: ContextState,
    pub on_failure: OnFailure,
    /// Silence until then is failure. None: it has not started yet.
    pub deadline: Option<Timestamp>,
    /// Why it is in this state, for people.
    pub reason: Option<String>,
    pub report: Option<Report>,
    /// The one that it was run in place of.
    pub replaces: Option<InstanceId>,
    pub updated: Timestamp,
}
