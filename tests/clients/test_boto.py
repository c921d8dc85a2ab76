"""boto 2.49, of which scripts from before 2015 live: signatures of version 4 for odd regions, and of version 2."""

import os
from urllib.parse import urlsplit

import pytest

from conftest import FLAVOR, IMAGE, KEYS, NOBODY, URL, ZONE, moto_differs, until

pytest.importorskip("boto", reason="boto 2 ends with Python 3.11", exc_type=ImportError)

from boto.ec2.connection import EC2Connection
from boto.exception import EC2ResponseError
from boto.regioninfo import RegionInfo

ENDPOINT = urlsplit(URL)

pytestmark = moto_differs("knows neither the region nor the service that boto makes up of an address")


class Version2(EC2Connection):
    def _required_auth_capability(self):
        return ["ec2"]


def connect(kind=EC2Connection, keys=KEYS):
    connection = kind(
        *keys,
        is_secure=ENDPOINT.scheme == "https",
        port=ENDPOINT.port,
        path=ENDPOINT.path or "/",
        region=RegionInfo(name="lab", endpoint=ENDPOINT.hostname),
    )
    connection.num_retries = 0
    return connection


KINDS = [EC2Connection] if os.environ.get("EC2_SIGV2") == "off" else [EC2Connection, Version2]


@pytest.fixture(params=KINDS, ids=["version 4", "version 2"][: len(KINDS)])
def boto(request):
    return connect(request.param)


@pytest.fixture
def started(boto):
    (instance,) = boto.run_instances(IMAGE, instance_type=FLAVOR, placement=ZONE, user_data="#!/bin/sh\n").instances
    until(lambda: instance.update() == "running")
    yield instance
    instance.terminate()
    until(lambda: instance.update() == "terminated")


def test_an_instance(boto, started):
    (found,) = boto.get_only_instances([started.id])
    assert (found.image_id, found.instance_type, found.placement) == (IMAGE, FLAVOR, ZONE)
    assert found.groups[0].name == "default"
    assert found.block_device_mapping[found.root_device_name].volume_id.startswith("vol-")
    assert started.get_attribute("userData")["userData"]
    started.add_tag("stage", "test")
    assert started.id in [one.id for one in boto.get_only_instances(filters={"tag:stage": "test"})]
    started.stop()
    until(lambda: started.update() == "stopped")
    started.start()
    until(lambda: started.update() == "running")
    assert started.get_console_output().instance_id == started.id


def test_a_volume(boto, started):
    volume = boto.create_volume(1, ZONE)
    until(lambda: volume.update() == "available")
    assert volume.attach(started.id, "/dev/sdh") in ("attaching", "attached", True)
    until(lambda: volume.update() == "in-use")
    snapshot = volume.create_snapshot("now")
    until(lambda: snapshot.update() == "100%" and snapshot.status == "completed")
    volume.detach()
    until(lambda: volume.update() == "available")
    assert snapshot.delete() is True
    assert volume.delete() is True


def test_an_address(boto, started):
    address = boto.allocate_address()
    try:
        assert boto.associate_address(started.id, address.public_ip) is True
        until(lambda: started.update() and started.ip_address == address.public_ip)
        assert boto.disassociate_address(address.public_ip) is True
    finally:
        assert boto.release_address(address.public_ip) is True


def test_a_group_and_a_key(boto, name):
    group = boto.create_security_group(name, "of a test")
    try:
        assert group.authorize("tcp", 22, 22, "0.0.0.0/0") is True
        (found,) = boto.get_all_security_groups([name])
        assert [str(rule) for rule in found.rules] == ["IPPermissions:tcp(22-22)"]
        assert group.revoke("tcp", 22, 22, "0.0.0.0/0") is True
    finally:
        assert boto.delete_security_group(name) is True
    key = boto.create_key_pair(name)
    assert "PRIVATE KEY" in key.material
    assert boto.get_key_pair(name).fingerprint == key.fingerprint
    assert key.delete() is True
    assert boto.get_key_pair(name) is None


def test_images_zones_and_regions(boto):
    assert boto.get_image(IMAGE).state == "available"
    assert ZONE in [zone.name for zone in boto.get_all_zones()]
    assert boto.get_all_regions()


def test_errors(boto):
    with pytest.raises(EC2ResponseError) as caught:
        boto.terminate_instances([f"i-{NOBODY}"])
    assert (caught.value.status, caught.value.error_code) == (400, "InvalidInstanceID.NotFound")
    with pytest.raises(EC2ResponseError) as caught:
        connect(type(boto), keys=(KEYS[0], "wrong")).get_all_zones()
    assert (caught.value.status, caught.value.error_code) == (401, "AuthFailure")
