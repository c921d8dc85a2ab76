//! What comes back, as tables for people or as JSON for programs.

use std::io::Write;

use serde_json::Value;

use super::http::{Done, Failure};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Table,
    Json,
}

impl Output {
    /// A list, of which people see these columns: (heading, path with dots).
    pub fn list(self, items: &[Value], columns: &[(&str, &str)]) -> Done {
        match self {
            Output::Json => self.json(&Value::Array(items.to_vec())),
            Output::Table if items.is_empty() => print("none\n"),
            Output::Table => print(&table(&in_order(items, columns), columns)),
        }
    }

    /// One thing.
    pub fn thing(self, thing: &Value) -> Done {
        match self {
            Output::Json => self.json(thing),
            Output::Table => {
                let mut text = String::new();
                outline(thing, 0, &mut text);
                print(&text)
            }
        }
    }

    /// A sentence for people; the answer itself for programs.
    pub fn said(self, sentence: &str, answer: &Value) -> Done {
        match self {
            Output::Json => self.json(answer),
            Output::Table => print(&format!("{sentence}\n")),
        }
    }

    fn json(self, value: &Value) -> Done {
        print(&format!("{value:#}\n"))
    }
}

/// A reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) -> Done {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::Fault(format!("cannot write: {error}"))),
    }
}

/// The server lists by id, which says nothing to people: what is known by its name goes by name, the
/// rest by age.
fn in_order(items: &[Value], columns: &[(&str, &str)]) -> Vec<Value> {
    let mut items = items.to_vec();
    let text = |item: &Value, key| at(item, key).as_str().unwrap_or_default().to_owned();
    if columns.first().is_some_and(|(heading, _)| *heading == "name") {
        items.sort_by_key(|item| text(item, "name"));
    } else if items.iter().all(|item| item.get("created").is_some()) {
        items.sort_by_key(|item| (text(item, "created"), text(item, "name")));
    }
    items
}

fn table(items: &[Value], columns: &[(&str, &str)]) -> String {
    let mut rows: Vec<Vec<String>> = vec![columns.iter().map(|(heading, _)| heading.to_uppercase()).collect()];
    rows.extend(items.iter().map(|item| columns.iter().map(|(_, path)| cell(at(item, path))).collect()));
    let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What is at a path such as `size.vcpus`.
pub fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// A value in one line.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => visible(text),
        Value::Array(all) if all.is_empty() => "-".into(),
        Value::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| format!("{key}={}", cell(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Others' text may not steer the reader's terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Fields one a line, nested ones indented.
fn outline(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            let width = fields.keys().map(|key| key.len()).max().unwrap_or(0);
            for (key, value) in fields {
                if is_simple(value) {
                    text.push_str(&format!("{indent}{key:width$}  {}\n", cell(value)));
                } else {
                    text.push_str(&format!("{indent}{key}\n"));
                    outline(value, depth + 1, text);
                }
            }
        }
        Value::Array(all) => {
            for value in all {
                if is_simple(value) || depth > 1 {
                    text.push_str(&format!("{indent}- {}\n", cell(value)));
                } else {
                    text.push_str(&format!("{indent}-\n"));
                    outline(value, depth + 1, text);
                }
            }
        }
        other => text.push_str(&format!("{indent}{}\n", cell(other))),
    }
}

/// Fits on the line of its key.
fn is_simple(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(all) => all.iter().all(|value| !value.is_object() && !value.is_array()) && cell(value).len() < 80,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_line_up() {
        let items = [json!({"id": "a", "size": {"vcpus": 4}}), json!({"id": "longer"})];
        let text = table(&items, &[("id", "id"), ("vcpus", "size.vcpus")]);
        assert_eq!(text, "ID      VCPUS\na       4\nlonger  -\n");
    }

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        assert!(!cell(&json!("\u{1b}[2J")).contains('\u{1b}'));
    }
}
