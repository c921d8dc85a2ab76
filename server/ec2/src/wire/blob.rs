//! Bytes that travel as base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// Clients disagree on padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A parameter in base64, as it came. What bad base64 is called differs by action, so it is decoded
/// only there.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Blob(String);

impl Blob {
    /// The bytes; None if it is not base64. White space is left out: some tools break lines.
    pub fn decode(&self) -> Option<Vec<u8>> {
        let mut text = self.0.clone();
        text.retain(|c| !c.is_ascii_whitespace());
        LENIENT.decode(text).ok()
    }

    /// Bytes as base64, for responses.
    pub fn encode(bytes: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }
}

impl From<String> for Blob {
    fn from(base64: String) -> Blob {
        Blob(base64)
    }
}

/// It may hold what should not be in logs.
impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes of base64)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_base64() {
        for good in ["aGk=", "aGk", "aG\nk=\r\n", " aGk= "] {
            assert_eq!(Blob(good.into()).decode().as_deref(), Some(&b"hi"[..]), "{good}");
        }
        assert_eq!(Blob(String::new()).decode().as_deref(), Some(&b""[..]));
        for wrong in ["a", "aGk%", "#!/bin/sh", "aGk=x", "_-_-"] {
            assert_eq!(Blob(wrong.into()).decode(), None, "{wrong}");
        }
        assert_eq!(format!("{:?}", Blob("aGk=".into())), "Blob(4 bytes of base64)");
        assert_eq!(Blob::encode(b"hi"), "aGk=");
    }
}
