"""Images: the site's, and those made of instances and snapshots."""

import re
from datetime import datetime, timedelta

import pytest

from conftest import IMAGE, NOBODY, REGION, find, launch, moto_differs, refused, tags_of, wait


def image_of(ec2, image, **more):
    (found,) = ec2.describe_images(ImageIds=[image], **more)["Images"]
    return found


def ids(answer):
    return {one["ImageId"] for one in answer["Images"]}


@pytest.fixture
def make_image(ec2):
    """Makes images of instances; takes them and their snapshots away."""
    made = []

    def make(instance, name, **more):
        image = ec2.create_image(InstanceId=instance, Name=name, **more)["ImageId"]
        made.append(image)
        wait(ec2, "image_available", ImageIds=[image])
        return image

    yield make
    own = {one["ImageId"]: one for one in ec2.describe_images(Owners=["self"])["Images"]}
    for image in made:
        if image in own:
            ec2.deregister_image(ImageId=image)
            for mapping in own[image]["BlockDeviceMappings"]:
                ec2.delete_snapshot(SnapshotId=mapping["Ebs"]["SnapshotId"])


# ---- Of the site ----------------------------------------------------------------------------------


def test_a_public_image(ec2):
    found = image_of(ec2, IMAGE)
    assert found["State"] == "available"
    assert found["ImageType"] == "machine"
    assert found["Architecture"] == "x86_64"
    assert found["RootDeviceType"] == "ebs"
    assert found["VirtualizationType"] == "hvm"
    assert found["Hypervisor"]
    for what in "Name", "OwnerId", "ImageLocation", "RootDeviceName":
        assert found[what]
    assert datetime.strptime(found["CreationDate"], "%Y-%m-%dT%H:%M:%S.%fZ") < datetime.now() + timedelta(days=1)
    root = next(one for one in found["BlockDeviceMappings"] if one["DeviceName"] == found["RootDeviceName"])
    assert root["Ebs"]["VolumeSize"] >= 1
    assert root["Ebs"]["SnapshotId"].startswith("snap-")


def test_it_is_public(ec2):
    assert image_of(ec2, IMAGE)["Public"] is True


@moto_differs("keeps them")
def test_its_volumes_go_with_instances(ec2):
    assert image_of(ec2, IMAGE)["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is True


def test_the_snapshot_of_a_public_image(ec2):
    root = image_of(ec2, IMAGE)["BlockDeviceMappings"][0]["Ebs"]
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[root["SnapshotId"]])["Snapshots"]
    assert snapshot["VolumeSize"] == root["VolumeSize"]


def test_whose_images(ec2):
    owner = image_of(ec2, IMAGE)["OwnerId"]
    assert IMAGE in ids(ec2.describe_images())
    assert IMAGE in ids(ec2.describe_images(Owners=[owner]))
    assert IMAGE in ids(ec2.describe_images(ExecutableUsers=["all"]))
    assert IMAGE not in ids(ec2.describe_images(Owners=["self"]))
    assert IMAGE not in ids(ec2.describe_images(Owners=["999999999999"]))


@moto_differs("shows those for everyone too")
def test_images_that_are_for_us_alone(ec2):
    assert IMAGE not in ids(ec2.describe_images(ExecutableUsers=["self"]))


def test_one_that_there_is_not(ec2):
    with refused("InvalidAMIID.NotFound"):
        ec2.describe_images(ImageIds=[f"ami-{NOBODY}"])
    with refused("InvalidAMIID.NotFound"):
        ec2.deregister_image(ImageId=f"ami-{NOBODY}")
    with refused("InvalidAMIID.Malformed"):
        ec2.describe_images(ImageIds=["debian"])


@moto_differs("lets everyone do everything", run=False)
def test_what_others_own_cannot_be_changed(ec2):
    with refused("AuthFailure"):
        ec2.deregister_image(ImageId=IMAGE)
    with refused("AuthFailure"):
        ec2.modify_image_attribute(ImageId=IMAGE, Description={"Value": "mine"})
    with refused("AuthFailure"):
        ec2.modify_image_attribute(ImageId=IMAGE, LaunchPermission={"Add": [{"Group": "all"}]})
    with refused("AuthFailure"):
        ec2.reset_image_attribute(ImageId=IMAGE, Attribute="launchPermission")
    with refused("AuthFailure"):
        ec2.describe_image_attribute(ImageId=IMAGE, Attribute="launchPermission")


