"""The `aws ec2` command, as people type it."""

import base64
import json
import os
import re
import subprocess
import sys

import pytest

from conftest import (
    FLAVOR,
    IMAGE,
    KEYS,
    NOBODY,
    REGION,
    URL,
    ZONE,
    find,
    moto_differs,
    put_away_volume,
    until,
    wait,
)

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
    "AWS_ACCESS_KEY_ID": KEYS[0] or "",
    "AWS_SECRET_ACCESS_KEY": KEYS[1] or "",
    "AWS_ENDPOINT_URL_EC2": URL,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_PAGER": "",
    "COLUMNS": "120",
}
AWS = os.path.join(os.path.dirname(sys.executable), "aws")


def command(*words, output="json"):
    words = [AWS, "ec2", *words, "--output", output]
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)


def aws(*words, **how):
    """What the command prints."""
    done = command(*words, **how)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if how.get("output", "json") == "json" and done.stdout else done.stdout


def fails(code, *words):
    """The command fails with this code on its standard error."""
    done = command(*words)
    assert done.returncode not in (0, 252), done.stdout + done.stderr
    assert f"({code})" in done.stderr, done.stderr
    return done.stderr


def test_a_whole_life(ec2, name):
    instance = aws(
        "run-instances",
        "--image-id",
        IMAGE,
        "--instance-type",
        FLAVOR,
        "--placement",
        f"AvailabilityZone={ZONE}",
        "--tag-specifications",
        f"ResourceType=instance,Tags=[{{Key=Name,Value={name}}}]",
        "--query",
        "Instances[0].InstanceId",
    )
    try:
        wait(ec2, "instance_running", InstanceIds=[instance])
        aws("wait", "instance-running", "--instance-ids", instance)
        aws("wait", "instance-status-ok", "--instance-ids", instance)
        assert aws(
            "describe-instances",
            "--filters",
            f"Name=tag:Name,Values={name}",
            "--query",
            "Reservations[].Instances[].InstanceId",
        ) == [instance]
        stopping = aws("stop-instances", "--instance-ids", instance)["StoppingInstances"][0]
        assert stopping["CurrentState"]["Name"] == "stopping"
        wait(ec2, "instance_stopped", InstanceIds=[instance])
        aws("wait", "instance-stopped", "--instance-ids", instance)
        assert aws("start-instances", "--instance-ids", instance)["StartingInstances"][0]["InstanceId"] == instance
        wait(ec2, "instance_running", InstanceIds=[instance])
        aws("reboot-instances", "--instance-ids", instance)
        status = aws("describe-instance-status", "--instance-ids", instance)["InstanceStatuses"][0]
        assert status["InstanceState"]["Name"] == "running"
    finally:
        aws("terminate-instances", "--instance-ids", instance)
    wait(ec2, "instance_terminated", InstanceIds=[instance])
    aws("wait", "instance-terminated", "--instance-ids", instance)


@pytest.mark.parametrize("form", ["table", "text", "json"])
def test_every_form_of_output(instance, form):
    shown = command("describe-instances", "--instance-ids", instance, output=form)
    assert shown.returncode == 0, shown.stderr
    for what in instance, IMAGE, FLAVOR, "running":
        assert what in shown.stdout
    if form == "table":
        assert "DescribeInstances" in shown.stdout


@pytest.mark.parametrize(
    "verb",
    [
        "describe-instances",
        "describe-images",
        "describe-volumes",
        "describe-snapshots",
        "describe-key-pairs",
        "describe-security-groups",
        "describe-addresses",
        "describe-tags",
        "describe-regions",
        "describe-availability-zones",
        "describe-vpcs",
        "describe-subnets",
        "describe-network-interfaces",
        "describe-route-tables",
        "describe-internet-gateways",
        "describe-network-acls",
        "describe-account-attributes",
        "describe-security-group-rules",
    ],
)
def test_everything_is_described(verb):
    owner = ["--owner-ids", "self"] if verb == "describe-snapshots" else []
    owner += ["--owners", "self"] if verb == "describe-images" else []
    (listed,) = aws(verb, *owner).values()
    assert isinstance(listed, list)


def test_instance_types():
    (found,) = aws("describe-instance-types", "--instance-types", FLAVOR)["InstanceTypes"]
    assert found["VCpuInfo"]["DefaultVCpus"] >= 1
    offered = aws(
        "describe-instance-type-offerings",
        "--location-type",
        "availability-zone",
        "--filters",
        f"Name=instance-type,Values={FLAVOR}",
    )
    assert ZONE in [one["Location"] for one in offered["InstanceTypeOfferings"]]


def test_pages(instance):
    every = aws("describe-instances", "--page-size", "5", "--query", "Reservations[].Instances[].InstanceId")
    assert instance in every
    few = aws("describe-images", "--max-items", "1")
    assert len(few["Images"]) == 1


