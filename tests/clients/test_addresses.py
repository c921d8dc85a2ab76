"""Elastic IP addresses: those that are allocated, and the router's own."""

import ipaddress

import pytest
from botocore.exceptions import ClientError

from conftest import NOBODY, find, moto_differs, refused, wait


def address_of(ec2, allocation):
    (found,) = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
    return found


def test_allocated_and_released(ec2, make_address):
    made = make_address()
    assert ipaddress.ip_address(made["PublicIp"])
    assert made["AllocationId"].startswith("eipalloc-")
    assert made["Domain"] == "vpc"
    found = address_of(ec2, made["AllocationId"])
    assert (found["PublicIp"], found["Domain"]) == (made["PublicIp"], "vpc")
    assert found["InstanceId"] == ""
    assert "AssociationId" not in found
    assert found["Tags"] == []
    (found,) = ec2.describe_addresses(PublicIps=[made["PublicIp"]])["Addresses"]
    assert found["AllocationId"] == made["AllocationId"]
    ec2.release_address(AllocationId=made["AllocationId"])
    with refused("InvalidAllocationID.NotFound"):
        ec2.describe_addresses(AllocationIds=[made["AllocationId"]])
    with refused("InvalidAllocationID.NotFound"):
        ec2.release_address(AllocationId=made["AllocationId"])


def test_without_a_domain(ec2):
    made = ec2.allocate_address()
    try:
        assert made["Domain"] == "vpc"
        assert made["AllocationId"].startswith("eipalloc-")
    finally:
        ec2.release_address(PublicIp=made["PublicIp"])


def test_associated_by_id(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    association = ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)["AssociationId"]
    assert association.startswith("eipassoc-")
    found, seen = address_of(ec2, made["AllocationId"]), find(ec2, instance)
    assert (found["AssociationId"], found["InstanceId"]) == (association, instance)
    assert found["NetworkInterfaceId"] == seen["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert seen["PublicIpAddress"] == made["PublicIp"]
    assert seen["PublicDnsName"]
    assert seen["NetworkInterfaces"][0]["Association"]["PublicIp"] == made["PublicIp"]
    by_association = ec2.describe_addresses(Filters=[{"Name": "association-id", "Values": [association]}])["Addresses"]
    assert [one["PublicIp"] for one in by_association] == [made["PublicIp"]]
    ec2.disassociate_address(AssociationId=association)
    found = address_of(ec2, made["AllocationId"])
    assert found["InstanceId"] == ""
    assert "AssociationId" not in found


def test_the_instance_has_none_afterwards(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    association = ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)["AssociationId"]
    ec2.disassociate_address(AssociationId=association)
    assert find(ec2, instance).get("PublicIpAddress") != made["PublicIp"]
    assert address_of(ec2, made["AllocationId"]).get("PrivateIpAddress") is None


def test_the_private_address_beside_it(ec2, make_address, run, account):
    made, (instance,) = make_address(), run()
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)
    found = address_of(ec2, made["AllocationId"])
    assert found["PrivateIpAddress"] == find(ec2, instance)["PrivateIpAddress"]
    assert found["NetworkInterfaceOwnerId"] == account


def test_all_by_the_ip_alone(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    ec2.associate_address(PublicIp=made["PublicIp"], InstanceId=instance)
    assert address_of(ec2, made["AllocationId"])["InstanceId"] == instance
    ec2.disassociate_address(PublicIp=made["PublicIp"])
    assert address_of(ec2, made["AllocationId"])["InstanceId"] == ""
    ec2.release_address(PublicIp=made["PublicIp"])
    with refused("InvalidAllocationID.NotFound"):
        address_of(ec2, made["AllocationId"])


def test_associated_with_an_interface(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    interface = find(ec2, instance)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=interface)
    assert address_of(ec2, made["AllocationId"])["NetworkInterfaceId"] == interface


@moto_differs("does not name it")
def test_the_instance_of_the_interface(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    interface = find(ec2, instance)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=interface)
    assert address_of(ec2, made["AllocationId"])["InstanceId"] == instance


def test_moved_only_if_it_may(ec2, make_address, run):
    made, (one, two) = make_address(), run(MinCount=2, MaxCount=2)
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=one)
    with refused("Resource.AlreadyAssociated"):
        ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=two, AllowReassociation=False)
    assert address_of(ec2, made["AllocationId"])["InstanceId"] == one
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=two, AllowReassociation=True)
    assert address_of(ec2, made["AllocationId"])["InstanceId"] == two
    assert find(ec2, two)["PublicIpAddress"] == made["PublicIp"]


@moto_differs("keeps both")
def test_another_one_takes_its_place(ec2, make_address, run):
    first, second, (instance,) = make_address(), make_address(), run()
    ec2.associate_address(AllocationId=first["AllocationId"], InstanceId=instance)
    ec2.associate_address(AllocationId=second["AllocationId"], InstanceId=instance)
    assert find(ec2, instance)["PublicIpAddress"] == second["PublicIp"]
    assert address_of(ec2, first["AllocationId"])["InstanceId"] == ""


