//! Security groups and their rules.

use std::net::{IpAddr, Ipv4Addr};

use cascina_core::id::{RuleId, SecurityGroupId};
use cascina_core::security_group::{Direction, MOST_RULES, Packet, Rule};

use crate::client::Answer;
use crate::site::{Farm, TestSite};

const NOBODY: &str = "sg-0123456789abcdef0";

/// The parameters of a permission for one network, `.1` of them.
fn permission<'a>(protocol: &'a str, port: &'a str, cidr: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("IpPermissions.1.IpProtocol", protocol),
        ("IpPermissions.1.FromPort", port),
        ("IpPermissions.1.ToPort", port),
        ("IpPermissions.1.IpRanges.1.CidrIp", cidr),
    ]
}

struct Scene {
    site: TestSite,
    farm: Farm,
}

impl Scene {
    async fn new() -> Scene {
        let site = TestSite::new().await;
        let farm = site.farm("alpha").await;
        Scene { site, farm }
    }

    async fn call(&self, action: &str, params: &[(&str, &str)]) -> Answer {
        self.farm.client.call(action, params).await
    }

    async fn make(&self, name: &str) -> String {
        let params = [("GroupName", name), ("GroupDescription", "of a test")];
        let answer = self.call("CreateSecurityGroup", &params).await;
        answer.good();
        answer.element("groupId")
    }

    /// An action on a group.
    async fn on(&self, action: &str, group: &str, params: &[(&str, &str)]) -> Answer {
        self.call(action, &[&[("GroupId", group)], params].concat()).await
    }

    async fn shown(&self, group: &str) -> String {
        self.call("DescribeSecurityGroups", &[("GroupId.1", group)]).await.good()
    }

    fn rules(&self, group: &str, direction: Direction) -> Vec<Rule> {
        let id: SecurityGroupId = group.parse().unwrap();
        let rules = self.site.engine.read(|state| state.rows.security_groups[&id].rules.clone());
        rules.into_iter().filter(|rule| rule.direction == direction).collect()
    }

    fn rule(&self, group: &str, direction: Direction) -> RuleId {
        let rules = self.rules(group, direction);
        assert_eq!(rules.len(), 1, "{rules:?}");
        rules[0].id
    }
}

#[tokio::test]
async fn a_group_from_first_to_last() {
    let scene = Scene::new().await;
    let vpc = scene.site.engine.read(|state| state.indexes.networks_by_farm.of(&scene.farm.id).next()).unwrap();
    let made = [
        ("GroupName", "web"),
        ("GroupDescription", "a & b"),
        ("VpcId", &vpc.to_string()),
        ("TagSpecification.1.ResourceType", "security-group"),
        ("TagSpecification.1.Tag.1.Key", "colour"),
        ("TagSpecification.1.Tag.1.Value", "red"),
    ];
    let answer = scene.call("CreateSecurityGroup", &made).await;
    assert!(answer.good().contains("<return>true</return>"));
    let id = answer.element("groupId");
    assert!(answer.element("securityGroupArn").starts_with("arn:aws:ec2:garr:"));
    let shown = scene.shown(&id).await;
    let expected = "<groupName>web</groupName><groupDescription>a &amp; b</groupDescription>";
    assert!(shown.contains(expected), "{shown}");
    assert!(
        shown.contains("<ipPermissions/><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>"),
        "{shown}"
    );
    assert!(shown.contains("<tagSet><item><key>colour</key><value>red</value></item></tagSet>"), "{shown}");
    assert_eq!(scene.call("CreateSecurityGroup", &made).await.code(400), "InvalidGroup.Duplicate");
    let by = async |name: &str, value: &str| {
        let params = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        scene.call("DescribeSecurityGroups", &params).await.good().matches("<groupName>").count()
    };
    assert_eq!(by("group-name", "w?b").await, 1);
    assert_eq!(by("vpc-id", &vpc.to_string()).await, 2);
    assert_eq!(by("tag:colour", "red").await, 1);
    assert_eq!(by("egress.ip-permission.cidr", "0.0.0.0/0").await, 2);
    assert_eq!(by("ip-permission.group-name", "default").await, 1);
    assert_eq!(by("ip-permission.cidr", "0.0.0.0/0").await, 0);
    scene.call("DeleteSecurityGroup", &[("GroupName", "web")]).await.good();
    assert_eq!(scene.on("DeleteSecurityGroup", &id, &[]).await.code(400), "InvalidGroup.NotFound");
    assert_eq!(
        scene.call("DescribeSecurityGroups", &[("GroupName.1", "web")]).await.code(400),
        "InvalidGroup.NotFound"
    );
}

