//! A farm's network, seen as a default VPC with all that belongs to it.

use cascina_core::command::{Command, Power};

use crate::client::Answer;
use crate::site::{Farm, TestSite};

async fn ask(farm: &Farm, action: &str, params: &[(&str, &str)]) -> Answer {
    farm.client.call(action, params).await
}

/// With line breaks, and ids that are the same each time.
fn shown(farm: &Farm, answer: &Answer) -> String {
    let body = answer.good();
    let (_, body) = body.split_once("<requestId>…</requestId>").unwrap();
    let mut body = body.replace("><", ">\n<").replace(&cascina_ec2::account::of(farm.id), "123456789012");
    for prefix in [
        "vpc",
        "subnet",
        "eni-attach",
        "eni",
        "eipassoc",
        "eipalloc",
        "rtbassoc",
        "rtb",
        "igw",
        "aclassoc",
        "acl",
        "dopt",
        "vpc-cidr-assoc",
        "i",
        "sg",
    ] {
        let start = format!("{prefix}-0");
        let mut rest = body.as_str();
        let mut out = String::new();
        while let Some(place) = rest.find(&start) {
            let digits = &rest[place + start.len()..];
            let whole = digits.bytes().take_while(u8::is_ascii_hexdigit).count() == 16;
            let begins = rest[..place].ends_with(['>', '/']);
            out.push_str(&rest[..place]);
            out.push_str(if whole && begins { &start[..start.len() - 1] } else { &start });
            out.push_str(if whole && begins { "…" } else { "" });
            rest = &digits[if whole && begins { 16 } else { 0 }..];
        }
        body = out + rest;
    }
    let time = |line: &str| {
        if line.starts_with("<attachTime>") { "<attachTime>…</attachTime>".into() } else { line.to_owned() }
    };
    body.lines().map(time).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn what_there_is() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let lists = [
        "DescribeVpcs",
        "DescribeRouteTables",
        "DescribeInternetGateways",
        "DescribeNetworkAcls",
        "DescribeDhcpOptions",
    ];
    for action in lists {
        insta::assert_snapshot!(action, shown(&farm, &ask(&farm, action, &[]).await));
    }
    let zone = [("Filter.1.Name", "availabilityZone"), ("Filter.1.Value.1", "workers")];
    insta::assert_snapshot!("DescribeSubnets", shown(&farm, &ask(&farm, "DescribeSubnets", &zone).await));
    let subnets =
        ask(&farm, "DescribeSubnets", &[("Filter.1.Name", "defaultForAz"), ("Filter.1.Value.1", "true")]).await;
    assert_eq!(subnets.good().matches("<subnetId>").count(), 2);
}

#[tokio::test]
async fn interfaces_of_an_instance_and_of_the_router() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let instance = site.instance(&farm).await;
    let text = instance.to_string();
    let made = ask(&farm, "AllocateAddress", &[]).await.element("allocationId");
    ask(&farm, "AssociateAddress", &[("AllocationId", &made), ("InstanceId", &text)]).await.good();
    let by = async |name: &str, value: &str| {
        ask(&farm, "DescribeNetworkInterfaces", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).await
    };
    let of_instance = by("attachment.instance-id", &text).await;
    insta::assert_snapshot!("DescribeNetworkInterfaces-instance", shown(&farm, &of_instance));
    let of_router = by("requester-managed", "true").await;
    insta::assert_snapshot!("DescribeNetworkInterfaces-router", shown(&farm, &of_router));
    let id = of_instance.element("networkInterfaceId");
    for (name, value) in [
        ("private-ip-address", "10.64.1.10"),
        ("addresses.private-ip-address", "10.64.1.*"),
        ("association.public-ip", "192.0.2.2"),
        ("association.allocation-id", &made),
        ("group-id", &of_instance.element("groupId")),
        ("group-name", "default"),
        ("mac-address", &of_instance.element("macAddress")),
        ("subnet-id", &of_instance.element("subnetId")),
        ("availability-zone", "workers"),
        ("availability-zone-id", "garr-workers"),
        ("attachment.device-index", "0"),
    ] {
        assert!(by(name, value).await.good().contains(&id), "{name}");
        assert!(!by(name, "nothing").await.good().contains(&id), "{name}");
    }
    let ended = site.submit(Command::Power { instances: vec![instance], power: Power::Terminate }).await;
    site.done(ended.operation.unwrap()).await;
    assert!(by("attachment.instance-id", &text).await.good().contains("<networkInterfaceSet/>"));
    let gone = ask(&farm, "DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &id)]).await;
    assert_eq!(gone.code(400), "InvalidNetworkInterfaceID.NotFound");
}

