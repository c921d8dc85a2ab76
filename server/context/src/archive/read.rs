//! Reads what somebody wrote, as cloud-init does, and refuses what it would stumble over.
//!
//! Where MIME leaves room, and readers differ, it is refused: a policy that looks at the parts must see
//! those that the guest sees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::gzip::{self, Bomb};
use super::headers::{self, Headers};
use super::{ContentType, PartName};
use crate::yaml::{self, Value as YamlValue};

/// How much is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes as they were given.
    pub given: usize,
    /// Bytes of all that is decompressed, and of all bodies.
    pub unpacked: usize,
    pub parts: usize,
    /// Multiparts within multiparts.
    pub depth: usize,
    /// Of a line of what is not encoded.
    pub line: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { given: 1 << 20, unpacked: 8 << 20, parts: 200, depth: 4, line: 256 << 10 }
    }
}

/// A part as a guest takes it: decoded, decompressed, with the type that is found in the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Found {
    pub content_type: ContentType,
    /// None: cloud-init makes one up.
    pub name: Option<PartName>,
    pub body: Vec<u8>,
    /// It says how it is merged with what came before.
    pub merges: bool,
}

/// An archive that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    pub compressed: bool,
    /// Otherwise it is one thing that says by its first line what it is.
    pub multipart: bool,
    pub parts: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("{given} bytes of user-data are too many: at most {most}")]
    TooLong { given: usize, most: usize },
    #[error("decompressed, it is more than {most} bytes: a guest should not be given that")]
    Bomb { most: usize },
    #[error("what is compressed in it is broken, or cut off, or has something behind it")]
    Gzip,
    #[error("it is no text in UTF-8, as MIME has to be")]
    Text,
    #[error("more than {most} parts: put some of them together")]
    Parts { most: usize },
    #[error("parts nest deeper than {most} levels: put them into one multipart")]
    Depth { most: usize },
    #[error("part {part}: a header is broken at {line:?}: {why}")]
    Header { part: usize, line: String, why: &'static str },
    #[error("part {part}: a multipart without a boundary, or with a wrong one: at most 70 letters")]
    Boundary { part: usize },
    #[error("part {part}: the boundary that is announced is not there")]
    NotThere { part: usize },
    #[error("part {part}: it ends before its last boundary: it has been cut off")]
    Cut { part: usize },
    #[error("part {part}: a line is longer than {most} bytes: encode it as base64")]
    Line { part: usize, most: usize },
    #[error("part {part}: a carriage return without a line feed, which some take for the end of a line")]
    Return { part: usize },
    #[error(
        "part {part}: letters beyond ASCII that are not encoded come to guests as other bytes: encode it as base64"
    )]
    Letters { part: usize },
    #[error("part {part}: its encoding {given:?} is not read by guests: use 7bit, 8bit, base64 or quoted-printable")]
    Encoding { part: usize, given: String },
    #[error("part {part}: what should be base64 or quoted-printable is not")]
    Encoded { part: usize },
    #[error("part {part}: {given:?} is no content type")]
    Type { part: usize, given: String },
    #[error("part {part}: a message within a message is not read by guests")]
    Message { part: usize },
    #[error("part {part}: its name {given:?} leads elsewhere, or is no plain name: use letters, digits and ._-")]
    Name { part: usize, given: String },
    #[error("part {part}: no list of parts in YAML: {why}")]
    List { part: usize, why: String },
}

struct Reader<'a> {
    limits: &'a Limits,
    parts: Vec<Found>,
    /// Bytes that may still be unpacked.
    left: usize,
}

/// What a guest makes of its user-data.
///
/// # Errors
///
/// What is broken, or is more than the limits, or could be read in more than one way.
pub fn read(given: &[u8], limits: &Limits) -> Result<Reading, ReadError> {
    if given.len() > limits.given {
        return Err(ReadError::TooLong { given: given.len(), most: limits.given });
    }
    let mut reader = Reader { limits, parts: Vec::new(), left: limits.unpacked };
    let compressed = gzip::is_compressed(given);
    let unpacked;
    let bytes = if compressed {
        unpacked = reader.decompress(given)?;
        &unpacked
    } else {
        given
    };
    let start = bytes[..bytes.len().min(4096)].to_ascii_lowercase();
    let multipart = start.windows(13).any(|word| word == b"mime-version:");
    if multipart {
        let text = std::str::from_utf8(bytes).map_err(|_| ReadError::Text)?;
        reader.message(text, 0)?;
    } else if !bytes.is_empty() {
        reader.part(ContentType::unknown(), None, bytes.to_vec(), false)?;
    }
    Ok(Reading { compressed, multipart, parts: reader.parts })
}

