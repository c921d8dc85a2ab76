"""A farm sees its own things only: what another one has is not there, by whatever name."""

import pytest

from conftest import IMAGE, ZONE, end, find, launch, moto_differs, refused, tags_of, wait


@pytest.fixture(scope="module")
def theirs(ec2):
    """One of everything that the first farm has, which the second one is not to see."""
    mark = "isolation-of-the-first"
    has = {"mark": mark}
    ec2.create_key_pair(KeyName=mark)
    has["key"] = mark
    has["key id"] = ec2.describe_key_pairs(KeyNames=[mark])["KeyPairs"][0]["KeyPairId"]
    has["group"] = ec2.create_security_group(GroupName=mark, Description="d")["GroupId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": mark, "Value": mark}]}]
    has["instance"] = launch(ec2, KeyName=mark, SecurityGroupIds=[has["group"]], TagSpecifications=tags)["Instances"][
        0
    ]["InstanceId"]
    wait(ec2, "instance_running", InstanceIds=[has["instance"]])
    seen = find(ec2, has["instance"])
    has["interface"] = seen["NetworkInterfaces"][0]["NetworkInterfaceId"]
    has["subnet"], has["vpc"] = seen["SubnetId"], seen["VpcId"]
    has["root"] = seen["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    has["volume"] = ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
    wait(ec2, "volume_available", VolumeIds=[has["volume"]])
    has["snapshot"] = ec2.create_snapshot(VolumeId=has["volume"])["SnapshotId"]
    wait(ec2, "snapshot_completed", SnapshotIds=[has["snapshot"]])
    has["image"] = ec2.create_image(InstanceId=has["instance"], Name=mark)["ImageId"]
    wait(ec2, "image_available", ImageIds=[has["image"]])
    address = ec2.allocate_address(Domain="vpc")
    has["address"], has["ip"] = address["AllocationId"], address["PublicIp"]
    has["association"] = ec2.associate_address(AllocationId=has["address"], InstanceId=has["instance"])["AssociationId"]
    yield has
    ec2.disassociate_address(AssociationId=has["association"])
    ec2.release_address(AllocationId=has["address"])
    (image,) = ec2.describe_images(ImageIds=[has["image"]])["Images"]
    ec2.deregister_image(ImageId=has["image"])
    for mapping in image["BlockDeviceMappings"]:
        ec2.delete_snapshot(SnapshotId=mapping["Ebs"]["SnapshotId"])
    ec2.delete_snapshot(SnapshotId=has["snapshot"])
    ec2.delete_volume(VolumeId=has["volume"])
    end(ec2, has["instance"])
    ec2.delete_security_group(GroupId=has["group"])
    ec2.delete_key_pair(KeyName=mark)


LISTS = [
    ("describe_instances", "Reservations"),
    ("describe_instance_status", "InstanceStatuses"),
    ("describe_key_pairs", "KeyPairs"),
    ("describe_security_groups", "SecurityGroups"),
    ("describe_security_group_rules", "SecurityGroupRules"),
    ("describe_volumes", "Volumes"),
    ("describe_snapshots", "Snapshots"),
    ("describe_images", "Images"),
    ("describe_addresses", "Addresses"),
    ("describe_tags", "Tags"),
    ("describe_network_interfaces", "NetworkInterfaces"),
    ("describe_vpcs", "Vpcs"),
    ("describe_subnets", "Subnets"),
    ("describe_route_tables", "RouteTables"),
    ("describe_internet_gateways", "InternetGateways"),
]


@pytest.mark.parametrize("action, kind", LISTS)
def test_no_list_shows_it(other, theirs, action, kind):
    shown = str(getattr(other, action)()[kind])
    for what, value in theirs.items():
        assert value not in shown, what


def test_the_networks_are_two(ec2, other):
    def vpc(client):
        return client.describe_vpcs()["Vpcs"][0]

    assert vpc(ec2)["VpcId"] != vpc(other)["VpcId"]
    assert vpc(ec2)["OwnerId"] != vpc(other)["OwnerId"]


MISSING = [
    ("describe_instances", {"InstanceIds": ["instance"]}, "InvalidInstanceID.NotFound"),
    ("describe_instance_status", {"InstanceIds": ["instance"]}, "InvalidInstanceID.NotFound"),
    ("describe_instance_attribute", {"InstanceId": "instance", "Attribute": "userData"}, "InvalidInstanceID.NotFound"),
    (
        "modify_instance_attribute",
        {"InstanceId": "instance", "DisableApiTermination": {"Value": True}},
        "InvalidInstanceID.NotFound",
    ),
    ("get_console_output", {"InstanceId": "instance"}, "InvalidInstanceID.NotFound"),
    ("get_password_data", {"InstanceId": "instance"}, "InvalidInstanceID.NotFound"),
    ("start_instances", {"InstanceIds": ["instance"]}, "InvalidInstanceID.NotFound"),
    ("stop_instances", {"InstanceIds": ["instance"]}, "InvalidInstanceID.NotFound"),
    ("reboot_instances", {"InstanceIds": ["instance"]}, "InvalidInstanceID.NotFound"),
    ("terminate_instances", {"InstanceIds": ["instance"]}, "InvalidInstanceID.NotFound"),
    ("create_image", {"InstanceId": "instance", "Name": "stolen"}, "InvalidInstanceID.NotFound"),
    ("create_tags", {"Resources": ["instance"], "Tags": [{"Key": "k", "Value": "v"}]}, "InvalidInstanceID.NotFound"),
    ("create_tags", {"Resources": ["volume"], "Tags": [{"Key": "k", "Value": "v"}]}, "InvalidVolume.NotFound"),
    ("describe_key_pairs", {"KeyNames": ["key"]}, "InvalidKeyPair.NotFound"),
    ("describe_key_pairs", {"KeyPairIds": ["key id"]}, "InvalidKeyPair.NotFound"),
    ("describe_security_groups", {"GroupIds": ["group"]}, "InvalidGroup.NotFound"),
    ("describe_security_groups", {"GroupNames": ["mark"]}, "InvalidGroup.NotFound"),
    ("delete_security_group", {"GroupId": "group"}, "InvalidGroup.NotFound"),
    ("describe_volumes", {"VolumeIds": ["volume"]}, "InvalidVolume.NotFound"),
    ("describe_volumes", {"VolumeIds": ["root"]}, "InvalidVolume.NotFound"),
    ("delete_volume", {"VolumeId": "volume"}, "InvalidVolume.NotFound"),
    ("detach_volume", {"VolumeId": "root"}, "InvalidVolume.NotFound"),
    ("create_snapshot", {"VolumeId": "volume"}, "InvalidVolume.NotFound"),
    ("describe_snapshots", {"SnapshotIds": ["snapshot"]}, "InvalidSnapshot.NotFound"),
    ("delete_snapshot", {"SnapshotId": "snapshot"}, "InvalidSnapshot.NotFound"),
    ("create_volume", {"AvailabilityZone": ZONE, "SnapshotId": "snapshot"}, "InvalidSnapshot.NotFound"),
    ("describe_images", {"ImageIds": ["image"]}, "InvalidAMIID.NotFound"),
    ("deregister_image", {"ImageId": "image"}, "InvalidAMIID.NotFound"),
    ("run_instances", {"ImageId": "image", "MinCount": 1, "MaxCount": 1}, "InvalidAMIID.NotFound"),
    ("run_instances", {"ImageId": IMAGE, "KeyName": "key", "MinCount": 1, "MaxCount": 1}, "InvalidKeyPair.NotFound"),
    (
        "run_instances",
        {"ImageId": IMAGE, "SecurityGroupIds": ["group"], "MinCount": 1, "MaxCount": 1},
        "InvalidGroup.NotFound",
    ),
    (
        "run_instances",
        {"ImageId": IMAGE, "SubnetId": "subnet", "MinCount": 1, "MaxCount": 1},
        "InvalidSubnetID.NotFound",
    ),
    ("describe_addresses", {"AllocationIds": ["address"]}, "InvalidAllocationID.NotFound"),
    ("describe_addresses", {"PublicIps": ["ip"]}, "InvalidAddress.NotFound"),
    ("release_address", {"AllocationId": "address"}, "InvalidAllocationID.NotFound"),
    ("disassociate_address", {"AssociationId": "association"}, "InvalidAssociationID.NotFound"),
    ("describe_network_interfaces", {"NetworkInterfaceIds": ["interface"]}, "InvalidNetworkInterfaceID.NotFound"),
    ("describe_vpcs", {"VpcIds": ["vpc"]}, "InvalidVpcID.NotFound"),
    ("describe_subnets", {"SubnetIds": ["subnet"]}, "InvalidSubnetID.NotFound"),
]


def named(value, theirs):
    """The parameters, with their ids in place of the names of things."""
    if isinstance(value, dict):
        return {key: named(one, theirs) for key, one in value.items()}
    if isinstance(value, list):
        return [named(one, theirs) for one in value]
    return theirs.get(value, value)


MOTO_DIFFERS = {
    "does not look for instances, nor for key pairs by id": [
        ("create_tags", "instance"),
        ("describe_key_pairs", "key id"),
    ],
    "has no words for missing snapshots": [
        ("describe_snapshots", "snapshot"),
        ("delete_snapshot", "snapshot"),
        ("create_volume", "snapshot"),
    ],
}


def marked(case):
    action, parameters, code = case
    marks = [
        moto_differs(how)
        for how, calls in MOTO_DIFFERS.items()
        for call, what in calls
        if call == action and f"'{what}'" in str(parameters)
    ]
    return pytest.param(*case, marks=marks, id=f"{action}-{code}")


@pytest.mark.parametrize("action, parameters, code", [marked(case) for case in MISSING])
def test_it_is_not_there(other, theirs, action, parameters, code):
    with refused(code):
        getattr(other, action)(**named(parameters, theirs))


def test_what_crosses_farms(ec2, other, theirs):
    """One's own thing with another's: it is the other's that is not there."""
    own = other.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
    address = other.allocate_address(Domain="vpc")["AllocationId"]
    group = other.create_security_group(GroupName="isolation-of-the-second", Description="d")["GroupId"]
    try:
        wait(other, "volume_available", VolumeIds=[own])
        with refused("InvalidInstanceID.NotFound"):
            other.attach_volume(VolumeId=own, InstanceId=theirs["instance"], Device="/dev/sdh")
        with refused("InvalidInstanceID.NotFound"):
            other.associate_address(AllocationId=address, InstanceId=theirs["instance"])
        rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": theirs["group"]}]}
        with refused("InvalidGroup.NotFound"):
            other.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    finally:
        other.delete_security_group(GroupId=group)
        other.release_address(AllocationId=address)
        other.delete_volume(VolumeId=own)


def test_names_are_each_ones_own(other, theirs):
    other.create_key_pair(KeyName=theirs["mark"])
    group = other.create_security_group(GroupName=theirs["mark"], Description="d")["GroupId"]
    other.delete_security_group(GroupId=group)
    other.delete_key_pair(KeyName=theirs["mark"])


def test_deleting_what_is_not_there_hurts_nobody(ec2, other, theirs):
    other.delete_key_pair(KeyName=theirs["key"])
    other.delete_key_pair(KeyPairId=theirs["key id"])
    assert ec2.describe_key_pairs(KeyNames=[theirs["key"]])["KeyPairs"]


def test_tokens_are_each_ones_own(ec2, other, name):
    token = f"isolation-{name}"
    ours = launch(ec2, ClientToken=token)["Instances"][0]["InstanceId"]
    others = launch(other, ClientToken=token)["Instances"][0]["InstanceId"]
    assert ours != others
    for client, instance in (ec2, ours), (other, others):
        wait(client, "instance_running", InstanceIds=[instance])
        end(client, instance)


def test_tags_on_a_public_image_are_each_ones_own(ec2, other, name):
    ec2.create_tags(Resources=[IMAGE], Tags=[{"Key": name, "Value": "ours"}])
    try:
        (image,) = other.describe_images(ImageIds=[IMAGE])["Images"]
        assert name not in tags_of(image)
    finally:
        ec2.delete_tags(Resources=[IMAGE], Tags=[{"Key": name}])


def test_all_is_as_it_was(ec2, theirs):
    """After whatever the tests above have tried."""
    seen = find(ec2, theirs["instance"])
    assert seen["State"]["Name"] == "running"
    assert seen["PublicIpAddress"] == theirs["ip"]
    assert tags_of(seen) == {theirs["mark"]: theirs["mark"]}
    assert ec2.describe_volumes(VolumeIds=[theirs["volume"], theirs["root"]])["Volumes"]
    assert ec2.describe_images(ImageIds=[theirs["image"]])["Images"]


@moto_differs("knows nothing of other accounts")
def test_an_image_for_one_other_account(ec2, other, theirs):
    account = other.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["OwnerId"]
    ec2.modify_image_attribute(ImageId=theirs["image"], LaunchPermission={"Add": [{"UserId": account}]})
    try:
        (image,) = other.describe_images(ImageIds=[theirs["image"]])["Images"]
        assert image["Public"] is False
        assert theirs["image"] in [one["ImageId"] for one in other.describe_images(ExecutableUsers=["self"])["Images"]]
        with refused("AuthFailure"):
            other.deregister_image(ImageId=theirs["image"])
    finally:
        ec2.modify_image_attribute(ImageId=theirs["image"], LaunchPermission={"Remove": [{"UserId": account}]})
    with refused("InvalidAMIID.NotFound", "AuthFailure"):
        other.describe_images(ImageIds=[theirs["image"]])
