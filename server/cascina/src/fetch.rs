//! Fetches what a file of a tenant refers to, and reaches nothing that the tenant could not reach itself.
//!
//! Where a name leads is looked up once: every address that it has is checked, and the connection goes to
//! those that were. Each redirect is checked like the first address. No proxy is used, which would look
//! names up on its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// Redirects of one fetch.
const MOST_HOPS: usize = 4;

/// What may be fetched.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `https://host/path/`, `host` or `*.domain`; none: nothing.
    pub allow: Vec<String>,
    /// Everything, whatever the list says: for people at their own machine.
    pub anything: bool,
    /// Also loopback, private and other addresses that are not the world's.
    pub private: bool,
    pub most_bytes: usize,
    /// For all hops together.
    pub patience: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("{url} is no address to fetch from: give http:// or https://, a host, and no user")]
    Url { url: String },
    #[error("{url} is not among what may be fetched ({allowed}): ask the site's admins, or give its content")]
    NotAllowed { url: String, allowed: String },
    #[error("{url} leads to {address}, which is not an address of the world: it is not fetched")]
    Private { url: String, address: IpAddr },
    #[error("{url} answered {status}, where 200 is expected")]
    Status { url: String, status: u16 },
    #[error("{url} redirects more than {MOST_HOPS} times, or to nowhere")]
    Redirects { url: String },
    #[error("{url} has more than {most} bytes")]
    TooLong { url: String, most: usize },
    #[error("{url} was not fetched within {seconds} s")]
    Late { url: String, seconds: u64 },
    #[error("{url} could not be fetched: {said}")]
    Failed { url: String, said: String },
}

/// Looks names up, and lets only those through that lead to the world.
#[derive(Debug)]
struct Checked {
    private: bool,
    inner: DefaultResolver,
}

/// Carries an address out through ureq's errors.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not an address of the world")]
struct NotPublic(IpAddr);

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        // One that is not is enough: a name with both is made to deceive.
        match found.iter().find(|address| !self.private && !is_public(address.ip())) {
            Some(address) => Err(Error::Other(Box::new(NotPublic(address.ip())))),
            None => Ok(found),
        }
    }
}

/// Whether it is an address of the world, and not of a network around here.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // What stands for an address of version 4 is as public as that.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo, documentation, and others of the registry of special ones.
        [0x2001, 0..=0x1ff | 0xdb8, ..] => false,
        // The world's addresses begin with 001.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

impl Rules {
    fn allows(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { return false };
        let host = host.to_ascii_lowercase();
        self.anything
            || self.allow.iter().any(|rule| {
                if let Some(domain) = rule.strip_prefix("*.") {
                    return host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
                }
                let Ok(rule) = rule.parse::<Uri>() else { return false };
                let Some(known) = rule.host() else { return false };
                let same = known.eq_ignore_ascii_case(&host);
                let Some(wanted) = rule.scheme_str() else { return same && standard(uri) };
                let path = rule.path().trim_end_matches('/');
                // A path that goes up may go anywhere.
                let below = uri.path().strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                let up = uri
                    .path()
                    .split('/')
                    .any(|part| matches!(part.to_ascii_lowercase().as_str(), ".." | "%2e%2e" | ".%2e" | "%2e."));
                same && wanted == scheme && port(&rule) == port(uri) && below && !up
            })
    }

    /// The bytes at an address.
    ///
    /// # Errors
    ///
    /// What is not allowed, not there, or too much.
    pub fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let begun = Instant::now();
        let mut at = url.to_owned();
        for _ in 0..=MOST_HOPS {
            let uri = parse(&at)?;
            if !self.allows(&uri) {
                let allowed = if self.allow.is_empty() { "nothing is".to_owned() } else { self.allow.join(", ") };
                return Err(FetchError::NotAllowed { url: at, allowed });
            }
            let left = self.patience.saturating_sub(begun.elapsed());
            match self.hop(&at, left)? {
                Hop::Done(bytes) => return Ok(bytes),
                Hop::Elsewhere(location) => {
                    at = joined(&uri, &location).ok_or_else(|| FetchError::Redirects { url: url.to_owned() })?
                }
            }
        }
        Err(FetchError::Redirects { url: url.to_owned() })
    }

    fn hop(&self, url: &str, left: Duration) -> Result<Hop, FetchError> {
        let late = || FetchError::Late { url: url.to_owned(), seconds: self.patience.as_secs() };
        if left.is_zero() {
            return Err(late());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_global(Some(left))
            .user_agent("cascina")
            .build();
        let resolver = Checked { private: self.private, inner: DefaultResolver::default() };
        let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
        let failed = |error: Error| match error {
            Error::Timeout(_) => late(),
            Error::Other(inner) => match inner.downcast_ref::<NotPublic>() {
                Some(NotPublic(address)) => FetchError::Private { url: url.to_owned(), address: *address },
                None => FetchError::Failed { url: url.to_owned(), said: inner.to_string() },
            },
            Error::BodyExceedsLimit(_) => FetchError::TooLong { url: url.to_owned(), most: self.most_bytes },
            error => FetchError::Failed { url: url.to_owned(), said: error.to_string() },
        };
        let mut response = agent.get(url).call().map_err(failed)?;
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get("location").and_then(|value| value.to_str().ok());
            return location
                .map(|place| Hop::Elsewhere(place.to_owned()))
                .ok_or_else(|| FetchError::Redirects { url: url.to_owned() });
        }
        if status.as_u16() != 200 {
            return Err(FetchError::Status { url: url.to_owned(), status: status.as_u16() });
        }
        let most = u64::try_from(self.most_bytes).unwrap_or(u64::MAX);
        response.body_mut().with_config().limit(most).read_to_vec().map(Hop::Done).map_err(failed)
    }
}

