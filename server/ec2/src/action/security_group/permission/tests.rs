use cascina_core::id::{RuleId, TenantId};
use cascina_core::security_group::{MOST_RULES, Ports, Rule};
use cascina_core::units::Timestamp;

use super::*;
use crate::wire::{Limits, Params, decode};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Request {
    #[serde(default)]
    ip_permissions: Vec<IpPermission>,
}

const FARM: FarmId = FarmId(1);

/// Reads permissions, each name after `IpPermissions.1.`.
fn read(rest: &[&str]) -> Result<Vec<Wanted>, Fault> {
    let query = rest.iter().map(|rest| format!("IpPermissions.1.{rest}")).collect::<Vec<_>>().join("&");
    let tree = Params::parse(&query, b"", &Limits::default()).unwrap().tree().unwrap();
    let request: Request = decode(&tree)?;
    wanted(&request.ip_permissions)
}

fn rules(rest: &[&str]) -> Result<Vec<NewRule>, Fault> {
    found(&State::default(), FARM, Direction::Ingress, &read(rest)?)
}

fn code(rest: &[&str]) -> Code {
    rules(rest).unwrap_err().code
}

fn net(text: &str) -> Peer {
    Peer::Net(text.parse().unwrap())
}

#[test]
fn each_other_side_is_a_rule() {
    let all = rules(&[
        "IpProtocol=tcp",
        "FromPort=22",
        "ToPort=22",
        "IpRanges.1.CidrIp=10.1.2.3/8",
        "IpRanges.2.CidrIp=0.0.0.0/0",
        "IpRanges.2.Description=all+of+it",
        "Ipv6Ranges.1.CidrIpv6=2001:db8::1/32",
        "Ipv6Ranges.1.Description=",
    ]);
    let traffic = Traffic::Tcp(Ports { from: 22, to: 22 });
    let rule = |peer, description: Option<&str>| NewRule {
        direction: Direction::Ingress,
        traffic,
        peer,
        description: description.map(Into::into),
    };
    let expected =
        [rule(net("10.0.0.0/8"), None), rule(net("0.0.0.0/0"), Some("all of it")), rule(net("2001:db8::/32"), None)];
    assert_eq!(all.unwrap(), expected);
}

#[test]
fn what_is_no_rule() {
    let ssh = ["IpProtocol=tcp", "FromPort=22", "ToPort=22"];
    let with = |rest: &[&'static str]| code(&[&ssh[..], rest].concat());
    for cidr in [
        "IpRanges.1.CidrIp=everywhere",
        "IpRanges.1.CidrIp=300.0.0.0/8",
        "IpRanges.1.CidrIp=10.0.0.0/33",
        "IpRanges.1.CidrIp=10.0.0.1",
        "IpRanges.1.CidrIp=::/0",
        "IpRanges.1.CidrIp=",
        "Ipv6Ranges.1.CidrIpv6=0.0.0.0/0",
    ] {
        assert_eq!(with(&[cidr]), Code::InvalidParameterValue, "{cidr}");
    }
    assert_eq!(with(&["IpRanges.1.CidrIp=10.0.0.1/32", "IpRanges.1.Description=%22"]), Code::InvalidParameterValue);
    // The same network, once its host bits are left out.
    let twice = ["IpRanges.1.CidrIp=10.0.0.1/8", "IpRanges.2.CidrIp=10.0.0.2/8"];
    assert_eq!(with(&twice), Code::InvalidParameterValue);
    assert_eq!(with(&["IpRanges.1.Description=x"]), Code::MissingParameter);
    assert_eq!(with(&["PrefixListIds.1.PrefixListId=pl-12345678"]), Code::InvalidPrefixListIdNotFound);
    assert_eq!(with(&["Groups.1.GroupId=sg-12345678"]), Code::InvalidGroupNotFound);
    assert_eq!(with(&["Groups.1.GroupId=web"]), Code::InvalidGroupIdMalformed);
    assert_eq!(with(&["Groups.1.GroupName=web"]), Code::InvalidGroupNotFound);
    assert_eq!(with(&["Groups.1.GroupName=web", "Groups.1.UserId=123456789012"]), Code::InvalidGroupNotFound);
    assert_eq!(with(&["Groups.1.UserId="]), Code::MissingParameter);
    assert_eq!(with(&[]), Code::MissingParameter);
    assert_eq!(code(&["IpRanges.1.CidrIp=10.0.0.1/8"]), Code::MissingParameter);
    assert_eq!(with(&["Colour=red"]), Code::UnknownParameter);
}

fn group(rules: Vec<Rule>) -> SecurityGroup {
    SecurityGroup {
        id: SecurityGroupId(1),
        farm: FARM,
        tenant: TenantId(1),
        name: "web".into(),
        description: "d".into(),
        rules,
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

fn kept(number: u64, rule: &NewRule) -> Rule {
    let NewRule { direction, traffic, peer, description } = rule.clone();
    Rule { id: RuleId(number), direction, traffic, peer, description }
}

#[test]
fn what_a_group_has_is_not_added_again() {
    let ssh = ["IpProtocol=tcp", "FromPort=22", "ToPort=22", "IpRanges.1.CidrIp=0.0.0.0/0"];
    let new = rules(&ssh).unwrap();
    let mut known = kept(1, &new[0]);
    known.description = Some("another".into());
    let fault = addable(&group(vec![known.clone()]), Direction::Ingress, &new).unwrap_err();
    let expected = "the specified rule \"peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW\" already exists";
    assert_eq!((fault.code, fault.message.as_str()), (Code::InvalidPermissionDuplicate, expected));
    let other_way = Rule { direction: Direction::Egress, ..known };
    assert_eq!(addable(&group(vec![other_way]), Direction::Ingress, &new), Ok(()));
}

#[test]
fn there_can_be_sixty() {
    let ssh = ["IpProtocol=tcp", "FromPort=22", "ToPort=22", "IpRanges.1.CidrIp=0.0.0.0/0"];
    let new = rules(&ssh).unwrap();
    let rule = |port: usize| {
        let port = u16::try_from(port).unwrap();
        let mut rule = kept(port.into(), &new[0]);
        rule.traffic = Traffic::Udp(Ports { from: port, to: port });
        rule
    };
    assert_eq!(addable(&group((1..MOST_RULES).map(rule).collect()), Direction::Ingress, &new), Ok(()));
    let full = group((1..=MOST_RULES).map(rule).collect());
    let fault = addable(&full, Direction::Ingress, &new).unwrap_err();
    assert_eq!(fault.code, Code::RulesPerSecurityGroupLimitExceeded);
    assert_eq!(addable(&full, Direction::Egress, &new), Ok(()));
}
