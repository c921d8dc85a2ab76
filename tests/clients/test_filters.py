"""Filters, with wildcards, of everything that is described."""

import uuid

import pytest

from conftest import FLAVOR, IMAGE, NOBODY, REGION, ZONE, end, find, launch, moto_differs, refused, tags_of, until, wait

DESCRIBES = {
    "describe_instances": "Reservations",
    "describe_instance_status": "InstanceStatuses",
    "describe_images": "Images",
    "describe_volumes": "Volumes",
    "describe_snapshots": "Snapshots",
    "describe_key_pairs": "KeyPairs",
    "describe_security_groups": "SecurityGroups",
    "describe_security_group_rules": "SecurityGroupRules",
    "describe_addresses": "Addresses",
    "describe_tags": "Tags",
    "describe_availability_zones": "AvailabilityZones",
    "describe_regions": "Regions",
    "describe_instance_types": "InstanceTypes",
    "describe_vpcs": "Vpcs",
    "describe_subnets": "Subnets",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_route_tables": "RouteTables",
    "describe_internet_gateways": "InternetGateways",
    "describe_network_acls": "NetworkAcls",
}


def filters(**wanted):
    """instance_type="a" and instance_type=["a", "b"] alike; a double underscore is a colon, one a dash."""
    return [
        {"Name": key.replace("__", ":").replace("_", "-"), "Values": [value] if isinstance(value, str) else value}
        for key, value in wanted.items()
    ]


BREAKS = moto_differs("takes any, or breaks")


@pytest.mark.parametrize(
    "action", [pytest.param(one, marks=[] if one == "describe_instance_types" else BREAKS) for one in DESCRIBES]
)
def test_a_filter_that_there_is_not(ec2, action):
    with refused("InvalidParameterValue") as caught:
        getattr(ec2, action)(Filters=[{"Name": "favourite-colour", "Values": ["red"]}])
    assert "favourite-colour" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("action", DESCRIBES)
def test_no_filter_at_all(ec2, action):
    """Also an empty list of filters is one, and gives a list."""
    assert isinstance(getattr(ec2, action)(Filters=[])[DESCRIBES[action]], list)


