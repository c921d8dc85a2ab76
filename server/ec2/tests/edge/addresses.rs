//! Elastic IPs, and where they lead.

use cascina_core::command::{Command, Power};
use cascina_core::id::InstanceId;

use crate::client::Answer;
use crate::site::{Farm, TestSite};

/// An action, its parameters, and the code of its refusal.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

const DESCRIBE: &str = "DescribeAddresses";

async fn ask(farm: &Farm, action: &str, params: &[(&str, &str)]) -> Answer {
    farm.client.call(action, params).await
}

/// An address and its id.
async fn allocate(farm: &Farm) -> (String, String) {
    let made = ask(farm, "AllocateAddress", &[("Domain", "vpc")]).await;
    made.good();
    (made.element("publicIp"), made.element("allocationId"))
}

/// What is said of one address.
async fn about(farm: &Farm, id: &str) -> Answer {
    let answer = ask(farm, DESCRIBE, &[("AllocationId.1", id)]).await;
    assert_eq!(answer.good().matches("<publicIp>").count(), 1);
    answer
}

/// The instance that an address leads to, or nothing.
async fn leads_to(farm: &Farm, id: &str) -> String {
    let answer = about(farm, id).await;
    if answer.body.contains("<instanceId/>") {
        assert!(!answer.body.contains("associationId"), "{}", answer.body);
        return String::new();
    }
    answer.element("instanceId")
}

#[tokio::test]
async fn one_is_had_and_given_back() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let tags = [
        ("TagSpecification.1.ResourceType", "elastic-ip"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "door"),
        ("NetworkBorderGroup", "garr"),
    ];
    let made = ask(&farm, "AllocateAddress", &tags).await;
    let id = made.element("allocationId");
    let expected = format!(
        "<publicIp>192.0.2.2</publicIp><domain>vpc</domain><allocationId>{id}</allocationId>\
         <publicIpv4Pool>amazon</publicIpv4Pool><networkBorderGroup>garr</networkBorderGroup>"
    );
    assert!(made.good().contains(&expected), "{}", made.body);
    let expected = format!(
        "<addressesSet><item><publicIp>192.0.2.2</publicIp><allocationId>{id}</allocationId><domain>vpc</domain>\
         <instanceId/><publicIpv4Pool>amazon</publicIpv4Pool><networkBorderGroup>garr</networkBorderGroup>\
         <tagSet><item><key>Name</key><value>door</value></item></tagSet></item></addressesSet>"
    );
    assert!(about(&farm, &id).await.body.contains(&expected), "{}", about(&farm, &id).await.body);
    let door = [("Filter.1.Name", "tag:Name"), ("Filter.1.Value.1", "door")];
    assert_eq!(ask(&farm, DESCRIBE, &door).await.element("allocationId"), id);
    let attribute = [("AllocationId.1", id.as_str()), ("Attribute", "domain-name")];
    assert!(ask(&farm, "DescribeAddressesAttribute", &attribute).await.good().contains("<addressSet/>"));
    ask(&farm, "ReleaseAddress", &[("AllocationId", &id), ("NetworkBorderGroup", "garr")]).await.good();
    for action in ["ReleaseAddress", "DescribeAddressesAttribute", DESCRIBE] {
        let name = if action == "ReleaseAddress" { "AllocationId" } else { "AllocationId.1" };
        let (code, message) = ask(&farm, action, &[(name, &id)]).await.refused(400);
        assert_eq!(code, "InvalidAllocationID.NotFound");
        assert_eq!(message, format!("The allocation ID '{id}' does not exist"));
    }
    let gone = ask(&farm, "ReleaseAddress", &[("PublicIp", "192.0.2.2")]).await.refused(400);
    assert_eq!(gone, ("InvalidAddress.NotFound".into(), "Address '192.0.2.2' not found.".into()));
}

