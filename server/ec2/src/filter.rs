//! Filters of Describe actions: values of one are alternatives, several must all be met.

mod pattern;

use std::borrow::Cow;

use serde::Deserialize;

use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;
use pattern::Pattern;

/// As Amazon has it, over all filters of a request.
const MOST_VALUES: usize = 200;

/// `Filter.1.Name=…&Filter.1.Value.1=…`, as a field `filter: Vec<Filter>` of a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Filter {
    pub name: String,
    #[serde(default)]
    pub value: Vec<String>,
}

/// What a row has of something: one value, several, or none.
pub type Values<'a> = Vec<Cow<'a, str>>;

/// A filter's name, and what of a row it looks at.
pub type Column<R> = (&'static str, for<'a> fn(&'a R) -> Values<'a>);

/// A row's tags.
pub type Tags<R> = for<'a> fn(&'a R) -> Vec<(&'a str, &'a str)>;

/// What can be asked of the rows of a Describe action: its own columns, and tags if it has them.
pub struct Columns<'t, R> {
    pub columns: &'t [Column<R>],
    pub tags: Option<Tags<R>>,
}

enum Test<R> {
    Column(for<'a> fn(&'a R) -> Values<'a>),
    /// `tag:Name`
    Tag(Tags<R>, String),
    /// `tag-key`
    TagKeys(Tags<R>),
    /// `tag-value`
    TagValues(Tags<R>),
}

/// The filters of a request, ready for rows.
pub struct Filters<R>(Vec<(Test<R>, Vec<Pattern>)>);

impl<R> Filters<R> {
    /// # Errors
    ///
    /// `InvalidParameterValue` for a name that is not among the columns, `MissingParameter` for a filter
    /// without values, `FilterLimitExceeded` for more than 200 values.
    pub fn new(given: &[Filter], table: &Columns<'_, R>) -> Result<Filters<R>, Fault> {
        if given.iter().map(|filter| filter.value.len()).sum::<usize>() > MOST_VALUES {
            return Err(Code::FilterLimitExceeded
                .fault(format!("The maximum number of filter values specified on a single call is {MOST_VALUES}")));
        }
        let mut filters = Vec::with_capacity(given.len());
        for filter in given {
            let test = table.test(&filter.name).ok_or_else(|| {
                Code::InvalidParameterValue.fault(format!("The filter '{}' is invalid", short(&filter.name)))
            })?;
            if filter.value.is_empty() {
                return Err(Fault::missing("Filter.Value"));
            }
            filters.push((test, filter.value.iter().map(|value| Pattern::new(value)).collect()));
        }
        Ok(Filters(filters))
    }

    /// Whether a row meets them all.
    pub fn accept(&self, row: &R) -> bool {
        self.0.iter().all(|(test, patterns)| {
            let any = |value: &str| patterns.iter().any(|pattern| pattern.fits(value));
            match test {
                Test::Column(values) => values(row).iter().any(|value| any(value)),
                Test::Tag(tags, name) => tags(row).iter().any(|(key, value)| key == name && any(value)),
                Test::TagKeys(tags) => tags(row).iter().any(|(key, _)| any(key)),
                Test::TagValues(tags) => tags(row).iter().any(|(_, value)| any(value)),
            }
        })
    }
}

impl<R> Columns<'_, R> {
    fn test(&self, name: &str) -> Option<Test<R>> {
        if let Some(tags) = self.tags {
            match name {
                "tag-key" => return Some(Test::TagKeys(tags)),
                "tag-value" => return Some(Test::TagValues(tags)),
                _ => {}
            }
            if let Some(key) = name.strip_prefix("tag:") {
                return Some(Test::Tag(tags, key.into()));
            }
        }
        self.columns.iter().find(|(known, _)| *known == name).map(|(_, values)| Test::Column(*values))
    }
}

/// One value, for columns.
pub fn one<'a>(value: impl Into<Cow<'a, str>>) -> Values<'a> {
    vec![value.into()]
}

/// One value if there is one, for columns.
pub fn maybe<'a>(value: Option<impl Into<Cow<'a, str>>>) -> Values<'a> {
    value.map(Into::into).into_iter().collect()
}

/// One value written out, such as a number or an id.
pub fn text<'a>(value: impl ToString) -> Values<'a> {
    vec![Cow::Owned(value.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row {
        name: &'static str,
        addresses: &'static [&'static str],
        size: u32,
        note: Option<&'static str>,
        tags: &'static [(&'static str, &'static str)],
    }

    const TABLE: Columns<'_, Row> = Columns {
        columns: &[
            ("name", |row| one(row.name)),
            ("address", |row| row.addresses.iter().map(|&address| address.into()).collect()),
            ("size", |row| text(row.size)),
            ("note", |row| maybe(row.note)),
        ],
        tags: Some(|row| row.tags.to_vec()),
    };

    const ROW: Row = Row {
        name: "web-1",
        addresses: &["10.0.0.1", "192.0.2.7"],
        size: 20,
        note: None,
        tags: &[("Name", "Front door"), ("Empty", "")],
    };

    fn filters(given: &[(&str, &[&str])]) -> Result<Filters<Row>, Fault> {
        let filter = |(name, values): &(&str, &[&str])| Filter {
            name: (*name).into(),
            value: values.iter().map(|&value| value.into()).collect(),
        };
        Filters::new(&given.iter().map(filter).collect::<Vec<_>>(), &TABLE)
    }

    fn accepts(given: &[(&str, &[&str])]) -> bool {
        filters(given).unwrap().accept(&ROW)
    }

    #[test]
    fn values_are_alternatives_and_filters_add_up() {
        assert!(accepts(&[]));
        assert!(accepts(&[("name", &["web-2", "web-1"])]));
        assert!(accepts(&[("name", &["web-*"]), ("address", &["192.*"]), ("size", &["20"])]));
        assert!(!accepts(&[("name", &["web-*"]), ("size", &["2"])]));
        assert!(!accepts(&[("name", &["WEB-1"])]));
        assert!(!accepts(&[("note", &["*"])]));
        assert!(!accepts(&[("name", &["web-1"]), ("name", &["web-2"])]));
    }

    #[test]
    fn tags() {
        assert!(accepts(&[("tag:Name", &["Front*"])]));
        assert!(!accepts(&[("tag:name", &["Front*"])]));
        assert!(accepts(&[("tag:Empty", &[""])]));
        assert!(!accepts(&[("tag:Missing", &["*"])]));
        assert!(accepts(&[("tag-key", &["E?pty"]), ("tag-value", &["Front door"])]));
        assert!(!accepts(&[("tag-value", &["Name"])]));
    }

    #[test]
    fn what_cannot_be_asked() {
        let fault = |given| filters(given).err().unwrap();
        assert_eq!(fault(&[("colour", &["red"])]).message, "The filter 'colour' is invalid");
        assert_eq!(fault(&[("Name", &["x"])]).code, Code::InvalidParameterValue);
        assert_eq!(fault(&[("name", &[])]).code, Code::MissingParameter);
        assert_eq!(fault(&[("name", &["x"; 101]), ("size", &["x"; 100])]).code, Code::FilterLimitExceeded);
        assert!(filters(&[("name", &["x"; 200])]).is_ok());
        let untagged = Columns { columns: TABLE.columns, tags: None };
        let asked = [Filter { name: "tag:Name".into(), value: vec!["x".into()] }];
        assert!(Filters::new(&asked, &untagged).is_err());
    }
}
