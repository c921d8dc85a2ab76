"""The calls of Terraform's AWS provider, in its order: apply, refresh, plan without a change, destroy.

What the provider takes without looking whether it is there is taken in the same way here: KeyError is a crash.
"""

import base64
import hashlib

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from conftest import FLAVOR, IMAGE, OTHER_FLAVOR, REGION, ZONE, end, launch, moto_differs, refused, tags_of, until, wait

DEVICE = "/dev/sdh"
DATA = b"#!/bin/sh\necho configured\n"


def specification(kind, name):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def only(things):
    (thing,) = things
    return thing


def tolerate(code, call, **parameters):
    try:
        return call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error


class Stack:
    """aws_key_pair, aws_security_group, aws_instance, aws_eip, aws_ebs_volume and aws_volume_attachment."""

    def __init__(self, ec2, name):
        self.ec2, self.name = ec2, name
        self.group = self.instance = self.allocation = self.association = self.volume = None
        self.public = (
            ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        )

    # ---- apply

    def apply(self):
        ec2, name = self.ec2, self.name

        ec2.import_key_pair(
            KeyName=name, PublicKeyMaterial=self.public, TagSpecifications=specification("key-pair", name)
        )
        self.read_key()

        self.group = ec2.create_security_group(
            GroupName=name, Description="Managed by Terraform", TagSpecifications=specification("security-group", name)
        )["GroupId"]
        self.read_group()
        all_out = {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.revoke_security_group_egress(GroupId=self.group, IpPermissions=[all_out])
        six = {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
        tolerate(
            "InvalidPermission.NotFound", ec2.revoke_security_group_egress, GroupId=self.group, IpPermissions=[six]
        )
        ssh = {
            "IpProtocol": "tcp",
            "FromPort": 22,
            "ToPort": 22,
            "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "ssh"}],
        }
        ec2.authorize_security_group_ingress(GroupId=self.group, IpPermissions=[ssh])
        out = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.authorize_security_group_egress(GroupId=self.group, IpPermissions=[out])

        image = only(ec2.describe_images(ImageIds=[IMAGE])["Images"])
        root = next(
            one["DeviceName"] for one in image["BlockDeviceMappings"] if one["DeviceName"] == image["RootDeviceName"]
        )
        self.size = image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] + 1
        self.instance = ec2.run_instances(
            BlockDeviceMappings=[{"DeviceName": root, "Ebs": {"DeleteOnTermination": True, "VolumeSize": self.size}}],
            ClientToken=f"terraform-{name}",
            DisableApiTermination=False,
            EbsOptimized=False,
            HibernationOptions={"Configured": False},
            ImageId=IMAGE,
            InstanceType=FLAVOR,
            KeyName=name,
            MaxCount=1,
            MinCount=1,
            Monitoring={"Enabled": False},
            Placement={"AvailabilityZone": ZONE},
            SecurityGroupIds=[self.group],
            TagSpecifications=specification("instance", name),
            UserData=DATA,
        )["Instances"][0]["InstanceId"]
        wait(ec2, "instance_running", InstanceIds=[self.instance])

        elastic = specification("elastic-ip", name)
        self.allocation = ec2.allocate_address(Domain="vpc", TagSpecifications=elastic)["AllocationId"]
        only(ec2.describe_addresses(AllocationIds=[self.allocation])["Addresses"])
        self.association = ec2.associate_address(AllocationId=self.allocation, InstanceId=self.instance)[
            "AssociationId"
        ]
        only(ec2.describe_addresses(Filters=[{"Name": "association-id", "Values": [self.association]}])["Addresses"])

        made = ec2.create_volume(
            AvailabilityZone=ZONE,
            ClientToken=f"terraform-v-{name}",
            Size=1,
            TagSpecifications=specification("volume", name),
        )
        self.volume = made["VolumeId"]
        wait(ec2, "volume_available", VolumeIds=[self.volume])
        assert self.attachments() == []
        ec2.attach_volume(Device=DEVICE, InstanceId=self.instance, VolumeId=self.volume)
        wait(ec2, "volume_in_use", VolumeIds=[self.volume])
        until(lambda: [one["State"] for one in self.attachments()] == ["attached"])

    def attachments(self):
        volumes = self.ec2.describe_volumes(
            VolumeIds=[self.volume],
            Filters=[
                {"Name": "attachment.device", "Values": [DEVICE]},
                {"Name": "attachment.instance-id", "Values": [self.instance]},
            ],
        )["Volumes"]
        return [one for volume in volumes for one in volume["Attachments"]]

    # ---- refresh: what goes into the state of each resource

    def read_key(self):
        pair = only(self.ec2.describe_key_pairs(KeyNames=[self.name])["KeyPairs"])
        return {what: pair[what] for what in ("KeyFingerprint", "KeyName", "KeyPairId", "KeyType")} | tags_of(pair)

    def read_group(self):
        group = only(self.ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"])

        def rules(permissions):
            return sorted(
                (
                    one["IpProtocol"],
                    one.get("FromPort", 0),
                    one.get("ToPort", 0),
                    source["CidrIp"],
                    source.get("Description", ""),
                )
                for one in permissions
                for source in one["IpRanges"]
            )

        return {
            "name": group["GroupName"],
            "description": group["Description"],
            "owner": group["OwnerId"],
            "vpc": group["VpcId"],
            "ingress": rules(group["IpPermissions"]),
            "egress": rules(group["IpPermissionsEgress"]),
        } | tags_of(group)

    def read_instance(self):
        ec2 = self.ec2
        reservation = only(ec2.describe_instances(InstanceIds=[self.instance])["Reservations"])
        instance = only(reservation["Instances"])
        flavor = only(ec2.describe_instance_types(InstanceTypes=[instance["InstanceType"]])["InstanceTypes"])
        launched = [
            {"Name": "resource-id", "Values": [self.instance]},
            {"Name": "key", "Values": ["aws:ec2launchtemplate:id"]},
        ]
        assert ec2.describe_tags(Filters=launched)["Tags"] == []
        interface = next(one for one in instance["NetworkInterfaces"] if one["Attachment"]["DeviceIndex"] == 0)
        vpc = only(ec2.describe_vpcs(VpcIds=[instance["VpcId"]])["Vpcs"])
        attributes = {
            name: ec2.describe_instance_attribute(InstanceId=self.instance, Attribute=name)[field]["Value"]
            for name, field in [
                ("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior"),
                ("disableApiStop", "DisableApiStop"),
                ("disableApiTermination", "DisableApiTermination"),
                ("userData", "UserData"),
            ]
        }
        mapped = {one["Ebs"]["VolumeId"]: one for one in instance["BlockDeviceMappings"]}
        volumes = ec2.describe_volumes(VolumeIds=list(mapped))["Volumes"]
        root = next(one for one in volumes if mapped[one["VolumeId"]]["DeviceName"] == instance["RootDeviceName"])
        if flavor["BurstablePerformanceSupported"]:
            ec2.describe_instance_credit_specifications(InstanceIds=[self.instance])
        return {
            "ami": instance["ImageId"],
            "availability_zone": instance["Placement"]["AvailabilityZone"],
            "tenancy": instance["Placement"]["Tenancy"],
            "instance_type": instance["InstanceType"],
            "key_name": instance["KeyName"],
            "monitoring": instance["Monitoring"]["State"],
            "ebs_optimized": instance["EbsOptimized"],
            "subnet": interface["SubnetId"],
            "source_dest_check": interface["SourceDestCheck"],
            "private_ip": instance["PrivateIpAddress"],
            "in_default_vpc": vpc["IsDefault"],
            "groups": sorted(one["GroupId"] for one in instance["SecurityGroups"]),
            "names_of_groups": sorted(one["GroupName"] for one in instance["SecurityGroups"]),
            "root": (root["Size"], root["VolumeType"], mapped[root["VolumeId"]]["Ebs"]["DeleteOnTermination"]),
            "user_data": hashlib.sha1(base64.b64decode(attributes.pop("userData"))).hexdigest(),
            **attributes,
        } | tags_of(instance)

    def read_address(self):
        address = only(self.ec2.describe_addresses(AllocationIds=[self.allocation])["Addresses"])
        self.ec2.describe_addresses_attribute(AllocationIds=[self.allocation], Attribute="domain-name")
        return {
            what: address[what]
            for what in ("AllocationId", "AssociationId", "Domain", "InstanceId", "NetworkInterfaceId", "PublicIp")
        } | tags_of(address)

    def read_volume(self):
        volume = only(self.ec2.describe_volumes(VolumeIds=[self.volume])["Volumes"])
        return {
            what: volume[what] for what in ("AvailabilityZone", "CreateTime", "Encrypted", "Size", "VolumeType")
        } | tags_of(volume)

    def read_attachment(self):
        return [(one["Device"], one["InstanceId"], one["State"]) for one in self.attachments()]

    READERS = ("key", "group", "instance", "address", "volume", "attachment")

    def read(self):
        return {what: getattr(self, f"read_{what}")() for what in self.READERS}

    # ---- destroy

    def destroy(self):
        ec2 = self.ec2
        if self.volume:
            if self.attachments():
                ec2.detach_volume(Device=DEVICE, Force=False, InstanceId=self.instance, VolumeId=self.volume)
                wait(ec2, "volume_available", VolumeIds=[self.volume])
            ec2.delete_volume(VolumeId=self.volume)
            wait(ec2, "volume_deleted", VolumeIds=[self.volume])
        if self.association:
            ec2.disassociate_address(AssociationId=self.association)
        if self.allocation:
            ec2.release_address(AllocationId=self.allocation)
        if self.instance:
            ec2.modify_instance_attribute(InstanceId=self.instance, DisableApiTermination={"Value": False})
            ec2.terminate_instances(InstanceIds=[self.instance])
            wait(ec2, "instance_terminated", InstanceIds=[self.instance])
        if self.group:
            ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [self.group]}])
            ec2.delete_security_group(GroupId=self.group)
            with refused("InvalidGroup.NotFound"):
                ec2.describe_security_groups(GroupIds=[self.group])
        ec2.delete_key_pair(KeyName=self.name)


