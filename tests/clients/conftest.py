"""What every suite needs: where the endpoint is, two farms' clients, and things that are put away again."""

import os
import time
import uuid
from contextlib import contextmanager

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

URL = os.environ.get("EC2_URL", "http://127.0.0.1:7480/")
REGION = os.environ.get("EC2_REGION", "us-east-1")
IMAGE = os.environ.get("EC2_IMAGE")
FLAVOR = os.environ.get("EC2_FLAVOR", "m1.small")
OTHER_FLAVOR = os.environ.get("EC2_OTHER_FLAVOR", "m1.medium")
ZONE = os.environ.get("EC2_ZONE")
KEYS = os.environ.get("EC2_ACCESS_KEY"), os.environ.get("EC2_SECRET_KEY")
OTHER_KEYS = os.environ.get("EC2_OTHER_ACCESS_KEY"), os.environ.get("EC2_OTHER_SECRET_KEY")

# Ids of the right form which nobody has.
NOBODY = "0123456789abcdef0"


def moto_differs(how, run=True):
    """The test says what Amazon does; against moto (EC2_SERVER=moto) it is expected to fail, or not even run."""
    return pytest.mark.xfail(os.environ.get("EC2_SERVER") == "moto", reason=f"moto {how}", strict=True, run=run)


def settings(**more):
    return Config(retries={"total_max_attempts": 1}, **more)


def client(keys=KEYS, **more):
    return boto3.client(
        "ec2",
        endpoint_url=URL,
        region_name=REGION,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=settings(**more),
    )


@contextmanager
def refused(*codes, status=400):
    """The call within fails with one of these codes."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    assert answer["Error"]["Code"] in codes, answer["Error"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["Error"]["Message"]


def wait(ec2, waiter, **what):
    """A stock waiter that does not sleep for 15 s."""
    ec2.get_waiter(waiter).wait(**what, WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})


def until(condition):
    """Polls until the condition holds, and returns what it gave."""
    for _ in range(300):
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError("did not become true within 30 s")


def tags_of(thing):
    return {tag["Key"]: tag["Value"] for tag in thing["Tags"]}


def find(ec2, instance_id):
    """The instance as it is now."""
    (reservation,) = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    (instance,) = reservation["Instances"]
    return instance


@pytest.fixture(scope="session")
def ec2():
    return client()


@pytest.fixture(scope="session")
def other():
    """The second farm's client."""
    return client(OTHER_KEYS)


@pytest.fixture
def name():
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def image():
    return IMAGE


@pytest.fixture(scope="session")
def account(ec2):
    """The number of the account, as it owns its default group."""
    (group,) = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    return group["OwnerId"]


def launch(ec2, **more):
    return ec2.run_instances(**{"ImageId": IMAGE, "InstanceType": FLAVOR, "MinCount": 1, "MaxCount": 1, **more})


def end(ec2, *instances):
    """Terminates, also what is protected, and waits until it is over."""
    try:
        ec2.terminate_instances(InstanceIds=instances)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "OperationNotPermitted", error
        for instance in instances:
            ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
        ec2.terminate_instances(InstanceIds=instances)
    wait(ec2, "instance_terminated", InstanceIds=instances)


@pytest.fixture
def run(ec2):
    """Runs instances, waits for them unless told not to, and ends them.

    What is made for them (groups) has to stand before it among a test's arguments: it goes after them.
    """
    started = []

    def run(*, settled=True, **more):
        ids = [instance["InstanceId"] for instance in launch(ec2, **more)["Instances"]]
        started.extend(ids)
        if settled:
            wait(ec2, "instance_running", InstanceIds=ids)
        return ids

    yield run
    if started:
        end(ec2, *dict.fromkeys(started))


@pytest.fixture(scope="module")
def instance(ec2):
    """A running instance of the module's, for tests that only look at it."""
    (instance,) = launch(ec2)["Instances"]
    wait(ec2, "instance_running", InstanceIds=[instance["InstanceId"]])
    yield instance["InstanceId"]
    end(ec2, instance["InstanceId"])


@pytest.fixture
def make_volume(ec2):
    made = []

    def make(*, settled=True, **more):
        volume = ec2.create_volume(**{"AvailabilityZone": ZONE, "Size": 1, **more})["VolumeId"]
        made.append(volume)
        if settled:
            wait(ec2, "volume_available", VolumeIds=[volume])
        return volume

    yield make
    for volume in made:
        put_away_volume(ec2, volume)


def put_away_volume(ec2, volume):
    try:
        (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
        if found["Attachments"]:
            ec2.detach_volume(VolumeId=volume, Force=True)
            wait(ec2, "volume_available", VolumeIds=[volume])
        ec2.delete_volume(VolumeId=volume)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidVolume.NotFound", error


@pytest.fixture
def make_group(ec2, name):
    made = []

    def make(suffix="", **more):
        group = ec2.create_security_group(**{"GroupName": name + suffix, "Description": "of a test", **more})["GroupId"]
        made.append(group)
        return group

    yield make
    # Groups go that no other's rules name, until none is left: two that name each other would stay.
    while made:
        left = [group for group in made if not delete_group(ec2, group)]
        assert len(left) < len(made), left
        made[:] = left


def delete_group(ec2, group):
    """Whether it is gone."""
    try:
        ec2.delete_security_group(GroupId=group)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("InvalidGroup.NotFound", "DependencyViolation"), error
        return code == "InvalidGroup.NotFound"
    return True


@pytest.fixture
def make_address(ec2):
    made = []

    def make(**more):
        address = ec2.allocate_address(**{"Domain": "vpc", **more})
        made.append(address["AllocationId"])
        return address

    yield make
    for allocation in made:
        try:
            (found,) = ec2.describe_addresses(AllocationIds=[allocation])["Addresses"]
            if found.get("AssociationId"):
                ec2.disassociate_address(AssociationId=found["AssociationId"])
            ec2.release_address(AllocationId=allocation)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidAllocationID.NotFound", error


@pytest.fixture
def key_pair(ec2, name):
    ec2.create_key_pair(KeyName=name)
    yield name
    ec2.delete_key_pair(KeyName=name)
