//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;

use cascina_core::policy::{Digest, Hook};

/// The sandbox itself cannot work: a matter for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error(
        "the policy sandbox cannot start: {0}; it needs an x86-64 or aarch64 machine and address space for its instances (check `ulimit -v`)"
    )]
    Engine(String),
    #[error(
        "policy cache {path}: {source}; give the server a folder of its own that only it can write, or configure none"
    )]
    Cache { path: PathBuf, source: io::Error },
    #[error("policy cache {path} can be written by others; run `chmod 700` on it and make the server's user its owner")]
    CacheExposed { path: PathBuf },
    #[error("policy {digest} cannot be compiled: {error}")]
    Compile { digest: Digest, error: String },
    #[error(
        "policy {digest} is not what it was when it was checked: {error}; restore the database from a backup, or upload the policy again"
    )]
    Damaged { digest: Digest, error: String },
}

/// A component is refused. The texts are for its author.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error(
        "the component has {size} bytes; at most {most} are allowed (build with optimisation for size, and strip it; an interpreter says in its manifest how much memory it needs, as `cascina policy build` writes it)"
    )]
    TooLarge { size: usize, most: usize },
    #[error(
        "this is a core WebAssembly module, not a component; wrap it with `wasm-tools component new`, or build it with the SDK"
    )]
    CoreModule,
    #[error("this is not a WebAssembly component: {0}")]
    NotAComponent(String),
    #[error("the component has {what}, which is more than the {most} allowed")]
    TooMuch { what: String, most: u64 },
    #[error(
        "the component imports `{0}`; a policy may import nothing but `cascina:policy/log` and `cascina:policy/types` (build for a target without WASI, or stub WASI out)"
    )]
    Import(String),
    #[error("the component does not export `cascina:policy/metadata@1.0.0`; every policy describes itself there")]
    NoMetadata,
    #[error("the component exports none of the hooks that this server knows: {known}")]
    NoHook { known: String },
    #[error(
        "the component's `{export}` is not as the contract wants it: {error}; rebuild it against cascina:policy@1.0.0"
    )]
    WrongType { export: String, error: String },
    #[error("the component's manifest: {0}")]
    Manifest(String),
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    #[error("the component cannot describe itself: {0}")]
    Describe(String),
    #[error("the policy's {hook} hook failed a trial on generated input ({input}): {error}")]
    Trial { hook: Hook, input: String, error: String },
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// One thing that is wrong with a binding's settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{text}", .pointer, if .pointer.is_empty() { "" } else { ": " })]
pub struct SettingsComplaint {
    /// JSON pointer into the settings; empty for the document as a whole.
    pub pointer: String,
    pub text: String,
}

/// One evaluation failed. The text goes into the decision's record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EvaluationError {
    #[error("it used up its {0} of fuel without an answer")]
    Fuel(u64),
    #[error("it ran for more than {0} ms of processor time without an answer")]
    Deadline(u64),
    #[error("it asked for more than {0} MiB of memory")]
    Memory(usize),
    #[error("it asked for a table of more than {0} elements")]
    Table(usize),
    #[error("it recursed deeper than its stack of {0} KiB")]
    Stack(usize),
    #[error("its answer has more than {0} bytes")]
    Answer(usize),
    #[error("it trapped: {0}")]
    Trap(String),
    #[error("it answered nonsense: {0}")]
    Nonsense(String),
    /// The policy said so itself, within the contract.
    #[error("it could not form an answer: {code}: {text}")]
    Declared { code: String, text: String },
    #[error("its component {0} is not loaded")]
    NotLoaded(Digest),
    #[error("its component does not implement the {0} hook")]
    NoHook(Hook),
}

impl EvaluationError {
    /// Does it speak against the policy, so that repeating it leads to quarantine?
    pub fn is_misbehaviour(&self) -> bool {
        !matches!(self, EvaluationError::Declared { .. } | EvaluationError::NotLoaded(_) | EvaluationError::NoHook(_))
    }

    pub fn nonsense(text: impl Into<String>) -> EvaluationError {
        EvaluationError::Nonsense(text.into())
    }
}