def test_user_data_from_a_file(ec2, tmp_path):
    script = tmp_path / "first-boot.sh"
    script.write_bytes(b"#!/bin/sh\necho \xc3\xbc\n")
    instance = aws(
        "run-instances",
        "--image-id",
        IMAGE,
        "--instance-type",
        FLAVOR,
        "--count",
        "1",
        "--user-data",
        f"file://{script}",
    )["Instances"][0]["InstanceId"]
    try:
        value = aws(
            "describe-instance-attribute",
            "--instance-id",
            instance,
            "--attribute",
            "userData",
            "--query",
            "UserData.Value",
        )
        assert base64.b64decode(value) == script.read_bytes()
    finally:
        aws("terminate-instances", "--instance-ids", instance)
        wait(ec2, "instance_terminated", InstanceIds=[instance])


def test_attributes(ec2, run):
    (instance,) = run()
    aws("modify-instance-attribute", "--instance-id", instance, "--disable-api-termination")
    assert (
        aws("describe-instance-attribute", "--instance-id", instance, "--attribute", "disableApiTermination")[
            "DisableApiTermination"
        ]["Value"]
        is True
    )
    fails("OperationNotPermitted", "terminate-instances", "--instance-ids", instance)
    aws("modify-instance-attribute", "--instance-id", instance, "--no-disable-api-termination")


@moto_differs("keeps the first one")
def test_the_shutdown_behaviour(run):
    (instance,) = run()
    aws("modify-instance-attribute", "--instance-id", instance, "--instance-initiated-shutdown-behavior", "terminate")
    words = [
        "describe-instance-attribute",
        "--instance-id",
        instance,
        "--attribute",
        "instanceInitiatedShutdownBehavior",
    ]
    assert "terminate" in aws(*words, output="text")


def test_console_output(instance):
    until(lambda: aws("get-console-output", "--instance-id", instance).get("Output"))
    shown = aws("get-console-output", "--instance-id", instance, output="text")
    assert instance in shown


def test_key_pairs(name):
    material = aws("create-key-pair", "--key-name", name, "--query", "KeyMaterial")
    assert "PRIVATE KEY" in material
    aws("wait", "key-pair-exists", "--key-names", name)
    try:
        fingerprint = aws("describe-key-pairs", "--key-names", name, "--query", "KeyPairs[0].KeyFingerprint")
        assert re.fullmatch(r"([0-9a-f]{2}:)+[0-9a-f]{2}", fingerprint)
        fails("InvalidKeyPair.Duplicate", "create-key-pair", "--key-name", name)
    finally:
        aws("delete-key-pair", "--key-name", name)
    fails("InvalidKeyPair.NotFound", "describe-key-pairs", "--key-names", name)


