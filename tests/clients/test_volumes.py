"""Volumes and snapshots."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from conftest import IMAGE, NOBODY, REGION, ZONE, find, moto_differs, put_away_volume, refused, tags_of, until, wait

DEVICE = "/dev/sdh"


def volume_of(ec2, volume):
    (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    return found


def attachment_of(ec2, volume):
    return next(iter(volume_of(ec2, volume)["Attachments"]), None)


def attach(ec2, volume, instance, device=DEVICE):
    answer = ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)
    until(lambda: (found := attachment_of(ec2, volume)) and found["State"] == "attached")
    return answer


def mapping_of(ec2, instance, device):
    found = [one["Ebs"] for one in find(ec2, instance)["BlockDeviceMappings"] if one["DeviceName"] == device]
    return found[0] if found else None


@pytest.fixture
def make_snapshot(ec2):
    made = []

    def make(volume, **more):
        snapshot = ec2.create_snapshot(VolumeId=volume, **more)
        made.append(snapshot["SnapshotId"])
        wait(ec2, "snapshot_completed", SnapshotIds=made[-1:])
        return snapshot

    yield make
    left = {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    for snapshot in left.intersection(made):
        ec2.delete_snapshot(SnapshotId=snapshot)


# ---- Volumes --------------------------------------------------------------------------------------


def test_made_and_deleted(ec2, name):
    made = ec2.create_volume(
        AvailabilityZone=ZONE,
        Size=2,
        TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": name}]}],
    )
    volume = made["VolumeId"]
    assert re.fullmatch(r"vol-[0-9a-f]{8,17}", volume)
    assert made["State"] in ("creating", "available")
    assert (made["Size"], made["AvailabilityZone"]) == (2, ZONE)
    assert abs(datetime.now(UTC) - made["CreateTime"]) < timedelta(minutes=5)
    assert tags_of(made) == {"Name": name}
    wait(ec2, "volume_available", VolumeIds=[volume])
    found = volume_of(ec2, volume)
    assert found["Attachments"] == []
    assert found["Encrypted"] is False
    assert found["VolumeType"]
    assert tags_of(found) == {"Name": name}
    for same in "Size", "AvailabilityZone", "CreateTime":
        assert found[same] == made[same]
    ec2.delete_volume(VolumeId=volume)
    wait(ec2, "volume_deleted", VolumeIds=[volume])


def test_what_is_deleted_is_gone(ec2, make_volume):
    volume = make_volume()
    ec2.delete_volume(VolumeId=volume)
    wait(ec2, "volume_deleted", VolumeIds=[volume])
    for action in ec2.delete_volume, ec2.detach_volume, ec2.create_snapshot:
        with refused("InvalidVolume.NotFound"):
            action(VolumeId=volume)


@moto_differs("makes another one")
def test_a_token_makes_one_volume(ec2, make_volume, name):
    volume = make_volume(ClientToken=name)
    assert ec2.create_volume(AvailabilityZone=ZONE, Size=1, ClientToken=name)["VolumeId"] == volume
    with refused("IdempotentParameterMismatch"):
        ec2.create_volume(AvailabilityZone=ZONE, Size=2, ClientToken=name)


@pytest.mark.parametrize("kind", ["gp2", "gp3", "standard"])
def test_the_type_is_kept(ec2, make_volume, kind):
    assert volume_of(ec2, make_volume(VolumeType=kind))["VolumeType"] == kind


@pytest.mark.parametrize(
    "code, parameters",
    [
        ("MissingParameter", {}),
        pytest.param(
            "InvalidZone.NotFound", {"Size": 1, "AvailabilityZone": "mars"}, marks=moto_differs("takes any zone")
        ),
        pytest.param(
            "InvalidSnapshot.NotFound", {"SnapshotId": f"snap-{NOBODY}"}, marks=moto_differs("has no words for it")
        ),
        pytest.param("InvalidParameterValue", {"Size": 0}, marks=moto_differs("makes one of no size")),
        pytest.param("InvalidParameterValue", {"Size": 1, "VolumeType": "wood"}, marks=moto_differs("takes it")),
    ],
)
def test_what_cannot_be_a_volume(ec2, code, parameters):
    with refused(code):
        ec2.create_volume(**{"AvailabilityZone": ZONE, **parameters})


def test_one_that_there_is_not(ec2, instance):
    volume = f"vol-{NOBODY}"
    with refused("InvalidVolume.NotFound"):
        ec2.describe_volumes(VolumeIds=[volume])
    with refused("InvalidVolume.NotFound"):
        ec2.delete_volume(VolumeId=volume)
    with refused("InvalidVolume.NotFound"):
        ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=DEVICE)
    with refused("InvalidVolume.NotFound"):
        ec2.create_snapshot(VolumeId=volume)


@moto_differs("finds none")
def test_the_state_of_a_volume(ec2, make_volume):
    volume = make_volume()
    (status,) = ec2.describe_volume_status(VolumeIds=[volume])["VolumeStatuses"]
    assert status["VolumeStatus"]["Status"] == "ok"
    assert status["AvailabilityZone"] == ZONE
    assert status["Actions"] == status["Events"] == []


# ---- Attached -------------------------------------------------------------------------------------


def test_attached_and_detached(ec2, make_volume, run):
    volume, (instance,) = make_volume(), run()
    answer = attach(ec2, volume, instance)
    assert (answer["VolumeId"], answer["InstanceId"], answer["Device"]) == (volume, instance, DEVICE)
    assert answer["AttachTime"]
    wait(ec2, "volume_in_use", VolumeIds=[volume])
    until(lambda: attachment_of(ec2, volume)["State"] == "attached")
    found = attachment_of(ec2, volume)
    assert (found["VolumeId"], found["InstanceId"], found["Device"]) == (volume, instance, DEVICE)
    mapping = mapping_of(ec2, instance, DEVICE)
    assert (mapping["VolumeId"], mapping["Status"]) == (volume, "attached")
    answer = ec2.detach_volume(VolumeId=volume, InstanceId=instance)
    assert (answer["VolumeId"], answer["InstanceId"], answer["State"]) == (volume, instance, "detaching")
    wait(ec2, "volume_available", VolumeIds=[volume])
    assert attachment_of(ec2, volume) is None
    assert mapping_of(ec2, instance, DEVICE) is None


@moto_differs("wants the instance too")
def test_detached_by_its_id_alone(ec2, make_volume, run):
    volume, (instance,) = make_volume(), run()
    attach(ec2, volume, instance)
    ec2.detach_volume(VolumeId=volume)
    wait(ec2, "volume_available", VolumeIds=[volume])


@moto_differs("has it attached at once, and does not say that it stays")
def test_the_steps_of_attaching(ec2, make_volume, run):
    volume, (instance,) = make_volume(), run()
    assert attach(ec2, volume, instance)["State"] == "attaching"
    assert attachment_of(ec2, volume)["DeleteOnTermination"] is False


def test_an_attached_one_is_in_use(ec2, make_volume, run):
    volume, (instance,) = make_volume(), run()
    attach(ec2, volume, instance)
    with refused("VolumeInUse"):
        ec2.delete_volume(VolumeId=volume)
    assert volume_of(ec2, volume)["State"] == "in-use"


@moto_differs("attaches it again")
def test_attached_once_only(ec2, make_volume, run):
    volume, (one, two) = make_volume(), run(MinCount=2, MaxCount=2)
    attach(ec2, volume, one)
    for instance, device in (one, DEVICE), (one, "/dev/sdi"), (two, DEVICE):
        with refused("VolumeInUse"):
            ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device=device)


@moto_differs("takes the device twice")
def test_a_device_is_taken_once(ec2, make_volume, run):
    one, two, (instance,) = make_volume(), make_volume(), run()
    attach(ec2, one, instance)
    with refused("InvalidParameterValue"):
        ec2.attach_volume(VolumeId=two, InstanceId=instance, Device=DEVICE)


@moto_differs("wants the instance too")
def test_detached_once_only(ec2, make_volume):
    volume = make_volume()
    with refused("IncorrectState") as caught:
        ec2.detach_volume(VolumeId=volume)
    assert "available" in caught.value.response["Error"]["Message"]


def test_detached_from_where_it_is_not(ec2, make_volume, run):
    volume, (one, two) = make_volume(), run(MinCount=2, MaxCount=2)
    attach(ec2, volume, one)
    with refused("InvalidAttachment.NotFound"):
        ec2.detach_volume(VolumeId=volume, InstanceId=two)
    ec2.detach_volume(VolumeId=volume, InstanceId=one, Device=DEVICE, Force=True)
    wait(ec2, "volume_available", VolumeIds=[volume])


def test_attached_to_what_is_stopped(ec2, make_volume, run):
    volume, (instance,) = make_volume(), run()
    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    attach(ec2, volume, instance)
    ec2.start_instances(InstanceIds=[instance])
    wait(ec2, "instance_running", InstanceIds=[instance])
    assert mapping_of(ec2, instance, DEVICE)["VolumeId"] == volume


def test_attached_to_nothing(ec2, make_volume):
    with refused("InvalidInstanceID.NotFound"):
        ec2.attach_volume(VolumeId=make_volume(), InstanceId=f"i-{NOBODY}", Device=DEVICE)


def test_it_stays_when_its_instance_goes(ec2, make_volume, run):
    volume, (instance,) = make_volume(), run()
    attach(ec2, volume, instance)
    ec2.terminate_instances(InstanceIds=[instance])
    wait(ec2, "instance_terminated", InstanceIds=[instance])
    wait(ec2, "volume_available", VolumeIds=[volume])
    assert attachment_of(ec2, volume) is None


def test_it_goes_when_it_was_told_to(ec2, make_volume, run):
    volume, (instance,) = make_volume(), run()
    attach(ec2, volume, instance)
    mapping = {"DeviceName": DEVICE, "Ebs": {"VolumeId": volume, "DeleteOnTermination": True}}
    ec2.modify_instance_attribute(InstanceId=instance, BlockDeviceMappings=[mapping])
    assert mapping_of(ec2, instance, DEVICE)["DeleteOnTermination"] is True
    ec2.terminate_instances(InstanceIds=[instance])
    wait(ec2, "instance_terminated", InstanceIds=[instance])
    wait(ec2, "volume_deleted", VolumeIds=[volume])


# ---- Root volumes, and those made with an instance ---------------------------------------------------


def test_the_root_volume_goes_with_its_instance(ec2, run):
    (instance,) = run()
    root = find(ec2, instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.terminate_instances(InstanceIds=[instance])
    wait(ec2, "instance_terminated", InstanceIds=[instance])
    wait(ec2, "volume_deleted", VolumeIds=[root])


@moto_differs("keeps it")
def test_the_root_volume_cannot_be_kept(ec2, run):
    """It is the instance's own disk: a snapshot of it can be kept."""
    root_device = root_of(ec2)["DeviceName"]
    with refused("UnsupportedOperation"):
        run(BlockDeviceMappings=[{"DeviceName": root_device, "Ebs": {"DeleteOnTermination": False}}])


