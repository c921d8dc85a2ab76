"""The requests of euca2ools 3.4, form by form, and what its commands print of the answers.

euca2ools itself is not on PyPI and wants Python 2. Here are the parameters that its commands send, signed in its
list of headers, and the answers are read by the library that it reads them with (requestbuilder, of which the part
that sends wants Python 2 too). What a command takes without looking whether it is there is taken so here.
"""

import base64
import io
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from requestbuilder.xmlparse import parse_aws_xml, parse_listdelimited_aws_xml

from conftest import FLAVOR, IMAGE, NOBODY, REGION, ZONE, moto_differs, until
from signing import V4

INSTANCES = [
    "reservationSet",
    "instancesSet",
    "groupSet",
    "tagSet",
    "blockDeviceMapping",
    "productCodes",
    "networkInterfaceSet",
    "privateIpAddressesSet",
]
LISTS = {
    "DescribeInstances": INSTANCES,
    "RunInstances": INSTANCES,
    "StartInstances": ["instancesSet"],
    "StopInstances": ["instancesSet"],
    "TerminateInstances": ["instancesSet"],
    "DescribeInstanceStatus": ["instanceStatusSet", "details", "eventsSet"],
    "DescribeInstanceAttribute": ["blockDeviceMapping", "groupSet", "productCodes"],
    "DescribeInstanceTypes": ["instanceTypeDetails", "availability"],
    "DescribeImages": ["imagesSet", "productCodes", "blockDeviceMapping", "tagSet"],
    "DescribeImageAttribute": ["blockDeviceMapping", "launchPermission", "productCodes"],
    "DescribeKeyPairs": ["keySet"],
    "DescribeSecurityGroups": ["securityGroupInfo", "ipPermissions", "ipPermissionsEgress", "groups", "ipRanges", "tagSet"],
    "DescribeVolumes": ["volumeSet", "attachmentSet", "tagSet"],
    "DescribeSnapshots": ["snapshotSet", "tagSet"],
    "DescribeAddresses": ["addressesSet"],
    "DescribeTags": ["tagSet"],
    "DescribeRegions": ["regionInfo"],
    "DescribeAvailabilityZones": ["availabilityZoneInfo", "messageSet"],
    "DescribeAccountAttributes": ["accountAttributeSet", "attributeValueSet"],
}  # fmt: skip


class EucaError(Exception):
    """As the commands end: error (Code): Message."""


