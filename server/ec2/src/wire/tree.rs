//! Parameters as the structure that their dotted names describe.

use super::error::{ParamError, short};

/// Names have no more parts than this; EC2's own have seven at most.
const DEPTH: usize = 12;
/// Lists are numbered with at most so many digits.
const DIGITS: usize = 9;

/// A parameter, or what the parameters with a common beginning have in common. It may be a value and
/// have parts; whether that makes sense is for those to say who know what it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    pub(crate) value: Option<String>,
    /// By name, those of a list by number.
    pub(crate) parts: Vec<(Part, Tree)>,
}

/// A name between dots. Numbers sort before names, and as numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Number(u32, String),
    Name(String),
}

impl Part {
    fn new(text: &str) -> Part {
        // Some count from nought, and some put noughts before.
        let number = text.len() <= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(value) if number => Part::Number(value, text.into()),
            _ => Part::Name(text.into()),
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Part::Number(_, text) | Part::Name(text) => text,
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Part::Number(..))
    }
}

impl Tree {
    /// Takes names at their dots apart. Names must differ from each other.
    pub(crate) fn grow<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Tree, ParamError> {
        let mut rows = Vec::new();
        for (name, value) in pairs {
            let parts: Vec<&str> = name.split('.').collect();
            if parts.len() > DEPTH || parts.iter().any(|part| part.is_empty()) {
                return Err(ParamError::Unknown(short(name)));
            }
            rows.push((parts.into_iter().map(Part::new).collect::<Vec<_>>(), value));
        }
        // Sorted, parameters with the same beginning are neighbours.
        rows.sort();
        Ok(branch(&mut rows, 0))
    }

    /// Names of the outermost parameters, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.parts.iter().map(|(part, _)| part.text()).collect()
    }

    /// Whether it is an empty value, and nothing more.
    pub fn is_empty_value(&self) -> bool {
        self.parts.is_empty() && self.value.as_deref() == Some("")
    }

    /// Takes a parameter out, with all its parts.
    pub fn take(&mut self, name: &str) -> Option<Tree> {
        let place = self.parts.iter().position(|(part, _)| part.text() == name)?;
        Some(self.parts.remove(place).1)
    }

    /// The rest of the name of the first parameter in here, for messages: empty for a value.
    pub(crate) fn first(&self) -> String {
        let mut name = String::new();
        let mut tree = self;
        while let (None, Some((part, below))) = (&tree.value, tree.parts.first()) {
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(part.text());
            tree = below;
        }
        name
    }
}

/// The rows that agree in their first `depth` parts, as a tree. Depth is bounded by `DEPTH`.
fn branch(rows: &mut [(Vec<Part>, &str)], depth: usize) -> Tree {
    let mut tree = Tree::default();
    let mut rest = rows;
    // The one without further parts sorts first.
    while let Some((parts, value)) = rest.first()
        && parts.len() == depth
    {
        tree.value = Some((*value).to_owned());
        rest = &mut rest[1..];
    }
    while let Some((parts, _)) = rest.first() {
        let part = parts[depth].clone();
        let end = rest.iter().position(|(parts, _)| parts[depth] != part).unwrap_or(rest.len());
        let (same, others) = rest.split_at_mut(end);
        tree.parts.push((part, branch(same, depth + 1)));
        rest = others;
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(pairs: &[(&str, &str)]) -> Result<Tree, ParamError> {
        Tree::grow(pairs.iter().copied())
    }

    #[test]
    fn numbers_sort_as_numbers() {
        let tree = tree(&[("Id.10", "c"), ("Id.9", "b"), ("Id.1", "a"), ("Id.x", "d"), ("Id.01", "e")]).unwrap();
        let (_, list) = &tree.parts[0];
        let names: Vec<_> = list.parts.iter().map(|(part, _)| part.text()).collect();
        assert_eq!(names, ["01", "1", "9", "10", "x"]);
        assert!(!list.parts[4].0.is_number());
    }

    #[test]
    fn values_and_parts() {
        let mut tree = tree(&[("A.B.C", "2"), ("A", "1"), ("A.B", "3"), ("Z", "4")]).unwrap();
        assert_eq!(tree.names(), ["A", "Z"]);
        let a = tree.take("A").unwrap();
        assert_eq!((a.value.as_deref(), a.first().as_str()), (Some("1"), ""));
        assert_eq!(a.parts[0].1.parts[0].1.value.as_deref(), Some("2"));
        assert!(tree.take("A").is_none());
        assert_eq!(tree.first(), "Z");
    }

    #[test]
    fn names_that_cannot_be() {
        let deep = ["A"; 13].join(".");
        for wrong in [".", "A.", ".A", "A..B", &deep] {
            assert_eq!(tree(&[(wrong, "")]), Err(ParamError::Unknown(wrong.into())));
        }
        // Far-apart numbers cost nothing.
        assert_eq!(tree(&[("A.999999999", ""), ("A.1", "")]).unwrap().parts[0].1.parts.len(), 2);
    }
}