def root_of(ec2):
    (found,) = ec2.describe_images(ImageIds=[IMAGE])["Images"]
    return next(one for one in found["BlockDeviceMappings"] if one["DeviceName"] == found["RootDeviceName"])


def test_a_larger_root_volume(ec2, run):
    root = root_of(ec2)
    size = root["Ebs"]["VolumeSize"] + 5
    (instance,) = run(BlockDeviceMappings=[{"DeviceName": root["DeviceName"], "Ebs": {"VolumeSize": size}}])
    assert volume_of(ec2, mapping_of(ec2, instance, root["DeviceName"])["VolumeId"])["Size"] == size


@moto_differs("takes any size")
def test_a_root_volume_that_is_too_small(ec2, run):
    root = root_of(ec2)
    with refused("InvalidBlockDeviceMapping", "InvalidParameterValue"):
        run(BlockDeviceMappings=[{"DeviceName": root["DeviceName"], "Ebs": {"VolumeSize": 0}}])


def test_more_volumes_with_an_instance(ec2, make_volume, make_snapshot, run):
    snapshot = make_snapshot(make_volume())["SnapshotId"]
    blank = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": True}}
    copy = {"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshot, "DeleteOnTermination": True}}
    (instance,) = run(BlockDeviceMappings=[blank, copy])
    found = volume_of(ec2, mapping_of(ec2, instance, "/dev/sdf")["VolumeId"])
    assert (found["Size"], found["State"]) == (2, "in-use")
    found = volume_of(ec2, mapping_of(ec2, instance, "/dev/sdg")["VolumeId"])
    assert (found["Size"], found["SnapshotId"]) == (1, snapshot)


@moto_differs("has no root volume if others are asked for")
def test_the_root_volume_is_there_beside_others(ec2, run):
    (instance,) = run(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}}])
    assert {one["DeviceName"] for one in find(ec2, instance)["BlockDeviceMappings"]} == {
        root_of(ec2)["DeviceName"],
        "/dev/sdf",
    }


