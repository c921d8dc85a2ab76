//! Kinds of things that Amazon has and a farm has none of: lists that are always empty.
//!
//! Clients ask for them on their way to something else, and go on when there are none.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Column, Columns, Filter, Filters};
use crate::wire::xml::Set;
use crate::wire::{ParamError, short};

/// A list that is always empty.
#[derive(Debug)]
pub struct Nothing {
    pub action: &'static str,
    wrapper: &'static str,
    /// Parameters by which some could be named, with what is said when they are.
    names: &'static [(&'static str, Code, &'static str)],
    /// Names of filters; `tag` stands for all that there are of tags.
    filters: &'static str,
    /// Parameters that would choose among some.
    others: &'static [&'static str],
}

const fn nothing(
    action: &'static str,
    wrapper: &'static str,
    names: &'static [(&'static str, Code, &'static str)],
    filters: &'static str,
) -> Nothing {
    Nothing { action, wrapper, names, filters, others: &[] }
}

pub const ALL: &[Nothing] = &[
    nothing(
        "DescribeBundleTasks",
        "bundleInstanceTasksSet",
        &[("BundleId", Code::InvalidBundleIdNotFound, "bundle ID")],
        "bundle-id error-code error-message instance-id progress s3-bucket s3-prefix start-time state update-time",
    ),
    nothing(
        "DescribeCarrierGateways",
        "carrierGatewaySet",
        &[("CarrierGatewayId", Code::InvalidCarrierGatewayIdNotFound, "carrier gateway ID")],
        "carrier-gateway-id owner-id state tag vpc-id",
    ),
    nothing(
        "DescribeConversionTasks",
        "conversionTasks",
        &[("ConversionTaskId", Code::InvalidConversionTaskId, "conversion task ID")],
        "",
    ),
    nothing(
        "DescribeCustomerGateways",
        "customerGatewaySet",
        &[("CustomerGatewayId", Code::InvalidCustomerGatewayIdNotFound, "customerGateway ID")],
        "bgp-asn customer-gateway-id ip-address state tag type",
    ),
    nothing(
        "DescribeEgressOnlyInternetGateways",
        "egressOnlyInternetGatewaySet",
        &[(
            "EgressOnlyInternetGatewayId",
            Code::InvalidEgressOnlyInternetGatewayIdNotFound,
            "egressOnlyInternetGateway ID",
        )],
        "tag",
    ),
    nothing(
        "DescribeHosts",
        "hostSet",
        &[("HostId", Code::InvalidHostIdNotFound, "host ID")],
        "auto-placement availability-zone client-token host-reservation-id instance-type state tag",
    ),
    nothing(
        "DescribeIamInstanceProfileAssociations",
        "iamInstanceProfileAssociationSet",
        &[("AssociationId", Code::InvalidAssociationIdNotFound, "association ID")],
        "instance-id state",
    ),
    Nothing {
        others: &["IncludeManagedResources"],
        ..nothing(
            "DescribeLaunchTemplates",
            "launchTemplates",
            &[
                ("LaunchTemplateId", Code::InvalidLaunchTemplateIdNotFound, "launch template ID"),
                ("LaunchTemplateName", Code::InvalidLaunchTemplateNameNotFound, "launch template"),
            ],
            "create-time launch-template-name tag",
        )
    },
    nothing(
        "DescribeManagedPrefixLists",
        "prefixListSet",
        &[("PrefixListId", Code::InvalidPrefixListIdNotFound, "prefix list ID")],
        "owner-id prefix-list-id prefix-list-name tag",
    ),
    nothing(
        "DescribeNatGateways",
        "natGatewaySet",
        &[("NatGatewayId", Code::NatGatewayNotFound, "NAT gateway")],
        "nat-gateway-id state subnet-id tag vpc-id",
    ),
    nothing(
        "DescribePlacementGroups",
        "placementGroupSet",
        &[
            ("GroupId", Code::InvalidPlacementGroupUnknown, "placement group ID"),
            ("GroupName", Code::InvalidPlacementGroupUnknown, "placement group"),
        ],
        "group-arn group-name spread-level state strategy tag",
    ),
    nothing(
        "DescribePrefixLists",
        "prefixListSet",
        &[("PrefixListId", Code::InvalidPrefixListIdNotFound, "prefix list ID")],
        "prefix-list-id prefix-list-name",
    ),
    Nothing {
        others: &["OfferingClass", "OfferingType"],
        ..nothing(
            "DescribeReservedInstances",
            "reservedInstancesSet",
            &[("ReservedInstancesId", Code::InvalidReservedInstancesId, "reserved instances ID")],
            "availability-zone availability-zone-id duration end fixed-price instance-type product-description \
             reserved-instances-id scope start state tag usage-price",
        )
    },
    nothing(
        "DescribeSpotInstanceRequests",
        "spotInstanceRequestSet",
        &[("SpotInstanceRequestId", Code::InvalidSpotInstanceRequestIdNotFound, "spot instance request ID")],
        "availability-zone-group create-time fault-code fault-message instance-id launch-group \
         launch.block-device-mapping.delete-on-termination launch.block-device-mapping.device-name \
         launch.block-device-mapping.snapshot-id launch.block-device-mapping.volume-size \
         launch.block-device-mapping.volume-type launch.group-id launch.group-name launch.image-id \
         launch.instance-type launch.kernel-id launch.key-name launch.monitoring-enabled launch.ramdisk-id \
         launched-availability-zone launched-availability-zone-id network-interface.addresses.primary \
         network-interface.delete-on-termination network-interface.description network-interface.device-index \
         network-interface.group-id network-interface.network-interface-id network-interface.private-ip-address \
         network-interface.subnet-id product-description spot-instance-request-id spot-price state status-code \
         status-message tag type valid-from valid-until",
    ),
    nothing(
        "DescribeVpcEndpoints",
        "vpcEndpointSet",
        &[("VpcEndpointId", Code::InvalidVpcEndpointIdNotFound, "Vpc Endpoint Id")],
        "ip-address-type service-name service-region tag vpc-endpoint-id vpc-endpoint-state vpc-endpoint-type vpc-id",
    ),
    nothing(
        "DescribeVpcPeeringConnections",
        "vpcPeeringConnectionSet",
        &[("VpcPeeringConnectionId", Code::InvalidVpcPeeringConnectionIdNotFound, "vpcPeeringConnection ID")],
        "accepter-vpc-info.cidr-block accepter-vpc-info.owner-id accepter-vpc-info.vpc-id expiration-time \
         requester-vpc-info.cidr-block requester-vpc-info.owner-id requester-vpc-info.vpc-id status-code \
         status-message tag vpc-peering-connection-id",
    ),
    nothing(
        "DescribeVpnConnections",
        "vpnConnectionSet",
        &[("VpnConnectionId", Code::InvalidVpnConnectionIdNotFound, "vpnConnection ID")],
        "bgp-asn customer-gateway-configuration customer-gateway-id option.static-routes-only \
         route.destination-cidr-block state tag transit-gateway-id type vpn-connection-id vpn-gateway-id",
    ),
    nothing(
        "DescribeVpnGateways",
        "vpnGatewaySet",
        &[("VpnGatewayId", Code::InvalidVpnGatewayIdNotFound, "vpnGateway ID")],
        "amazon-side-asn attachment.state attachment.vpc-id availability-zone state tag type vpn-gateway-id",
    ),
];

