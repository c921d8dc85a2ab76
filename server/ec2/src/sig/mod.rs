//! Who signed a request: Amazon's signatures of version 4, in a header or in the query, and of version 2.
//!
//! Pure: what was received, the time and the keys come in. Nothing of a request is believed before its
//! signature has been checked, and what is wrong with credentials is always said in the same words, so
//! that nobody learns which access keys exist.

pub mod canonical;
mod mac;
mod moment;
mod v2;
mod v4;

use cascina_core::units::Timestamp;
use secrecy::SecretString;

use crate::code::Code;
use crate::fault::Fault;
use crate::wire::Params;

/// A header as it came, with its name in lower case.
pub type Header<'a> = (&'a str, &'a [u8]);

/// A request as it came over the wire.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    pub method: &'a str,
    /// Still escaped.
    pub path: &'a str,
    /// What follows the `?`, still escaped.
    pub query: &'a str,
    pub headers: &'a [Header<'a>],
    pub body: &'a [u8],
    /// What `query` and `body` say.
    pub params: &'a Params,
}

/// What the site accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How far a client's clock may be from ours, in milliseconds.
    pub skew_ms: u64,
    /// Version 2 signs no more than the parameters and can be repeated within the skew, so it should be
    /// let in over TLS only.
    pub sigv2: bool,
    /// Lets clients leave the body out of the signature of version 4 by saying so in it.
    pub unsigned_payload: bool,
    /// If there is one, signatures of version 4 must be for it, and for the service `ec2`. Clients make
    /// up both if the endpoint is not Amazon's.
    pub region: Option<String>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules { skew_ms: 15 * 60 * 1000, sigv2: false, unsigned_payload: false, region: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    V4,
    V4Presigned,
    V2,
}

/// Whose request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    pub access_key: String,
    pub scheme: Scheme,
}

/// Checks a request's signature. `find` gives the secret of an access key; for it not to tell which keys
/// exist, it should take the same time for keys that do not.
///
/// # Errors
///
/// `AuthFailure` for a wrong signature, an unknown key or none at all, `IncompleteSignature` for one that
/// lacks a part, `RequestExpired` for one that is not of now.
pub fn verify(
    received: &Received<'_>,
    now: Timestamp,
    rules: &Rules,
    find: impl Fn(&str) -> Option<SecretString>,
) -> Result<Signed, Fault> {
    let version = received.params.get("SignatureVersion");
    if version == Some("2") {
        return v2::verify(received, now, rules, find);
    }
    match received.only("authorization")? {
        Some(header) => v4::by_header(received, header, now, rules, find),
        None if received.params.get("X-Amz-Algorithm").is_some() => v4::by_query(received, now, rules, find),
        None if version.is_some() => {
            Err(Code::AuthFailure.fault("Requests must be signed with version 4 of Amazon's signatures"))
        }
        None => Err(Code::AuthFailure.fault("The request must be signed with an access key")),
    }
}

/// The access key that a request says it is signed with, whether or not it is: for the books, where it is
/// shortened and made safe. Empty if it names none.
pub fn claimed_key(received: &Received<'_>) -> String {
    let header = received.values("authorization").next().and_then(|value| std::str::from_utf8(value).ok());
    let of_header = header.and_then(|text| text.split_once("Credential=")).map(|(_, rest)| rest);
    let given = of_header.or_else(|| received.params.get("X-Amz-Credential"));
    let given = given.or_else(|| received.params.get("AWSAccessKeyId")).unwrap_or_default();
    given.chars().take_while(char::is_ascii_alphanumeric).take(32).collect()
}

impl Received<'_> {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().filter(move |(given, _)| *given == name).map(|(_, value)| *value)
    }

    /// A header that may come once.
    fn only(&self, name: &str) -> Result<Option<&str>, Fault> {
        let mut values = self.values(name);
        let Some(value) = values.next() else { return Ok(None) };
        let text = std::str::from_utf8(value).ok().filter(|_| values.next().is_none());
        text.map(|text| Some(text.trim())).ok_or_else(|| incomplete(&format!("The header {name} must be one text")))
    }
}

fn incomplete(what: &str) -> Fault {
    Code::IncompleteSignature.fault(what)
}

fn expired(what: &str) -> Fault {
    Code::RequestExpired.fault(what)
}

/// Signed by us only if we could check it.
fn no_sessions() -> Fault {
    Code::AuthFailure.fault("Session tokens are not supported")
}

#[cfg(test)]
mod tests;