impl Reader<'_> {
    fn decompress(&mut self, bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
        let out = gzip::decompress(bytes, self.left).map_err(|bomb| match bomb {
            Bomb::TooLarge => ReadError::Bomb { most: self.limits.unpacked },
            Bomb::Broken => ReadError::Gzip,
        })?;
        self.left -= out.len();
        Ok(out)
    }

    /// The number of the part that is being read, from 1; 0 is the whole.
    fn place(&self, depth: usize) -> usize {
        if depth == 0 { 0 } else { self.parts.len() + 1 }
    }

    fn message(&mut self, text: &str, depth: usize) -> Result<(), ReadError> {
        let part = self.place(depth);
        let (headers, body) = headers::split(text, part)?;
        let kind = headers.value("Content-Type", part)?;
        let given = kind.as_ref().map_or("text/plain", |kind| kind.value.as_str());
        // As Python has it: what is no type is plain text, but for those who mistype.
        let content_type: ContentType =
            given.parse().map_err(|_| ReadError::Type { part, given: given.chars().take(60).collect() })?;
        if content_type.as_str().starts_with("message/") {
            return Err(ReadError::Message { part });
        }
        if content_type.as_str().starts_with("multipart/") {
            let boundary = kind.as_ref().and_then(|kind| kind.param("boundary")).unwrap_or_default();
            return self.multipart(boundary, body, part, depth);
        }
        let name = name(&headers, kind.as_ref(), part)?;
        let body = self.decode(&headers, body, part)?;
        self.part(content_type, name, body, headers.has("Merge-Type") || headers.has("X-Merge-Type"))
    }

    fn multipart(&mut self, boundary: &str, body: &str, part: usize, depth: usize) -> Result<(), ReadError> {
        if depth >= self.limits.depth {
            return Err(ReadError::Depth { most: self.limits.depth });
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        if boundary.is_empty() || boundary.len() > 70 || boundary.ends_with(' ') || !boundary.bytes().all(fits) {
            return Err(ReadError::Boundary { part });
        }
        let mut begun: Option<usize> = None;
        let mut at = 0;
        for line in body.split_inclusive('\n') {
            let delimiter = line.strip_prefix("--").and_then(|line| line.strip_prefix(boundary));
            let last = delimiter.is_some_and(|rest| rest.starts_with("--"));
            let rest = delimiter.map(|rest| rest.strip_prefix("--").unwrap_or(rest));
            if rest.is_some_and(|rest| rest.trim_matches([' ', '\t', '\r', '\n']).is_empty()) {
                if let Some(from) = begun {
                    // The end of the line before belongs to the boundary.
                    let inner = body.get(from..at).unwrap_or_default();
                    let inner = inner.strip_suffix('\n').unwrap_or(inner);
                    self.message(inner.strip_suffix('\r').unwrap_or(inner), depth + 1)?;
                } else if last {
                    return Err(ReadError::NotThere { part });
                }
                if last {
                    return Ok(());
                }
                begun = Some(at + line.len());
            }
            at += line.len();
        }
        Err(if begun.is_some() { ReadError::Cut { part } } else { ReadError::NotThere { part } })
    }

    fn decode(&self, headers: &Headers<'_>, body: &str, part: usize) -> Result<Vec<u8>, ReadError> {
        let encoding = headers.one("Content-Transfer-Encoding", part)?.unwrap_or("7bit").to_ascii_lowercase();
        let most = self.limits.line;
        match encoding.as_str() {
            "7bit" | "8bit" | "binary" => {
                if body.split('\n').any(|line| line.len() > most) {
                    return Err(ReadError::Line { part, most });
                }
                let mut letters = body.bytes().peekable();
                while let Some(letter) = letters.next() {
                    if letter == b'\r' && letters.peek() != Some(&b'\n') {
                        return Err(ReadError::Return { part });
                    }
                }
                // Python takes them for Latin-1, whatever the charset says.
                if !body.is_ascii() {
                    return Err(ReadError::Letters { part });
                }
                Ok(body.as_bytes().to_vec())
            }
            "base64" => {
                let packed: Vec<u8> =
                    body.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r' | b' ' | b'\t')).collect();
                STANDARD.decode(packed).map_err(|_| ReadError::Encoded { part })
            }
            "quoted-printable" => {
                if body.split('\n').any(|line| line.len() > most) {
                    return Err(ReadError::Line { part, most });
                }
                if !body.is_ascii() {
                    return Err(ReadError::Letters { part });
                }
                quoted_printable(body).ok_or(ReadError::Encoded { part })
            }
            other => Err(ReadError::Encoding { part, given: other.chars().take(40).collect() }),
        }
    }

    /// Finds out what it is in the end, as cloud-init does.
    fn part(
        &mut self,
        mut content_type: ContentType,
        name: Option<PartName>,
        mut body: Vec<u8>,
        merges: bool,
    ) -> Result<(), ReadError> {
        if content_type.is_compressed() {
            body = self.decompress(&body)?;
            content_type = ContentType::plain();
        }
        if content_type.is_vague()
            && let Some(found) = ContentType::of_beginning(&body)
        {
            content_type = found;
        }
        if content_type.is("text/cloud-config-archive") {
            return self.list(&body);
        }
        self.push(Found { content_type, name, body, merges })
    }

    fn push(&mut self, found: Found) -> Result<(), ReadError> {
        if self.parts.len() >= self.limits.parts {
            return Err(ReadError::Parts { most: self.limits.parts });
        }
        if found.body.len() > self.left {
            return Err(ReadError::Bomb { most: self.limits.unpacked });
        }
        self.left -= found.body.len();
        self.parts.push(found);
        Ok(())
    }

    /// Parts as a list in YAML.
    fn list(&mut self, body: &[u8]) -> Result<(), ReadError> {
        let part = self.parts.len() + 1;
        let broken = |why: &str| ReadError::List { part, why: why.chars().take(200).collect() };
        let text = std::str::from_utf8(body).map_err(|_| broken("it is no text"))?;
        let node = yaml::parse(text, &yaml::Limits::default()).map_err(|error| broken(&error.to_string()))?;
        if node.is_null() {
            return Ok(());
        }
        for item in node.list().ok_or_else(|| broken("it is no list"))? {
            let (content, kind, name) = match &item.value {
                YamlValue::Scalar(scalar) => (scalar.text.as_str(), None, None),
                YamlValue::Map(_) => {
                    let get = |key| item.get(key).and_then(yaml::Node::as_str);
                    (get("content").unwrap_or_default(), get("type"), get("filename"))
                }
                YamlValue::List(_) => continue,
            };
            let content_type = match kind {
                Some(kind) => kind.parse().map_err(|_| broken("a type in it is none"))?,
                None => ContentType::of_beginning(content.as_bytes()).unwrap_or_else(ContentType::cloud_config),
            };
            let name = name.map(|name| checked(name, part)).transpose()?;
            self.push(Found { content_type, name, body: content.as_bytes().to_vec(), merges: false })?;
        }
        Ok(())
    }
}