/// What is asked, whatever it is called.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
    others: Vec<(String, Vec<String>)>,
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Asked, D::Error> {
        struct Parameters;

        impl<'de> Visitor<'de> for Parameters {
            type Value = Asked;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Asked, A::Error> {
                let mut asked = Asked::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "Filter" => asked.filter = map.next_value()?,
                        "MaxResults" => asked.max_results = map.next_value()?,
                        "NextToken" => asked.next_token = map.next_value()?,
                        _ => asked.others.push((name, map.next_value::<Texts>()?.0)),
                    }
                }
                Ok(asked)
            }
        }

        deserializer.deserialize_map(Parameters)
    }
}

/// A text, or a list of some.
struct Texts(Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = list.next_element()? {
                    all.push(text);
                }
                Ok(Texts(all))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// The answer: the list's name, and nothing in it.
#[derive(Debug)]
pub struct Empty(&'static str);

impl Serialize for Empty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = serializer.serialize_struct("Empty", 1)?;
        answer.serialize_field(self.0, &Set::<()>::default())?;
        answer.end()
    }
}

impl Nothing {
    /// Clients that ask for what cannot be would not find it elsewhere either.
    fn check(&self, asked: &Asked) -> Result<bool, Fault> {
        let words = || self.filters.split_whitespace();
        let columns: Vec<Column<()>> = words().map(|name| -> Column<()> { (name, |()| Vec::new()) }).collect();
        let tagged = words().any(|name| name == "tag");
        let tags = if tagged { Some(no_tags as crate::filter::Tags<()>) } else { None };
        Filters::new(&asked.filter, &Columns { columns: &columns, tags })?;
        let mut named = false;
        for (name, values) in &asked.others {
            if let Some((_, code, what)) = self.names.iter().find(|(known, ..)| known == name) {
                if let Some(value) = values.first() {
                    return Err(code.fault(format!("The {what} '{}' does not exist", short(value))));
                }
                named = true;
            } else if !self.others.contains(&name.as_str()) {
                return Err(ParamError::Unknown(short(name)).into());
            }
        }
        Ok(named)
    }
}