#[tokio::test]
async fn it_leads_where_it_is_told_to() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let (one, two) = (site.instance(&farm).await.to_string(), site.instance(&farm).await.to_string());
    let (ip, id) = allocate(&farm).await;
    let associate = async |params: &[(&str, &str)]| ask(&farm, "AssociateAddress", params).await;

    let made = associate(&[("AllocationId", &id), ("InstanceId", &one)]).await;
    let association = made.element("associationId");
    assert!(made.good().contains("<return>true</return><associationId>eipassoc-"), "{}", made.body);
    let known = about(&farm, &id).await;
    assert_eq!((known.element("associationId"), known.element("instanceId")), (association.clone(), one.clone()));
    assert_eq!(known.element("privateIpAddress"), "10.64.1.10");
    let interface = known.element("networkInterfaceId");
    let seen = ask(&farm, "DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", &interface)]).await;
    assert_eq!((seen.element("publicIp"), seen.element("instanceId")), (ip.clone(), one.clone()));
    // Once more changes nothing.
    associate(&[("AllocationId", &id), ("InstanceId", &one)]).await.good();

    let (code, message) = associate(&[("AllocationId", &id), ("InstanceId", &two)]).await.refused(400);
    assert_eq!(code, "Resource.AlreadyAssociated");
    assert_eq!(message, format!("resource {id} is already associated with associate-id {association}"));
    associate(&[("AllocationId", &id), ("InstanceId", &two), ("AllowReassociation", "true")]).await.good();
    assert_eq!(leads_to(&farm, &id).await, two);
    let no = [("PublicIp", ip.as_str()), ("InstanceId", &one), ("AllowReassociation", "false")];
    assert_eq!(associate(&no).await.code(400), "Resource.AlreadyAssociated");
    associate(&[("PublicIp", &ip), ("NetworkInterfaceId", &interface)]).await.good();
    assert_eq!(leads_to(&farm, &id).await, one);

    let (_, other) = allocate(&farm).await;
    let private = [("AllocationId", other.as_str()), ("InstanceId", &one), ("PrivateIpAddress", "10.64.1.10")];
    associate(&private).await.good();
    assert_eq!((leads_to(&farm, &id).await, leads_to(&farm, &other).await), (String::new(), one.clone()));
    let (code, message) = ask(&farm, "ReleaseAddress", &[("AllocationId", &other)]).await.refused(400);
    assert_eq!((code.as_str(), message.ends_with(" is in use.")), ("InvalidIPAddress.InUse", true));

    let association = about(&farm, &other).await.element("associationId");
    ask(&farm, "DisassociateAddress", &[("AssociationId", &association)]).await.good();
    assert_eq!(leads_to(&farm, &other).await, "");
    let (code, message) = ask(&farm, "DisassociateAddress", &[("AssociationId", &association)]).await.refused(400);
    assert_eq!(code, "InvalidAssociationID.NotFound");
    assert_eq!(message, format!("The association ID '{association}' does not exist"));
    // By its address, one that leads nowhere is as it should be.
    ask(&farm, "DisassociateAddress", &[("PublicIp", &ip)]).await.good();
    ask(&farm, "ReleaseAddress", &[("PublicIp", &ip)]).await.good();
}

#[tokio::test]
async fn the_routers_stays() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let instance = site.instance(&farm).await.to_string();
    let known = ask(&farm, DESCRIBE, &[]).await;
    let (id, association) = (known.element("allocationId"), known.element("associationId"));
    assert!(known.good().contains("<instanceId/>"), "{}", known.body);
    assert_eq!(known.element("privateIpAddress"), "10.64.1.1");
    let interface = known.element("networkInterfaceId");
    let refused = async |action, params: &[(&str, &str)]| ask(&farm, action, params).await.code(400);
    let no = "OperationNotPermitted";
    let moved = [("AllocationId", id.as_str()), ("InstanceId", &instance), ("AllowReassociation", "true")];
    assert_eq!(refused("AssociateAddress", &moved).await, no);
    assert_eq!(refused("DisassociateAddress", &[("AssociationId", &association)]).await, no);
    assert_eq!(refused("DisassociateAddress", &[("PublicIp", "192.0.2.1")]).await, no);
    assert_eq!(refused("ReleaseAddress", &[("AllocationId", &id)]).await, no);
    let (_, other) = allocate(&farm).await;
    let taken = [("AllocationId", other.as_str()), ("NetworkInterfaceId", &interface)];
    assert_eq!(refused("AssociateAddress", &taken).await, no);
    assert_eq!(about(&farm, &id).await.element("associationId"), association);
}

