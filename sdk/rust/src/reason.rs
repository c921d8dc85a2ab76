//! Reasons and failures: a stable code for programs and a sentence for people.

use crate::{Failure, Reason, Severity};

/// Longest text that the server keeps.
const MAX_TEXT: usize = 500;

impl Reason {
    /// `code` is lower-case words joined by "-"; `text` is one sentence. Text beyond 500 bytes is
    /// cut, since the server would otherwise reject the whole answer.
    pub fn new(severity: Severity, code: &str, text: impl Into<String>) -> Self {
        Self { severity, code: code.to_owned(), text: shortened(text.into()) }
    }

    /// Worth knowing.
    pub fn info(code: &str, text: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, text)
    }

    /// Allowed, but somebody should look.
    pub fn warning(code: &str, text: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, text)
    }

    /// Why not.
    pub fn denial(code: &str, text: impl Into<String>) -> Self {
        Self::new(Severity::Denial, code, text)
    }
}

impl Failure {
    /// For a policy that cannot form an answer; the binding's fallback then applies. A policy that
    /// means no should deny instead.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Self { code: code.to_owned(), text: shortened(text.into()) }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT - "…".len()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        let reason = Reason::info("long", "é".repeat(400));
        assert!(reason.text.len() <= MAX_TEXT);
        assert!(reason.text.ends_with("é…"));
    }
}
