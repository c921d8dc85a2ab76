//! What the service knows of an instance.

use std::fmt;
use std::net::Ipv4Addr;

use cascina_core::id::{ImageId, InstanceId, NetworkId, ReservationId, SecurityGroupId};
use cascina_core::launch::Bytes;
use cascina_core::metadata::{MetadataOptions, MetadataTokens};
use cascina_core::name::Name;
use cascina_core::network::Mac;
use cascina_core::tag::{InterfaceNumber, Resource, SubnetNumber};
use cascina_core::units::Timestamp;
use ipnet::Ipv4Net;

use crate::hostname::Hostname;

/// Whether the service answers an instance, and whom in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    Off,
    /// Whoever asks, with or without a token: EC2's `HttpTokens=optional`.
    #[default]
    TokensOptional,
    /// Who shows a token: `HttpTokens=required`.
    TokensRequired,
}

impl Access {
    /// What its owner said of it.
    pub fn of(options: &MetadataOptions) -> Access {
        match (options.enabled, options.tokens) {
            (false, _) => Access::Off,
            (true, MetadataTokens::Optional) => Access::TokensOptional,
            (true, MetadataTokens::Required) => Access::TokensRequired,
        }
    }
}

/// Of one instance, as EC2's other side tells its tenant.
#[derive(Clone)]
pub struct Facts {
    pub access: Access,
    pub instance: InstanceId,
    pub image: ImageId,
    pub reservation: ReservationId,
    pub launch_index: u32,
    pub instance_type: Name,
    /// The name that goes with its private address.
    pub hostname: Hostname,
    pub local_ipv4: Ipv4Addr,
    /// The elastic IP that leads to it.
    pub public_ipv4: Option<Ipv4Addr>,
    pub mac: Mac,
    pub interface: InterfaceNumber,
    pub network: NetworkId,
    pub subnet: SubnetNumber,
    pub cidr: Ipv4Net,
    /// Twelve digits.
    pub account: String,
    pub region: String,
    pub zone: Name,
    pub groups: Vec<Group>,
    pub keys: Vec<LoginKey>,
    pub user_data: Option<Bytes>,
    /// The disk that it boots from, and those beside it, as devices: `/dev/vda`, `/dev/vdb`.
    pub root_device: String,
    pub volume_devices: Vec<String>,
    pub launched: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: SecurityGroupId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginKey {
    pub name: String,
    /// One line, as in `authorized_keys`.
    pub public: String,
}

impl Facts {
    pub(super) fn user_data(&self) -> Option<&[u8]> {
        self.user_data.as_ref().map(|bytes| &*bytes.0).filter(|bytes| !bytes.is_empty())
    }

    pub(super) fn interface_id(&self) -> String {
        Resource::Interface(self.interface).to_string()
    }

    pub(super) fn subnet_id(&self) -> String {
        Resource::Subnet(self.subnet).to_string()
    }

    /// The public address stands for its name, as in `DescribeInstances`: it works wherever a name does.
    pub(super) fn public_hostname(&self) -> Option<String> {
        self.public_ipv4.map(|ip| ip.to_string())
    }
}

impl fmt::Debug for Facts {
    /// Without user-data and keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.user_data().map_or(0, <[u8]>::len);
        f.debug_struct("Facts")
            .field("instance", &self.instance)
            .field("access", &self.access)
            .field("local_ipv4", &self.local_ipv4)
            .field("public_ipv4", &self.public_ipv4)
            .field("user_data", &format_args!("{bytes} bytes"))
            .finish_non_exhaustive()
    }
}
