use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::Part;

/// Longer lines are not for 7bit.
const LONGEST: usize = 998;

pub(super) fn mime(parts: &[Part]) -> Vec<u8> {
    let boundary = boundary(parts);
    let mut out = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n").into_bytes();
    for part in parts {
        let legible = legible(&part.body);
        let encoding = if legible { "7bit" } else { "base64" };
        let charset = if part.content_type.as_str().starts_with("text/") { "; charset=\"utf-8\"" } else { "" };
        out.extend_from_slice(
            format!(
                "--{boundary}\nContent-Type: {kind}{charset}\nMIME-Version: 1.0\nContent-Transfer-Encoding: {encoding}\n\
                 Content-Disposition: attachment; filename=\"{name}\"\n\n",
                kind = part.content_type,
                name = part.name,
            )
            .as_bytes(),
        );
        if legible {
            out.extend_from_slice(&part.body);
        } else {
            for (place, line) in STANDARD.encode(&part.body).into_bytes().chunks(76).enumerate() {
                if place > 0 {
                    out.push(b'\n');
                }
                out.extend_from_slice(line);
            }
        }
        out.push(b'\n');
    }
    out.extend_from_slice(format!("--{boundary}--\n").as_bytes());
    out
}

/// Whether it can be in a message as it is.
fn legible(body: &[u8]) -> bool {
    body.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~'))
        && body.split(|&byte| byte == b'\n').all(|line| line.len() <= LONGEST)
}

/// Of all that is between them, so that no part can hold it, and the same for the same parts.
fn boundary(parts: &[Part]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        for field in [part.content_type.as_str().as_bytes(), part.name.as_str().as_bytes(), &part.body] {
            digest.update(u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(field);
        }
    }
    let digest = digest.finalize();
    let word: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("==cascina-{word}==")
}