fn no_tags(_: &()) -> Vec<(&str, &str)> {
    Vec::new()
}

pub async fn describe(call: Call, asked: Asked, nothing: &'static Nothing) -> Result<Empty, Fault> {
    let named = nothing.check(&asked)?;
    call.page::<String>(asked.max_results, asked.next_token.as_deref(), named, 1..=1000)?;
    Ok(Empty(nothing.wrapper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, Params, decode, xml};

    fn check(action: &str, query: &str) -> Result<bool, Fault> {
        let nothing = ALL.iter().find(|nothing| nothing.action == action).unwrap();
        let tree = Params::parse(query, b"", &Limits::default()).unwrap().tree().unwrap();
        nothing.check(&decode(&tree)?)
    }

    #[test]
    fn what_can_be_asked() {
        assert_eq!(check("DescribeNatGateways", ""), Ok(false));
        let filter = "Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&Filter.2.Name=tag:a&Filter.2.Value.1=b";
        assert!(check("DescribeNatGateways", &format!("{filter}&MaxResults=5")).is_ok());
        assert!(check("DescribeReservedInstances", "OfferingType=No+Upfront").is_ok());
        let code = |action, query| check(action, query).unwrap_err().code;
        assert_eq!(code("DescribePrefixLists", filter), Code::InvalidParameterValue);
        assert_eq!(code("DescribeNatGateways", "NatGatewayId.1=nat-1"), Code::NatGatewayNotFound);
        assert_eq!(code("DescribeLaunchTemplates", "LaunchTemplateName.1=a"), Code::InvalidLaunchTemplateNameNotFound);
        assert_eq!(code("DescribeNatGateways", "Colour=red"), Code::UnknownParameter);
        assert_eq!(code("DescribeNatGateways", "NatGatewayId.1.Of=red"), Code::UnknownParameter);
    }

    #[test]
    fn the_list_has_its_name() {
        for nothing in ALL {
            let xml = xml::response(nothing.action, "", "r", &Empty(nothing.wrapper)).unwrap();
            assert!(xml.contains(&format!("<{}/>", nothing.wrapper)), "{xml}");
            assert!(nothing.filters.split_whitespace().is_sorted(), "{}", nothing.action);
        }
        assert!(ALL.is_sorted_by_key(|nothing| nothing.action));
    }
}
