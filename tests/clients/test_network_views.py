"""The farm's one network, shown as a default VPC with all that belongs to it, and what cannot be made."""

import ipaddress

import pytest

from conftest import FLAVOR, NOBODY, ZONE, find, moto_differs, refused


@pytest.fixture(scope="module")
def vpc(ec2):
    (found,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return found


def in_vpc(vpc, key="vpc-id"):
    return [{"Name": key, "Values": [vpc["VpcId"]]}]


# ---- What is shown --------------------------------------------------------------------------------


def test_the_vpc(ec2, vpc, account):
    assert vpc["VpcId"].startswith("vpc-")
    assert vpc["State"] == "available"
    assert vpc["IsDefault"] is True
    assert vpc["InstanceTenancy"] == "default"
    assert vpc["OwnerId"] == account
    assert vpc["DhcpOptionsId"]
    network = ipaddress.ip_network(vpc["CidrBlock"])
    (block,) = vpc["CidrBlockAssociationSet"]
    assert ipaddress.ip_network(block["CidrBlock"]) == network
    assert block["CidrBlockState"]["State"] == "associated"
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc["VpcId"]])


def test_both_spellings_of_default(ec2, vpc):
    for name in "isDefault", "is-default":
        (found,) = ec2.describe_vpcs(Filters=[{"Name": name, "Values": ["true"]}])["Vpcs"]
        assert found["VpcId"] == vpc["VpcId"]


@pytest.mark.parametrize("attribute", ["enableDnsSupport", "enableDnsHostnames", "enableNetworkAddressUsageMetrics"])
def test_its_attributes(ec2, vpc, attribute):
    answer = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
    assert answer["VpcId"] == vpc["VpcId"]
    assert answer[attribute[0].upper() + attribute[1:]]["Value"] in (True, False)


def test_a_subnet_for_each_zone(ec2, vpc):
    subnets = ec2.describe_subnets(Filters=in_vpc(vpc))["Subnets"]
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert sorted(one["AvailabilityZone"] for one in subnets) == sorted(one["ZoneName"] for one in zones)
    for subnet in subnets:
        assert subnet["SubnetId"].startswith("subnet-")
        assert subnet["State"] == "available"
        assert subnet["DefaultForAz"] is True
        assert subnet["AvailableIpAddressCount"] > 0
        assert ipaddress.ip_network(subnet["CidrBlock"]).subnet_of(ipaddress.ip_network(vpc["CidrBlock"]))
        assert subnet["MapPublicIpOnLaunch"] in (True, False)


def test_the_default_subnet_of_a_zone(ec2, vpc):
    """As Ansible looks for it."""
    filters = [*in_vpc(vpc), {"Name": "state", "Values": ["available"]}, {"Name": "default-for-az", "Values": ["true"]}]
    found = ec2.describe_subnets(Filters=filters)["Subnets"]
    assert ZONE in {one["AvailabilityZone"] for one in found}


def test_an_instance_is_in_it(ec2, vpc, instance):
    seen = find(ec2, instance)
    assert seen["VpcId"] == vpc["VpcId"]
    (subnet,) = ec2.describe_subnets(SubnetIds=[seen["SubnetId"]])["Subnets"]
    assert subnet["AvailabilityZone"] == seen["Placement"]["AvailabilityZone"]


@moto_differs("gives addresses of its own liking")
def test_its_address_is_of_its_subnet(ec2, instance):
    seen = find(ec2, instance)
    (subnet,) = ec2.describe_subnets(SubnetIds=[seen["SubnetId"]])["Subnets"]
    assert ipaddress.ip_address(seen["PrivateIpAddress"]) in ipaddress.ip_network(subnet["CidrBlock"])


def test_an_instance_in_a_subnet(ec2, vpc, run):
    subnet = next(one for one in ec2.describe_subnets()["Subnets"] if one["AvailabilityZone"] == ZONE)
    (instance,) = run(SubnetId=subnet["SubnetId"])
    seen = find(ec2, instance)
    assert (seen["SubnetId"], seen["Placement"]["AvailabilityZone"]) == (subnet["SubnetId"], ZONE)


def test_the_interface_of_an_instance(ec2, instance):
    seen = find(ec2, instance)["NetworkInterfaces"][0]
    (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[seen["NetworkInterfaceId"]])[
        "NetworkInterfaces"
    ]
    for same in "SubnetId", "VpcId", "MacAddress", "PrivateIpAddress", "Status", "SourceDestCheck", "OwnerId", "Groups":
        assert interface[same] == seen[same]
    assert interface["Attachment"]["InstanceId"] == instance
    assert interface["Attachment"]["DeviceIndex"] == 0
    assert interface["RequesterManaged"] is False
    assert interface["AvailabilityZone"] == find(ec2, instance)["Placement"]["AvailabilityZone"]
    assert interface["PrivateIpAddresses"][0]["Primary"] is True
    assert interface["TagSet"] == []


