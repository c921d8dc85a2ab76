//! Images that instances boot from.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{FarmId, ImageId, SnapshotId, TenantId};
use crate::name::Name;
use crate::policy::Digest;
use crate::units::{Gib, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageState {
    /// Being made from a disk.
    Pending,
    Available,
    /// It could not be made.
    Failed,
    /// Existing instances keep it; new ones are refused.
    Deprecated,
}

/// What EC2 clients call an image: 3 to 128 letters, digits, spaces and `()[]./-'@_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Title(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an image is called by 3 to 128 letters, digits, spaces and ()[]./-'@_")]
pub struct TitleError;

impl Title {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same as a name, as far as a name can hold it.
    pub fn name(&self) -> Name {
        let plain = |c: char| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' => c,
            _ => '-',
        };
        let text: String = self.0.chars().map(plain).collect();
        let text = text.trim_matches(['-', '.']);
        let text = if text.is_empty() { "image" } else { &text[..text.len().min(Name::MOST)] };
        text.parse().unwrap_or_else(|_| unreachable!("only what a name may hold is left"))
    }
}

impl FromStr for Title {
    type Err = TitleError;

    fn from_str(text: &str) -> Result<Title, TitleError> {
        Title::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Title {
    type Error = TitleError;

    fn try_from(text: String) -> Result<Title, TitleError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" ()[]./-'@_".contains(&byte);
        if (3..=128).contains(&text.len()) && text.bytes().all(allowed) { Ok(Title(text)) } else { Err(TitleError) }
    }
}

impl From<Title> for String {
    fn from(title: Title) -> String {
        title.0
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a disk is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    Raw,
    Qcow2,
}

/// What was found when an image's file was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub digest: Digest,
    /// Of the file.
    pub bytes: u64,
    /// Of the disk that guests see.
    pub disk_bytes: u64,
    pub format: ImageFormat,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub id: ImageId,
    /// Of all of its tenant's images, this one's alone.
    pub name: Name,
    /// What the farm that made it calls it, which may hold more than a name can.
    #[serde(default)]
    pub title: Option<Title>,
    /// None: the site's.
    pub tenant: Option<TenantId>,
    /// The farm that made it, if one did: it goes with the farm.
    #[serde(default)]
    pub farm: Option<FarmId>,
    /// Others than its owner may launch it. The site's always may be.
    #[serde(default)]
    pub public: bool,
    /// Farms that may launch it beside.
    #[serde(default)]
    pub shared: BTreeSet<FarmId>,
    /// Accounts that were named as if they might launch it, which no farm here has. They are kept for
    /// whoever named them, and nothing follows from them.
    #[serde(default)]
    pub strangers: BTreeSet<String>,
    #[serde(default)]
    pub description: String,
    /// The snapshot that holds its disk, if it was made from one.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
    /// Where the hosts find it.
    pub source: String,
    /// The smallest disk that holds it.
    pub min_disk: Gib,
    pub state: ImageState,
    /// What its file must have, as the catalogue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// What its file was when it was last checked and found sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Why it is not usable, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Image {
    /// One of the site, which everybody may launch. It gets its number when it is put into the books.
    pub fn of_site(name: Name, source: &str, min_disk: Gib) -> Image {
        Image {
            id: ImageId(0),
            name,
            title: None,
            tenant: None,
            farm: None,
            public: true,
            shared: BTreeSet::new(),
            strangers: BTreeSet::new(),
            description: String::new(),
            snapshot: None,
            source: source.into(),
            min_disk,
            state: ImageState::Available,
            sha256: None,
            content: None,
            note: None,
            created: Timestamp(0),
            updated: Timestamp(0),
        }
    }

    /// It is a file of the server's folder, and not what a snapshot holds.
    pub fn is_file(&self) -> bool {
        self.snapshot.is_none() && !self.source.starts_with("snapshot:")
    }

    /// What people call it.
    pub fn title(&self) -> &str {
        self.title.as_ref().map_or(self.name.as_str(), Title::as_str)
    }

    /// Whether this farm, of this tenant, may launch instances from it.
    pub fn is_for(&self, farm: FarmId, tenant: TenantId) -> bool {
        self.public || self.is_of(farm, tenant) || self.shared.contains(&farm)
    }

    /// Whether it is this farm's own, or its tenant's.
    pub fn is_of(&self, farm: FarmId, tenant: TenantId) -> bool {
        match self.farm {
            Some(own) => own == farm,
            None => self.tenant == Some(tenant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_their_names() {
        for (title, name) in [
            ("web-server", "web-server"),
            ("Debian 13 (amd64) [2026/01] it's.me@_x", "debian-13--amd64---2026-01--it-s.me--x"),
            ("...", "image"),
            ("-a.", "a"),
        ] {
            assert_eq!(title.parse::<Title>().unwrap().name().as_str(), name);
        }
        assert_eq!("x".repeat(128).parse::<Title>().unwrap().name().as_str(), "x".repeat(63));
        for bad in ["", "ab", "what?", "a\tb", "caffè", &"x".repeat(129)] {
            assert!(bad.parse::<Title>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_of_before_there_were_titles() {
        let row = r#"{"id":"ami-00000000000000001","name":"debian","tenant":null,"source":"debian.qcow2",
                      "min_disk":1,"state":"available","created":0,"updated":0}"#;
        let image: Image = serde_json::from_str(row).unwrap();
        assert_eq!((image.title(), image.strangers.len()), ("debian", 0));
    }
}
