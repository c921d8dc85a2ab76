//! The parameters of a request: what stands in its query string and in its form body, decoded.

use std::collections::HashSet;

use super::error::{ParamError, short};
use super::tree::Tree;

/// What belongs to every request rather than to an action.
const OF_EVERY_REQUEST: [&str; 9] = [
    "Action",
    "Version",
    "AWSAccessKeyId",
    "Signature",
    "SignatureVersion",
    "SignatureMethod",
    "Timestamp",
    "Expires",
    "SecurityToken",
];
const OF_SIGV4: &str = "X-Amz-";

/// How much a request may hold. The length of the body is limited before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parameters in a request.
    pub count: usize,
    /// Bytes of a name, decoded.
    pub name: usize,
    /// Bytes of a value, decoded.
    pub value: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { count: 2000, name: 255, value: 256 << 10 }
    }
}

/// Decoded parameters in the order in which they came, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string and a form body, either of which may be empty.
    ///
    /// # Errors
    ///
    /// `Malformed` for what is not a form in UTF-8, `Twice` for a name that comes again, in whichever
    /// of the two, and `TooMany` and `TooLong` beyond the limits.
    pub fn parse(query: &str, body: &[u8], limits: &Limits) -> Result<Params, ParamError> {
        let mut pairs = Vec::new();
        for form in [query.as_bytes(), body] {
            for piece in form.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
                if pairs.len() == limits.count {
                    return Err(ParamError::TooMany(limits.count));
                }
                pairs.push(pair(piece, limits)?);
            }
        }
        let mut seen = HashSet::with_capacity(pairs.len());
        if let Some((name, _)) = pairs.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            return Err(ParamError::Twice(name.clone()));
        }
        Ok(Params(pairs))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What the action itself is asked for, without `Action`, `Version`, signatures and the like.
    ///
    /// # Errors
    ///
    /// `Unknown` for names that no parameter can have, such as `A..B`.
    pub fn tree(&self) -> Result<Tree, ParamError> {
        Tree::grow(self.iter().filter(|(name, _)| !of_every_request(name)))
    }
}

fn of_every_request(name: &str) -> bool {
    OF_EVERY_REQUEST.contains(&name) || name.get(..OF_SIGV4.len()).is_some_and(|head| head == OF_SIGV4)
}

fn pair(piece: &[u8], limits: &Limits) -> Result<(String, String), ParamError> {
    let mut halves = piece.splitn(2, |&byte| byte == b'=');
    let (name, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let name = text(name)?;
    if name.is_empty() {
        return Err(ParamError::Malformed("a value has no name".into()));
    }
    if name.len() > limits.name {
        return Err(ParamError::Malformed(format!("the name {} is too long", short(&name))));
    }
    // Checked before decoding, which makes nothing longer.
    if value.len() > limits.value.saturating_mul(3) {
        return Err(ParamError::TooLong { name, limit: limits.value });
    }
    let value = text(value)?;
    if value.len() > limits.value {
        return Err(ParamError::TooLong { name, limit: limits.value });
    }
    Ok((name, value))
}

fn text(encoded: &[u8]) -> Result<String, ParamError> {
    let bytes = unescape(encoded).ok_or_else(|| ParamError::Malformed("% is not followed by two hex digits".into()))?;
    String::from_utf8(bytes).map_err(|_| ParamError::Malformed("it is not UTF-8".into()))
}

/// Undoes `+` and `%XX`; None if a `%` is not followed by two hex digits.
pub(crate) fn unescape(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|&byte| char::from(byte).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                // Two hex digits make a byte.
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str, body: &str) -> Result<Params, ParamError> {
        Params::parse(query, body.as_bytes(), &Limits::default())
    }

    #[test]
    fn query_and_body_are_one() {
        let params = parse("Action=RunInstances", "Version=2016-11-15&Name=a+b%20c%2B%C3%A8&Empty=&Bare").unwrap();
        assert_eq!(params.get("Action"), Some("RunInstances"));
        assert_eq!(params.get("Name"), Some("a b c+è"));
        assert_eq!(params.get("Empty"), Some(""));
        assert_eq!(params.get("Bare"), Some(""));
        assert_eq!(params.get("name"), None);
        assert_eq!(parse("&&a=1&", "").unwrap().iter().count(), 1);
        assert_eq!(parse("a=1=2", "").unwrap().get("a"), Some("1=2"));
    }

    #[test]
    fn once_is_enough() {
        let twice = Err(ParamError::Twice("Name".into()));
        assert_eq!(parse("Name=a&Name=a", ""), twice);
        assert_eq!(parse("Name=a", "%4eame=b"), twice);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for wrong in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "%c3=1", "=1", "a=%C3%28"] {
            assert!(matches!(parse(wrong, ""), Err(ParamError::Malformed(_))), "{wrong}");
        }
        let binary = Params::parse("", b"a=\xff", &Limits::default());
        assert!(matches!(binary, Err(ParamError::Malformed(_))));
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { count: 2, name: 3, value: 4 };
        let parse = |query: &str| Params::parse(query, b"", &limits);
        assert!(parse("abc=1234&b=%20%20%20%20").is_ok());
        assert_eq!(parse("a=1&b=2&c=3"), Err(ParamError::TooMany(2)));
        assert!(matches!(parse("abcd=1"), Err(ParamError::Malformed(_))));
        let too_long = Err(ParamError::TooLong { name: "a".into(), limit: 4 });
        assert_eq!(parse("a=12345"), too_long);
        assert_eq!(parse(&format!("a={}", "%20".repeat(1000))), too_long);
    }

    #[test]
    fn what_every_request_has_is_not_the_actions() {
        let text = "Action=A&Version=1&X-Amz-Date=2&X-Amz-Signature=3&AWSAccessKeyId=4&SignatureVersion=2&\
                    SignatureMethod=5&Signature=6&Timestamp=7&Expires=8&SecurityToken=9&DryRun=true";
        let tree = parse("", text).unwrap().tree().unwrap();
        assert_eq!(tree.names(), ["DryRun"]);
    }
}