#[tokio::test]
async fn groups_are_changed_through_the_interface() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let instance = site.instance(&farm).await;
    let id =
        ask(&farm, "DescribeNetworkInterfaces", &[("Filter.1.Name", "description"), ("Filter.1.Value.1", "")]).await;
    let id = id.element("networkInterfaceId");
    let (name, description) = ("web".into(), "of a test".into());
    let (rules, tags) = (Vec::new(), Default::default());
    let group = Command::CreateSecurityGroup { farm: farm.id, name, description, rules, tags };
    let group = site.submit(group).await.subject;
    let modify = async |params: &[(&str, &str)]| {
        let all = [&[("NetworkInterfaceId", id.as_str())], params].concat();
        ask(&farm, "ModifyNetworkInterfaceAttribute", &all).await
    };
    assert_eq!(modify(&[("SecurityGroupId.1", &group), ("DryRun", "true")]).await.code(412), "DryRunOperation");
    modify(&[("SecurityGroupId.1", &group)]).await.good();
    let groups = site.engine.read(|state| state.rows.instances[&instance].groups.clone());
    assert_eq!(groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), group);
    let attribute = async |name: &str| {
        ask(&farm, "DescribeNetworkInterfaceAttribute", &[("NetworkInterfaceId", &id), ("Attribute", name)]).await
    };
    let groups = attribute("groupSet").await.good();
    let expected = format!("<groupSet><item><groupId>{group}</groupId><groupName>web</groupName></item></groupSet>");
    assert!(groups.contains(&expected), "{groups}");
    assert!(attribute("description").await.good().contains("<description><value/></description>"));
    assert!(attribute("sourceDestCheck").await.good().contains("<sourceDestCheck><value>true</value>"));
    assert_eq!(attribute("attachment").await.element("instanceId"), instance.to_string());
    assert_eq!(attribute("colour").await.code(400), "InvalidParameterValue");
    let none = ask(&farm, "DescribeNetworkInterfaceAttribute", &[("NetworkInterfaceId", &id)]).await;
    assert_eq!(none.code(400), "InvalidParameterCombination");

    // What is so already may be asked for.
    modify(&[("SourceDestCheck.Value", "true")]).await.good();
    modify(&[("Description.Value", "")]).await.good();
    assert_eq!(modify(&[("SourceDestCheck.Value", "false")]).await.code(400), "UnsupportedOperation");
    assert_eq!(modify(&[("Description.Value", "front")]).await.code(400), "UnsupportedOperation");
    let nobody = "sg-0123456789abcdef0";
    assert_eq!(modify(&[("SecurityGroupId.1", nobody)]).await.code(400), "InvalidGroup.NotFound");
    let attachment = [("Attachment.AttachmentId", "eni-attach-1"), ("Attachment.DeleteOnTermination", "true")];
    assert_eq!(modify(&attachment).await.code(400), "InvalidAttachmentID.NotFound");
    let of_router = [("Filter.1.Name", "description"), ("Filter.1.Value.1", "router")];
    let router = ask(&farm, "DescribeNetworkInterfaces", &of_router).await.element("networkInterfaceId");
    let router = [("NetworkInterfaceId", router.as_str()), ("SecurityGroupId.1", &group)];
    assert_eq!(ask(&farm, "ModifyNetworkInterfaceAttribute", &router).await.code(400), "OperationNotPermitted");
}

#[tokio::test]
async fn subnets_tell_what_is_free() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let free = async || ask(&farm, "DescribeSubnets", &[]).await.element("availableIpAddressCount");
    assert_eq!(free().await, "245");
    site.instance(&farm).await;
    assert_eq!(free().await, "244");
}

