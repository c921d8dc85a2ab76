"""Apache Libcloud's EC2 driver, which sends GET requests, with signatures of version 4 or 2 as told."""

import os
from urllib.parse import urlsplit

import pytest
from libcloud.common.types import InvalidCredsError
from libcloud.compute.base import NodeLocation, NodeSize
from libcloud.compute.drivers.ec2 import EC2NodeLocation, ExEC2AvailabilityZone, IdempotentParamError
from libcloud.compute.providers import get_driver
from libcloud.compute.types import KeyPairDoesNotExistError, NodeState, Provider, StorageVolumeState

from conftest import FLAVOR, IMAGE, KEYS, OTHER_FLAVOR, REGION, URL, ZONE, moto_differs, until, wait

ENDPOINT = urlsplit(URL)

# Libcloud looks for everything in the namespace with a slash at its end, as Amazon writes it.
pytestmark = moto_differs("writes its namespace without the slash, so that libcloud finds nothing")


def connect(provider=Provider.EC2, keys=KEYS, **more):
    return get_driver(provider)(
        *keys, secure=ENDPOINT.scheme == "https", host=ENDPOINT.hostname, port=ENDPOINT.port or 80, **more
    )


@pytest.fixture(scope="module")
def driver():
    return connect(region=REGION, signature_version="4")


@pytest.fixture(scope="module")
def size(driver):
    return NodeSize(FLAVOR, FLAVOR, 0, 0, 0, 0, driver)


@pytest.fixture
def node(driver, ec2, size, name):
    """A running node with a name."""
    node = driver.create_node(name=name, image=driver.get_image(IMAGE), size=size)
    wait(ec2, "instance_running", InstanceIds=[node.id])
    yield node
    driver.destroy_node(node)
    wait(ec2, "instance_terminated", InstanceIds=[node.id])


def again(driver, node):
    (found,) = driver.list_nodes(ex_node_ids=[node.id])
    return found


def test_a_node(driver, node, name):
    found = again(driver, node)
    assert found.name == name
    assert found.state == NodeState.RUNNING
    assert found.private_ips
    assert found.created_at
    assert found.extra["image_id"] == IMAGE
    assert found.extra["instance_type"] == FLAVOR
    assert found.extra["availability"]
    assert found.extra["tags"] == {"Name": name}
    assert [group["group_name"] for group in found.extra["groups"]] == ["default"]
    assert found.extra["block_device_mapping"][0]["ebs"]["volume_id"].startswith("vol-")
    assert found.extra["network_interfaces"][0].id.startswith("eni-")
    assert node.id in [one.id for one in driver.list_nodes()]
    assert node.id in [one.id for one in driver.list_nodes(ex_filters={"tag:Name": name})]


def test_stopped_started_and_rebooted(driver, ec2, node):
    assert driver.stop_node(node) is True
    wait(ec2, "instance_stopped", InstanceIds=[node.id])
    assert driver.start_node(node) is True
    wait(ec2, "instance_running", InstanceIds=[node.id])
    assert driver.reboot_node(node) is True
    (running, _), *_ = driver.wait_until_running(
        [node], wait_period=0.1, timeout=30, ssh_interface="private_ips"
    )
    assert running.id == node.id


def test_destroyed(driver, ec2, size, name):
    node = driver.create_node(name=name, image=driver.get_image(IMAGE), size=size)
    wait(ec2, "instance_running", InstanceIds=[node.id])
    assert driver.destroy_node(node) is True
    wait(ec2, "instance_terminated", InstanceIds=[node.id])
    assert again(driver, node).state == NodeState.TERMINATED


def test_everything_at_once(driver, ec2, size, name):
    """With a key, groups, user data, a zone and a token, which is for one request only."""
    pair = driver.create_key_pair(name)
    group = driver.ex_create_security_group(name, "of a test")["group_id"]
    zone = next(one for one in driver.list_locations() if one.availability_zone.name == ZONE)
    how = {
        "name": name,
        "image": driver.get_image(IMAGE),
        "size": size,
        "location": zone,
        "ex_keyname": pair.name,
        "ex_security_groups": [name],
        "ex_userdata": "#!/bin/sh\necho hello\n",
        "ex_metadata": {"stage": "test"},
        "ex_clienttoken": name,
    }
    node = driver.create_node(**how)
    try:
        assert driver.create_node(**how).id == node.id
        with pytest.raises(IdempotentParamError):
            driver.create_node(**{**how, "ex_userdata": "another"})
        wait(ec2, "instance_running", InstanceIds=[node.id])
        found = again(driver, node)
        assert found.extra["key_name"] == name
        assert found.extra["availability"] == ZONE
        assert found.extra["tags"] == {"Name": name, "stage": "test"}
    finally:
        driver.destroy_node(node)
        wait(ec2, "instance_terminated", InstanceIds=[node.id])
        driver.ex_delete_security_group(name)
        driver.delete_key_pair(pair)
    assert group.startswith("sg-")


