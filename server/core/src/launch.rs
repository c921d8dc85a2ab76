//! What an instance is given at launch, beside its size and its image.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{FarmId, InstanceId, KeyPairId, SecurityGroupId, SnapshotId};
use crate::metadata::{MetadataChange, MetadataOptions};
use crate::units::Gib;
use crate::volume::{Pace, VolumeKind};

/// Bytes of user-data that a guest can be given, whatever the site allows.
pub const MOST_USER_DATA: usize = 1 << 20;
/// Volumes of an instance.
pub const MOST_VOLUMES: usize = 26;

/// What an instance does when its guest shuts down by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnShutdown {
    #[default]
    Stop,
    Terminate,
}

/// A key pair as it was at launch: deleting the pair takes nothing from the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchKey {
    pub id: KeyPairId,
    pub name: String,
    pub public: String,
}

/// Bytes that an instance reads when it boots, kept as they came. A row of its own, since instances
/// change state often and this does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserData {
    pub instance: InstanceId,
    pub farm: FarmId,
    pub bytes: Bytes,
}

/// Written as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Arc<[u8]>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(|bytes| Bytes(bytes.into())).map_err(serde::de::Error::custom)
    }
}

/// A volume that is made and attached with its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVolume {
    pub device: String,
    /// GiB; None: as large as the snapshot.
    pub size: Option<Gib>,
    pub snapshot: Option<SnapshotId>,
    pub kind: VolumeKind,
    pub pace: Pace,
    pub delete_on_termination: bool,
}

/// What may be said at launch. The default is what the farm's own instances get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// Empty: the farm's default group.
    pub groups: Vec<SecurityGroupId>,
    pub key: Option<KeyPairId>,
    pub user_data: Option<Arc<[u8]>>,
    /// GiB of the disk that it boots from; None: the flavor's.
    pub root_disk: Option<Gib>,
    pub volumes: Vec<NewVolume>,
    pub terminate_protected: bool,
    pub stop_protected: bool,
    pub on_shutdown: OnShutdown,
    pub metadata: MetadataOptions,
    pub tags: BTreeMap<String, String>,
    pub volume_tags: BTreeMap<String, String>,
    /// Shown to whoever asks.
    pub client_token: Option<String>,
}

/// What of an instance changes; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceChange {
    pub groups: Option<Vec<SecurityGroupId>>,
    /// Empty bytes take it away. Only while it is stopped.
    pub user_data: Option<Arc<[u8]>>,
    pub terminate_protected: Option<bool>,
    pub stop_protected: Option<bool>,
    pub on_shutdown: Option<OnShutdown>,
    pub metadata: MetadataChange,
    /// Only while it is stopped.
    pub flavor: Option<crate::name::Name>,
    /// Of the volume at each device.
    pub delete_on_termination: BTreeMap<String, bool>,
}