# ---- Instances ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(ec2):
    """Two instances, one of them stopped, told apart by tags; and how they are."""
    mark = f"filters-{uuid.uuid4().hex[:8]}"
    ids = []
    for name in "red", "blue":
        tags = [{"Key": "set", "Value": mark}, {"Key": "Name", "Value": f"{mark}-{name}"}]
        answer = launch(ec2, TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
        ids.append(answer["Instances"][0]["InstanceId"])
    wait(ec2, "instance_running", InstanceIds=ids)
    ec2.stop_instances(InstanceIds=ids[1:])
    wait(ec2, "instance_stopped", InstanceIds=ids[1:])
    yield mark, find(ec2, ids[0]), find(ec2, ids[1])
    end(ec2, *ids)


def found(ec2, mark, **wanted):
    answer = ec2.describe_instances(Filters=filters(tag__set=mark, **wanted))
    return {one["InstanceId"] for reservation in answer["Reservations"] for one in reservation["Instances"]}


def test_every_value_and_every_filter(ec2, two):
    """Values are alternatives, filters are conditions."""
    mark, red, blue = two
    both = {red["InstanceId"], blue["InstanceId"]}
    assert found(ec2, mark) == both
    assert found(ec2, mark, instance_state_name=["running", "stopped"]) == both
    assert found(ec2, mark, instance_state_name="stopped") == {blue["InstanceId"]}
    assert found(ec2, mark, instance_state_name="stopped", instance_id=red["InstanceId"]) == set()
    assert found(ec2, mark, instance_state_name="stopped", instance_id=[red["InstanceId"], blue["InstanceId"]]) == {
        blue["InstanceId"]
    }


def test_wildcards(ec2, two):
    mark, red, blue = two
    assert found(ec2, mark, tag__Name=f"{mark}-*") == {red["InstanceId"], blue["InstanceId"]}
    assert found(ec2, mark, tag__Name=f"{mark}-re?") == {red["InstanceId"]}
    assert found(ec2, mark, tag__Name="*-blue") == {blue["InstanceId"]}
    assert found(ec2, mark, tag__Name=f"{mark}-?") == set()
    assert found(ec2, mark, tag__Name=f"{mark}-*".upper()) == set()


@moto_differs("knows wildcards in some filters")
def test_wildcards_of_types(ec2, two):
    mark, red, blue = two
    assert found(ec2, mark, instance_type=f"{FLAVOR[:2]}*") == {red["InstanceId"], blue["InstanceId"]}


@moto_differs("knows no escapes")
def test_a_wildcard_that_is_none(ec2, make_volume, name):
    star = make_volume(TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": name, "Value": "a*b"}]}])
    make_volume(TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": name, "Value": "axb"}]}])
    answer = ec2.describe_volumes(Filters=[{"Name": f"tag:{name}", "Values": ["a\\*b"]}])
    assert [one["VolumeId"] for one in answer["Volumes"]] == [star]


OF_INSTANCES = {
    "instance-id": lambda one: one["InstanceId"],
    "image-id": lambda one: one["ImageId"],
    "instance-type": lambda one: one["InstanceType"],
    "instance-state-code": lambda one: str(one["State"]["Code"]),
    "availability-zone": lambda one: one["Placement"]["AvailabilityZone"],
    "private-ip-address": lambda one: one["PrivateIpAddress"],
    "private-dns-name": lambda one: one["PrivateDnsName"],
    "subnet-id": lambda one: one["SubnetId"],
    "vpc-id": lambda one: one["VpcId"],
    "architecture": lambda one: one["Architecture"],
    "client-token": lambda one: one["ClientToken"],
    "block-device-mapping.volume-id": lambda one: one["BlockDeviceMappings"][0]["Ebs"]["VolumeId"],
    "network-interface.network-interface-id": lambda one: one["NetworkInterfaces"][0]["NetworkInterfaceId"],
    "root-device-name": lambda one: one["RootDeviceName"],
    "root-device-type": lambda one: one["RootDeviceType"],
    "virtualization-type": lambda one: one["VirtualizationType"],
    "tag-key": lambda one: "set",
    "tag-value": lambda one: tags_of(one)["set"],
}
MOTO_LACKS = {
    "instance-state-code",
    "client-token",
    "block-device-mapping.volume-id",
    "network-interface.network-interface-id",
    "root-device-name",
    "root-device-type",
    "virtualization-type",
}


@pytest.mark.parametrize(
    "key",
    [pytest.param(key, marks=moto_differs("does not know it") if key in MOTO_LACKS else []) for key in OF_INSTANCES],
)
def test_what_instances_are_found_by(ec2, two, key):
    mark, red, _ = two
    of_set = filters(tag__set=mark)

    def ids(value):
        answer = ec2.describe_instances(Filters=[*of_set, {"Name": key, "Values": [value]}])
        return {one["InstanceId"] for reservation in answer["Reservations"] for one in reservation["Instances"]}

    assert red["InstanceId"] in ids(OF_INSTANCES[key](red))
    assert ids("nothing like it") == set()


def test_found_by_groups_and_keys(ec2, make_group, run, key_pair, name):
    group = make_group()
    (instance,) = run(SecurityGroupIds=[group], KeyName=key_pair)

    def ids(**wanted):
        reservations = ec2.describe_instances(Filters=filters(**wanted))["Reservations"]
        return [one["InstanceId"] for reservation in reservations for one in reservation["Instances"]]

    assert ids(key_name=key_pair) == [instance]
    assert ids(**{"instance.group-id": group}) == [instance]
    assert ids(**{"instance.group-name": name}) == [instance]
    assert ids(key_name="nobody's") == []


@moto_differs("knows wildcards in some filters")
def test_the_state_by_filters(ec2, two):
    _, red, blue = two
    both = [red["InstanceId"], blue["InstanceId"]]

    def ids(**wanted):
        answer = ec2.describe_instance_status(InstanceIds=both, IncludeAllInstances=True, Filters=filters(**wanted))
        return {one["InstanceId"] for one in answer["InstanceStatuses"]}

    assert ids(instance_state_name="running") == {red["InstanceId"]}
    assert ids(instance_state_name="st*") == {blue["InstanceId"]}


# ---- Everything else --------------------------------------------------------------------------------


def test_volumes(ec2, make_volume, run, name):
    volume = make_volume(
        Size=3, TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": name}]}]
    )
    (instance,) = run()
    ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdh")
    # It is in use as soon as it is being attached.
    until(lambda: ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]["State"] == "attached")

    def hits(key, value):
        named = {"Name": "tag:Name", "Values": [name]}
        return [
            one["VolumeId"]
            for one in ec2.describe_volumes(Filters=[named, {"Name": key, "Values": [value]}])["Volumes"]
        ]

    for key, value in {
        "volume-id": volume,
        "status": "in-use",
        "size": "3",
        "availability-zone": ZONE,
        "attachment.instance-id": instance,
        "attachment.device": "/dev/sdh",
        "attachment.status": "attached",
        "encrypted": "false",
        "tag-key": "Name",
        "tag-value": f"{name[:-1]}?",
    }.items():
        assert hits(key, value) == [volume], key
        assert hits(key, "nothing like it") == [], key
    assert hits("volume-id", "vol-*") == [volume]


def test_snapshots(ec2, make_volume, name):
    volume = make_volume()
    snapshot = ec2.create_snapshot(VolumeId=volume, Description=name)["SnapshotId"]
    wait(ec2, "snapshot_completed", SnapshotIds=[snapshot])
    try:
        for key, value in {
            "snapshot-id": snapshot,
            "volume-id": volume,
            "description": f"{name[:-1]}*",
            "status": "completed",
            "volume-size": "1",
        }.items():
            answer = ec2.describe_snapshots(
                Filters=[{"Name": "volume-id", "Values": [volume]}, {"Name": key, "Values": [value]}]
            )
            assert [one["SnapshotId"] for one in answer["Snapshots"]] == [snapshot], key
        assert ec2.describe_snapshots(Filters=filters(volume_id=f"vol-{NOBODY}"))["Snapshots"] == []
    finally:
        ec2.delete_snapshot(SnapshotId=snapshot)


def test_images(ec2):
    (image,) = ec2.describe_images(ImageIds=[IMAGE])["Images"]
    for key, value in {
        "image-id": IMAGE,
        "name": image["Name"],
        "owner-id": image["OwnerId"],
        "state": "available",
        "architecture": "x86_64",
        "image-type": "machine",
        "is-public": "true",
        "root-device-type": "ebs",
        "virtualization-type": "hvm",
    }.items():
        answer = ec2.describe_images(
            Filters=[{"Name": "image-id", "Values": [IMAGE]}, {"Name": key, "Values": [value]}]
        )
        assert [one["ImageId"] for one in answer["Images"]] == [IMAGE], key
    wild = ec2.describe_images(Filters=filters(name=f"*{image['Name'][3:-2]}*"))["Images"]
    assert IMAGE in [one["ImageId"] for one in wild]
    assert ec2.describe_images(Filters=filters(name="nothing like it"))["Images"] == []


def test_security_groups(ec2, make_group, name):
    group = make_group()
    rule = {"IpProtocol": "tcp", "FromPort": 8022, "ToPort": 8023, "IpRanges": [{"CidrIp": "192.0.2.0/24"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    ec2.create_tags(Resources=[group], Tags=[{"Key": "of", "Value": name}])
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    for key, value in {
        "group-id": group,
        "group-name": f"{name[:-2]}*",
        "description": "of a test",
        "vpc-id": found["VpcId"],
        "owner-id": found["OwnerId"],
        "ip-permission.from-port": "8022",
        "ip-permission.to-port": "8023",
        "ip-permission.protocol": "tcp",
        "ip-permission.cidr": "192.0.2.0/24",
        "tag:of": name,
        "tag-key": "of",
    }.items():
        answer = ec2.describe_security_groups(
            Filters=[{"Name": "group-name", "Values": [name]}, {"Name": key, "Values": [value]}]
        )
        assert [one["GroupId"] for one in answer["SecurityGroups"]] == [group], key
    assert ec2.describe_security_groups(Filters=filters(group_name="nothing like it"))["SecurityGroups"] == []


def test_zones(ec2):
    for key, value in {"zone-name": ZONE, "region-name": REGION, "state": "available"}.items():
        zones = ec2.describe_availability_zones(Filters=[{"Name": key, "Values": [value]}])["AvailabilityZones"]
        assert ZONE in [one["ZoneName"] for one in zones], key
    assert ec2.describe_availability_zones(Filters=filters(zone_name="nothing like it"))["AvailabilityZones"] == []


@moto_differs("reads no filters of regions")
def test_regions(ec2):
    regions = ec2.describe_regions(Filters=filters(region_name=REGION))["Regions"]
    assert [one["RegionName"] for one in regions] == [REGION]


def test_networks(ec2):
    (vpc,) = ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
    for action, kind, key in [
        ("describe_vpcs", "Vpcs", "vpc-id"),
        ("describe_vpcs", "Vpcs", "cidr"),
        ("describe_vpcs", "Vpcs", "state"),
        ("describe_subnets", "Subnets", "vpc-id"),
        ("describe_route_tables", "RouteTables", "vpc-id"),
        ("describe_network_acls", "NetworkAcls", "vpc-id"),
    ]:
        value = {"vpc-id": vpc["VpcId"], "cidr": vpc["CidrBlock"], "state": "available"}[key]
        assert getattr(ec2, action)(Filters=[{"Name": key, "Values": [value]}])[kind], (action, key)
        assert getattr(ec2, action)(Filters=[{"Name": key, "Values": ["nothing like it"]}])[kind] == [], (action, key)
    subnet = next(one for one in ec2.describe_subnets()["Subnets"] if one["AvailabilityZone"] == ZONE)
    for key, value in {
        "availability-zone": ZONE,
        "cidr-block": subnet["CidrBlock"],
        "subnet-id": subnet["SubnetId"],
    }.items():
        answer = ec2.describe_subnets(Filters=[{"Name": key, "Values": [value]}])
        assert subnet["SubnetId"] in [one["SubnetId"] for one in answer["Subnets"]], key