#[tokio::test]
async fn what_is_found_and_what_is_not() {
    let site = TestSite::new().await;
    let (farm, other) = (site.farm("alpha").await, site.farm("beta").await);
    let lists = [
        ("DescribeVpcs", "VpcId", "vpc-", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed"),
        ("DescribeSubnets", "SubnetId", "subnet-", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed"),
        (
            "DescribeRouteTables",
            "RouteTableId",
            "rtb-",
            "InvalidRouteTableID.NotFound",
            "InvalidRouteTableId.Malformed",
        ),
        (
            "DescribeInternetGateways",
            "InternetGatewayId",
            "igw-",
            "InvalidInternetGatewayID.NotFound",
            "InvalidInternetGatewayId.Malformed",
        ),
        (
            "DescribeNetworkAcls",
            "NetworkAclId",
            "acl-",
            "InvalidNetworkAclID.NotFound",
            "InvalidNetworkAclId.Malformed",
        ),
        (
            "DescribeDhcpOptions",
            "DhcpOptionsId",
            "dopt-",
            "InvalidDhcpOptionID.NotFound",
            "InvalidDhcpOptionsId.Malformed",
        ),
        (
            "DescribeNetworkInterfaces",
            "NetworkInterfaceId",
            "eni-",
            "InvalidNetworkInterfaceID.NotFound",
            "InvalidNetworkInterfaceId.Malformed",
        ),
    ];
    for (action, ids, prefix, missing, malformed) in lists {
        let first = format!("{ids}.1");
        let id = |answer: &Answer| {
            let name = format!("{}{}", ids[..1].to_lowercase(), &ids[1..]);
            answer.element(&name)
        };
        let own = id(&ask(&farm, action, &[]).await);
        let others = id(&ask(&other, action, &[]).await);
        assert!(own.starts_with(prefix) && own != others, "{action}");
        assert_eq!(id(&ask(&farm, action, &[(&first, &own)]).await), own);
        assert_eq!(ask(&farm, action, &[(&first, &others)]).await.code(400), missing);
        let nobody = format!("{prefix}12345678");
        assert_eq!(ask(&farm, action, &[(&first, &nobody)]).await.code(400), missing);
        assert_eq!(ask(&farm, action, &[(&first, "nothing")]).await.code(400), malformed);
        let colour = [("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")];
        let (code, message) = ask(&farm, action, &colour).await.refused(400);
        assert_eq!((code.as_str(), message.as_str()), ("InvalidParameterValue", "The filter 'colour' is invalid"));
        assert_eq!(ask(&farm, action, &[("MaxResults", "4")]).await.code(400), "InvalidParameterValue");
        let both = [("MaxResults", "5"), (first.as_str(), own.as_str())];
        assert_eq!(ask(&farm, action, &both).await.code(400), "InvalidParameterCombination");
        let tags = Command::SetTags {
            farm: farm.id,
            resources: vec![own.parse().unwrap()],
            tags: [("of".to_owned(), prefix.to_owned())].into(),
        };
        site.submit(tags).await;
        let tagged = ask(&farm, action, &[("Filter.1.Name", "tag:of"), ("Filter.1.Value.1", prefix)]).await;
        assert_eq!(id(&tagged), own);
        assert_eq!(tagged.element("key"), "of");
    }
}

#[tokio::test]
async fn attributes_of_the_vpc() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let vpc = ask(&farm, "DescribeVpcs", &[("Filter.1.Name", "isDefault"), ("Filter.1.Value.1", "true")]).await;
    let vpc = vpc.element("vpcId");
    for attribute in ["enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics"] {
        let answer = ask(&farm, "DescribeVpcAttribute", &[("VpcId", &vpc), ("Attribute", attribute)]).await.good();
        let expected = format!("<vpcId>{vpc}</vpcId><{attribute}><value>false</value></{attribute}></");
        assert!(answer.contains(&expected), "{answer}");
    }
    let code = async |params: &[(&str, &str)]| ask(&farm, "DescribeVpcAttribute", params).await.code(400);
    assert_eq!(code(&[("VpcId", &vpc)]).await, "InvalidParameterCombination");
    assert_eq!(code(&[("VpcId", &vpc), ("Attribute", "colour")]).await, "InvalidParameterValue");
    let nobody = [("VpcId", "vpc-0123456789abcdef0"), ("Attribute", "enableDnsSupport")];
    assert_eq!(code(&nobody).await, "InvalidVpcID.NotFound");
}

#[tokio::test]
async fn what_there_is_none_of() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let answer = ask(&farm, "DescribeNatGateways", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", "vpc-1")]).await;
    assert!(answer.good().ends_with("<natGatewaySet/></DescribeNatGatewaysResponse>"), "{}", answer.body);
    assert_eq!(ask(&farm, "DescribeNatGateways", &[("NatGatewayId.1", "nat-1")]).await.code(400), "NatGatewayNotFound");
    assert_eq!(ask(&farm, "DescribeHosts", &[("NextToken", "x")]).await.code(400), "InvalidNextToken");
    let credits = "DescribeInstanceCreditSpecifications";
    assert!(ask(&farm, credits, &[]).await.good().contains("<instanceCreditSpecificationSet/>"));
    let instance = site.instance(&farm).await.to_string();
    let refused = ask(&farm, credits, &[("InstanceId.1", &instance)]).await.code(400);
    assert_eq!(refused, "InstanceCreditSpecification.NotSupported");
    assert_eq!(ask(&farm, "CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await.code(400), "UnsupportedOperation");
}