def test_several(driver, ec2, size, name):
    nodes = driver.create_node(name=name, image=driver.get_image(IMAGE), size=size, ex_mincount=2, ex_maxcount=2)
    wait(ec2, "instance_running", InstanceIds=[one.id for one in nodes])
    assert len({one.id for one in nodes}) == 2
    for node in nodes:
        assert driver.destroy_node(node) is True
    wait(ec2, "instance_terminated", InstanceIds=[one.id for one in nodes])


def test_images(driver):
    image = driver.get_image(IMAGE)
    assert image.id == IMAGE
    assert image.name
    assert image.extra["state"] == "available"
    assert image.extra["block_device_mapping"][0]["ebs"]["volume_size"] >= 1
    assert IMAGE in [one.id for one in driver.list_images(ex_executableby="all")]
    assert IMAGE not in [one.id for one in driver.list_images(ex_owner="self")]


def test_an_image_of_a_node(driver, ec2, node, name):
    image = driver.create_image(node, name, description="as it was")
    wait(ec2, "image_available", ImageIds=[image.id])
    made = driver.get_image(image.id)
    assert made.name == name
    assert driver.delete_image(image) is True
    for mapping in made.extra["block_device_mapping"]:
        ec2.delete_snapshot(SnapshotId=mapping["ebs"]["snapshot_id"])


def test_locations(driver):
    locations = driver.list_locations()
    assert ZONE in [one.availability_zone.name for one in locations]
    assert all(isinstance(one, NodeLocation) for one in locations)
    assert [zone.region_name for zone in driver.ex_list_availability_zones()] == [REGION] * len(locations)


def test_key_pairs(driver, name):
    pair = driver.create_key_pair(name)
    try:
        assert "PRIVATE KEY" in pair.private_key
        assert driver.get_key_pair(name).fingerprint == pair.fingerprint
        assert name in [one.name for one in driver.list_key_pairs()]
    finally:
        assert driver.delete_key_pair(pair) is True
    with pytest.raises(KeyPairDoesNotExistError) as caught:
        driver.get_key_pair(name)
    assert caught.value.name == name


def test_volumes_and_snapshots(driver, ec2, node, name):
    zone = EC2NodeLocation("0", "lab", "here", driver, ExEC2AvailabilityZone(ZONE, "available", REGION))
    volume = driver.create_volume(1, name, location=zone)
    try:
        wait(ec2, "volume_available", VolumeIds=[volume.id])
        (found,) = driver.list_volumes(ex_filters={"volume-id": volume.id})
        assert found.name == name
        assert found.state == StorageVolumeState.AVAILABLE
        assert found.size == 1
        assert driver.attach_volume(node, volume, "/dev/sdh") is True
        wait(ec2, "volume_in_use", VolumeIds=[volume.id])
        assert volume.id in [one.id for one in driver.list_volumes(node)]
        snapshot = driver.create_volume_snapshot(volume, f"{name}-snapshot")
        wait(ec2, "snapshot_completed", SnapshotIds=[snapshot.id])
        assert [one.id for one in driver.list_volume_snapshots(volume)] == [snapshot.id]
        assert driver.destroy_volume_snapshot(snapshot) is True
        assert driver.detach_volume(volume) is True
        wait(ec2, "volume_available", VolumeIds=[volume.id])
    finally:
        assert driver.destroy_volume(volume) is True


