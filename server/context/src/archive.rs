//! User-data with more than one part: a multipart MIME archive, as cloud-init of any version reads it.
//!
//! [`Archive`] is written, always with the same bytes for the same parts. [`read`] takes what somebody
//! else wrote, with cloud-init's own rules and with bounds: it is given bytes of strangers.

mod gzip;
mod headers;
mod kind;
mod read;
mod write;

use std::fmt;

pub use gzip::{compress, is_compressed};
pub use kind::{COMMENT_OF_JINJA, ContentType};
pub use read::{Found, Limits, ReadError, Reading, read};

/// Bytes of a name of a part.
const MOST_NAME: usize = 128;

/// The name of a part: of a file in a guest, which it can never lead out of its folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no name for a part: letters, digits and ._- only, at most {MOST_NAME}, not beginning with a dot")]
pub struct NameError {
    given: String,
}

impl std::str::FromStr for PartName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<PartName, NameError> {
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        if text.is_empty() || text.len() > MOST_NAME || text.starts_with('.') || !fits {
            return Err(NameError { given: text.chars().take(80).collect() });
        }
        Ok(PartName(text.to_owned()))
    }
}

impl PartName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest to what was given, for names that come from elsewhere.
    pub fn nearest(text: &str) -> PartName {
        let mut name: String = text
            .chars()
            .map(
                |letter| if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-') { letter } else { '_' },
            )
            .take(MOST_NAME)
            .collect();
        if name.is_empty() || name.starts_with('.') {
            name.insert(0, '_');
            name.truncate(MOST_NAME);
        }
        PartName(name)
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part. What is in it may be secret, and no `Debug` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    pub content_type: ContentType,
    pub name: PartName,
    pub body: Vec<u8>,
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.content_type, self.name, self.body.len())
    }
}

/// Parts in the order in which a guest takes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    pub parts: Vec<Part>,
}

/// Larger ones are compressed, since clouds take 16 KiB.
pub const COMPRESS_ABOVE: usize = 8 << 10;

impl Archive {
    /// As MIME, which is text.
    pub fn mime(&self) -> Vec<u8> {
        write::mime(&self.parts)
    }

    /// As a guest is given it: compressed if it is large.
    pub fn user_data(&self) -> Vec<u8> {
        let mime = self.mime();
        if mime.len() > COMPRESS_ABOVE { compress(&mime) } else { mime }
    }
}

#[cfg(test)]
mod tests;
