"""User data comes back byte for byte."""

import base64
import gzip
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from conftest import launch, moto_differs, refused, wait

LIMIT = 16384


def multipart():
    document = MIMEMultipart(boundary="==a boundary==")
    document.attach(MIMEText("#!/bin/sh\necho one\n", "x-shellscript"))
    document.attach(MIMEText("#cloud-config\npackages: [gcc]\n", "cloud-config"))
    return document.as_bytes()


DATA = {
    "text": b"#!/bin/sh\necho hello\n",
    "utf-8": "#!/bin/sh\necho Я ✓\n".encode(),
    "binary": bytes(range(256)),
    "gzip": gzip.compress(b"#cloud-config\n" * 100, mtime=0),
    "multipart": multipart(),
    "crlf and no end of line": b"a\r\nb",
    "base64 itself": base64.b64encode(b"not to be decoded"),
    "plus, percent and ampersand": b"a+b%20c&d=e ",
    "one byte": b"x",
}


def read(ec2, instance):
    answer = ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
    return base64.b64decode(answer["UserData"]["Value"])


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_it_comes_back(ec2, run, data):
    (instance,) = run(UserData=data, settled=False)
    assert read(ec2, instance) == data


def test_as_much_as_fits(ec2, run):
    data = bytes(index * 7 % 251 for index in range(LIMIT))
    (instance,) = run(UserData=data)
    assert read(ec2, instance) == data


@moto_differs("takes any amount")
def test_more_than_fits(ec2):
    with refused("InvalidParameterValue"):
        launch(ec2, UserData=b"x" * (LIMIT + 1))


@moto_differs("keeps it in another form")
def test_it_changes_while_stopped(ec2, run):
    (instance,) = run(UserData=b"first")
    with refused("IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=instance, UserData={"Value": b"second"})
    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, UserData={"Value": b"second\x00\xff"})
    assert read(ec2, instance) == b"second\x00\xff"