@pytest.fixture
def stack(ec2, name):
    stack = Stack(ec2, name)
    try:
        stack.apply()
        yield stack
    finally:
        stack.destroy()


def test_apply_refresh_and_destroy(stack):
    state = stack.read()
    assert state == stack.read(), "a second refresh finds no difference"
    assert state["key"]["KeyType"] == "ed25519"
    assert state["group"]["ingress"] == [("tcp", 22, 22, "0.0.0.0/0", "ssh")]
    assert state["group"]["egress"] == [("-1", 0, 0, "0.0.0.0/0", "")]
    instance = state["instance"]
    assert instance["groups"] == [stack.group]
    assert instance["names_of_groups"] == [stack.name]
    assert (instance["tenancy"], instance["monitoring"], instance["source_dest_check"]) == ("default", "disabled", True)
    assert (instance["root"][0], instance["root"][2]) == (stack.size, True)
    assert instance["user_data"] == hashlib.sha1(DATA).hexdigest()
    assert (state["address"]["Domain"], state["address"]["InstanceId"]) == ("vpc", stack.instance)
    assert state["attachment"] == [(DEVICE, stack.instance, "attached")]
    for kind in "key", "group", "instance", "address", "volume":
        assert state[kind]["Name"] == stack.name


@moto_differs("does not know the action that it needs")
def test_the_default_vpc_as_a_data_source(ec2):
    vpc = only(ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"])
    for attribute in "enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics":
        ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
    of_vpc = {"Name": "vpc-id", "Values": [vpc["VpcId"]]}
    only(ec2.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}, of_vpc])["RouteTables"])
    only(ec2.describe_network_acls(Filters=[{"Name": "default", "Values": ["true"]}, of_vpc])["NetworkAcls"])
    only(
        ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}, of_vpc])["SecurityGroups"]
    )
    assert ec2.describe_subnets(Filters=[of_vpc])["Subnets"]
    assert ec2.describe_dhcp_options(DhcpOptionsIds=[vpc["DhcpOptionsId"]])["DhcpOptions"]


