"""Key pairs, with fingerprints made here as EC2 makes them."""

import base64
import hashlib
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from conftest import NOBODY, moto_differs, refused, tags_of


def colons(digest):
    return ":".join(f"{byte:02x}" for byte in digest)


def of_created_rsa(private):
    return colons(hashlib.sha1(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).digest())


def of_imported_rsa(public):
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return colons(hashlib.md5(der).digest())


def of_ed25519(public):
    blob = base64.b64decode(openssh(public).split()[1])
    return base64.b64encode(hashlib.sha256(blob).digest()).decode()


def openssh(public):
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


@pytest.fixture
def name(ec2, name):
    """A name of which nothing is left afterwards."""
    yield name
    ec2.delete_key_pair(KeyName=name)


def pair_of(ec2, name, **more):
    (found,) = ec2.describe_key_pairs(KeyNames=[name], **more)["KeyPairs"]
    return found


# ---- Created --------------------------------------------------------------------------------------


def test_created(ec2, name):
    made = ec2.create_key_pair(KeyName=name)
    assert made["KeyName"] == name
    assert re.fullmatch(r"key-[0-9a-f]{8,17}", made["KeyPairId"])
    private = load_pem_private_key(made["KeyMaterial"].encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size >= 2048
    ec2.get_waiter("key_pair_exists").wait(KeyNames=[name])
    found = pair_of(ec2, name)
    assert found["KeyPairId"] == made["KeyPairId"]
    assert found["KeyFingerprint"] == made["KeyFingerprint"]
    assert found["CreateTime"]
    assert "KeyMaterial" not in found
    assert "PublicKey" not in found


@moto_differs("tells the type of those only that had one given")
def test_the_type_of_a_created_one(ec2, name):
    ec2.create_key_pair(KeyName=name)
    assert pair_of(ec2, name)["KeyType"] == "rsa"


@moto_differs("hashes another form of the key")
def test_the_fingerprint_of_a_created_one(ec2, name):
    made = ec2.create_key_pair(KeyName=name)
    private = load_pem_private_key(made["KeyMaterial"].encode(), None)
    assert made["KeyFingerprint"] == of_created_rsa(private)


def test_a_created_ed25519(ec2, name):
    made = ec2.create_key_pair(KeyName=name, KeyType="ed25519")
    private = load_private(made["KeyMaterial"])
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    assert pair_of(ec2, name)["KeyType"] == "ed25519"


@moto_differs("shows the digits with colons")
def test_the_fingerprint_of_a_created_ed25519(ec2, name):
    made = ec2.create_key_pair(KeyName=name, KeyType="ed25519")
    assert made["KeyFingerprint"] == of_ed25519(load_private(made["KeyMaterial"]).public_key())


def load_private(material):
    load = load_ssh_private_key if "OPENSSH" in material else load_pem_private_key
    return load(material.encode(), None)


def test_a_name_is_taken_once(ec2, name):
    ec2.create_key_pair(KeyName=name)
    for action, more in (ec2.create_key_pair, {}), (ec2.import_key_pair, {"PublicKeyMaterial": an_rsa_key()}):
        with refused("InvalidKeyPair.Duplicate"):
            action(KeyName=name, **more)


def test_a_name_may_have_spaces(ec2, name):
    spaced = f"{name} of a test (ü not)".replace("ü", "u")
    try:
        ec2.create_key_pair(KeyName=spaced)
        assert pair_of(ec2, spaced)["KeyName"] == spaced
    finally:
        ec2.delete_key_pair(KeyName=spaced)


@pytest.mark.parametrize("bad", ["", "x" * 256])
@moto_differs("takes any name")
def test_what_cannot_be_a_name(ec2, bad):
    with refused("InvalidParameterValue", "MissingParameter"):
        ec2.create_key_pair(KeyName=bad)


@moto_differs("takes any type")
def test_a_type_that_there_is_not(ec2):
    with refused("InvalidParameterValue"):
        ec2.create_key_pair(KeyName="never", KeyType="dsa")


# ---- Imported -------------------------------------------------------------------------------------


def an_rsa_key():
    return openssh(rsa.generate_private_key(65537, 2048).public_key())


def test_an_imported_rsa(ec2, name):
    public = rsa.generate_private_key(65537, 2048).public_key()
    made = ec2.import_key_pair(KeyName=name, PublicKeyMaterial=openssh(public) + b" someone@somewhere\n")
    assert made["KeyName"] == name
    assert made["KeyPairId"].startswith("key-")
    assert "KeyMaterial" not in made
    assert made["KeyFingerprint"] == of_imported_rsa(public)
    found = pair_of(ec2, name)
    assert found["KeyFingerprint"] == made["KeyFingerprint"]
    assert found["KeyType"] == "rsa"


def test_an_imported_ed25519(ec2, name):
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    ec2.import_key_pair(KeyName=name, PublicKeyMaterial=openssh(public))
    assert pair_of(ec2, name)["KeyType"] == "ed25519"


@moto_differs("shows the digits with colons")
def test_the_fingerprint_of_an_imported_ed25519(ec2, name):
    public = ed25519.Ed25519PrivateKey.generate().public_key()
    made = ec2.import_key_pair(KeyName=name, PublicKeyMaterial=openssh(public))
    assert made["KeyFingerprint"] == of_ed25519(public)


@moto_differs("wants the line only")
def test_other_forms_of_a_public_key(ec2, name):
    """A PEM file, and what ssh-keygen -e writes (RFC 4716)."""
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    blob = openssh(public).split()[1].decode()
    lines = [blob[start : start + 70] for start in range(0, len(blob), 70)]
    rfc4716 = "\n".join(
        ["---- BEGIN SSH2 PUBLIC KEY ----", 'Comment: "of a test"', *lines, "---- END SSH2 PUBLIC KEY ----", ""]
    )
    for material in pem, rfc4716.encode():
        made = ec2.import_key_pair(KeyName=name, PublicKeyMaterial=material)
        assert made["KeyFingerprint"] == of_imported_rsa(public)
        ec2.delete_key_pair(KeyName=name)


def test_the_public_key_on_demand(ec2, name):
    public = openssh(rsa.generate_private_key(65537, 2048).public_key())
    ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public)
    assert pair_of(ec2, name, IncludePublicKey=True)["PublicKey"].split()[:2] == public.decode().split()[:2]