#[tokio::test]
async fn groups_that_cannot_be() {
    let scene = Scene::new().await;
    let code = async |params: &[(&str, &str)]| scene.call("CreateSecurityGroup", params).await.code(400);
    assert_eq!(code(&[("GroupName", "default"), ("GroupDescription", "d")]).await, "InvalidParameterValue");
    assert_eq!(code(&[("GroupName", ""), ("GroupDescription", "d")]).await, "MissingParameter");
    let vpc = [("GroupName", "web"), ("GroupDescription", "d"), ("VpcId", "vpc-0123456789abcdef0")];
    assert_eq!(code(&vpc).await, "InvalidVpcID.NotFound");
    // Some clients send what they do not say.
    scene.call("CreateSecurityGroup", &[("GroupName", "web"), ("GroupDescription", "d"), ("VpcId", "")]).await.good();
}

#[tokio::test]
async fn groups_that_are_needed_stay() {
    let scene = Scene::new().await;
    let (one, other) = (scene.make("one").await, scene.make("other").await);
    let default = scene.site.engine.read(|state| state.group_named(scene.farm.id, "default").unwrap().id).to_string();
    assert_eq!(scene.on("DeleteSecurityGroup", &default, &[]).await.code(400), "CannotDelete");
    let named = [("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupName", "one")];
    scene.on("AuthorizeSecurityGroupIngress", &one, &named).await.good();
    scene.on("AuthorizeSecurityGroupIngress", &other, &named).await.good();
    assert_eq!(scene.on("DeleteSecurityGroup", &one, &[]).await.code(400), "DependencyViolation");
    scene.on("RevokeSecurityGroupIngress", &other, &named).await.good();
    let dry = scene.on("DeleteSecurityGroup", &one, &[("DryRun", "true")]).await;
    assert_eq!(dry.code(412), "DryRunOperation");
    scene.on("DeleteSecurityGroup", &one, &[]).await.good();
}