def test_the_image_as_a_data_source(ec2):
    image = only(ec2.describe_images(ImageIds=[IMAGE])["Images"])
    found = ec2.describe_images(
        Owners=[image["OwnerId"]],
        Filters=[
            {"Name": "name", "Values": [image["Name"][:-1] + "*"]},
            {"Name": "architecture", "Values": ["x86_64"]},
            {"Name": "virtualization-type", "Values": ["hvm"]},
            {"Name": "root-device-type", "Values": ["ebs"]},
            {"Name": "state", "Values": ["available"]},
        ],
    )["Images"]
    assert IMAGE in [one["ImageId"] for one in found]


@moto_differs("leaves the group out")
def test_zones_as_a_data_source(ec2):
    for wanted in ("state", "available"), ("opt-in-status", "opt-in-not-required"), ("region-name", REGION):
        zones = ec2.describe_availability_zones(Filters=[{"Name": wanted[0], "Values": [wanted[1]]}])[
            "AvailabilityZones"
        ]
        assert ZONE in [one["ZoneName"] for one in zones]
        assert all(zone["ZoneId"] and zone["GroupName"] for zone in zones)


def test_a_rule_as_a_resource(ec2, make_group):
    """aws_vpc_security_group_ingress_rule"""
    group = make_group()
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 80,
        "ToPort": 80,
        "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "web"}],
    }
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    rule = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    ec2.create_tags(Resources=[rule], Tags=[{"Key": "Name", "Value": "web"}])
    found = only(ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"])
    assert (found["IsEgress"], found["CidrIpv4"], found["FromPort"], found["GroupId"]) == (
        False,
        "192.0.2.0/24",
        80,
        group,
    )
    changed = {"IpProtocol": "tcp", "FromPort": 81, "ToPort": 81, "CidrIpv4": "192.0.2.0/24", "Description": "web"}
    ec2.modify_security_group_rules(
        GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}]
    )
    found = only(ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"])
    assert (found["FromPort"], tags_of(found)) == (81, {"Name": "web"})
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])