def test_an_imported_key_pair(tmp_path, name):
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", tmp_path / "key"], check=True)
    try:
        imported = aws("import-key-pair", "--key-name", name, "--public-key-material", f"fileb://{tmp_path}/key.pub")
        shown = subprocess.run(
            f"ssh-keygen -e -m PKCS8 -f {tmp_path}/key.pub | openssl pkey -pubin -outform DER | openssl md5 -c",
            shell=True,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()[-1]
        assert imported["KeyFingerprint"] == shown
    finally:
        aws("delete-key-pair", "--key-name", name)


def test_security_groups(name):
    group = aws("create-security-group", "--group-name", name, "--description", "of a test")["GroupId"]
    try:
        aws(
            "authorize-security-group-ingress",
            "--group-id",
            group,
            "--protocol",
            "tcp",
            "--port",
            "22",
            "--cidr",
            "0.0.0.0/0",
        )
        aws(
            "authorize-security-group-ingress",
            "--group-id",
            group,
            "--protocol",
            "tcp",
            "--port",
            "1-100",
            "--source-group",
            group,
        )
        permissions = aws(
            "describe-security-groups", "--group-ids", group, "--query", "SecurityGroups[0].IpPermissions"
        )
        assert sorted((one["FromPort"], one["ToPort"]) for one in permissions) == [(1, 100), (22, 22)]
        fails(
            "InvalidPermission.Duplicate",
            "authorize-security-group-ingress",
            "--group-id",
            group,
            "--protocol",
            "tcp",
            "--port",
            "22",
            "--cidr",
            "0.0.0.0/0",
        )
        shown = aws("describe-security-groups", "--group-ids", group, output="table")
        assert "0.0.0.0/0" in shown
        aws(
            "revoke-security-group-ingress",
            "--group-id",
            group,
            "--protocol",
            "tcp",
            "--port",
            "22",
            "--cidr",
            "0.0.0.0/0",
        )
        aws(
            "revoke-security-group-ingress",
            "--group-id",
            group,
            "--protocol",
            "tcp",
            "--port",
            "1-100",
            "--source-group",
            group,
        )
        assert aws("describe-security-groups", "--group-ids", group, "--query", "SecurityGroups[0].IpPermissions") == []
    finally:
        aws("delete-security-group", "--group-id", group)
    fails("InvalidGroup.NotFound", "describe-security-groups", "--group-ids", group)


def test_volumes_and_snapshots(ec2, run):
    (instance,) = run()
    volume = aws("create-volume", "--size", "1", "--availability-zone", ZONE, "--volume-type", "gp2")["VolumeId"]
    try:
        wait(ec2, "volume_available", VolumeIds=[volume])
        aws("wait", "volume-available", "--volume-ids", volume)
        attached = aws("attach-volume", "--volume-id", volume, "--instance-id", instance, "--device", "/dev/sdh")
        assert attached["VolumeId"] == volume
        aws("wait", "volume-in-use", "--volume-ids", volume)
        fails("VolumeInUse", "delete-volume", "--volume-id", volume)
        snapshot = aws("create-snapshot", "--volume-id", volume, "--description", "now")["SnapshotId"]
        wait(ec2, "snapshot_completed", SnapshotIds=[snapshot])
        aws("wait", "snapshot-completed", "--snapshot-ids", snapshot)
        assert aws("describe-snapshots", "--snapshot-ids", snapshot, "--query", "Snapshots[0].Description") == "now"
        aws("delete-snapshot", "--snapshot-id", snapshot)
        aws("detach-volume", "--volume-id", volume, "--instance-id", instance)
        wait(ec2, "volume_available", VolumeIds=[volume])
        aws("delete-volume", "--volume-id", volume)
        wait(ec2, "volume_deleted", VolumeIds=[volume])
        aws("wait", "volume-deleted", "--volume-ids", volume)
    finally:
        put_away_volume(ec2, volume)


def test_addresses(ec2, run):
    (instance,) = run()
    made = aws("allocate-address", "--domain", "vpc")
    association = aws("associate-address", "--instance-id", instance, "--allocation-id", made["AllocationId"])[
        "AssociationId"
    ]
    try:
        assert find(ec2, instance)["PublicIpAddress"] == made["PublicIp"]
        shown = aws("describe-addresses", "--public-ips", made["PublicIp"], output="text")
        assert instance in shown
    finally:
        aws("disassociate-address", "--association-id", association)
        aws("release-address", "--allocation-id", made["AllocationId"])
    fails("InvalidAllocationID.NotFound", "describe-addresses", "--allocation-ids", made["AllocationId"])


def test_images(ec2, run, name):
    assert aws("describe-images", "--image-ids", IMAGE, "--query", "Images[0].State") == "available"
    (instance,) = run()
    image = aws("create-image", "--instance-id", instance, "--name", name, "--no-reboot")["ImageId"]
    wait(ec2, "image_available", ImageIds=[image])
    aws("wait", "image-available", "--image-ids", image)
    (found,) = aws("describe-images", "--owners", "self", "--filters", f"Name=name,Values={name}")["Images"]
    assert found["ImageId"] == image
    aws("deregister-image", "--image-id", image)
    for mapping in found["BlockDeviceMappings"]:
        aws("delete-snapshot", "--snapshot-id", mapping["Ebs"]["SnapshotId"])


def test_tags(run):
    (instance,) = run()
    aws("create-tags", "--resources", instance, "--tags", "Key=stage,Value=test", "Key=empty,Value=")
    tags = aws("describe-tags", "--filters", f"Name=resource-id,Values={instance}")["Tags"]
    assert {(one["Key"], one["Value"]) for one in tags} == {("stage", "test"), ("empty", "")}
    aws("delete-tags", "--resources", instance, "--tags", "Key=stage", "Key=empty")
    assert aws("describe-tags", "--filters", f"Name=resource-id,Values={instance}")["Tags"] == []


def test_only_asking():
    text = fails("DryRunOperation", "run-instances", "--dry-run", "--image-id", IMAGE, "--instance-type", FLAVOR)
    assert "Request would have succeeded" in text


@pytest.mark.parametrize(
    "code, words",
    [
        ("InvalidInstanceID.NotFound", ["terminate-instances", "--instance-ids", f"i-{NOBODY}"]),
        ("InvalidAMIID.NotFound", ["run-instances", "--image-id", f"ami-{NOBODY}", "--instance-type", FLAVOR]),
        ("InvalidVolume.NotFound", ["describe-volumes", "--volume-ids", f"vol-{NOBODY}"]),
        pytest.param(
            "UnsupportedOperation", ["create-vpc", "--cidr-block", "10.0.0.0/16"], marks=moto_differs("makes it")
        ),
    ],
)
def test_errors(code, words):
    assert "An error occurred" in fails(code, *words)
