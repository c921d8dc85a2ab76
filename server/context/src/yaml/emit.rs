use std::fmt::Write as _;

use super::{Kind, Node, Scalar, Value};

/// A document with one key, as a configuration block is written.
pub fn document(key: &str, node: &Node) -> String {
    emit(&Node::new(Value::Map(vec![(Scalar::plain(key), node.clone())])))
}

/// In blocks, with two spaces; ends with a line feed. Reading it again gives the same tree.
pub fn emit(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => map(&mut out, entries, 0),
        Value::List(items) if !items.is_empty() => list(&mut out, items, 0),
        _ => {
            inline(&mut out, node);
            out.push('\n');
        }
    }
    out
}

fn pad(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn map(out: &mut String, entries: &[(Scalar, Node)], depth: usize) {
    for (place, (key, node)) in entries.iter().enumerate() {
        // The first key of a map in a list stands behind its dash.
        if place > 0 || !out.ends_with("- ") {
            pad(out, depth);
        }
        scalar(out, key);
        out.push(':');
        match &node.value {
            Value::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                map(out, inner, depth + 1);
            }
            Value::List(items) if !items.is_empty() => {
                out.push('\n');
                list(out, items, depth + 1);
            }
            Value::Scalar(text) if as_block(text) => {
                out.push(' ');
                block(out, &text.text, depth + 1);
            }
            _ => {
                out.push(' ');
                inline(out, node);
                out.push('\n');
            }
        }
    }
}

fn list(out: &mut String, items: &[Node], depth: usize) {
    for item in items {
        pad(out, depth);
        out.push_str("- ");
        match &item.value {
            Value::Map(entries) if !entries.is_empty() => map(out, entries, depth + 1),
            Value::List(inner) if !inner.is_empty() => {
                out.truncate(out.len() - 1);
                out.push('\n');
                list(out, inner, depth + 1);
            }
            Value::Scalar(text) if as_block(text) => block(out, &text.text, depth + 1),
            _ => {
                inline(out, item);
                out.push('\n');
            }
        }
    }
}

fn inline(out: &mut String, node: &Node) {
    match &node.value {
        Value::Scalar(text) => scalar(out, text),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

fn scalar(out: &mut String, scalar: &Scalar) {
    match scalar.kind {
        Kind::Plain if scalar.text.is_empty() => out.push_str("null"),
        Kind::Plain if plain(&scalar.text) => out.push_str(&scalar.text),
        // A plain scalar that needs quotes is a text to any reader: no number or boolean has such letters.
        Kind::Plain | Kind::Text => quoted(out, &scalar.text),
        Kind::Binary => {
            out.push_str("!!binary ");
            quoted(out, &scalar.text);
        }
    }
}

/// Whether it can stand without quotes anywhere.
fn plain(text: &str) -> bool {
    let mut letters = text.chars();
    let first = letters.next().is_some_and(|letter| {
        letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '_' | '+' | '~' | '<' | '=' | '-')
    });
    let marks = matches!(text, "-" | "---" | "...") || text.starts_with("- ");
    let rest = letters.all(|letter| {
        letter.is_ascii_alphanumeric()
            || matches!(letter, '/' | '.' | '_' | '+' | '-' | '~' | '<' | '=' | '@' | '%' | ' ' | ':')
    });
    first && rest && !marks && !text.ends_with([' ', ':']) && !text.contains(": ")
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(letter),
            // Beyond the basic plane there is no short form.
            _ if u32::from(letter) > 0xffff => {
                let _ = write!(out, "\\U{:08X}", u32::from(letter));
            }
            _ => {
                let _ = write!(out, "\\u{:04X}", u32::from(letter));
            }
        }
    }
    out.push('"');
}

/// Texts of more lines are legible as blocks, where nothing in them has a meaning of its own.
fn as_block(scalar: &Scalar) -> bool {
    let text = &scalar.text;
    scalar.kind == Kind::Text
        && text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text
            .chars()
            .all(|letter| matches!(letter, '\n' | ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{2030}'..='\u{d7ff}'))
        && text.lines().all(|line| line.is_empty() || !line.trim().is_empty())
}

fn block(out: &mut String, text: &str, depth: usize) {
    let body = text.trim_end_matches('\n');
    let ends = text.len() - body.len();
    out.push_str(match ends {
        0 => "|-\n",
        1 => "|\n",
        _ => "|+\n",
    });
    for line in body.split('\n') {
        if !line.is_empty() {
            pad(out, depth);
            out.push_str(line);
        }
        out.push('\n');
    }
    for _ in 1..ends {
        out.push('\n');
    }
}