# ---- Of an instance -------------------------------------------------------------------------------


def test_made_of_an_instance(ec2, make_image, run, name, account):
    (instance,) = run()
    image = make_image(instance, name, Description="as it was")
    assert re.fullmatch(r"ami-[0-9a-f]{8,17}", image)
    found = image_of(ec2, image)
    assert (found["Name"], found["Description"]) == (name, "as it was")
    assert found["OwnerId"] == account
    assert found["Public"] is False
    assert found["State"] == "available"
    assert found["CreationDate"]
    root = next(one["Ebs"] for one in found["BlockDeviceMappings"] if one["DeviceName"] == found["RootDeviceName"])
    assert image in ids(ec2.describe_images(Owners=["self"]))
    (snapshot,) = ec2.describe_snapshots(SnapshotIds=[root["SnapshotId"]])["Snapshots"]
    assert snapshot["State"] == "completed"
    assert find(ec2, instance)["State"]["Name"] == "running"


@moto_differs("says standard")
def test_it_starts_from_a_volume(ec2, make_image, run, name):
    assert image_of(ec2, make_image(run()[0], name))["RootDeviceType"] == "ebs"


def test_it_can_be_run(ec2, make_image, run, name):
    image = make_image(run()[0], name)
    (instance,) = run(ImageId=image)
    assert find(ec2, instance)["ImageId"] == image


def test_made_of_what_is_stopped(ec2, make_image, run, name):
    (instance,) = run()
    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    make_image(instance, name, NoReboot=True)
    assert find(ec2, instance)["State"]["Name"] == "stopped"


def test_deregistered(ec2, make_image, run, name):
    image = make_image(run()[0], name)
    snapshot = image_of(ec2, image)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    with refused("InvalidSnapshot.InUse"):
        ec2.delete_snapshot(SnapshotId=snapshot)
    ec2.deregister_image(ImageId=image)
    assert image not in ids(ec2.describe_images(Owners=["self"]))
    ec2.delete_snapshot(SnapshotId=snapshot)


@moto_differs("runs it")
def test_what_is_deregistered_is_not_run(ec2, make_image, run, name):
    image = make_image(run()[0], name)
    root = image_of(ec2, image)["BlockDeviceMappings"][0]["Ebs"]
    ec2.deregister_image(ImageId=image)
    ec2.delete_snapshot(SnapshotId=root["SnapshotId"])
    with refused("InvalidAMIID.Unavailable", "InvalidAMIID.NotFound"):
        launch(ec2, ImageId=image)


def test_with_tags(ec2, make_image, run, name):
    specification = [{"ResourceType": "image", "Tags": [{"Key": "of", "Value": name}]}]
    image = make_image(run()[0], name, TagSpecifications=specification)
    assert tags_of(image_of(ec2, image)) == {"of": name}
    assert ids(ec2.describe_images(Filters=[{"Name": "tag:of", "Values": [name]}])) == {image}


@moto_differs("takes a name twice")
def test_a_name_is_taken_once(ec2, make_image, run, name):
    (instance,) = run()
    make_image(instance, name)
    with refused("InvalidAMIName.Duplicate"):
        ec2.create_image(InstanceId=instance, Name=name)


@moto_differs("takes any name")
def test_what_cannot_be_a_name(ec2, instance):
    for bad in "x" * 129, "what?":
        with refused("InvalidAMIName.Malformed"):
            ec2.create_image(InstanceId=instance, Name=bad)


# ---- Of a snapshot --------------------------------------------------------------------------------


