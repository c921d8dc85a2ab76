//! What a component asks for beyond the ordinary: a custom section that its build puts at the end.
//!
//! It is part of the bytes, so of the digest and of every signature. Asking is all that it does: what
//! is granted is the site's choice, and a component that asks for nothing needs no manifest.

use serde::{Deserialize, Serialize};

/// Name of the section.
pub const SECTION: &str = "cascina:manifest";
const MOST: usize = 4 << 10;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// What it was written in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// Who made it, for people; a signature proves more.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// Linear memory of an instance; 0 is the site's ordinary bound.
    #[serde(skip_serializing_if = "is_zero")]
    pub memory_mib: u32,
    /// An instance may be used again, for languages that take long to begin. A policy that keeps
    /// something between questions answers them differently, and is found out.
    #[serde(skip_serializing_if = "is_false")]
    pub warm: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Manifest {
    /// Reads the manifest of a component, if it has one. Bytes that are no component have none: what is
    /// wrong with them others say better.
    ///
    /// # Errors
    ///
    /// If there are two, or it is not what a manifest is.
    pub fn of(component: &[u8]) -> Result<Option<Manifest>, String> {
        let mut found = None;
        let mut rest = component.get(8..).unwrap_or_default();
        while let Some((id, section, after)) = section(rest) {
            rest = after;
            if id != 0 {
                continue;
            }
            let Some((length, body)) = leb(section) else { continue };
            if body.get(..length) != Some(SECTION.as_bytes()) {
                continue;
            }
            let text = &body[length..];
            if found.is_some() {
                return Err(format!("the component has two `{SECTION}` sections"));
            }
            if text.len() > MOST {
                return Err(format!("its manifest has {} bytes; at most {MOST} are allowed", text.len()));
            }
            // A list would do for a struct too, and mean nothing to whoever reads it.
            let fields = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text);
            let manifest: Manifest = fields
                .and_then(|fields| serde_json::from_value(fields.into()))
                .map_err(|error| format!("its `{SECTION}` section is no manifest: {error}"))?;
            if manifest.language.len() > 40 || manifest.author.len() > 200 {
                return Err("its manifest has a language of more than 40 bytes, or an author of more than 200".into());
            }
            found = Some(manifest);
        }
        Ok(found)
    }

    /// The component with this manifest at its end; one that was there goes.
    #[must_use]
    pub fn attach(&self, component: &[u8]) -> Vec<u8> {
        let mut bytes = component.get(..8).unwrap_or(component).to_vec();
        let mut rest = component.get(8..).unwrap_or_default();
        while let Some((id, body, after)) = section(rest) {
            let whole = &rest[..rest.len() - after.len()];
            rest = after;
            let ours =
                id == 0 && leb(body).is_some_and(|(length, name)| name.get(..length) == Some(SECTION.as_bytes()));
            if !ours {
                bytes.extend_from_slice(whole);
            }
        }
        bytes.extend_from_slice(rest);
        if *self == Manifest::default() {
            return bytes;
        }
        let text = serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("texts and numbers are JSON"));
        let mut body = vec![SECTION.len() as u8];
        body.extend_from_slice(SECTION.as_bytes());
        body.extend_from_slice(&text);
        bytes.push(0);
        put_leb(&mut bytes, body.len());
        bytes.extend_from_slice(&body);
        bytes
    }
}

/// Id, body, and what follows.
fn section(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (id, rest) = bytes.split_first()?;
    let (length, body) = leb(rest)?;
    (length <= body.len()).then(|| (*id, &body[..length], &body[length..]))
}

fn leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[place + 1..]));
        }
    }
    None
}

fn put_leb(bytes: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn what_is_attached_is_found_and_replaced() {
        let python = Manifest { language: "python".into(), memory_mib: 64, warm: true, ..Manifest::default() };
        let once = python.attach(EMPTY);
        assert_eq!(Manifest::of(&once), Ok(Some(python.clone())));
        let again = Manifest { memory_mib: 32, ..python }.attach(&once);
        assert_eq!(Manifest::of(&again).unwrap().unwrap().memory_mib, 32);
        assert_eq!(Manifest::default().attach(&again), EMPTY);
        assert_eq!(Manifest::of(EMPTY), Ok(None));
    }

    #[test]
    fn two_of_them_or_nonsense_are_refused() {
        let one = Manifest { author: "ann".into(), ..Manifest::default() }.attach(EMPTY);
        let two = [&one[..], &one[8..]].concat();
        assert!(Manifest::of(&two).unwrap_err().contains("two"));
        let mut wrong = EMPTY.to_vec();
        wrong.extend_from_slice(&[0, 1 + SECTION.len() as u8 + 2, SECTION.len() as u8]);
        wrong.extend_from_slice(SECTION.as_bytes());
        wrong.extend_from_slice(b"[]");
        assert!(Manifest::of(&wrong).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_nothing_breaks(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::of(&bytes);
            let attached = Manifest { warm: true, ..Manifest::default() }.attach(&bytes);
            prop_assert!(attached.len() >= bytes.len().min(8));
        }
    }
}
