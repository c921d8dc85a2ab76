"""Tags: made with things, set, changed, taken away and looked for."""

import pytest

from conftest import NOBODY, find, launch, moto_differs, refused, tags_of


def tags(ec2, thing):
    """As DescribeTags tells them."""
    return tags_of(ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [thing]}]))


def spec(kind, **pairs):
    return {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in pairs.items()]}


def test_made_with_an_instance_and_its_volume(ec2, run, name):
    (instance,) = run(
        TagSpecifications=[spec("instance", Name=name, stage="test"), spec("volume", Name=f"{name}-root")]
    )
    seen = find(ec2, instance)
    assert tags_of(seen) == {"Name": name, "stage": "test"}
    assert tags(ec2, instance) == {"Name": name, "stage": "test"}
    volume = seen["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert tags(ec2, volume) == {"Name": f"{name}-root"}


def test_made_with_everything_else(ec2, name):
    made = []
    try:
        pair = ec2.create_key_pair(KeyName=name, TagSpecifications=[spec("key-pair", what="pair")])
        made.append(lambda: ec2.delete_key_pair(KeyName=name))
        assert tags(ec2, pair["KeyPairId"]) == {"what": "pair"}
        group = ec2.create_security_group(
            GroupName=name, Description="d", TagSpecifications=[spec("security-group", what="group")]
        )["GroupId"]
        made.append(lambda: ec2.delete_security_group(GroupId=group))
        assert tags(ec2, group) == {"what": "group"}
        assert tags_of(ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]) == {"what": "group"}
        address = ec2.allocate_address(Domain="vpc", TagSpecifications=[spec("elastic-ip", what="address")])[
            "AllocationId"
        ]
        made.append(lambda: ec2.release_address(AllocationId=address))
        assert tags(ec2, address) == {"what": "address"}
        assert tags_of(ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]) == {"what": "address"}
    finally:
        for put_away in reversed(made):
            put_away()


def test_set_changed_and_taken_away(ec2, make_volume):
    volume = make_volume()

    def change(action, **pairs):
        action(
            Resources=[volume],
            Tags=[{"Key": key} if value is None else {"Key": key, "Value": value} for key, value in pairs.items()],
        )

    change(ec2.create_tags, one="1", two="2", three="")
    assert tags(ec2, volume) == {"one": "1", "two": "2", "three": ""}
    change(ec2.create_tags, one="eins")
    assert tags(ec2, volume) == {"one": "eins", "two": "2", "three": ""}
    change(ec2.delete_tags, one="1")
    assert "one" in tags(ec2, volume), "another value is another tag"
    change(ec2.delete_tags, one="eins", two=None)
    assert tags(ec2, volume) == {"three": ""}
    change(ec2.delete_tags, nothing=None)
    assert tags(ec2, volume) == {"three": ""}
    (found,) = ec2.describe_volumes(VolumeIds=[volume])["Volumes"]
    assert tags_of(found) == {"three": ""}


@moto_differs("takes none of them away")
def test_all_taken_away(ec2, make_volume):
    volume = make_volume(TagSpecifications=[spec("volume", one="1", two="2")])
    ec2.delete_tags(Resources=[volume])
    assert tags(ec2, volume) == {}


def test_of_several_things_at_once(ec2, make_volume, make_group, name):
    volume, group = make_volume(), make_group()
    ec2.create_tags(Resources=[volume, group], Tags=[{"Key": "Name", "Value": name}])
    found = ec2.describe_tags(Filters=[{"Name": "value", "Values": [name]}])["Tags"]
    assert {(one["ResourceType"], one["ResourceId"]) for one in found} == {
        ("volume", volume),
        ("security-group", group),
    }
    ec2.delete_tags(Resources=[volume, group], Tags=[{"Key": "Name"}])
    assert ec2.describe_tags(Filters=[{"Name": "value", "Values": [name]}])["Tags"] == []


@moto_differs("does not look for instances")
def test_one_missing_thing_changes_nothing(ec2, make_volume):
    volume = make_volume()
    with refused("InvalidInstanceID.NotFound"):
        ec2.create_tags(Resources=[volume, f"i-{NOBODY}"], Tags=[{"Key": "k", "Value": "v"}])
    assert tags(ec2, volume) == {}