def test_registered(ec2, make_image, run, name):
    (instance,) = run()
    first = image_of(ec2, make_image(instance, name))
    snapshot = first["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    mapping = {"DeviceName": first["RootDeviceName"], "Ebs": {"SnapshotId": snapshot, "DeleteOnTermination": True}}
    image = ec2.register_image(
        Name=f"{name}-again",
        Architecture="x86_64",
        RootDeviceName=first["RootDeviceName"],
        VirtualizationType="hvm",
        BlockDeviceMappings=[mapping],
    )["ImageId"]
    try:
        wait(ec2, "image_available", ImageIds=[image])
        assert image_of(ec2, image)["Name"] == f"{name}-again"
        (copy,) = run(ImageId=image)
        assert find(ec2, copy)["ImageId"] == image
    finally:
        ec2.deregister_image(ImageId=image)


@moto_differs("does not look for it")
def test_registered_of_nothing(ec2, name):
    mapping = {"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": f"snap-{NOBODY}"}}
    with refused("InvalidSnapshot.NotFound"):
        ec2.register_image(Name=name, RootDeviceName="/dev/sda1", BlockDeviceMappings=[mapping])


def test_copied(ec2, make_image, run, name):
    image = make_image(run()[0], name, Description="first")
    copy = ec2.copy_image(SourceRegion=REGION, SourceImageId=image, Name=f"{name}-copy")["ImageId"]
    wait(ec2, "image_available", ImageIds=[copy])
    assert copy != image
    found = image_of(ec2, copy)
    assert found["Name"] == f"{name}-copy"
    ec2.deregister_image(ImageId=copy)
    for mapping in found["BlockDeviceMappings"]:
        ec2.delete_snapshot(SnapshotId=mapping["Ebs"]["SnapshotId"])


# ---- Attributes -----------------------------------------------------------------------------------


def attribute(ec2, image, name):
    return ec2.describe_image_attribute(ImageId=image, Attribute=name)


@moto_differs("does not change it")
def test_the_description(ec2, make_image, run, name):
    image = make_image(run()[0], name, Description="first")
    assert attribute(ec2, image, "description")["Description"]["Value"] == "first"
    ec2.modify_image_attribute(ImageId=image, Description={"Value": "second"})
    assert attribute(ec2, image, "description")["Description"]["Value"] == "second"
    ec2.modify_image_attribute(ImageId=image, Attribute="description", Value="third")
    assert image_of(ec2, image)["Description"] == "third"


def test_who_may_run_it(ec2, make_image, run, name):
    image = make_image(run()[0], name)

    def permissions():
        return attribute(ec2, image, "launchPermission")["LaunchPermissions"]

    assert permissions() == []
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    assert permissions() == [{"Group": "all"}]
    assert image_of(ec2, image)["Public"] is True
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Remove": [{"Group": "all"}]})
    assert permissions() == []
    assert image_of(ec2, image)["Public"] is False
    ec2.modify_image_attribute(
        ImageId=image, Attribute="launchPermission", OperationType="add", UserIds=["123456789012"]
    )
    assert permissions() == [{"UserId": "123456789012"}]


@moto_differs("does not reset it")
def test_nobody_else_may_run_it_again(ec2, make_image, run, name):
    image = make_image(run()[0], name)
    ec2.modify_image_attribute(ImageId=image, Attribute="launchPermission", OperationType="add", UserGroups=["all"])
    ec2.reset_image_attribute(ImageId=image, Attribute="launchPermission")
    assert attribute(ec2, image, "launchPermission")["LaunchPermissions"] == []


@moto_differs("checks other things")
def test_changes_that_make_no_sense(ec2, make_image, run, name):
    image = make_image(run()[0], name)
    for code, change in [
        ("InvalidParameterCombination", {}),
        ("InvalidParameterCombination", {"Attribute": "colour"}),
        ("InvalidParameter", {"Attribute": "blockDeviceMapping"}),
        ("MissingParameter", {"Attribute": "description"}),
        ("InvalidParameterCombination", {"Attribute": "launchPermission"}),
    ]:
        with refused(code):
            ec2.modify_image_attribute(ImageId=image, **change)
    with refused("InvalidRequest"):
        attribute(ec2, image, "colour")