@pytest.mark.parametrize(
    "key",
    [
        "attachment.instance-id",
        "private-ip-address",
        "addresses.private-ip-address",
        "subnet-id",
        "vpc-id",
        "group-id",
        "mac-address",
        "network-interface-id",
        "status",
    ],
)
@pytest.mark.parametrize("hit", [True, False], ids=["", "not "])
def test_interfaces_by_filters(ec2, instance, key, hit):
    seen = find(ec2, instance)["NetworkInterfaces"][0]
    value = {
        "attachment.instance-id": instance,
        "private-ip-address": seen["PrivateIpAddress"],
        "addresses.private-ip-address": seen["PrivateIpAddress"],
        "subnet-id": seen["SubnetId"],
        "vpc-id": seen["VpcId"],
        "group-id": seen["Groups"][0]["GroupId"],
        "mac-address": seen["MacAddress"],
        "network-interface-id": seen["NetworkInterfaceId"],
        "status": seen["Status"],
    }[key]
    answer = ec2.describe_network_interfaces(Filters=[{"Name": key, "Values": [value if hit else "nothing"]}])
    found = {one["NetworkInterfaceId"] for one in answer["NetworkInterfaces"]}
    assert (seen["NetworkInterfaceId"] in found) == hit


def test_an_interfaces_attributes(ec2, instance):
    interface = find(ec2, instance)["NetworkInterfaces"][0]

    def attribute(name):
        return ec2.describe_network_interface_attribute(
            NetworkInterfaceId=interface["NetworkInterfaceId"], Attribute=name
        )

    assert attribute("sourceDestCheck")["SourceDestCheck"]["Value"] is True
    assert attribute("attachment")["Attachment"]["InstanceId"] == instance
    assert [one["GroupId"] for one in attribute("groupSet")["Groups"]] == [
        one["GroupId"] for one in interface["Groups"]
    ]
    assert "Description" in attribute("description")


def test_the_main_route_table(ec2, vpc):
    filters = [*in_vpc(vpc), {"Name": "association.main", "Values": ["true"]}]
    (table,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    assert table["RouteTableId"].startswith("rtb-")
    assert [one["Main"] for one in table["Associations"]] == [True]
    local = next(one for one in table["Routes"] if one["GatewayId"] == "local")
    assert (local["DestinationCidrBlock"], local["State"]) == (vpc["CidrBlock"], "active")


@moto_differs("has no way out of its default VPC")
def test_the_way_out(ec2, vpc):
    (gateway,) = ec2.describe_internet_gateways(Filters=in_vpc(vpc, "attachment.vpc-id"))["InternetGateways"]
    assert gateway["InternetGatewayId"].startswith("igw-")
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}]
    (table,) = ec2.describe_route_tables(Filters=[*in_vpc(vpc), {"Name": "association.main", "Values": ["true"]}])[
        "RouteTables"
    ]
    out = next(one for one in table["Routes"] if one["DestinationCidrBlock"] == "0.0.0.0/0")
    assert (out["GatewayId"], out["State"]) == (gateway["InternetGatewayId"], "active")


def test_the_network_acl(ec2, vpc):
    (acl,) = ec2.describe_network_acls(Filters=[*in_vpc(vpc), {"Name": "default", "Values": ["true"]}])["NetworkAcls"]
    assert acl["IsDefault"] is True
    allowed = {(one["Egress"], one["RuleNumber"]) for one in acl["Entries"] if one["RuleAction"] == "allow"}
    assert allowed == {(False, 100), (True, 100)}


@moto_differs("has none")
def test_the_dhcp_options(ec2, vpc):
    (options,) = ec2.describe_dhcp_options(DhcpOptionsIds=[vpc["DhcpOptionsId"]])["DhcpOptions"]
    assert options["DhcpOptionsId"] == vpc["DhcpOptionsId"]


def test_what_there_is_none_of(ec2):
    for action, field in [
        ("describe_nat_gateways", "NatGateways"),
        ("describe_vpc_peering_connections", "VpcPeeringConnections"),
        ("describe_vpn_gateways", "VpnGateways"),
        ("describe_customer_gateways", "CustomerGateways"),
        ("describe_egress_only_internet_gateways", "EgressOnlyInternetGateways"),
        ("describe_launch_templates", "LaunchTemplates"),
        ("describe_spot_instance_requests", "SpotInstanceRequests"),
        ("describe_iam_instance_profile_associations", "IamInstanceProfileAssociations"),
    ]:
        assert getattr(ec2, action)()[field] == []


