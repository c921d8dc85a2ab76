mod attacks;
mod clients;
mod random;
mod signer;
mod vectors;

use super::*;
use crate::wire::Limits;

pub const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2026-01-02T03:04:05Z
pub const NOW: Timestamp = Timestamp(1_767_323_045_000);

/// A request that owns its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    /// From what went over the wire, with plain line feeds.
    pub fn parse(text: &str) -> Request {
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let first: Vec<&str> = lines.next().unwrap().split(' ').collect();
        let (path, query) = first[1].split_once('?').unwrap_or((first[1], ""));
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_lowercase(), value.trim().as_bytes().to_vec())
        };
        Request {
            method: first[0].into(),
            path: path.into(),
            query: query.into(),
            headers: lines.map(header).collect(),
            body: body.into(),
        }
    }

    pub fn header(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.headers.iter_mut().find(|(given, _)| given == name).unwrap().1
    }

    pub fn replace_header(&mut self, name: &str, from: &str, to: &str) {
        let value = String::from_utf8(self.header(name).clone()).unwrap();
        assert!(value.contains(from), "{value}");
        *self.header(name) = value.replace(from, to).into();
    }

    pub fn params(&self) -> Result<Params, crate::wire::ParamError> {
        Params::parse(&self.query, &self.body, &Limits::default())
    }

    pub fn verify(&self, now: Timestamp, rules: &Rules) -> Result<Signed, Fault> {
        let headers: Vec<Header<'_>> = self.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        let params = self.params()?;
        let received = Received {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: &self.body,
            params: &params,
        };
        verify(&received, now, rules, |key| (key == KEY).then(|| SECRET.into()))
    }

    /// The code of the refusal.
    pub fn refused(&self, now: Timestamp, rules: &Rules) -> &'static str {
        self.verify(now, rules).unwrap_err().code.as_str()
    }
}

pub fn rules() -> Rules {
    Rules { sigv2: true, ..Rules::default() }
}