def euca(action, region=REGION, **parameters):
    """Sends what a command sends; dots in names are written as double underscores. Gives the answer as it reads it."""
    form = {name.replace("__", "."): str(value) for name, value in parameters.items()}
    request = V4(body=urlencode({**form, "Action": action, "Version": "2015-10-01"}).encode(), region=region)
    request.headers = [
        *(one for one in request.headers if one[0] != "Content-Type"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Content-Length", str(len(request.body))),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("X-Amz-Content-SHA256", request.payload),
    ]
    status, _, content = request.send()
    if status >= 300:
        (answer,) = parse_aws_xml(io.BytesIO(content)).values()
        error = answer.get("Errors", answer)["Error"]
        raise EucaError(error["Code"], error["Message"])
    (answer,) = parse_listdelimited_aws_xml(io.BytesIO(content), list_tags=LISTS.get(action, [])).values()
    return answer


def fails(code):
    return pytest.raises(EucaError, match=code)


def tabs(*words):
    return "\t".join("" if word in (None, {}) else str(word) for word in words)


# ---- What commands print ----------------------------------------------------------------------------


def reservation(one):
    names = [group.get("groupName") or group.get("groupId") or "" for group in one["groupSet"]]
    lines = [tabs("RESERVATION", one["reservationId"], one.get("ownerId"), ", ".join(names))]
    for instance in sorted(one.get("instancesSet") or [], key=lambda each: each["launchTime"]):
        lines += an_instance(instance)
    return lines


def an_instance(one):
    lines = [
        tabs(
            "INSTANCE",
            *(one.get(key) for key in ("instanceId", "imageId", "dnsName", "privateDnsName")),
            one.get("instanceState", {}).get("name"),
            one.get("keyName"),
            one.get("amiLaunchIndex"),
            ",".join(code["productCode"] for code in one.get("productCodes", [])),
            one.get("instanceType"),
            one.get("launchTime"),
            one.get("placement", {}).get("availabilityZone"),
            "monitoring-" + one["monitoring"].get("state"),
            one.get("ipAddress"),
            one.get("privateIpAddress"),
            one.get("vpcId"),
            one.get("subnetId"),
            one.get("rootDeviceType"),
            ",".join(group["groupId"] for group in one.get("groupSet", [])),
        )
    ]
    for device in one.get("blockDeviceMapping", []):
        ebs = device.get("ebs", {})
        lines.append(tabs("BLOCKDEVICE", device.get("deviceName"), ebs.get("volumeId"), ebs.get("attachTime")))
    for interface in one.get("networkInterfaceSet", []):
        lines += an_interface(interface)
    lines += [a_tag(tag, one["instanceId"]) for tag in one.get("tagSet", [])]
    return lines


def an_interface(one):
    lines = [tabs("NETWORKINTERFACE", *(one.get(key) for key in ("networkInterfaceId", "subnetId", "vpcId", "status")))]
    if one.get("association"):
        public = one["association"].get("publicIp")
        same = [each for each in one["privateIpAddressesSet"] if each.get("association", {}).get("publicIp") == public]
        lines.append(tabs("ASSOCIATION", public, same[0].get("privateIpAddress")))
    for address in one.get("privateIpAddressesSet", []):
        primary = "primary" if address["primary"].lower() == "true" else None
        lines.append(tabs("PRIVATEIPADDRESS", address.get("privateIpAddress"), primary))
    return lines


KINDS = {"i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image", "sg": "security-group"}


def a_tag(one, resource):
    return tabs("TAG", KINDS[resource.split("-")[0]], resource, one.get("key"), one.get("value"))


# ---- Instances --------------------------------------------------------------------------------------


def describe(instance):
    """euca-describe-instances INSTANCE"""
    (one,) = euca("DescribeInstances", InstanceId__1=instance)["reservationSet"]
    return one


def is_in(instance, state):
    return until(lambda: describe(instance)["instancesSet"][0]["instanceState"]["name"] == state)


@pytest.fixture
def instance(name):
    """euca-run-instances -n 1 -t FLAVOR -z ZONE -d DATA IMAGE, and in the end euca-terminate-instances"""
    data = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()
    answer = euca(
        "RunInstances",
        ImageId=IMAGE, MinCount=1, MaxCount=1, InstanceType=FLAVOR, Placement__AvailabilityZone=ZONE, UserData=data,
    )  # fmt: skip
    instance = answer["instancesSet"][0]["instanceId"]
    assert reservation(answer)[0].startswith("RESERVATION\tr-")
    is_in(instance, "running")
    yield instance
    euca("TerminateInstances", InstanceId__1=instance)
    is_in(instance, "terminated")


def test_described(instance):
    lines = reservation(describe(instance))
    text = "\n".join(lines)
    assert f"INSTANCE\t{instance}\t{IMAGE}" in text
    for what in "running", FLAVOR, ZONE, "monitoring-disabled", "BLOCKDEVICE", "NETWORKINTERFACE", "\tprimary":
        assert what in text
    every = [line for one in euca("DescribeInstances")["reservationSet"] for line in reservation(one)]
    assert any(instance in line for line in every)


def test_filtered(instance):
    """euca-describe-instances --filter instance-state-name=running --filter instance-type=FLAVOR"""
    found = euca(
        "DescribeInstances",
        **{
            "Filter.1.Name": "instance-state-name",
            "Filter.1.Value.1": "running",
            "Filter.1.Value.2": "pending",
            "Filter.2.Name": "instance-type",
            "Filter.2.Value.1": FLAVOR,
        },
    )["reservationSet"]
    assert instance in [one["instanceId"] for each in found for one in each["instancesSet"]]
    none = euca("DescribeInstances", **{"Filter.1.Name": "instance-id", "Filter.1.Value.1": f"i-{NOBODY}"})
    assert none["reservationSet"] == []


def test_stopped_started_and_rebooted(instance):
    (one,) = euca("StopInstances", InstanceId__1=instance, Force="false")["instancesSet"]
    assert (one["previousState"]["name"], one["currentState"]["name"]) == ("running", "stopping")
    is_in(instance, "stopped")
    (one,) = euca("StartInstances", InstanceId__1=instance)["instancesSet"]
    assert (one["previousState"]["name"], one["currentState"]["name"]) == ("stopped", "pending")
    is_in(instance, "running")
    assert euca("RebootInstances", InstanceId__1=instance)


def test_status(instance):
    (one,) = euca("DescribeInstanceStatus", InstanceId__1=instance, IncludeAllInstances="false")["instanceStatusSet"]
    assert (one["instanceState"]["name"], one["instanceState"]["code"]) == ("running", "16")
    for kind in "systemStatus", "instanceStatus":
        assert one[kind]["details"][0].get("name") == "reachability"
    assert len(one.get("eventsSet", [])) == 0


def test_attributes(instance):
    def attribute(name):
        return euca("DescribeInstanceAttribute", InstanceId=instance, Attribute=name)

    assert attribute("instanceType")["instanceType"]["value"] == FLAVOR
    assert base64.b64decode(attribute("userData").get("userData", {}).get("value", "")) == b"#!/bin/sh\necho hello\n"
    assert attribute("disableApiTermination")["disableApiTermination"]["value"] == "false"
    euca("ModifyInstanceAttribute", InstanceId=instance, DisableApiTermination__Value="true")
    with fails("OperationNotPermitted"):
        euca("TerminateInstances", InstanceId__1=instance)
    euca("ModifyInstanceAttribute", InstanceId=instance, DisableApiTermination__Value="false")


@moto_differs("tells the mapping by its name only")
def test_attributes_that_are_lists(instance):
    answer = euca("DescribeInstanceAttribute", InstanceId=instance, Attribute="blockDeviceMapping")
    assert answer["blockDeviceMapping"][0].get("ebs", {}).get("volumeId").startswith("vol-")
    answer = euca("DescribeInstanceAttribute", InstanceId=instance, Attribute="groupSet")
    assert answer["groupSet"][0].get("groupId").startswith("sg-")


@moto_differs("keeps the text b''")
def test_user_data_is_taken_away(instance):
    """euca-modify-instance-attribute --user-data '' sends an empty value."""
    euca("StopInstances", InstanceId__1=instance, Force="false")
    is_in(instance, "stopped")
    euca("ModifyInstanceAttribute", InstanceId=instance, **{"UserData.Value": ""})
    answer = euca("DescribeInstanceAttribute", InstanceId=instance, Attribute="userData")
    assert answer.get("userData", {}).get("value", "") in ("", {})


def test_console_output(instance):
    answer = until(lambda: (found := euca("GetConsoleOutput", InstanceId=instance)).get("output") and found)
    assert answer["instanceId"] == instance
    assert answer["timestamp"]
    assert base64.b64decode(answer["output"])


def test_passwords(instance):
    assert euca("GetPasswordData", InstanceId=instance)["instanceId"] == instance


def test_without_a_flavor():
    """euca-run-instances IMAGE sends no InstanceType."""
    answer = euca("RunInstances", ImageId=IMAGE, MinCount=1, MaxCount=1)
    instance = answer["instancesSet"][0]["instanceId"]
    assert answer["instancesSet"][0]["instanceType"]
    is_in(instance, "running")
    euca("TerminateInstances", InstanceId__1=instance)
    is_in(instance, "terminated")


@pytest.fixture
def key_and_group(name):
    euca("CreateKeyPair", KeyName=name)
    yield euca("CreateSecurityGroup", GroupName=name, GroupDescription="of a test")["groupId"]
    euca("DeleteSecurityGroup", GroupName=name)
    euca("DeleteKeyPair", KeyName=name)


@moto_differs("knows no ephemeral disks")
def test_every_option_of_run_instances(key_and_group, name):
    answer = euca(
        "RunInstances",
        **{
            "ImageId": IMAGE,
            "MinCount": 1,
            "MaxCount": 2,
            "KeyName": name,
            "SecurityGroup.1": name,
            "InstanceType": FLAVOR,
            "BlockDeviceMapping.1.DeviceName": "/dev/sdf",
            "BlockDeviceMapping.1.Ebs.VolumeSize": 1,
            "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "true",
            "BlockDeviceMapping.2.DeviceName": "/dev/sdg",
            "BlockDeviceMapping.2.VirtualName": "ephemeral0",
            "BlockDeviceMapping.3.DeviceName": "/dev/sdh",
            "BlockDeviceMapping.3.NoDevice": "true",
            "InstanceInitiatedShutdownBehavior": "terminate",
            "ClientToken": name,
        },
    )
    ids = [one["instanceId"] for one in answer["instancesSet"]]
    for instance in ids:
        is_in(instance, "running")
    (one,) = describe(ids[0])["instancesSet"]
    euca("TerminateInstances", **{f"InstanceId.{index}": each for index, each in enumerate(ids, 1)})
    for instance in ids:
        is_in(instance, "terminated")
    assert len(ids) == 2
    assert one["keyName"] == name
    assert [group["groupId"] for group in one["groupSet"]] == [key_and_group]
    assert "/dev/sdf" in [device["deviceName"] for device in one["blockDeviceMapping"]]


def test_what_there_is_not():
    with fails("InvalidInstanceID.NotFound"):
        euca("TerminateInstances", InstanceId__1=f"i-{NOBODY}")
    with fails("InvalidAMIID.NotFound"):
        euca("RunInstances", ImageId=f"ami-{NOBODY}", MinCount=1, MaxCount=1)


# ---- Everything else --------------------------------------------------------------------------------


@moto_differs("calls public images its own, with others'")
def test_images():
    """euca-describe-images asks for one's own first, then for those that one may run; -a sends nothing."""
    owned = euca("DescribeImages", Owner__1="self").get("imagesSet", [])
    executable = euca("DescribeImages", ExecutableBy__1="self").get("imagesSet", [])
    assert IMAGE not in [one["imageId"] for one in owned + executable]
    every = euca("DescribeImages").get("imagesSet", [])
    assert IMAGE in [one["imageId"] for one in every]


def test_what_is_printed_of_images():
    (one,) = euca("DescribeImages", ImageId__1=IMAGE)["imagesSet"]
    name = (
        one.get("imageLocation")
        if one.get("rootDeviceType") == "instance-store"
        else "/".join((one.get("imageOwnerId", ""), one.get("name")))
    )
    line = tabs(
        "IMAGE", one["imageId"], name, one.get("imageState"), "public" if one.get("isPublic") == "true" else "private"
    )
    assert line.startswith(f"IMAGE\t{IMAGE}\t")
    assert line.endswith("available\tpublic")
    assert one["blockDeviceMapping"][0]["ebs"]["volumeSize"]


def test_key_pairs(name):
    made = euca("CreateKeyPair", KeyName=name)
    try:
        assert "PRIVATE KEY" in made["keyMaterial"]
        (one,) = euca("DescribeKeyPairs", KeyName__1=name)["keySet"]
        assert tabs("KEYPAIR", one.get("keyName"), one.get("keyFingerprint")) == tabs(
            "KEYPAIR", made["keyName"], made["keyFingerprint"]
        )
        with fails("InvalidKeyPair.Duplicate"):
            euca("CreateKeyPair", KeyName=name)
    finally:
        euca("DeleteKeyPair", KeyName=name)
    public = rsa.generate_private_key(65537, 2048).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    imported = euca("ImportKeyPair", KeyName=name, PublicKeyMaterial=base64.b64encode(public + b" me@here\n").decode())
    assert imported["keyFingerprint"].count(":") == 15
    euca("DeleteKeyPair", KeyName=name)


def test_security_groups(name, account):
    made = euca("CreateSecurityGroup", GroupName=name, GroupDescription="of a test")
    assert made["groupId"].startswith("sg-")
    rule = {"IpPermissions.1.IpProtocol": "tcp", "IpPermissions.1.FromPort": 22, "IpPermissions.1.ToPort": 22}
    world = {**rule, "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0"}
    ping = {
        "IpPermissions.1.IpProtocol": "icmp",
        "IpPermissions.1.FromPort": -1,
        "IpPermissions.1.ToPort": -1,
        "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
    }
    # -o GROUP -u ACCOUNT: the whole world is sent along
    friends = {
        **rule,
        "IpPermissions.1.FromPort": 80,
        "IpPermissions.1.ToPort": 80,
        "IpPermissions.1.Groups.1.GroupName": name,
        "IpPermissions.1.Groups.1.UserId": account,
        "IpPermissions.1.IpRanges.1.CidrIp": "0.0.0.0/0",
    }
    try:
        for one in world, ping, friends:
            euca("AuthorizeSecurityGroupIngress", GroupName=name, **one)
        with fails("InvalidPermission.Duplicate"):
            euca("AuthorizeSecurityGroupIngress", GroupName=name, **world)
        (group,) = euca("DescribeSecurityGroups", GroupName__1=name)["securityGroupInfo"]
        lines = {
            tabs(one.get("ipProtocol"), one.get("fromPort"), one.get("toPort"), source.get("cidrIp"))
            for one in group["ipPermissions"]
            for source in one.get("ipRanges", [])
        }
        assert lines == {"tcp\t22\t22\t0.0.0.0/0", "icmp\t-1\t-1\t0.0.0.0/0", "tcp\t80\t80\t0.0.0.0/0"}
        others = [source for one in group["ipPermissions"] for source in one.get("groups", [])]
        assert [(one.get("userId"), one.get("groupId")) for one in others] == [(account, made["groupId"])]
        for one in world, ping, friends:
            euca("RevokeSecurityGroupIngress", GroupName=name, **one)
        (group,) = euca("DescribeSecurityGroups", GroupId__1=made["groupId"])["securityGroupInfo"]
        assert group["ipPermissions"] == []
    finally:
        euca("DeleteSecurityGroup", GroupName=name)


def a_volume(volume):
    (one,) = euca("DescribeVolumes", VolumeId__1=volume)["volumeSet"]
    return one


def test_volumes_and_snapshots(instance):
    made = euca("CreateVolume", AvailabilityZone=ZONE, Size=1)
    volume = made["volumeId"]
    until(lambda: a_volume(volume)["status"] == "available")
    attached = euca("AttachVolume", InstanceId=instance, Device="/dev/sdh", VolumeId=volume)
    assert (attached["volumeId"], attached["instanceId"], attached["device"]) == (volume, instance, "/dev/sdh")
    until(lambda: a_volume(volume).get("attachmentSet", [{}])[0].get("status") == "attached")
    snapshot = euca("CreateSnapshot", VolumeId=volume, Description="now")
    assert snapshot["snapshotId"].startswith("snap-")

    def state():
        (one,) = euca("DescribeSnapshots", SnapshotId__1=snapshot["snapshotId"])["snapshotSet"]
        return one["status"]

    until(lambda: state() == "completed")
    own = euca("DescribeSnapshots", Owner__1="self")["snapshotSet"]
    assert snapshot["snapshotId"] in [one["snapshotId"] for one in own]
    assert isinstance(euca("DescribeSnapshots", RestorableBy__1="self")["snapshotSet"], list)
    euca("DetachVolume", VolumeId=volume, InstanceId=instance, Force="false")
    until(lambda: a_volume(volume)["status"] == "available")
    euca("DeleteSnapshot", SnapshotId=snapshot["snapshotId"])
    euca("DeleteVolume", VolumeId=volume)


@moto_differs("wants the instance too")
def test_a_volume_detached_by_its_id_alone(instance):
    volume = euca("CreateVolume", AvailabilityZone=ZONE, Size=1)["volumeId"]
    until(lambda: a_volume(volume)["status"] == "available")
    euca("AttachVolume", InstanceId=instance, Device="/dev/sdh", VolumeId=volume)
    until(lambda: a_volume(volume)["status"] == "in-use")
    euca("DetachVolume", VolumeId=volume, Force="false")
    until(lambda: a_volume(volume)["status"] == "available")
    euca("DeleteVolume", VolumeId=volume)


def test_addresses(instance):
    """By the IP alone, as the commands do unless they are given ids."""
    address = euca("AllocateAddress")["publicIp"]
    try:
        (one,) = euca("DescribeAddresses", PublicIp__1=address)["addressesSet"]
        assert tabs("ADDRESS", one.get("publicIp"), one.get("instanceId")) == f"ADDRESS\t{address}\t"
        euca("AssociateAddress", PublicIp=address, InstanceId=instance)
        (one,) = euca("DescribeAddresses", PublicIp__1=address)["addressesSet"]
        assert one["instanceId"] == instance
        lines = reservation(describe(instance))
        assert any(address in line for line in lines)
        euca("DisassociateAddress", PublicIp=address)
        (one,) = euca("DescribeAddresses", PublicIp__1=address)["addressesSet"]
        assert one.get("instanceId") in (None, {}, "")
    finally:
        euca("ReleaseAddress", PublicIp=address)


def test_addresses_by_ids(instance):
    made = euca("AllocateAddress", Domain="vpc")
    allocation = made["allocationId"]
    association = euca("AssociateAddress", AllocationId=allocation, InstanceId=instance, AllowReassociation="true")[
        "associationId"
    ]
    (one,) = euca("DescribeAddresses", AllocationId__1=allocation)["addressesSet"]
    assert (one["associationId"], one["instanceId"]) == (association, instance)
    euca("DisassociateAddress", AssociationId=association)
    euca("ReleaseAddress", AllocationId=allocation)


def test_tags(instance):
    euca(
        "CreateTags",
        **{"ResourceId.1": instance, "Tag.1.Key": "one", "Tag.1.Value": "1", "Tag.2.Key": "empty", "Tag.2.Value": ""},
    )
    found = euca("DescribeTags", **{"Filter.1.Name": "resource-id", "Filter.1.Value.1": instance})["tagSet"]
    assert {(one["resourceType"], one["key"]) for one in found} == {("instance", "one"), ("instance", "empty")}
    assert a_tag({"key": "one", "value": "1"}, instance) in reservation(describe(instance))
    euca("DeleteTags", **{"ResourceId.1": instance, "Tag.1.Key": "one", "Tag.1.Value": "2", "Tag.2.Key": "empty"})
    found = euca("DescribeTags", **{"Filter.1.Name": "resource-id", "Filter.1.Value.1": instance})["tagSet"]
    assert [one["key"] for one in found] == ["one"]


def test_images_of_instances(instance, name):
    image = euca("CreateImage", InstanceId=instance, Name=name, Description="now", NoReboot="true")["imageId"]

    def described():
        (one,) = euca("DescribeImages", ImageId__1=image)["imagesSet"]
        return one

    until(lambda: described()["imageState"] == "available")
    found = described()
    assert image in [one["imageId"] for one in euca("DescribeImages", Owner__1="self")["imagesSet"]]
    euca("ModifyImageAttribute", ImageId=image, **{"LaunchPermission.Add.1.Group": "all"})
    answer = euca("DescribeImageAttribute", ImageId=image, Attribute="launchPermission")
    assert answer["launchPermission"] == [{"group": "all"}]
    euca("DeregisterImage", ImageId=image)
    for mapping in found["blockDeviceMapping"]:
        euca("DeleteSnapshot", SnapshotId=mapping["ebs"]["snapshotId"])


def test_regions_and_zones():
    regions = euca("DescribeRegions")["regionInfo"]
    assert REGION in [one["regionName"] for one in regions]
    zones = euca("DescribeAvailabilityZones")["availabilityZoneInfo"]
    assert ZONE in [one["zoneName"] for one in zones]
    for zone in zones:
        assert ", ".join(zone.get("messageSet", [])) == ""


@moto_differs("has Amazon's form only")
def test_instance_types():
    """The form of Eucalyptus, with what is free in each zone."""
    for parameters in {}, {"Availability": "true"}:
        types = {one["name"]: one for one in euca("DescribeInstanceTypes", **parameters)["instanceTypeDetails"]}
        assert int(types[FLAVOR]["cpu"]) >= 1
        assert int(types[FLAVOR]["memory"]) >= 1
        assert int(types[FLAVOR]["disk"]) >= 1
    for zone in types[FLAVOR]["availability"]:
        assert 0 <= int(zone["available"]) <= int(zone["max"])
        assert zone["zoneName"]


def test_account_attributes():
    found = euca("DescribeAccountAttributes")["accountAttributeSet"]
    assert "supported-platforms" in [one["attributeName"] for one in found]
    assert all(value.get("attributeValue") for one in found for value in one["attributeValueSet"])


@moto_differs("knows its own regions only")
def test_a_region_that_it_makes_up():
    """Without a file of regions it signs for undefined-<its process id>."""
    assert euca("DescribeRegions", region="undefined-4711")["regionInfo"]
