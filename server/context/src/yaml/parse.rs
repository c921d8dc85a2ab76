use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{Kind, Node, Scalar, Value, YamlError};

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub bytes: usize,
    pub depth: usize,
    /// Values and keys, with aliases written out.
    pub nodes: usize,
    /// Bytes of text, with aliases written out.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: 1 << 20, depth: 32, nodes: 50_000, text: 4 << 20 }
    }
}

/// A map or list that is not closed yet.
struct Open {
    line: usize,
    anchor: usize,
    map: bool,
    items: Vec<Node>,
}

/// What an anchor stands for, with its weight.
struct Anchored {
    node: Node,
    nodes: usize,
    text: usize,
}

struct Builder {
    limits: Limits,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    text: usize,
    root: Option<Node>,
}

/// One document; an empty one is nothing.
///
/// # Errors
///
/// What is no YAML, or is more than the limits.
pub fn parse(text: &str, limits: &Limits) -> Result<Node, YamlError> {
    if text.len() > limits.bytes {
        return Err(YamlError::TooLong { given: text.len(), most: limits.bytes });
    }
    let mut builder =
        Builder { limits: *limits, open: Vec::new(), anchors: HashMap::new(), nodes: 0, text: 0, root: None };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| YamlError::Syntax {
            line: error.marker().line(),
            // The parser's own words are about its insides; they are short, and name no content.
            said: error.info().chars().take(200).collect(),
        })?;
        builder.take(event, span.start.line())?;
    }
    Ok(builder.root.unwrap_or_else(|| Node::plain("")))
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), YamlError> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) if self.root.is_some() => Err(YamlError::Documents { line }),
            Event::DocumentStart(_) => Ok(()),
            Event::SequenceStart(anchor, tag) => self.begin(line, anchor, false, tag.as_deref()),
            Event::MappingStart(anchor, tag) => self.begin(line, anchor, true, tag.as_deref()),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = if open.map { map(open.items)? } else { Value::List(open.items) };
                self.end(Node { line: open.line, value }, open.anchor)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let kind = kind(style, tag.as_deref(), line)?;
                self.count(1, text.len(), line)?;
                let value = Value::Scalar(Scalar { text: text.into_owned(), kind });
                self.end(Node { line, value }, anchor)
            }
            Event::Alias(anchor) => {
                let (nodes, text) = match self.anchors.get(&anchor) {
                    Some(anchored) => (anchored.nodes, anchored.text),
                    None => return Err(YamlError::Alias { line }),
                };
                // Before it is copied.
                self.count(nodes, text, line)?;
                let Some(anchored) = self.anchors.get(&anchor) else { return Err(YamlError::Alias { line }) };
                let node = anchored.node.clone();
                if self.open.len() + depth(&node) > self.limits.depth {
                    return Err(YamlError::TooDeep { line, most: self.limits.depth });
                }
                self.end(node, 0)
            }
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, map: bool, tag: Option<&Tag>) -> Result<(), YamlError> {
        if let Some(tag) = tag {
            let fits = tag.is_yaml_core_schema() && tag.suffix == if map { "map" } else { "seq" };
            if !fits {
                return Err(unknown(tag, line));
            }
        }
        if self.open.len() >= self.limits.depth {
            return Err(YamlError::TooDeep { line, most: self.limits.depth });
        }
        self.count(1, 0, line)?;
        self.open.push(Open { line, anchor, map, items: Vec::new() });
        Ok(())
    }

    fn count(&mut self, nodes: usize, text: usize, line: usize) -> Result<(), YamlError> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.text = self.text.saturating_add(text);
        if self.nodes > self.limits.nodes || self.text > self.limits.text {
            return Err(YamlError::TooMany { line, most: self.limits.nodes });
        }
        Ok(())
    }

    fn end(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        if anchor != 0 {
            let (nodes, text) = weight(&node);
            // A copy is kept: it weighs too.
            self.count(nodes, text, node.line)?;
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, text });
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

fn unknown(tag: &Tag, line: usize) -> YamlError {
    YamlError::Tag { line, tag: tag.to_string().chars().take(80).collect() }
}

fn kind(style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Kind, YamlError> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { Kind::Plain } else { Kind::Text });
    };
    match (tag.is_yaml_core_schema(), tag.suffix.as_str()) {
        (true, "str") => Ok(Kind::Text),
        (true, "int" | "bool" | "float" | "null") => Ok(Kind::Plain),
        (true, "binary") => Ok(Kind::Binary),
        _ => Err(unknown(tag, line)),
    }
}

/// Keys and values in turns. `<<` is taken in, as its meaning is the reader's business nowhere else.
fn map(items: Vec<Node>) -> Result<Value, YamlError> {
    let mut entries: Vec<(Scalar, Node)> = Vec::with_capacity(items.len() / 2);
    let mut merged = Vec::new();
    let mut seen = HashSet::new();
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        let line = key.line;
        let Value::Scalar(key) = key.value else { return Err(YamlError::Key { line }) };
        if key.kind == Kind::Plain && key.text == "<<" {
            let line = value.line;
            match value.value {
                Value::Map(others) => merged.extend(others),
                Value::List(maps) => {
                    for other in maps {
                        let Value::Map(others) = other.value else { return Err(YamlError::Merge { line }) };
                        merged.extend(others);
                    }
                }
                Value::Scalar(_) => return Err(YamlError::Merge { line }),
            }
            continue;
        }
        if !seen.insert(key.text.clone()) {
            return Err(YamlError::Twice { line, key: key.text.chars().take(80).collect() });
        }
        entries.push((key, value));
    }
    entries.extend(merged.into_iter().filter(|(key, _)| seen.insert(key.text.clone())));
    Ok(Value::Map(entries))
}

fn weight(node: &Node) -> (usize, usize) {
    let sum = |(nodes, text): (usize, usize), more: (usize, usize)| (nodes + more.0, text + more.1);
    match &node.value {
        Value::Scalar(scalar) => (1, scalar.text.len()),
        Value::List(items) => items.iter().map(weight).fold((1, 0), sum),
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| sum((1, key.text.len()), weight(value))).fold((1, 0), sum)
        }
    }
}

fn depth(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar(_) => return 0,
        Value::List(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => entries.iter().map(|(_, value)| depth(value)).max().unwrap_or(0),
    }
}
