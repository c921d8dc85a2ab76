//! Tags: texts that people hang on things.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::farm::Farm;
use crate::id::*;
use crate::state::State;
use crate::units::Timestamp;

/// Tags of a thing.
pub const MOST: usize = 50;
/// Characters of a key.
pub const KEY: usize = 128;
/// Characters of a value.
pub const VALUE: usize = 256;

macro_rules! resources {
    ($($variant:ident($id:ident) $prefix:literal $kind:literal;)*) => {
        /// What can be tagged. A farm's network is seen as several things, which all bear its number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Resource { $($variant($id),)* }

        impl Resource {
            /// EC2's word for its type.
            pub fn kind(self) -> &'static str {
                match self { $(Resource::$variant(_) => $kind,)* }
            }
        }

        impl fmt::Display for Resource {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Resource::$variant(id) => write!(f, concat!($prefix, "{:017x}"), id.0),)* }
            }
        }

        impl FromStr for Resource {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Resource, IdError> {
                $(if text.starts_with($prefix) {
                    // The number is read as any id is, under a prefix that is one.
                    let digits = text.strip_prefix($prefix).unwrap_or_default();
                    let id: ReservationId = format!("r-{digits}").parse().map_err(|_| IdError {
                        given: text.chars().take(64).collect(),
                        prefix: $prefix,
                    })?;
                    return Ok(Resource::$variant($id(id.0)));
                })*
                Err(IdError { given: text.chars().take(64).collect(), prefix: "i-, vol-, ami-, … " })
            }
        }
    };
}

resources! {
    Instance(InstanceId) "i-" "instance";
    Volume(VolumeId) "vol-" "volume";
    Snapshot(SnapshotId) "snap-" "snapshot";
    Image(ImageId) "ami-" "image";
    SecurityGroup(SecurityGroupId) "sg-" "security-group";
    Rule(RuleId) "sgr-" "security-group-rule";
    KeyPair(KeyPairId) "key-" "key-pair";
    Address(AddressId) "eipalloc-" "elastic-ip";
    Network(NetworkId) "vpc-" "vpc";
    Subnet(SubnetNumber) "subnet-" "subnet";
    RouteTable(NetworkNumber) "rtb-" "route-table";
    Gateway(NetworkNumber) "igw-" "internet-gateway";
    Acl(NetworkNumber) "acl-" "network-acl";
    DhcpOptions(NetworkNumber) "dopt-" "dhcp-options";
    Interface(InterfaceNumber) "eni-" "network-interface";
}

macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    )*};
}

numbers! {
    /// A farm's network as seen from one class of hosts.
    SubnetNumber;
    /// A part of a farm's network that has no row of its own.
    NetworkNumber;
    /// The interface of an instance or a router, by its number.
    InterfaceNumber;
}

/// A farm's network as hosts of a class see it. The same network and class always give the same number.
pub fn subnet(network: NetworkId, class: &crate::name::Name) -> SubnetNumber {
    // FNV-1a; it only moves the bits of an id that are chance.
    let hash = class
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    SubnetNumber(network.0 ^ (hash & 0x3f_ffff))
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A farm's tags on a thing: on images of everybody, each farm has its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    pub farm: FarmId,
    pub resource: Resource,
    pub tenant: TenantId,
    pub tags: BTreeMap<String, String>,
    pub updated: Timestamp,
}

impl Tags {
    pub fn id(&self) -> TagsId {
        TagsId(self.farm, self.resource)
    }
}

/// Names the tags of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TagsId(pub FarmId, pub Resource);

impl fmt::Display for TagsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

impl State {
    /// A farm's tags on a thing.
    pub fn tags_of(&self, farm: FarmId, resource: Resource) -> Option<&BTreeMap<String, String>> {
        self.rows.tags.get(&TagsId(farm, resource)).map(|row| &row.tags)
    }

    /// Whether a thing is there for this farm to be tagged.
    pub fn can_tag(&self, farm: &Farm, resource: Resource) -> bool {
        let rows = &self.rows;
        let own = |owner: FarmId| owner == farm.id;
        let mut networks = self.indexes.networks_by_farm.of(&farm.id);
        // What has no row of its own bears the number of what it is a part of.
        let instance = |number| rows.instances.get(&InstanceId(number)).is_some_and(|row| own(row.farm));
        match resource {
            Resource::Instance(id) => instance(id.0),
            Resource::Volume(id) => rows.volumes.get(&id).is_some_and(|row| own(row.farm)) || instance(id.0),
            Resource::Snapshot(id) => rows.snapshots.get(&id).is_some_and(|row| own(row.farm)),
            Resource::Image(id) => rows.images.get(&id).is_some_and(|row| row.is_for(farm.id, farm.tenant)),
            Resource::SecurityGroup(id) => rows.security_groups.get(&id).is_some_and(|row| own(row.farm)),
            Resource::Rule(id) => self.group_with_rule(farm.id, id).is_some(),
            Resource::KeyPair(id) => rows.key_pairs.get(&id).is_some_and(|row| own(row.farm)),
            Resource::Address(id) => rows.addresses.get(&id).is_some_and(|row| own(row.farm) && row.is_held()),
            Resource::Network(id) => networks.any(|network| network == id),
            Resource::RouteTable(id) | Resource::Gateway(id) | Resource::Acl(id) | Resource::DhcpOptions(id) => {
                networks.any(|network| network.0 == id.0)
            }
            Resource::Subnet(id) => {
                networks.any(|network| rows.classes.keys().any(|class| subnet(network, class) == id))
            }
            Resource::Interface(id) => {
                let router = rows.routers.get(&RouterId(id.0));
                instance(id.0) || router.is_some_and(|row| own(row.farm))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_read_as_it_is_written() {
        for text in ["i-0deadbeef00000001", "sg-0deadbeef00000001", "sgr-0deadbeef00000001", "eni-00000000000000001"] {
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for text in ["i-1", "x-0deadbeef00000001", "", "sg-0DEADBEEF00000001"] {
            assert!(text.parse::<Resource>().is_err(), "{text}");
        }
    }
}
