//! Ids that libvirt wants, derived from ours: whoever asks gets the same again.

use cascina_core::state::Guest;
use sha2::{Digest, Sha256};

/// A domain's. Those of instances begin with `ec2`, by which software for EC2 knows where it runs.
#[must_use]
pub fn uuid_of(guest: Guest) -> String {
    let mut bytes = hash("domain", &guest.to_string());
    if let Guest::Instance(_) = guest {
        bytes[0] = 0xec;
        bytes[1] = 0x20 | bytes[1] & 0x0f;
    }
    text(bytes)
}

/// Of something else that has a name.
#[must_use]
pub(crate) fn uuid_named(kind: &str, name: &str) -> String {
    text(hash(kind, name))
}

fn hash(kind: &str, name: &str) -> [u8; 16] {
    let digest = Sha256::digest(format!("urn:cascina:1 {kind} {name}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes
}

/// With the marks of version 8, that of private schemes.
fn text(mut bytes: [u8; 16]) -> String {
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use cascina_core::id::{InstanceId, RouterId};

    use super::*;

    #[test]
    fn never_changes() {
        insta::assert_snapshot!(uuid_of(Guest::Instance(InstanceId(0x20))), @"ec2a38eb-accb-89ee-a877-9696694e09b3");
        insta::assert_snapshot!(uuid_of(Guest::Router(RouterId(0x20))), @"6b0023a2-3069-8d2f-8920-90aa35ac8ae6");
        insta::assert_snapshot!(uuid_named("filter", "a"), @"b7e88920-65cd-83d0-991e-9aba14a2e314");
    }
}
