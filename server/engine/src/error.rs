//! What can come back instead of an outcome.

use cascina_core::refusal::Refusal;

/// Our trouble, not the caller's.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    #[error("the server is overloaded or stopping; try again in a moment ({0})")]
    Unavailable(String),
    /// A commit failed: disk full, or worse. Nothing was changed.
    #[error("the change could not be stored, and nothing was changed: {0}")]
    Store(String),
    /// At start: the database is another server's, damaged, or of another version.
    #[error("the database cannot be used: {0}")]
    Unreadable(String),
    #[error("internal error: {0}")]
    Internal(String),
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Refusal(#[from] Refusal),
    #[error(transparent)]
    Fault(#[from] Fault),
}