def test_it_is_the_public_key_that_counts(ec2, name):
    """The same key has the same fingerprint, with whatever comment: Ansible relies on it."""
    public = an_rsa_key()
    first = ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public + b" one")["KeyFingerprint"]
    ec2.delete_key_pair(KeyName=name)
    assert ec2.import_key_pair(KeyName=name, PublicKeyMaterial=public + b" two")["KeyFingerprint"] == first


@pytest.mark.parametrize(
    "material",
    [
        b"ssh-rsa JUNK someone@somewhere",
        b"not a key at all",
        b"ssh-rsa " + base64.b64encode(b"\0\0\0\7ssh-rsa\0\0\0\1"),
        b"ssh-dss " + base64.b64encode(b"\0\0\0\7ssh-dss" + b"\0\0\0\1\5" * 4),
    ],
    ids=["junk", "text", "cut off", "dsa"],
)
@moto_differs("says InvalidKeyPair.Format")
def test_what_cannot_be_imported(ec2, material):
    with refused("InvalidKey.Format"):
        ec2.import_key_pair(KeyName="never", PublicKeyMaterial=material)


@moto_differs("says InvalidKeyPair.Format")
def test_nothing_to_import(ec2):
    with refused("MissingParameter"):
        ec2.import_key_pair(KeyName="never", PublicKeyMaterial=b"")


# ---- Found and deleted ----------------------------------------------------------------------------


def test_found(ec2, name):
    made = ec2.create_key_pair(
        KeyName=name, TagSpecifications=[{"ResourceType": "key-pair", "Tags": [{"Key": "of", "Value": name}]}]
    )
    assert tags_of(made) == {"of": name}
    assert tags_of(pair_of(ec2, name)) == {"of": name}

    def names(**how):
        return [one["KeyName"] for one in ec2.describe_key_pairs(**how)["KeyPairs"]]

    def by(key, *values):
        return names(Filters=[{"Name": key, "Values": list(values)}])

    assert by("key-name", name) == [name]
    assert by("key-name", f"{name[:-1]}?") == [name]
    assert by("fingerprint", made["KeyFingerprint"]) == [name]
    assert by("tag:of", name) == [name]
    assert by("key-name", "nobody's") == []
    assert name in names()


@moto_differs("does not look at ids")
def test_found_by_id(ec2, name):
    made = ec2.create_key_pair(KeyName=name)
    (found,) = ec2.describe_key_pairs(KeyPairIds=[made["KeyPairId"]])["KeyPairs"]
    assert found["KeyName"] == name
    by_filter = ec2.describe_key_pairs(Filters=[{"Name": "key-pair-id", "Values": [made["KeyPairId"]]}])["KeyPairs"]
    assert [one["KeyName"] for one in by_filter] == [name]


@moto_differs("quotes it in a way of its own")
def test_one_that_there_is_not(ec2):
    with refused("InvalidKeyPair.NotFound") as caught:
        ec2.describe_key_pairs(KeyNames=["nobody's"])
    assert "'nobody's'" in caught.value.response["Error"]["Message"]


@moto_differs("finds none")
def test_an_id_that_there_is_not(ec2):
    with refused("InvalidKeyPair.NotFound"):
        ec2.describe_key_pairs(KeyPairIds=[f"key-{NOBODY}"])


def test_deleted(ec2, name):
    ec2.create_key_pair(KeyName=name)
    ec2.delete_key_pair(KeyName=name)
    with refused("InvalidKeyPair.NotFound"):
        ec2.describe_key_pairs(KeyNames=[name])
    ec2.delete_key_pair(KeyName=name)


@moto_differs("wants the name")
def test_deleted_by_id(ec2, name):
    made = ec2.create_key_pair(KeyName=name)
    ec2.delete_key_pair(KeyPairId=made["KeyPairId"])
    with refused("InvalidKeyPair.NotFound"):
        ec2.describe_key_pairs(KeyNames=[name])