@moto_differs("has one, or breaks")
def test_what_else_there_is_none_of(ec2):
    assert ec2.describe_placement_groups()["PlacementGroups"] == []
    assert ec2.describe_volumes_modifications()["VolumesModifications"] == []


@pytest.mark.parametrize(
    "action, parameters, code",
    [
        ("describe_vpcs", {"VpcIds": [f"vpc-{NOBODY}"]}, "InvalidVpcID.NotFound"),
        ("describe_subnets", {"SubnetIds": [f"subnet-{NOBODY}"]}, "InvalidSubnetID.NotFound"),
        (
            "describe_network_interfaces",
            {"NetworkInterfaceIds": [f"eni-{NOBODY}"]},
            "InvalidNetworkInterfaceID.NotFound",
        ),
        ("describe_route_tables", {"RouteTableIds": [f"rtb-{NOBODY}"]}, "InvalidRouteTableID.NotFound"),
        ("describe_internet_gateways", {"InternetGatewayIds": [f"igw-{NOBODY}"]}, "InvalidInternetGatewayID.NotFound"),
        pytest.param(
            "describe_network_acls",
            {"NetworkAclIds": [f"acl-{NOBODY}"]},
            "InvalidNetworkAclID.NotFound",
            marks=moto_differs("calls it a route table"),
        ),
        (
            "describe_vpc_attribute",
            {"VpcId": f"vpc-{NOBODY}", "Attribute": "enableDnsSupport"},
            "InvalidVpcID.NotFound",
        ),
    ],
)
def test_one_that_there_is_not(ec2, action, parameters, code):
    with refused(code):
        getattr(ec2, action)(**parameters)


# ---- What cannot be made --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action, parameters",
    [
        ("create_vpc", {"CidrBlock": "10.0.0.0/16"}),
        ("create_internet_gateway", {}),
        ("create_subnet", {"VpcId": "of the farm", "CidrBlock": "10.0.0.0/24"}),
        ("create_route_table", {"VpcId": "of the farm"}),
        ("create_network_acl", {"VpcId": "of the farm"}),
        ("create_network_interface", {"SubnetId": "of the farm"}),
        ("delete_vpc", {"VpcId": "of the farm"}),
    ],
)
@moto_differs("makes it")
def test_it_is_not_for_the_farm_to_make(ec2, vpc, action, parameters):
    own = {
        "VpcId": vpc["VpcId"],
        "SubnetId": ec2.describe_subnets(Filters=in_vpc(vpc))["Subnets"][0]["SubnetId"],
    }
    with refused("UnsupportedOperation"):
        getattr(ec2, action)(**{key: own.get(key, value) for key, value in parameters.items()})


# ---- Flavors --------------------------------------------------------------------------------------


def test_a_flavor(ec2):
    (found,) = ec2.describe_instance_types(InstanceTypes=[FLAVOR])["InstanceTypes"]
    assert found["InstanceType"] == FLAVOR
    assert found["VCpuInfo"]["DefaultVCpus"] >= 1
    assert found["MemoryInfo"]["SizeInMiB"] >= 1
    assert found["BareMetal"] is False
    assert "on-demand" in found["SupportedUsageClasses"]
    assert "ebs" in found["SupportedRootDeviceTypes"]
    assert "x86_64" in found["ProcessorInfo"]["SupportedArchitectures"]


@moto_differs("has Amazon's")
def test_flavors_do_not_burst(ec2):
    """So that Terraform asks for no credits."""
    types = ec2.describe_instance_types()["InstanceTypes"]
    assert not any(one["BurstablePerformanceSupported"] for one in types)


def test_flavors_by_filters(ec2):
    found = ec2.describe_instance_types(Filters=[{"Name": "instance-type", "Values": [f"{FLAVOR[:2]}*"]}])[
        "InstanceTypes"
    ]
    assert FLAVOR in {one["InstanceType"] for one in found}
    assert all(one["InstanceType"].startswith(FLAVOR[:2]) for one in found)


def test_a_flavor_that_there_is_not(ec2):
    with refused("InvalidInstanceType"):
        ec2.describe_instance_types(InstanceTypes=["m9.enormous"])


def test_where_flavors_are(ec2):
    found = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [FLAVOR]}, {"Name": "location", "Values": [ZONE]}],
    )["InstanceTypeOfferings"]
    assert found == [{"InstanceType": FLAVOR, "LocationType": "availability-zone", "Location": ZONE}]


@moto_differs("does not know the action")
def test_credits(ec2, instance):
    """Terraform takes an answer, or this refusal."""
    with refused("UnsupportedOperation", "InvalidInstanceType", "InstanceCreditSpecification.NotSupported"):
        ec2.describe_instance_credit_specifications(InstanceIds=[instance])