fn checked(name: &str, part: usize) -> Result<PartName, ReadError> {
    name.parse().map_err(|_| ReadError::Name { part, given: name.chars().take(60).collect() })
}

fn name(headers: &Headers<'_>, kind: Option<&headers::Value>, part: usize) -> Result<Option<PartName>, ReadError> {
    let disposition = headers.value("Content-Disposition", part)?;
    let given = disposition.as_ref().and_then(|value| value.param("filename"));
    let given = given.or_else(|| kind.and_then(|kind| kind.param("name"))).filter(|name| !name.is_empty());
    given.map(|name| checked(name, part)).transpose()
}

/// As Python has it: spaces at the end of a line stay.
fn quoted_printable(body: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive('\n') {
        let text = line.trim_end_matches(['\r', '\n']);
        let (text, end) = match text.strip_suffix('=') {
            Some(text) => (text, ""),
            None => (text, &line[text.len()..]),
        };
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            if byte == b'=' {
                let hex = [bytes.next()?, bytes.next()?];
                let digits = hex.iter().all(u8::is_ascii_hexdigit);
                let hex = std::str::from_utf8(&hex).ok().filter(|_| digits)?;
                out.push(u8::from_str_radix(hex, 16).ok()?);
            } else {
                out.push(byte);
            }
        }
        out.extend_from_slice(end.as_bytes());
    }
    Some(out)
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name.as_ref().map_or("-", PartName::as_str);
        write!(f, "{} {} ({} bytes)", self.content_type, name, self.body.len())
    }
}