@pytest.mark.parametrize(
    "thing, code",
    [
        pytest.param(f"i-{NOBODY}", "InvalidInstanceID.NotFound", marks=moto_differs("does not look for it")),
        (f"vol-{NOBODY}", "InvalidVolume.NotFound"),
        pytest.param(f"snap-{NOBODY}", "InvalidSnapshot.NotFound", marks=moto_differs("has no words for it")),
        (f"ami-{NOBODY}", "InvalidAMIID.NotFound"),
        (f"sg-{NOBODY}", "InvalidGroup.NotFound"),
        pytest.param(f"eipalloc-{NOBODY}", "InvalidAllocationID.NotFound", marks=moto_differs("does not look for it")),
        pytest.param(f"key-{NOBODY}", "InvalidKeyPair.NotFound", marks=moto_differs("does not look for it")),
        (f"what-{NOBODY}", "InvalidID"),
    ],
)
def test_of_nothing(ec2, thing, code):
    with refused(code):
        ec2.create_tags(Resources=[thing], Tags=[{"Key": "k", "Value": "v"}])


@pytest.mark.parametrize(
    "value", ["", "Привет", "a<b>&\"c'", "x" * 256, "a+b c%20d=e"], ids=["empty", "utf-8", "xml", "long", "encoded"]
)
def test_values_come_back(ec2, make_volume, value):
    volume = make_volume()
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "key", "Value": value}])
    assert tags(ec2, volume) == {"key": value}


@pytest.mark.parametrize(
    "tag",
    [
        {"Key": "aws:mine", "Value": "x"},
        {"Key": "x" * 129, "Value": "x"},
        {"Key": "x", "Value": "x" * 257},
    ],
    ids=["aws", "long key", "long value"],
)
@moto_differs("takes any on volumes")
def test_what_cannot_be_a_tag(ec2, make_volume, tag):
    volume = make_volume()
    with refused("InvalidParameterValue"):
        ec2.create_tags(Resources=[volume], Tags=[tag])
    assert tags(ec2, volume) == {}


def test_fifty_are_enough(ec2, make_volume):
    volume = make_volume()
    ec2.create_tags(Resources=[volume], Tags=[{"Key": f"k{index}", "Value": ""} for index in range(50)])
    assert len(tags(ec2, volume)) == 50
    with refused("TagLimitExceeded"):
        ec2.create_tags(Resources=[volume], Tags=[{"Key": "one more", "Value": ""}])
    ec2.create_tags(Resources=[volume], Tags=[{"Key": "k0", "Value": "changed"}])
    assert tags(ec2, volume)["k0"] == "changed"


@moto_differs("does not look at the kind")
def test_a_kind_that_there_is_not(ec2):
    with refused("InvalidParameterValue"):
        launch(ec2, TagSpecifications=[spec("teapot", a="b")])


def test_on_a_public_image(ec2, image, name):
    """Everyone has tags of their own on what others own."""
    ec2.create_tags(Resources=[image], Tags=[{"Key": name, "Value": "mine"}])
    try:
        found = ec2.describe_images(Filters=[{"Name": "tag-key", "Values": [name]}])["Images"]
        assert [one["ImageId"] for one in found] == [image]
    finally:
        ec2.delete_tags(Resources=[image], Tags=[{"Key": name}])


def test_described_by_filters(ec2, make_volume, name):
    one = make_volume(TagSpecifications=[spec("volume", **{f"{name}-a": "red"})])
    two = make_volume(TagSpecifications=[spec("volume", **{f"{name}-b": "blue"})])

    def found(**filters):
        answer = ec2.describe_tags(
            Filters=[{"Name": key.replace("_", "-"), "Values": value} for key, value in filters.items()]
        )
        return {tag["ResourceId"] for tag in answer["Tags"]}

    assert found(key=[f"{name}-*"]) == {one, two}
    assert found(key=[f"{name}-?"]) == {one, two}
    assert found(key=[f"{name}-a"], resource_type=["volume"]) == {one}
    assert found(key=[f"{name}-a"], resource_type=["instance"]) == set()
    assert found(resource_id=[one, two], value=["blue"]) == {two}
    assert found(key=[f"{name}-*"], value=["r*", "b*"]) == {one, two}