@moto_differs("leaves it behind")
def test_no_interface_lingers(ec2, make_group):
    """The provider looks for them before it deletes a group."""
    group = make_group()
    instance = launch(ec2, SecurityGroupIds=[group])["Instances"][0]["InstanceId"]
    wait(ec2, "instance_running", InstanceIds=[instance])
    end(ec2, instance)
    of_group = [{"Name": "group-id", "Values": [group]}]
    assert ec2.describe_network_interfaces(Filters=of_group)["NetworkInterfaces"] == []


@moto_differs("lets the instance and its interface disagree")
def test_other_groups_later(ec2, make_group, run):
    one, two = make_group("-one"), make_group("-two")
    (instance,) = run(SecurityGroupIds=[one])

    def seen():
        return only(only(ec2.describe_instances(InstanceIds=[instance])["Reservations"])["Instances"])

    primary = next(one for one in seen()["NetworkInterfaces"] if one["Attachment"]["DeviceIndex"] == 0)
    ec2.modify_network_interface_attribute(NetworkInterfaceId=primary["NetworkInterfaceId"], Groups=[two])
    assert [group["GroupId"] for group in seen()["SecurityGroups"]] == [two]


def test_another_type_later(ec2, run):
    (instance,) = run()
    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": OTHER_FLAVOR})
    ec2.start_instances(InstanceIds=[instance])
    wait(ec2, "instance_running", InstanceIds=[instance])


def test_a_larger_volume_later(ec2, make_volume):
    volume = make_volume()
    answer = ec2.modify_volume(VolumeId=volume, Size=2)["VolumeModification"]
    assert (answer["OriginalSize"], answer["TargetSize"]) == (1, 2)
    state = only(ec2.describe_volumes_modifications(VolumeIds=[volume])["VolumesModifications"])["ModificationState"]
    assert state in ("modifying", "optimizing", "completed")
    assert only(ec2.describe_volumes(VolumeIds=[volume])["Volumes"])["Size"] == 2