@moto_differs("detaches it")
def test_the_root_volume_stays_while_it_runs(ec2, instance):
    root = find(ec2, instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    with refused("OperationNotPermitted"):
        ec2.detach_volume(VolumeId=root)


# ---- Snapshots ------------------------------------------------------------------------------------


def test_a_snapshot(ec2, make_volume, make_snapshot, account):
    volume = make_volume(Size=2)
    made = make_snapshot(volume, Description="before the change")
    assert re.fullmatch(r"snap-[0-9a-f]{8,17}", made["SnapshotId"])
    (found,) = ec2.describe_snapshots(SnapshotIds=[made["SnapshotId"]])["Snapshots"]
    for one in made, found:
        assert one["VolumeId"] == volume
        assert one["VolumeSize"] == 2
        assert one["Description"] == "before the change"
        assert one["OwnerId"] == account
        assert one["Encrypted"] is False
        assert one["Tags"] == []
        assert abs(datetime.now(UTC) - one["StartTime"]) < timedelta(minutes=5)
    assert (found["State"], found["Progress"]) == ("completed", "100%")


@moto_differs("has no words for it")
def test_a_deleted_snapshot_is_gone(ec2, make_volume, make_snapshot):
    snapshot = make_snapshot(make_volume())["SnapshotId"]
    ec2.delete_snapshot(SnapshotId=snapshot)
    with refused("InvalidSnapshot.NotFound"):
        ec2.describe_snapshots(SnapshotIds=[snapshot])
    with refused("InvalidSnapshot.NotFound"):
        ec2.delete_snapshot(SnapshotId=snapshot)


def test_a_volume_of_a_snapshot(ec2, make_volume, make_snapshot):
    snapshot = make_snapshot(make_volume(Size=2))["SnapshotId"]

    def copy(**more):
        made = ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot, **more)
        wait(ec2, "volume_available", VolumeIds=[made["VolumeId"]])
        found = volume_of(ec2, made["VolumeId"])
        put_away_volume(ec2, made["VolumeId"])
        return found["Size"], found["SnapshotId"]

    assert copy() == (2, snapshot)
    assert copy(Size=3) == (3, snapshot)