def test_security_groups(driver, name):
    group = driver.ex_create_security_group(name, "of a test")["group_id"]
    try:
        assert driver.ex_authorize_security_group(name, "22", "22", "0.0.0.0/0") is True
        driver.ex_authorize_security_group(name, "22", "22", "0.0.0.0/0")
        driver.ex_authorize_security_group_permissive(name)
        assert driver.ex_authorize_security_group_ingress(group, 80, 80, cidr_ips=["192.0.2.0/24"]) is True
        assert driver.ex_authorize_security_group_ingress(group, 81, 81, group_pairs=[{"group_id": group}]) is True
        (found,) = driver.ex_get_security_groups(group_ids=[group])
        rules = {(one["protocol"], one["from_port"], one["to_port"]) for one in found.ingress_rules}
        assert {("tcp", "22", "22"), ("tcp", "80", "80"), ("udp", "0", "65535"), ("icmp", "-1", "-1")} <= rules
        assert driver.ex_revoke_security_group_ingress(group, 80, 80, cidr_ips=["192.0.2.0/24"]) is True
        assert name in driver.ex_list_security_groups()
        assert driver.ex_revoke_security_group_ingress(group, 81, 81, group_pairs=[{"group_id": group}]) is True
    finally:
        assert driver.ex_delete_security_group_by_id(group) is True


def test_addresses(driver, node):
    address = driver.ex_allocate_address(domain="vpc")
    try:
        assert address.domain == "vpc"
        assert driver.ex_associate_address_with_node(node, address, domain="vpc").startswith("eipassoc-")
        assert driver.ex_describe_addresses_for_node(node) == [address.ip]
        assert address.ip in again(driver, node).public_ips
        (address,) = [one for one in driver.ex_describe_all_addresses() if one.ip == address.ip]
        assert driver.ex_disassociate_address(address, domain="vpc") is True
        assert driver.ex_describe_addresses_for_node(node) == []
    finally:
        assert driver.ex_release_address(address, domain="vpc") is True


def test_an_address_by_its_ip(driver, node):
    address = driver.ex_allocate_address()
    try:
        driver.ex_associate_address_with_node(node, address)
        assert driver.ex_describe_addresses_for_node(node) == [address.ip]
        assert driver.ex_disassociate_address(address) is True
    finally:
        assert driver.ex_release_address(address) is True


def test_tags(driver, node, name):
    assert driver.ex_create_tags(node, {"stage": "test", "empty": ""}) is True
    assert driver.ex_describe_tags(node) == {"Name": name, "stage": "test", "empty": ""}
    assert driver.ex_delete_tags(node, {"stage": "test", "empty": None}) is True
    assert driver.ex_describe_tags(node) == {"Name": name}


def test_console_output(driver, node):
    answer = until(lambda: (found := driver.ex_get_console_output(node))["output"] and found)
    assert answer["instance_id"] == node.id
    assert answer["timestamp"]


def test_limits(driver):
    limits = driver.ex_get_limits()["resource"]
    assert set(limits) >= {"max-instances", "max-elastic-ips", "vpc-max-elastic-ips"}


def test_networks(driver, node):
    (network,) = driver.ex_list_networks(filters={"is-default": "true"})
    assert network.extra["is_default"] == "true"
    assert ZONE in [one.extra["zone"] for one in driver.ex_list_subnets()]
    assert node.id in [one.extra["attachment"]["instance_id"] for one in driver.ex_list_network_interfaces()]
    assert driver.ex_list_internet_gateways()[0].vpc_id == network.id
    assert any(one.subnet_associations[0].main for one in driver.ex_list_route_tables())


def test_another_flavor(driver, ec2, node):
    driver.stop_node(node)
    wait(ec2, "instance_stopped", InstanceIds=[node.id])
    assert driver.ex_change_node_size(node, NodeSize(OTHER_FLAVOR, OTHER_FLAVOR, 0, 0, 0, 0, driver)) is True
    assert again(driver, node).extra["instance_type"] == OTHER_FLAVOR


def test_a_wrong_key():
    with pytest.raises(InvalidCredsError):
        connect(keys=(KEYS[0], "wrong"), region=REGION, signature_version="4").list_nodes()


takes_v2 = pytest.mark.skipif(os.environ.get("EC2_SIGV2") == "off", reason="the server takes no version 2")


@takes_v2
def test_version_2_of_signatures(instance):
    """What the driver takes for us-east-1 unless it is told otherwise."""
    assert instance in [one.id for one in connect(region="us-east-1").list_nodes()]
    with pytest.raises(InvalidCredsError):
        connect(keys=(KEYS[0], "wrong"), region="us-east-1").list_nodes()


@takes_v2
def test_the_driver_for_eucalyptus(instance):
    """Version 2 only, and a path of its own."""
    driver = connect(Provider.EUCALYPTUS, path=ENDPOINT.path or "/")
    assert instance in [one.id for one in driver.list_nodes(ex_node_ids=[instance])]
    assert IMAGE in [one.id for one in driver.list_images()]