@moto_differs("lets it stay with what is over")
def test_free_when_its_instance_is_over(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)
    ec2.terminate_instances(InstanceIds=[instance])
    wait(ec2, "instance_terminated", InstanceIds=[instance])
    found = address_of(ec2, made["AllocationId"])
    assert found["InstanceId"] == ""
    assert "AssociationId" not in found


@moto_differs("shows another one afterwards")
def test_kept_over_a_stop(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)
    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    assert address_of(ec2, made["AllocationId"])["InstanceId"] == instance
    ec2.start_instances(InstanceIds=[instance])
    wait(ec2, "instance_running", InstanceIds=[instance])
    assert find(ec2, instance)["PublicIpAddress"] == made["PublicIp"]


@moto_differs("releases it")
def test_one_in_use_is_not_released(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)
    with refused("InvalidIPAddress.InUse"):
        ec2.release_address(AllocationId=made["AllocationId"])


def test_what_there_is_not(ec2, make_address, instance):
    made = make_address()
    with refused("InvalidAddress.NotFound"):
        ec2.describe_addresses(PublicIps=["192.0.2.254"])
    with refused("InvalidAllocationID.NotFound"):
        ec2.associate_address(AllocationId=f"eipalloc-{NOBODY}", InstanceId=instance)
    with refused("InvalidInstanceID.NotFound"):
        ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=f"i-{NOBODY}")
    with refused("InvalidAssociationID.NotFound"):
        ec2.disassociate_address(AssociationId=f"eipassoc-{NOBODY}")
    with refused("InvalidAllocationID.NotFound"):
        ec2.release_address(AllocationId=f"eipalloc-{NOBODY}")


@moto_differs("checks little")
def test_requests_that_make_no_sense(ec2, make_address, instance):
    made = make_address()
    with refused("InvalidParameterValue"):
        ec2.describe_addresses(PublicIps=["not an address"])
    with refused("InvalidParameterValue"):
        ec2.allocate_address(Domain="mars")
    with refused("InvalidParameterCombination"):
        ec2.release_address(AllocationId=made["AllocationId"], PublicIp=made["PublicIp"])
    with refused("MissingParameter"):
        ec2.release_address()
    with refused("MissingParameter"):
        ec2.associate_address(InstanceId=instance)
    with refused("MissingParameter", "InvalidParameterCombination"):
        ec2.associate_address(AllocationId=made["AllocationId"])


@moto_differs("wants both to fit the same address")
def test_ids_and_ips_together(ec2, make_address):
    one, two = make_address(), make_address()
    found = ec2.describe_addresses(PublicIps=[one["PublicIp"]], AllocationIds=[two["AllocationId"]])["Addresses"]
    assert {each["PublicIp"] for each in found} == {one["PublicIp"], two["PublicIp"]}


def test_found_by_filters(ec2, make_address, run):
    made, (instance,) = make_address(), run()
    ec2.associate_address(AllocationId=made["AllocationId"], InstanceId=instance)

    def found(key, *values):
        answer = ec2.describe_addresses(Filters=[{"Name": key, "Values": list(values)}])
        return {one["AllocationId"] for one in answer["Addresses"]}

    assert found("instance-id", instance) == {made["AllocationId"]}
    assert found("public-ip", made["PublicIp"]) == {made["AllocationId"]}
    assert found("allocation-id", made["AllocationId"]) == {made["AllocationId"]}
    assert made["AllocationId"] in found("domain", "vpc")
    assert found("domain", "standard") == set()


def test_its_name_in_dns(ec2, make_address):
    """Terraform asks for it; there is none, or no such action."""
    made = make_address()
    try:
        answer = ec2.describe_addresses_attribute(AllocationIds=[made["AllocationId"]], Attribute="domain-name")
        assert all("PtrRecord" not in one for one in answer["Addresses"])
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidAction"
        assert "not valid for this web service" in error.response["Error"]["Message"]


@pytest.fixture
def routers(ec2):
    """The address of the farm's router, with the router's interface."""
    owned = [
        one for one in ec2.describe_addresses()["Addresses"] if one.get("NetworkInterfaceId") and not one["InstanceId"]
    ]
    (address,) = owned
    (interface,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[address["NetworkInterfaceId"]])[
        "NetworkInterfaces"
    ]
    return address, interface


@moto_differs("has no router")
def test_the_routers_address(routers):
    address, interface = routers
    assert interface["Association"]["PublicIp"] == address["PublicIp"]
    assert interface["RequesterManaged"] is True
    assert address["AssociationId"].startswith("eipassoc-")


@moto_differs("has no router")
def test_the_routers_address_stays(ec2, routers, instance):
    address, _ = routers
    with refused("OperationNotPermitted", "AuthFailure", "UnsupportedOperation"):
        ec2.release_address(AllocationId=address["AllocationId"])
    with refused("OperationNotPermitted", "AuthFailure", "UnsupportedOperation"):
        ec2.disassociate_address(AssociationId=address["AssociationId"])
    with refused("OperationNotPermitted", "AuthFailure", "UnsupportedOperation", "Resource.AlreadyAssociated"):
        ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance, AllowReassociation=True)
    (same,) = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"]
    assert same == address