enum Hop {
    Done(Vec<u8>),
    Elsewhere(String),
}

fn parse(url: &str) -> Result<Uri, FetchError> {
    let wrong = || FetchError::Url { url: url.chars().take(200).collect() };
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let fine = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && !uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if fine { Ok(uri) } else { Err(wrong()) }
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 })
}

fn standard(uri: &Uri) -> bool {
    matches!(port(uri), 80 | 443)
}

/// Where a redirect leads.
fn joined(from: &Uri, location: &str) -> Option<String> {
    if location.contains("://") {
        return Some(location.to_owned());
    }
    let (scheme, authority) = (from.scheme_str()?, from.authority()?);
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    if location.starts_with('/') {
        return Some(format!("{scheme}://{authority}{location}"));
    }
    let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    Some(format!("{scheme}://{authority}{folder}/{location}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn rules(allow: &[&str]) -> Rules {
        Rules {
            allow: allow.iter().map(|&rule| rule.to_owned()).collect(),
            anything: false,
            private: true,
            most_bytes: 1000,
            patience: Duration::from_secs(2),
        }
    }

    /// Answers each path with what it is told, for as long as the test lives.
    fn serve(answers: &'static [(&'static str, &'static str)]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = [0; 2000];
                let length = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer =
                    answers.iter().find(|(known, _)| *known == path).map_or("404 Gone\r\n\r\n", |(_, answer)| answer);
                if answer.is_empty() {
                    // Says nothing, and does not hang up.
                    open.push(stream);
                    continue;
                }
                let _ = stream.write_all(format!("HTTP/1.1 {answer}").as_bytes());
            }
        });
        format!("http://{address}")
    }

    #[test]
    fn addresses_of_the_world() {
        for text in
            ["1.1.1.1", "193.206.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.7.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "::7f00:1",
            "fd00:ec2::254",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_may_be_fetched() {
        let allows = |rule: &str, url: &str| rules(&[rule]).allows(&url.parse().unwrap());
        assert!(allows("https://a.org/x/", "https://a.org/x/y") && allows("https://a.org/x", "https://A.org:443/x"));
        assert!(allows("a.org", "http://a.org/z") && allows("*.a.org", "https://b.a.org/"));
        for (rule, url) in [
            ("https://a.org/x", "https://a.org/xy"),
            ("https://a.org/x", "http://a.org/x"),
            ("https://a.org/x", "https://a.org:444/x"),
            ("https://a.org/x", "https://a.org/x/../y"),
            ("https://a.org/x", "https://a.org/x/%2E%2e/y"),
            ("https://a.org/x", "https://a.org.b.org/x"),
            ("a.org", "http://a.org:22/"),
            ("*.a.org", "https://a.org/"),
            ("*.a.org", "https://ba.org/"),
        ] {
            assert!(!allows(rule, url), "{rule} {url}");
        }
        assert!(!rules(&[]).allows(&"https://a.org".parse().unwrap()));
    }

    #[test]
    fn bounds_of_a_fetch() {
        let server = serve(&[
            ("/fine", "200 OK\r\nContent-Length: 2\r\n\r\nok"),
            ("/to", "302 Found\r\nLocation: fine\r\nContent-Length: 0\r\n\r\n"),
            ("/loop", "302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"),
            ("/away", "302 Found\r\nLocation: http://localhost:1/x\r\nContent-Length: 0\r\n\r\n"),
            ("/long", "200 OK\r\nContent-Length: 2000\r\n\r\n"),
            ("/slow", ""),
        ]);
        let rules = rules(&[&server]);
        let fetch = |path: &str| rules.fetch(&format!("{server}{path}"));
        assert_eq!(fetch("/fine").unwrap(), b"ok");
        assert_eq!(fetch("/to").unwrap(), b"ok");
        assert!(matches!(fetch("/loop"), Err(FetchError::Redirects { .. })));
        assert!(matches!(fetch("/away"), Err(FetchError::NotAllowed { .. })));
        assert!(matches!(fetch("/gone"), Err(FetchError::Status { status: 404, .. })));
        assert!(matches!(fetch("/slow"), Err(FetchError::Late { .. })));
        assert!(fetch("/long").is_err());
        // Whatever the list says, and whatever the name is.
        let public = Rules { private: false, anything: true, ..rules.clone() };
        for url in [
            format!("{server}/fine"),
            server.replace("127.0.0.1", "localhost"),
            "http://169.254.169.254/".into(),
            "http://[::1]:9/".into(),
            "http://2130706433/".into(),
        ] {
            assert!(matches!(public.fetch(&url), Err(FetchError::Private { .. } | FetchError::Failed { .. })), "{url}");
        }
        assert!(matches!(public.fetch(&format!("{server}/fine")), Err(FetchError::Private { .. })));
        for url in ["ftp://a.org/", "file:///etc/passwd", "http://user@a.org/", "nonsense", "http:///x"] {
            assert!(matches!(public.fetch(url), Err(FetchError::Url { .. })), "{url}");
        }
    }
}
