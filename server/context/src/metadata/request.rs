//! What was asked, and whether that can be understood in one way only.

use std::fmt;
use std::net::Ipv4Addr;

/// Characters of a path.
pub const MOST_PATH: usize = 1 << 10;
/// Headers of a request, and bytes of all of them.
pub const MOST_HEADERS: usize = 64;
const MOST_HEADER_BYTES: usize = 16 << 10;

/// A request as it came, but for who it is from.
#[derive(Clone, Copy)]
pub struct MetadataRequest<'a> {
    pub method: &'a str,
    /// The request's target as it stands in its first line, with nothing decoded.
    pub path: &'a str,
    /// Names in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The guest's address on its own network, as the listener makes it out from where the connection
    /// comes: where a router maps networks on its way here, the address before that.
    pub source: Ipv4Addr,
}

/// A path that is understood: its parts, without the slashes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target(Vec<String>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Malformed,
    LongPath,
    LargeHeaders,
}

impl MetadataRequest<'_> {
    pub(super) fn target(&self) -> Result<Target, Wrong> {
        if self.path.len() > MOST_PATH {
            return Err(Wrong::LongPath);
        }
        let bytes: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.headers.len() > MOST_HEADERS || bytes > MOST_HEADER_BYTES {
            return Err(Wrong::LargeHeaders);
        }
        Target::new(self.path)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    /// A header that is there once or not at all, and is text.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, Wrong> {
        let mut all = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => std::str::from_utf8(value).map(Some).map_err(|_| Wrong::Malformed),
            (Some(_), Some(_)) => Err(Wrong::Malformed),
        }
    }
}

impl Target {
    /// Decoded once. What would still be encoded then, goes up, has a query, or letters that no path of
    /// the service has, is refused rather than interpreted.
    fn new(path: &str) -> Result<Target, Wrong> {
        let rest = path.strip_prefix('/').ok_or(Wrong::Malformed)?;
        // Folders and leaves alike are found with a slash at the end, and without.
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() {
            return if matches!(path, "/") { Ok(Target(Vec::new())) } else { Ok(Target(vec![String::new()])) };
        }
        rest.split('/').map(part).collect::<Result<_, _>>().map(Target)
    }

    pub(super) fn parts(&self) -> &[String] {
        &self.0
    }

    pub(super) fn is(&self, parts: &[&str]) -> bool {
        self.0 == parts
    }
}

fn part(text: &str) -> Result<String, Wrong> {
    let mut decoded = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(Wrong::Malformed) };
                // Two digits make a byte.
                (high * 16 + low) as u8
            }
            byte => byte,
        };
        if !(byte.is_ascii_alphanumeric() || b"-._:=~+@,".contains(&byte)) {
            return Err(Wrong::Malformed);
        }
        decoded.push(char::from(byte));
    }
    if matches!(decoded.as_str(), "." | "..") { Err(Wrong::Malformed) } else { Ok(decoded) }
}

impl fmt::Debug for MetadataRequest<'_> {
    /// Without what headers say: tokens are among it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        write!(f, "{:?} {:?} {names:?} from {}", self.method, self.path, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_path_means() {
        let parts = |path: &str| Target::new(path).map(|target| target.0.join("|"));
        for (path, expected) in [
            ("/", ""),
            ("/latest", "latest"),
            ("/latest/", "latest"),
            ("/latest/meta-data/ami-id/", "latest|meta-data|ami-id"),
            ("/2009-04-04/meta-data", "2009-04-04|meta-data"),
            ("/x/02%3A00%3a", "x|02:00:"),
            ("/latest//meta-data", "latest||meta-data"),
        ] {
            assert_eq!(parts(path), Ok(expected.into()), "{path}");
        }
        assert_eq!(Target::new("//"), Ok(Target(vec![String::new()])));
        for path in [
            "",
            "latest",
            "http://169.254.169.254/latest",
            "*",
            "/latest/../latest",
            "/latest/.",
            "/latest/%2e%2e/x",
            "/latest/%2E./x",
            "/latest%2fmeta-data",
            "/latest%252fmeta-data",
            "/latest/%",
            "/latest/%4",
            "/latest/%g0",
            "/latest/%+1",
            "/latest/%00",
            "/latest/%c3%a8",
            "/latest/è",
            "/latest\\meta-data",
            "/latest?x",
            "/latest#x",
            "/latest/ ",
            "/latest/\r\n",
        ] {
            assert_eq!(parts(path), Err(Wrong::Malformed), "{path}");
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        let headers: [(&str, &[u8]); 1] = [("X-aws-ec2-metadata-token", b"secret")];
        let request = MetadataRequest { method: "GET", path: "/", headers: &headers, source: [10, 0, 0, 2].into() };
        assert!(!format!("{request:?}").contains("secret"));
    }
}
