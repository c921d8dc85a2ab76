//! What EC2 says when something is not there, or when its id is not one.

use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;

/// Kinds of things that clients name by an id or by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Address,
    Association,
    DhcpOptions,
    Image,
    Instance,
    InstanceType,
    InterfaceAttachment,
    InternetGateway,
    KeyPair,
    Network,
    NetworkAcl,
    NetworkInterface,
    RouteTable,
    SecurityGroup,
    SecurityGroupRule,
    Snapshot,
    Subnet,
    Volume,
    Zone,
    /// What no EC2 action is about, such as farms.
    Other,
}

impl Noun {
    /// The engine's word for it, or EC2's as the type of what has tags.
    pub fn of(word: &str) -> Noun {
        match word {
            "network-acl" => Noun::NetworkAcl,
            "address" | "elastic IP" | "elastic-ip" => Noun::Address,
            "dhcp-options" => Noun::DhcpOptions,
            "internet-gateway" => Noun::InternetGateway,
            "image" => Noun::Image,
            "instance" => Noun::Instance,
            "flavor" => Noun::InstanceType,
            "network-interface" => Noun::NetworkInterface,
            "key pair" | "key-pair" => Noun::KeyPair,
            "network" | "vpc" => Noun::Network,
            "route-table" => Noun::RouteTable,
            "security group" | "security-group" | "group" => Noun::SecurityGroup,
            "security group rule" | "security-group-rule" => Noun::SecurityGroupRule,
            "snapshot" => Noun::Snapshot,
            "subnet" => Noun::Subnet,
            "volume" => Noun::Volume,
            "class" => Noun::Zone,
            _ => Noun::Other,
        }
    }

    /// It does not exist, or is not the caller's, which is the same for the caller.
    pub fn not_found(self, id: &str) -> Fault {
        let id = short(id);
        match self {
            Noun::Address if id.starts_with("eipalloc-") => {
                Code::InvalidAllocationIdNotFound.fault(format!("The allocation ID '{id}' does not exist"))
            }
            Noun::Address => Code::InvalidAddressNotFound.fault(format!("Address '{id}' not found.")),
            Noun::Association => {
                Code::InvalidAssociationIdNotFound.fault(format!("The association ID '{id}' does not exist"))
            }
            Noun::DhcpOptions => {
                Code::InvalidDhcpOptionsIdNotFound.fault(format!("The dhcpOption ID '{id}' does not exist"))
            }
            Noun::Image => Code::InvalidAmiIdNotFound.fault(format!("The image id '[{id}]' does not exist")),
            Noun::Instance => Code::InvalidInstanceIdNotFound.fault(format!("The instance ID '{id}' does not exist")),
            Noun::InstanceType => {
                Code::InvalidInstanceType.fault(format!("The following supplied instance types do not exist: [{id}]"))
            }
            Noun::InterfaceAttachment => {
                Code::InvalidAttachmentIdNotFound.fault(format!("The attachment ID '{id}' does not exist"))
            }
            Noun::InternetGateway => {
                Code::InvalidInternetGatewayIdNotFound.fault(format!("The internetGateway ID '{id}' does not exist"))
            }
            Noun::KeyPair => Code::InvalidKeyPairNotFound.fault(format!("The key pair '{id}' does not exist")),
            Noun::Network => Code::InvalidVpcIdNotFound.fault(format!("The vpc ID '{id}' does not exist")),
            Noun::NetworkAcl => {
                Code::InvalidNetworkAclIdNotFound.fault(format!("The networkAcl ID '{id}' does not exist"))
            }
            Noun::NetworkInterface => {
                Code::InvalidNetworkInterfaceIdNotFound.fault(format!("The networkInterface ID '{id}' does not exist"))
            }
            Noun::RouteTable => {
                Code::InvalidRouteTableIdNotFound.fault(format!("The routeTable ID '{id}' does not exist"))
            }
            Noun::SecurityGroup => {
                Code::InvalidGroupNotFound.fault(format!("The security group '{id}' does not exist"))
            }
            Noun::SecurityGroupRule => Code::InvalidSecurityGroupRuleIdNotFound
                .fault(format!("The security group rule ID '{id}' does not exist")),
            Noun::Snapshot => Code::InvalidSnapshotNotFound.fault(format!("The snapshot '{id}' does not exist.")),
            Noun::Subnet => Code::InvalidSubnetIdNotFound.fault(format!("The subnet ID '{id}' does not exist")),
            Noun::Volume => Code::InvalidVolumeNotFound.fault(format!("The volume '{id}' does not exist.")),
            Noun::Zone => Code::InvalidZoneNotFound.fault(format!("The zone '{id}' does not exist")),
            Noun::Other => Code::InvalidId.fault(format!("The ID '{id}' is not valid")),
        }
    }

    /// It cannot be an id of such a thing. What has a name rather than an id is simply not there.
    pub fn malformed(self, id: &str) -> Fault {
        let (code, prefix) = match self {
            Noun::Address => (Code::InvalidAllocationIdMalformed, "eipalloc-"),
            Noun::DhcpOptions => (Code::InvalidDhcpOptionsIdMalformed, "dopt-"),
            Noun::Image => (Code::InvalidAmiIdMalformed, "ami-"),
            Noun::Instance => (Code::InvalidInstanceIdMalformed, "i-"),
            Noun::Network => (Code::InvalidVpcIdMalformed, "vpc-"),
            Noun::RouteTable => (Code::InvalidRouteTableIdMalformed, "rtb-"),
            Noun::SecurityGroup => (Code::InvalidGroupIdMalformed, "sg-"),
            Noun::SecurityGroupRule => (Code::InvalidSecurityGroupRuleIdMalformed, "sgr-"),
            Noun::Snapshot => (Code::InvalidSnapshotIdMalformed, "snap-"),
            Noun::Subnet => (Code::InvalidSubnetIdMalformed, "subnet-"),
            Noun::Volume => (Code::InvalidVolumeIdMalformed, "vol-"),
            Noun::InternetGateway => (Code::InvalidInternetGatewayIdMalformed, "igw-"),
            Noun::NetworkAcl => (Code::InvalidNetworkAclIdMalformed, "acl-"),
            Noun::NetworkInterface => (Code::InvalidNetworkInterfaceIdMalformed, "eni-"),
            Noun::Association
            | Noun::InstanceType
            | Noun::InterfaceAttachment
            | Noun::KeyPair
            | Noun::Zone
            | Noun::Other => {
                return self.not_found(id);
            }
        };
        code.fault(format!("Invalid id: \"{}\" (expecting \"{prefix}...\")", short(id)))
    }
}
