//! What is different between two archives, for people.

use std::fmt::Write as _;

use similar::TextDiff;

use crate::archive::{Found, Reading};

/// Lines of a part that are compared one by one.
const MOST_LINES: usize = 5000;

/// A part that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub content_type: String,
    pub name: String,
    pub kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    Added {
        bytes: usize,
    },
    Removed {
        bytes: usize,
    },
    /// A unified diff, without heads.
    Changed(String),
    /// The same, at another place among those that are in both: from, to.
    Moved {
        from: usize,
        to: usize,
    },
}

fn key(part: &Found, place: usize) -> (String, String) {
    let name = part.name.as_ref().map_or_else(|| format!("part-{:03}", place + 1), ToString::to_string);
    (part.content_type.to_string(), name)
}

/// In the order of the newer one; what is gone stands last.
pub fn diff(old: &Reading, new: &Reading) -> Vec<Change> {
    let mut left: Vec<Option<(usize, &Found)>> = old.parts.iter().enumerate().map(Some).collect();
    let mut changes = Vec::new();
    let mut pairs = Vec::new();
    for (place, part) in new.parts.iter().enumerate() {
        let wanted = key(part, place);
        let known = left.iter_mut().find(|known| known.is_some_and(|(at, old)| key(old, at) == wanted));
        match known.and_then(Option::take) {
            Some((at, old)) => pairs.push((at, place, old, part)),
            None => {
                let kind = ChangeKind::Added { bytes: part.body.len() };
                changes.push((place, Change { content_type: wanted.0, name: wanted.1, kind }));
            }
        }
    }
    let mut order: Vec<usize> = pairs.iter().map(|(at, ..)| *at).collect();
    order.sort_unstable();
    for (rank, (at, place, old, part)) in pairs.iter().enumerate() {
        let (content_type, name) = key(part, *place);
        if old.body != part.body {
            let kind = ChangeKind::Changed(lines(&old.body, &part.body));
            changes.push((*place, Change { content_type, name, kind }));
        } else if let Some(was) = order.iter().position(|known| known == at).filter(|was| *was != rank) {
            let kind = ChangeKind::Moved { from: was + 1, to: rank + 1 };
            changes.push((*place, Change { content_type, name, kind }));
        }
    }
    for (at, part) in left.into_iter().flatten() {
        let (content_type, name) = key(part, at);
        let kind = ChangeKind::Removed { bytes: part.body.len() };
        changes.push((new.parts.len() + at, Change { content_type, name, kind }));
    }
    changes.sort_by_key(|(place, _)| *place);
    changes.into_iter().map(|(_, change)| change).collect()
}

fn lines(old: &[u8], new: &[u8]) -> String {
    let (Ok(before), Ok(after)) = (std::str::from_utf8(old), std::str::from_utf8(new)) else {
        return format!("{} bytes became {}\n", old.len(), new.len());
    };
    if before.lines().count() > MOST_LINES || after.lines().count() > MOST_LINES {
        return format!("{} bytes became {}\n", old.len(), new.len());
    }
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(2).missing_newline_hint(false).to_string()
}

/// As text: one paragraph a part.
pub fn text(changes: &[Change]) -> String {
    let mut out = String::new();
    for change in changes {
        let Change { content_type, name, kind } = change;
        // Writing to a string does not fail.
        let _ = match kind {
            ChangeKind::Added { bytes } => writeln!(out, "added    {name} ({content_type}, {bytes} bytes)"),
            ChangeKind::Removed { bytes } => writeln!(out, "removed  {name} ({content_type}, {bytes} bytes)"),
            ChangeKind::Moved { from, to } => {
                writeln!(out, "moved    {name} ({content_type}) from place {from} to {to}")
            }
            ChangeKind::Changed(diff) => write!(out, "changed  {name} ({content_type})\n{diff}"),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{Limits, read};

    fn reading(text: &str) -> Reading {
        read(format!("#cloud-config-archive\n{text}").as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn what_is_different() {
        let old = reading(
            "- {filename: a, content: \"#!/bin/sh\\nls\\n\"}\n- {filename: b, content: 'b: 1'}\n- {filename: c, content: 'c: 1'}\n",
        );
        let new = reading(
            "- {filename: c, content: 'c: 1'}\n- {filename: a, content: \"#!/bin/sh\\nls -l\\n\"}\n- {filename: d, content: 'd: 1'}\n",
        );
        insta::assert_snapshot!(text(&diff(&old, &new)), @r"
        moved    c (text/cloud-config) from place 2 to 1
        changed  a (text/x-shellscript)
        @@ -1,2 +1,2 @@
         #!/bin/sh
        -ls
        +ls -l
        added    d (text/cloud-config, 4 bytes)
        removed  b (text/cloud-config, 4 bytes)
        ");
        assert!(diff(&new, &new).is_empty());
    }
}
