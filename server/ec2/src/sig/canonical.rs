//! The one form of a request that both sides sign.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::Received;
use crate::wire::params::unescape;

/// All that is escaped, as RFC 3986 has it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A name or value with everything escaped that may be, in capital hex digits.
pub fn escape(bytes: &[u8]) -> String {
    percent_encode(bytes, ESCAPED).to_string()
}

/// Name and value of each parameter of a query, escaped anew; a `+` is a space. None if it is malformed.
pub fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        pairs.push((escape(&unescape(name.as_bytes())?), escape(&unescape(value.as_bytes())?)));
    }
    Some(pairs)
}

/// Escaped parameters in one line, sorted.
pub fn join(mut pairs: Vec<(String, String)>) -> String {
    pairs.sort();
    let mut line = String::new();
    for (name, value) in pairs {
        if !line.is_empty() {
            line.push('&');
        }
        line.extend([&name, "=", &value]);
    }
    line
}

/// A query as version 4 signs it. `without` is left out, once escaped. None if it is malformed.
pub fn query(query: &str, without: Option<&str>) -> Option<String> {
    let mut pairs = pairs(query)?;
    pairs.retain(|(name, _)| Some(name.as_str()) != without);
    Some(join(pairs))
}

/// A path as it came: clients of an endpoint such as `/` or `/services/Cloud` do not escape it anew.
pub fn path(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// A header's value with white space cut off at both ends and single within.
fn trim(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (place, word) in words.enumerate() {
        if place > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// The whole request as version 4 signs it. `signed` are the headers that count, in the client's order.
pub fn request(received: &Received<'_>, query: &str, signed: &[&str], payload: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    for line in [received.method, path(received.path), query] {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    for name in signed {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        for (place, value) in received.values(name).enumerate() {
            if place > 0 {
                out.push(b',');
            }
            trim(&mut out, value);
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed.join(";").as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Params;

    #[test]
    fn queries_have_one_form() {
        for (given, expected) in [
            ("", ""),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&a=", "a=&a=1&a=2"),
            ("a&b=", "a=&b="),
            ("&a=1&&", "a=1"),
            ("a=b+c%20d", "a=b%20c%20d"),
            ("a=%2f/%7E~*", "a=%2F%2F~~%2A"),
            ("a=1=2", "a=1%3D2"),
            ("%c3%a8=è", "%C3%A8=%C3%A8"),
            ("A=1&a=1&B=1", "A=1&B=1&a=1"),
            // Sorted as they are written, so that `%` comes first.
            ("z=1&é=1&a-=1&a.=1&a=1", "%C3%A9=1&a=1&a-=1&a.=1&z=1"),
            ("a=%ff", "a=%FF"),
        ] {
            assert_eq!(query(given, None).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(query("a=1&X-Amz-Signature=2", Some("X-Amz-Signature")).as_deref(), Some("a=1"));
        for wrong in ["a=%", "a=%2", "%zz"] {
            assert_eq!(query(wrong, None), None, "{wrong}");
        }
    }

    #[test]
    fn the_whole() {
        let headers: [(&str, &[u8]); 6] = [
            ("host", b"127.0.0.1:8080"),
            ("user-agent", b"not signed"),
            ("x-list", b" b  \t c "),
            ("x-list", b"a"),
            ("x-empty", b""),
            ("accept", b"*/*"),
        ];
        let params = Params::default();
        let received = Received { method: "POST", path: "", query: "", headers: &headers, body: b"", params: &params };
        let text = request(&received, "a=1", &["host", "x-list", "x-empty"], "0f");
        let expected = "POST\n/\na=1\nhost:127.0.0.1:8080\nx-list:b c,a\nx-empty:\n\nhost;x-list;x-empty\n0f";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
