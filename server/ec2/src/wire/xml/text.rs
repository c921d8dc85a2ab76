//! Text between tags.

/// An element with text in it.
pub fn element(out: &mut String, name: &str, text: &str) {
    if text.is_empty() {
        out.extend(["<", name, "/>"]);
        return;
    }
    out.extend(["<", name, ">"]);
    escape(out, text);
    out.extend(["</", name, ">"]);
}

/// Text between tags; XML 1.0 has no way to write most control characters, so they are dropped.
pub fn escape(out: &mut String, text: &str) {
    let mut plain = 0;
    // All that matters is ASCII or begins with 0xEF, so bytes will do.
    for (place, byte) in text.bytes().enumerate() {
        let (instead, length) = match byte {
            b'&' => ("&amp;", 1),
            b'<' => ("&lt;", 1),
            b'>' => ("&gt;", 1),
            // As it is, readers would take it for a line feed.
            b'\r' => ("&#13;", 1),
            b'\t' | b'\n' => continue,
            0..0x20 => ("", 1),
            // U+FFFE and U+FFFF.
            0xEF if matches!(text.as_bytes()[place..], [_, 0xBF, 0xBE | 0xBF, ..]) => ("", 3),
            _ => continue,
        };
        out.push_str(&text[plain..place]);
        out.push_str(instead);
        plain = place + length;
    }
    out.push_str(&text[plain..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape(&mut out, text);
        out
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\"'è'"), "a&lt;b&gt;&amp;\"c\"'è'");
        assert_eq!(escaped("]]>"), "]]&gt;");
        assert_eq!(escaped("a\r\n\tb"), "a&#13;\n\tb");
    }

    #[test]
    fn what_xml_cannot_hold_is_dropped() {
        assert_eq!(escaped("a\0b\x1b[1mc\x08\u{fffe}d\u{ffff}"), "ab[1mcd");
        // Their neighbours stay.
        assert_eq!(escaped("\u{fffd}\u{ff5e}\u{feff}\u{10ffff}\x7f"), "\u{fffd}\u{ff5e}\u{feff}\u{10ffff}\x7f");
    }
}
