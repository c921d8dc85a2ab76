//! Where a gateway host is: the uri of its row.

use std::path::{Component, PathBuf};
use std::str::FromStr;

pub(super) const SCHEME: &str = "netns:";

/// `netns:`, or `netns:?state=/var/lib/cascina/gateway&inside=NAMESPACE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The folder of what should be on the host.
    pub state: PathBuf,
    /// The network namespace that stands for the host. None: the one that the server is in.
    pub inside: Option<Inside>,
}

/// A name below `/run/netns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the uri of a gateway host: `netns:`, or `netns:?state=FOLDER&inside=NAMESPACE` with an \
     absolute path of a-z, A-Z, 0-9, `.`, `_`, `-` and `/`, and the name of a network namespace"
)]
pub struct StandError(pub String);

impl Inside {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-".contains(&byte)
}

impl FromStr for Stand {
    type Err = StandError;

    fn from_str(uri: &str) -> Result<Stand, StandError> {
        let error = || StandError(uri.chars().take(200).collect());
        let rest = uri.strip_prefix(SCHEME).ok_or_else(error)?;
        let (mut state, mut inside) = (None, None);
        if !rest.is_empty() {
            for pair in rest.strip_prefix('?').ok_or_else(error)?.split('&') {
                match pair.split_once('=') {
                    Some(("state", path)) if state.is_none() && is_folder(path) => state = Some(path.into()),
                    Some(("inside", name)) if inside.is_none() && is_namespace(name) => {
                        inside = Some(Inside(name.into()));
                    }
                    _ => return Err(error()),
                }
            }
        }
        Ok(Stand { state: state.unwrap_or_else(|| "/var/lib/cascina/gateway".into()), inside })
    }
}

/// Absolute, below the root, and written in one way only.
fn is_folder(path: &str) -> bool {
    let path_buf = PathBuf::from(path);
    let mut parts = path_buf.components();
    let rooted = parts.next() == Some(Component::RootDir) && path.len() > 1 && !path.ends_with('/');
    rooted
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && path_buf.components().collect::<PathBuf>().as_os_str().len() == path.len()
        && path.bytes().all(|byte| byte == b'/' || is_plain(byte))
}

fn is_namespace(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.as_bytes()[0].is_ascii_alphanumeric() && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_gateway() {
        let plain: Stand = "netns:".parse().unwrap();
        assert_eq!(plain, Stand { state: "/var/lib/cascina/gateway".into(), inside: None });
        let both: Stand = "netns:?inside=h-1&state=/srv/a.b".parse().unwrap();
        assert_eq!(both, Stand { state: "/srv/a.b".into(), inside: Some(Inside("h-1".into())) });
        for bad in [
            "",
            "netns",
            "netns://x",
            "qemu:///system",
            "netns:?",
            "netns:?state=",
            "netns:?state=relative",
            "netns:?state=/",
            "netns:?state=/a/../b",
            "netns:?state=/a//b",
            "netns:?state=/a/./b",
            "netns:?state=/a/",
            "netns:?state=/a b",
            "netns:?state=/a&state=/b",
            "netns:?inside=",
            "netns:?inside=../x",
            "netns:?inside=-x",
            "netns:?inside=.",
            "netns:?other=1",
        ] {
            assert!(bad.parse::<Stand>().is_err(), "{bad}");
        }
    }
}
