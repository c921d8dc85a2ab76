use std::fmt;
use std::str::FromStr;

/// What a template begins with.
pub const COMMENT_OF_JINJA: &str = "## template: jinja";

/// What a part is, by which a guest finds who handles it. In small letters, without parameters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentType(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no content type: write it as text/name")]
pub struct ContentTypeError {
    given: String,
}

/// How parts begin that say themselves what they are; the longest first, as cloud-init has it.
const BEGINNINGS: [(&str, &str); 9] = [
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("## template: jinja", "text/jinja2"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#part-handler", "text/part-handler"),
    ("#include-once", "text/x-include-once-url"),
    ("#cloud-config", "text/cloud-config"),
    ("#include", "text/x-include-url"),
    ("#!", "text/x-shellscript"),
];

/// What is compressed within.
const COMPRESSED: [&str; 8] = [
    "application/gzip",
    "application/gzip-compressed",
    "application/gzipped",
    "application/x-compress",
    "application/x-compressed",
    "application/x-gunzip",
    "application/x-gzip",
    "application/x-gzip-compressed",
];

/// What cloud-init handles by itself, in all its versions from 22.4.
const BUILT_IN: [&str; 9] = [
    "text/cloud-boothook",
    "text/cloud-config",
    "text/cloud-config-jsonp",
    "text/jinja2",
    "text/part-handler",
    "text/x-shellscript",
    "text/x-shellscript-per-boot",
    "text/x-shellscript-per-instance",
    "text/x-shellscript-per-once",
];

impl FromStr for ContentType {
    type Err = ContentTypeError;

    fn from_str(text: &str) -> Result<ContentType, ContentTypeError> {
        let fits = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+'))
        };
        match text.split_once('/') {
            Some((main, sub)) if text.len() <= 100 && fits(main) && fits(sub) => {
                Ok(ContentType(text.to_ascii_lowercase()))
            }
            _ => Err(ContentTypeError { given: text.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ContentType {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn known(text: &str) -> ContentType {
        ContentType(text.to_owned())
    }

    pub fn cloud_config() -> ContentType {
        ContentType::known("text/cloud-config")
    }

    pub fn part_handler() -> ContentType {
        ContentType::known("text/part-handler")
    }

    pub fn boothook() -> ContentType {
        ContentType::known("text/cloud-boothook")
    }

    pub fn script() -> ContentType {
        ContentType::known("text/x-shellscript")
    }

    pub fn jinja() -> ContentType {
        ContentType::known("text/jinja2")
    }

    /// What nobody said anything about.
    pub fn unknown() -> ContentType {
        ContentType::known("text/x-not-multipart")
    }

    pub fn plain() -> ContentType {
        ContentType::known("text/plain")
    }

    /// Of a block of that name.
    ///
    /// # Errors
    ///
    /// If no type can be made of the name.
    pub fn of_block(name: &str) -> Result<ContentType, ContentTypeError> {
        format!("text/{name}-config").parse()
    }

    /// What the part says that it is, by how it begins.
    pub fn of_beginning(body: &[u8]) -> Option<ContentType> {
        // Bytes that are no text say nothing; longest beginning and then some are enough to see.
        let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
        let text = text.trim_start();
        let begins = |known: &str| text.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known));
        std::str::from_utf8(body).ok()?;
        BEGINNINGS.iter().find(|(known, _)| begins(known)).map(|(_, kind)| ContentType::known(kind))
    }

    pub fn is(&self, known: &str) -> bool {
        self.0 == known
    }

    pub fn is_compressed(&self) -> bool {
        COMPRESSED.contains(&self.as_str())
    }

    pub fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&self.as_str())
    }

    pub fn is_include(&self) -> bool {
        matches!(self.as_str(), "text/x-include-url" | "text/x-include-once-url")
    }

    pub fn is_script(&self) -> bool {
        self.0.starts_with("text/x-shellscript")
    }

    /// Whether what it is has to be found out by how it begins.
    pub(super) fn is_vague(&self) -> bool {
        matches!(self.as_str(), "text/plain" | "text/x-not-multipart" | "text/x-shellscript")
    }
}