#[tokio::test]
async fn what_is_refused() {
    let site = TestSite::new().await;
    let (farm, other) = (site.farm("alpha").await, site.farm("beta").await);
    let instance = site.instance(&farm).await.to_string();
    let strangers = site.instance(&other).await.to_string();
    let (ip, id) = allocate(&farm).await;
    let (_, strange) = allocate(&other).await;
    let nobody = "eipalloc-0123456789abcdef0";
    let cases: &[Case<'_>] = &[
        ("AllocateAddress", &[("Domain", "mars")], "InvalidParameterValue"),
        ("AllocateAddress", &[("Address", "192.0.2.9")], "UnsupportedOperation"),
        ("AllocateAddress", &[("PublicIpv4Pool", "mine")], "InvalidParameterValue"),
        ("AllocateAddress", &[("NetworkBorderGroup", "mars")], "InvalidParameterValue"),
        ("AllocateAddress", &[("DryRun", "true")], "DryRunOperation"),
        (DESCRIBE, &[("PublicIp.1", "not an address")], "InvalidParameterValue"),
        (DESCRIBE, &[("PublicIp.1", "192.0.2.200")], "InvalidAddress.NotFound"),
        (DESCRIBE, &[("AllocationId.1", nobody)], "InvalidAllocationID.NotFound"),
        (DESCRIBE, &[("AllocationId.1", &strange)], "InvalidAllocationID.NotFound"),
        (DESCRIBE, &[("AllocationId.1", "door")], "InvalidAllocationID.Malformed"),
        (DESCRIBE, &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")], "InvalidParameterValue"),
        (DESCRIBE, &[("DryRun", "true")], "DryRunOperation"),
        ("DescribeAddressesAttribute", &[("Attribute", "colour")], "InvalidParameterValue"),
        ("AssociateAddress", &[("InstanceId", &instance)], "MissingParameter"),
        ("AssociateAddress", &[("AllocationId", &id)], "MissingParameter"),
        ("AssociateAddress", &[("AllocationId", &id), ("PublicIp", &ip)], "InvalidParameterCombination"),
        ("AssociateAddress", &[("AllocationId", nobody), ("InstanceId", &instance)], "InvalidAllocationID.NotFound"),
        ("AssociateAddress", &[("AllocationId", &id), ("InstanceId", &strangers)], "InvalidInstanceID.NotFound"),
        ("AssociateAddress", &[("AllocationId", &id), ("InstanceId", "i-1")], "InvalidInstanceID.Malformed"),
        (
            "AssociateAddress",
            &[("AllocationId", &id), ("NetworkInterfaceId", "eni-0123456789abcdef0")],
            "InvalidNetworkInterfaceID.NotFound",
        ),
        (
            "AssociateAddress",
            &[("AllocationId", &id), ("InstanceId", &instance), ("PrivateIpAddress", "10.64.1.77")],
            "InvalidParameterValue",
        ),
        (
            "AssociateAddress",
            &[("AllocationId", &id), ("InstanceId", &instance), ("DryRun", "true")],
            "DryRunOperation",
        ),
        ("DisassociateAddress", &[], "MissingParameter"),
        ("DisassociateAddress", &[("AssociationId", "eipassoc-1"), ("PublicIp", &ip)], "InvalidParameterCombination"),
        ("DisassociateAddress", &[("AssociationId", "eipassoc-1")], "InvalidAssociationID.NotFound"),
        ("ReleaseAddress", &[], "MissingParameter"),
        ("ReleaseAddress", &[("AllocationId", &id), ("PublicIp", &ip)], "InvalidParameterCombination"),
        ("ReleaseAddress", &[("AllocationId", &strange)], "InvalidAllocationID.NotFound"),
        ("ReleaseAddress", &[("AllocationId", &id), ("DryRun", "true")], "DryRunOperation"),
    ];
    for (action, params, code) in cases {
        let status = if *code == "DryRunOperation" { 412 } else { 400 };
        assert_eq!(ask(&farm, action, params).await.code(status), *code, "{action} {params:?}");
    }
    assert_eq!(leads_to(&farm, &id).await, "");
    // Ids and addresses together name both.
    let both = [("PublicIp.1", ip.as_str()), ("AllocationId.1", &id), ("PublicIp.2", "192.0.2.1")];
    assert_eq!(ask(&farm, DESCRIBE, &both).await.good().matches("<publicIp>").count(), 2);
}

#[tokio::test]
async fn an_instance_that_does_not_stay_gets_none() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let instance: InstanceId = site.instance(&farm).await;
    let (_, id) = allocate(&farm).await;
    let text = instance.to_string();
    let params = [("AllocationId", id.as_str()), ("InstanceId", text.as_str())];
    ask(&farm, "AssociateAddress", &params).await.good();
    let ended = site.submit(Command::Power { instances: vec![instance], power: Power::Terminate }).await;
    site.done(ended.operation.unwrap()).await;
    assert_eq!(leads_to(&farm, &id).await, "");
    assert_eq!(ask(&farm, "AssociateAddress", &params).await.code(400), "IncorrectInstanceState");
}

#[tokio::test]
async fn there_is_an_end_to_them() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    for _ in 2..=9 {
        allocate(&farm).await;
    }
    assert_eq!(ask(&farm, "AllocateAddress", &[]).await.code(400), "InsufficientAddressCapacity");
}
