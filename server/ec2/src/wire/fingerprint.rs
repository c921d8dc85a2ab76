//! Requests told apart by what they ask.

use sha2::{Digest, Sha256};

use super::tree::Tree;

/// SHA-256 over an action and its parameters, in whichever order they came, without those named.
pub fn fingerprint(action: &str, tree: &Tree, without: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    part(&mut hash, action);
    for (name, below) in &tree.parts {
        if !without.contains(&name.text()) {
            part(&mut hash, name.text());
            add(&mut hash, below);
        }
    }
    hash.finalize().into()
}

/// Lengths keep the parts apart.
fn part(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

/// Trees are as deep as names may be.
fn add(hash: &mut Sha256, tree: &Tree) {
    match &tree.value {
        Some(value) => {
            hash.update([1]);
            part(hash, value);
        }
        None => hash.update([0]),
    }
    hash.update((tree.parts.len() as u64).to_be_bytes());
    for (name, below) in &tree.parts {
        part(hash, name.text());
        add(hash, below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, Params};

    fn of(query: &str) -> [u8; 32] {
        let tree = Params::parse(query, b"", &Limits::default()).unwrap().tree().unwrap();
        fingerprint("RunInstances", &tree, &["DryRun"])
    }

    #[test]
    fn what_is_the_same() {
        let one = of("A.1=x&A.2=y&B=z");
        assert_eq!(one, of("B=z&DryRun=true&A.2=y&A.1=x&Signature=1&Timestamp=2"));
        for other in ["A.1=x&A.2=y", "A.1=x&A.2=y&B=", "A.1=x&A.3=y&B=z", "A.1=x&B=z&C.A.2=y", "A=x&A.2=y&B=z"] {
            assert_ne!(one, of(other), "{other}");
        }
        assert_ne!(of("A=bc"), of("Ab=c"));
    }
}
