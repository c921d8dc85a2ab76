//! Responses as XML: a serde serializer that writes what EC2 clients expect.
//!
//! A response is a struct with `#[derive(Serialize)]` and `#[serde(rename_all = "camelCase")]`; its
//! fields become elements, and lists are [`Set`]s. Unlike quick-xml's this serializer leaves out what is
//! `None`, rather than relying on an attribute at each such field, drops the characters that XML cannot
//! hold wherever text is written, and takes a third of the time.

use std::fmt::{Display, Write};

use cascina_core::units::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::ser::{Serialize, Serializer};

mod serializer;
mod text;

use serializer::Fields;
pub use serializer::XmlError;
use text::element;

pub const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// What responses are said to be when the client names no version, or none that is a date.
pub const VERSION: &str = "2016-11-15";

/// A list as EC2 has it: `<xSet><item>…</item></xSet>`, and `<xSet/>` if it is empty.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Set<T> {
    item: Vec<T>,
}

impl<T> Default for Set<T> {
    fn default() -> Set<T> {
        Set { item: Vec::new() }
    }
}

impl<T> From<Vec<T>> for Set<T> {
    fn from(item: Vec<T>) -> Set<T> {
        Set { item }
    }
}

impl<T> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Set<T> {
        Set { item: items.into_iter().collect() }
    }
}

impl<T> Set<T> {
    pub fn items(&self) -> &[T] {
        &self.item
    }
}

/// An attribute as Describe…Attribute has it: `<x><value>…</value></x>`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Value<T> {
    pub value: T,
}

/// A moment as `2026-01-02T03:04:05.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        let millis = i64::try_from(self.0.0).unwrap_or(i64::MAX);
        // What is beyond the calendar is its last moment.
        let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        PRINTER.print_timestamp(&moment, jiff::fmt::StdFmtWrite(f)).map_err(|_| std::fmt::Error)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `<return>true</return>`, which is all that simple actions answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Done {
    #[serde(rename = "return")]
    done: bool,
}

impl Done {
    pub const TRUE: Done = Done { done: true };
}

/// The whole answer of an action.
///
/// # Errors
///
/// For a `response` that is not a struct, or holds what is neither text, number, bool, struct nor list.
pub fn response<T: Serialize>(action: &str, version: &str, request_id: &str, response: &T) -> Result<String, XmlError> {
    let version = if is_date(version) { version } else { VERSION };
    let namespace = format!("http://ec2.amazonaws.com/doc/{version}/");
    document(&format!("{action}Response"), &namespace, Some(request_id), response)
}

/// A document with a root element in a namespace, which begins with the request's id if there is one.
///
/// # Errors
///
/// As [`response`].
pub fn document<T: Serialize>(
    root: &str,
    namespace: &str,
    request_id: Option<&str>,
    content: &T,
) -> Result<String, XmlError> {
    let mut out = String::with_capacity(1024);
    out.push_str(DECLARATION);
    let _ = write!(out, "<{root} xmlns=\"{namespace}\">");
    if let Some(id) = request_id {
        element(&mut out, "requestId", id);
    }
    content.serialize(Fields(&mut out))?;
    let _ = write!(out, "</{root}>");
    Ok(out)
}

/// The whole answer to a request that failed.
pub fn error(code: &str, message: &str, request_id: &str) -> String {
    let mut out = String::with_capacity(512);
    out.push_str(DECLARATION);
    out.push_str("<Response><Errors><Error>");
    element(&mut out, "Code", code);
    element(&mut out, "Message", message);
    out.push_str("</Error></Errors>");
    element(&mut out, "RequestID", request_id);
    out.push_str("</Response>");
    out
}

/// Clients name the version themselves, so it is looked at before it is repeated.
fn is_date(text: &str) -> bool {
    let fits = |(place, byte): (usize, u8)| if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests;
