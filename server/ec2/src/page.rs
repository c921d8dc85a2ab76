//! Lists, a page at a time, in the order of their ids.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::code::Code;
use crate::fault::Fault;

/// What most Describe actions take as `MaxResults`.
pub const USUAL: RangeInclusive<u32> = 5..=1000;

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<K> {
    limit: Option<usize>,
    after: Option<K>,
    query: [u8; 8],
}

/// What a request says of pages.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `MaxResults`
    pub most: Option<i64>,
    /// `NextToken`
    pub token: Option<&'a str>,
    /// Whether things were named, by their ids or otherwise.
    pub named: bool,
    /// Tells queries apart: a token is good for the query that it came from.
    pub query: [u8; 8],
}

impl<K: Ord + Display + FromStr> Page<K> {
    /// # Errors
    ///
    /// `InvalidParameterValue` for a number of results below `range` (one above it is taken for its end, as
    /// Amazon does), `InvalidParameterCombination`
    /// for pages of what was named, `InvalidNextToken` for a token that is not this query's.
    pub fn new(asked: Asked<'_>, range: RangeInclusive<u32>) -> Result<Page<K>, Fault> {
        let token = asked.token.filter(|token| !token.is_empty());
        for (name, given) in [("MaxResults", asked.most.is_some()), ("NextToken", token.is_some())] {
            if given && asked.named {
                return Err(Code::InvalidParameterCombination
                    .fault(format!("The parameter {name} cannot be used together with explicit ids")));
            }
        }
        let most = asked.most.map(|most| most.min(i64::from(*range.end())));
        let limit = match most.map(|most| (most, u32::try_from(most).ok())) {
            None => None,
            Some((_, Some(most))) if range.contains(&most) => usize::try_from(most).ok(),
            Some((most, _)) => {
                let why = format!("Expecting a value from {} to {}", range.start(), range.end());
                return Err(Fault::invalid("MaxResults", &most.to_string(), &why));
            }
        };
        let bad = || Code::InvalidNextToken.fault("The token is not one that this query gave");
        let after = token.map(|token| read(token, &asked.query).ok_or_else(bad)).transpose()?;
        Ok(Page { limit, after, query: asked.query })
    }

    /// The last id of the page before.
    pub fn after(&self) -> Option<&K> {
        self.after.as_ref()
    }

    /// The rows of this page, of all in the order of their ids, and the token of the next.
    pub fn cut<T>(&self, rows: impl IntoIterator<Item = (K, T)>) -> (Vec<T>, Option<String>) {
        let mut rest = rows.into_iter().filter(|(id, _)| self.after.as_ref().is_none_or(|after| id > after));
        let Some(limit) = self.limit else { return (rest.map(|(_, row)| row).collect(), None) };
        let (mut page, mut last) = (Vec::new(), None);
        for (id, row) in rest.by_ref().take(limit) {
            page.push(row);
            last = Some(id);
        }
        let token = rest.next().and(last).map(|id| write(&id, &self.query));
        (page, token)
    }
}

fn write(id: &impl Display, query: &[u8; 8]) -> String {
    URL_SAFE_NO_PAD.encode([&query[..], id.to_string().as_bytes()].concat())
}

fn read<K: FromStr>(token: &str, query: &[u8; 8]) -> Option<K> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let id = bytes.strip_prefix(query)?;
    std::str::from_utf8(id).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked { most: None, token: None, named: false, query: [7; 8] };

    fn page(asked: Asked<'_>) -> Result<Page<u64>, Fault> {
        Page::new(asked, USUAL)
    }

    fn code(asked: Asked<'_>) -> Code {
        page(asked).unwrap_err().code
    }

    fn cut(asked: Asked<'_>) -> (Vec<u64>, Option<String>) {
        page(asked).unwrap().cut((1..=12).map(|id| (id, id)))
    }

    #[test]
    fn page_by_page_everything_comes_once() {
        let mut token = None;
        let mut all = Vec::new();
        let mut pages = 0;
        loop {
            let (rows, next) = cut(Asked { most: Some(5), token: token.as_deref(), ..ASKED });
            all.extend(rows);
            pages += 1;
            let Some(next) = next else { break };
            token = Some(next);
        }
        assert_eq!((all, pages), ((1..=12).collect(), 3));
        assert_eq!(cut(ASKED), ((1..=12).collect(), None));
        // The last page is full, and yet the last.
        assert_eq!(cut(Asked { most: Some(12), ..ASKED }).1, None);
    }

    #[test]
    fn a_page_goes_on_where_rows_have_gone() {
        let (_, token) = cut(Asked { most: Some(5), ..ASKED });
        let page = page(Asked { most: Some(5), token: token.as_deref(), ..ASKED }).unwrap();
        assert_eq!(page.after(), Some(&5));
        assert_eq!(page.cut([(2, 2), (9, 9)]), (vec![9], None));
    }

    #[test]
    fn what_cannot_be_a_page() {
        for most in [4, 0, -1, i64::MIN] {
            assert_eq!(code(Asked { most: Some(most), ..ASKED }), Code::InvalidParameterValue);
        }
        let (_, token) = cut(Asked { most: Some(5), ..ASKED });
        let token = token.as_deref();
        assert_eq!(code(Asked { token, query: [8; 8], ..ASKED }), Code::InvalidNextToken);
        for token in ["x", "%", "BwcHBwcHBwc", "BwcHBwcHBwd4"] {
            assert_eq!(code(Asked { token: Some(token), ..ASKED }), Code::InvalidNextToken, "{token}");
        }
        assert_eq!(code(Asked { most: Some(5), named: true, ..ASKED }), Code::InvalidParameterCombination);
        assert_eq!(code(Asked { token, named: true, ..ASKED }), Code::InvalidParameterCombination);
        assert!(page(Asked { token: Some(""), named: true, ..ASKED }).is_ok());
    }
}