#[tokio::test]
async fn rules_are_added_and_taken_away() {
    let scene = Scene::new().await;
    let group = scene.make("web").await;
    let ssh = permission("tcp", "22", "10.1.2.3/8");
    let tag = [
        ("TagSpecification.1.ResourceType", "security-group-rule"),
        ("TagSpecification.1.Tag.1.Key", "a"),
        ("TagSpecification.1.Tag.1.Value", "b"),
    ];
    let answer = scene.on("AuthorizeSecurityGroupIngress", &group, &[&ssh[..], &tag[..]].concat()).await;
    let text = answer.good();
    assert!(text.contains("<isEgress>false</isEgress><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort>"), "{text}");
    assert!(text.contains("<cidrIpv4>10.0.0.0/8</cidrIpv4><tagSet><item><key>a</key>"), "{text}");
    let rule = scene.rule(&group, Direction::Ingress).to_string();
    assert_eq!(answer.element("securityGroupRuleId"), rule);
    let again = scene.on("AuthorizeSecurityGroupIngress", &group, &ssh).await.refused(400);
    assert_eq!(again.0, "InvalidPermission.Duplicate");
    assert!(again.1.contains("peer: 10.0.0.0/8, TCP"), "{}", again.1);

    let described = scene.call("DescribeSecurityGroupRules", &[("SecurityGroupRuleId.1", &rule)]).await.good();
    assert!(described.contains("<cidrIpv4>10.0.0.0/8</cidrIpv4>"), "{described}");
    let of_group = [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", group.as_str())];
    let described = scene.call("DescribeSecurityGroupRules", &of_group).await.good();
    assert_eq!(described.matches("<securityGroupRuleId>").count(), 2);
    assert!(described.contains("<isEgress>true</isEgress><ipProtocol>-1</ipProtocol><fromPort>-1</fromPort>"));

    let missing = permission("tcp", "23", "10.0.0.0/8");
    assert_eq!(scene.on("RevokeSecurityGroupIngress", &group, &missing).await.code(400), "InvalidPermission.NotFound");
    assert_eq!(scene.on("RevokeSecurityGroupEgress", &group, &ssh).await.code(400), "InvalidPermission.NotFound");
    let by_id = [("SecurityGroupRuleId.1", rule.as_str())];
    let code = scene.on("RevokeSecurityGroupEgress", &group, &by_id).await.code(400);
    assert_eq!(code, "InvalidSecurityGroupRuleId.NotFound");
    scene.on("RevokeSecurityGroupIngress", &group, &by_id).await.good();
    assert!(scene.rules(&group, Direction::Ingress).is_empty());
    // As Terraform does it, with ports that mean nothing.
    scene.on("RevokeSecurityGroupEgress", &group, &permission("-1", "0", "0.0.0.0/0")).await.good();
    assert!(scene.rules(&group, Direction::Egress).is_empty());
}

#[tokio::test]
async fn the_form_of_old_and_groups_as_sources() {
    let scene = Scene::new().await;
    let (web, source) = (scene.make("web").await, scene.make("source").await);
    let flat = [("IpProtocol", "tcp"), ("FromPort", "80"), ("ToPort", "81"), ("CidrIp", "192.0.2.0/24")];
    let by_name = [&[("GroupName", "web")], &flat[..]].concat();
    scene.call("AuthorizeSecurityGroupIngress", &by_name).await.good();
    scene.call("RevokeSecurityGroupIngress", &by_name).await.good();
    scene.on("AuthorizeSecurityGroupIngress", &web, &[("SourceSecurityGroupName", "source")]).await.good();
    assert_eq!(scene.rules(&web, Direction::Ingress).len(), 3);
    let shown = scene.shown(&web).await;
    let account = cascina_ec2::account::of(scene.farm.id);
    let pair = format!("<groups><item><userId>{account}</userId><groupId>{source}</groupId></item></groups>");
    assert_eq!(shown.matches(&pair).count(), 3, "{shown}");
    let both = [&flat[..], &permission("tcp", "22", "0.0.0.0/0")].concat();
    let code = scene.on("AuthorizeSecurityGroupIngress", &web, &both).await.code(400);
    assert_eq!(code, "InvalidParameterCombination");
    // A stranger's group is not there.
    let stranger = scene.site.farm("beta").await;
    let other = stranger.client.call("DescribeSecurityGroups", &[("GroupName.1", "default")]).await;
    other.good();
    let theirs = other.element("groupId");
    let rule = [("IpPermissions.1.IpProtocol", "-1"), ("IpPermissions.1.Groups.1.GroupId", theirs.as_str())];
    assert_eq!(scene.on("AuthorizeSecurityGroupIngress", &web, &rule).await.code(400), "InvalidGroup.NotFound");
    assert_eq!(scene.on("DeleteSecurityGroup", &theirs, &[]).await.code(400), "InvalidGroup.NotFound");
    for action in ["AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress"] {
        assert_eq!(scene.on(action, NOBODY, &rule).await.code(400), "InvalidGroup.NotFound");
    }
}

#[tokio::test]
async fn rules_are_changed() {
    let scene = Scene::new().await;
    let group = scene.make("web").await;
    scene.on("AuthorizeSecurityGroupIngress", &group, &permission("tcp", "22", "0.0.0.0/0")).await.good();
    let rule = scene.rule(&group, Direction::Ingress).to_string();
    let described = [
        ("SecurityGroupRuleDescription.1.SecurityGroupRuleId", rule.as_str()),
        ("SecurityGroupRuleDescription.1.Description", "lab"),
    ];
    scene.on("UpdateSecurityGroupRuleDescriptionsIngress", &group, &described).await.good();
    assert!(scene.shown(&group).await.contains("<cidrIp>0.0.0.0/0</cidrIp><description>lab</description>"));
    let by_what_it_is = permission("tcp", "22", "0.0.0.0/0");
    scene.on("UpdateSecurityGroupRuleDescriptionsIngress", &group, &by_what_it_is).await.good();
    assert_eq!(scene.rules(&group, Direction::Ingress)[0].description, None);
    let egress = scene.on("UpdateSecurityGroupRuleDescriptionsEgress", &group, &by_what_it_is).await;
    assert_eq!(egress.code(400), "InvalidPermission.NotFound");
    let neither = scene.on("UpdateSecurityGroupRuleDescriptionsEgress", &group, &[]).await;
    assert_eq!(neither.code(400), "MissingParameter");

    let changed = [
        ("SecurityGroupRule.1.SecurityGroupRuleId", rule.as_str()),
        ("SecurityGroupRule.1.SecurityGroupRule.IpProtocol", "icmpv6"),
        ("SecurityGroupRule.1.SecurityGroupRule.FromPort", "128"),
        ("SecurityGroupRule.1.SecurityGroupRule.ToPort", "-1"),
        ("SecurityGroupRule.1.SecurityGroupRule.CidrIpv6", "2001:db8::/32"),
        ("SecurityGroupRule.1.SecurityGroupRule.Description", "moved"),
    ];
    scene.on("ModifySecurityGroupRules", &group, &changed).await.good();
    assert_eq!(scene.rule(&group, Direction::Ingress).to_string(), rule);
    let shown = scene.call("DescribeSecurityGroupRules", &[("SecurityGroupRuleId.1", &rule)]).await.good();
    let expected = "<ipProtocol>icmpv6</ipProtocol><fromPort>128</fromPort><toPort>-1</toPort>\
                    <cidrIpv6>2001:db8::/32</cidrIpv6><description>moved</description>";
    assert!(shown.contains(expected), "{shown}");
    let mut two_sides = changed.to_vec();
    two_sides.push(("SecurityGroupRule.1.SecurityGroupRule.CidrIpv4", "0.0.0.0/0"));
    let code = scene.on("ModifySecurityGroupRules", &group, &two_sides).await.code(400);
    assert_eq!(code, "InvalidParameterCombination");
}

#[tokio::test]
async fn what_is_authorized_reaches_the_hosts() {
    let scene = Scene::new().await;
    let group = scene.make("web").await;
    scene.on("AuthorizeSecurityGroupIngress", &group, &permission("tcp", "22", "10.0.0.0/8")).await.good();
    let id: SecurityGroupId = group.parse().unwrap();
    let mut firewall = scene.site.engine.read(|state| state.firewall(scene.farm.id));
    let guest = Ipv4Addr::new(10, 64, 0, 9);
    firewall.members.insert(guest, [id].into());
    let allows = |other: [u8; 4]| firewall.allows(guest, Direction::Ingress, IpAddr::from(other), Packet::Tcp(22));
    assert_eq!((allows([10, 9, 9, 9]), allows([192, 0, 2, 1])), (true, false));
}

#[tokio::test]
async fn there_can_be_sixty() {
    let scene = Scene::new().await;
    let group = scene.make("web").await;
    let names: Vec<_> = (1..=MOST_RULES).map(|place| format!("IpPermissions.1.IpRanges.{place}.CidrIp")).collect();
    let cidrs: Vec<_> = (1..=MOST_RULES).map(|place| format!("192.0.2.{place}/32")).collect();
    let mut many = permission("tcp", "22", "192.0.2.1/32");
    many.extend(names.iter().map(String::as_str).zip(cidrs.iter().map(String::as_str)).skip(1));
    scene.on("AuthorizeSecurityGroupIngress", &group, &many).await.good();
    let more = scene.on("AuthorizeSecurityGroupIngress", &group, &permission("tcp", "23", "0.0.0.0/0")).await;
    assert_eq!(more.code(400), "RulesPerSecurityGroupLimitExceeded");
    let pages = [("MaxResults", "50")];
    let answer = scene.call("DescribeSecurityGroupRules", &pages).await;
    assert_eq!(answer.good().matches("<securityGroupRuleId>").count(), 50);
    let rest = [pages[0], ("NextToken", &answer.element("nextToken"))];
    // With those of the default group and the one out.
    let rest = scene.call("DescribeSecurityGroupRules", &rest).await.good();
    assert_eq!(rest.matches("<securityGroupRuleId>").count(), MOST_RULES + 3 - 50);
}
