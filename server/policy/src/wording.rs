//! Texts that come from policies and go to people: terminals, logs, web pages.

/// Cuts at a character's boundary.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Replaces what could move the cursor, hide text or turn its direction around.
pub(crate) fn printable(text: &str) -> String {
    let hostile = |c: char| {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    if text.chars().any(hostile) {
        text.chars().map(|c| if hostile(c) { '\u{fffd}' } else { c }).collect()
    } else {
        text.to_owned()
    }
}

/// Lower-case words joined by "-".
pub(crate) fn is_code(text: &str, most: usize) -> bool {
    text.len() <= most
        && text
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_do_not_reach_terminals() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(printable("perché no — 上"), "perché no — 上");
        assert_eq!(cut("aè", 2), "a");
    }

    #[test]
    fn what_is_a_code() {
        for good in ["full", "too-many-vcpus", "m2"] {
            assert!(is_code(good, 64), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a b", &"x".repeat(65)] {
            assert!(!is_code(bad, 64), "{bad:?}");
        }
    }
}