@moto_differs("makes one that is too small")
def test_a_volume_smaller_than_its_snapshot(ec2, make_volume, make_snapshot):
    snapshot = make_snapshot(make_volume(Size=2))["SnapshotId"]
    with refused("InvalidParameterValue"):
        ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot, Size=1)


def test_a_snapshot_stays_when_its_volume_goes(ec2, make_volume, make_snapshot):
    volume = make_volume()
    snapshot = make_snapshot(volume)["SnapshotId"]
    ec2.delete_volume(VolumeId=volume)
    wait(ec2, "volume_deleted", VolumeIds=[volume])
    (found,) = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert found["VolumeId"] == volume


def test_a_snapshot_of_a_root_volume(ec2, make_snapshot, run):
    (instance,) = run()
    root = find(ec2, instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert make_snapshot(root)["VolumeSize"] == volume_of(ec2, root)["Size"]


@moto_differs("shows everyone's")
def test_whose_snapshots(ec2, make_volume, make_snapshot, account):
    snapshot = make_snapshot(make_volume())["SnapshotId"]

    def found(**whose):
        return {one["SnapshotId"] for one in ec2.describe_snapshots(**whose)["Snapshots"]}

    assert snapshot in found(OwnerIds=["self"])
    assert snapshot in found(OwnerIds=[account])
    assert snapshot not in found(OwnerIds=["999999999999"])
    assert snapshot in found()


def test_a_copy_of_a_snapshot(ec2, make_volume, make_snapshot):
    snapshot = make_snapshot(make_volume(Size=2))["SnapshotId"]
    copy = ec2.copy_snapshot(SourceRegion=REGION, SourceSnapshotId=snapshot, Description="copy")["SnapshotId"]
    wait(ec2, "snapshot_completed", SnapshotIds=[copy])
    (found,) = ec2.describe_snapshots(SnapshotIds=[copy])["Snapshots"]
    assert (found["VolumeSize"], found["Description"]) == (2, "copy")
    ec2.delete_snapshot(SnapshotId=copy)


@moto_differs("refuses nothing")
def test_what_cannot_be_a_snapshot_id(ec2):
    with refused("InvalidSnapshotID.Malformed", "InvalidParameterValue"):
        ec2.describe_snapshots(SnapshotIds=["yesterday"])
