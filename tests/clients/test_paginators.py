"""Pages: every stock paginator, the sizes, and tokens that are none."""

import uuid

import pytest

from conftest import ZONE, find, moto_differs, put_away_volume, refused, wait

PAGINATORS = [
    "describe_images",
    "describe_instance_status",
    "describe_instance_type_offerings",
    "describe_instance_types",
    "describe_instances",
    "describe_internet_gateways",
    "describe_network_acls",
    "describe_network_interfaces",
    "describe_route_tables",
    "describe_security_group_rules",
    "describe_security_groups",
    "describe_snapshots",
    "describe_subnets",
    "describe_tags",
    "describe_volumes",
    "describe_vpcs",
]


@pytest.mark.parametrize("action", PAGINATORS)
def test_all_pages_are_the_whole(ec2, instance, action):
    """What others make and end meanwhile may be on a page or not; what was there all the time is on one."""
    (kind,) = [key for key, value in getattr(ec2, action)().items() if isinstance(value, list)]

    def things(answer):
        """A reservation may be cut in two where a page ends."""
        if kind == "Reservations":
            return {str(one) for reservation in answer[kind] for one in reservation["Instances"]}
        return {str(one) for one in answer[kind]}

    def whole():
        return things(getattr(ec2, action)())

    before = whole()
    pages = list(ec2.get_paginator(action).paginate(PaginationConfig={"PageSize": 5}))
    seen = set().union(*map(things, pages))
    assert before & whole() <= seen


@pytest.fixture(scope="module")
def seven(ec2):
    """Seven volumes with a mark."""
    mark = f"pages-{uuid.uuid4().hex[:8]}"
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "set", "Value": mark}]}]
    made = [ec2.create_volume(AvailabilityZone=ZONE, Size=1, TagSpecifications=tags)["VolumeId"] for _ in range(7)]
    wait(ec2, "volume_available", VolumeIds=made)
    yield {"Filters": [{"Name": "tag:set", "Values": [mark]}]}, set(made)
    for volume in made:
        put_away_volume(ec2, volume)


def ids(answer):
    return [one["VolumeId"] for one in answer["Volumes"]]


@moto_differs("has one page")
def test_a_page_of_volumes(ec2, seven):
    wanted, all_ids = seven
    first = ec2.describe_volumes(MaxResults=5, **wanted)
    assert len(first["Volumes"]) == 5
    second = ec2.describe_volumes(MaxResults=5, NextToken=first["NextToken"], **wanted)
    assert len(second["Volumes"]) == 2
    assert "NextToken" not in second
    assert set(ids(first) + ids(second)) == all_ids


@moto_differs("has one page")
def test_the_rest_without_a_size(ec2, seven):
    wanted, all_ids = seven
    first = ec2.describe_volumes(MaxResults=5, **wanted)
    rest = ec2.describe_volumes(NextToken=first["NextToken"], **wanted)
    assert set(ids(first) + ids(rest)) == all_ids
    assert "NextToken" not in rest


def test_without_a_size_all_at_once(ec2, seven):
    wanted, all_ids = seven
    answer = ec2.describe_volumes(**wanted)
    assert set(ids(answer)) == all_ids
    assert "NextToken" not in answer


def test_a_large_size(ec2, seven):
    wanted, all_ids = seven
    for size in 500, 1000:
        answer = ec2.describe_volumes(MaxResults=size, **wanted)
        assert set(ids(answer)) == all_ids
        assert "NextToken" not in answer


def test_a_paginator_of_volumes(ec2, seven):
    wanted, all_ids = seven
    pages = list(ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"PageSize": 5}, **wanted))
    assert sorted(volume for page in pages for volume in ids(page)) == sorted(all_ids)
    limited = ec2.get_paginator("describe_volumes").paginate(PaginationConfig={"MaxItems": 3, "PageSize": 5}, **wanted)
    assert len(limited.build_full_result()["Volumes"]) == 3


def test_a_page_of_instances_cuts_reservations(ec2, run, name):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "set", "Value": name}]}]
    made = run(MinCount=3, MaxCount=3, TagSpecifications=tags) + run(MinCount=3, MaxCount=3, TagSpecifications=tags)
    wanted = {"Filters": [{"Name": "tag:set", "Values": [name]}]}
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}, **wanted))

    def of(page):
        return [one["InstanceId"] for reservation in page["Reservations"] for one in reservation["Instances"]]

    assert sorted(instance for page in pages for instance in of(page)) == sorted(made)
    if len(pages) > 1:
        assert [len(of(page)) for page in pages] == [5, 1]


@moto_differs("counts reservations")
def test_five_instances_on_a_page(ec2, run, name):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "set", "Value": name}]}]
    run(MinCount=6, MaxCount=6, TagSpecifications=tags)
    answer = ec2.describe_instances(MaxResults=5, Filters=[{"Name": "tag:set", "Values": [name]}])
    assert sum(len(one["Instances"]) for one in answer["Reservations"]) == 5
    assert answer["NextToken"]


@pytest.mark.parametrize("action", ["describe_instances", "describe_volumes", "describe_snapshots", "describe_tags"])
@moto_differs("takes any size")
def test_a_page_has_five_at_least(ec2, action):
    for size in 4, 0, -1:
        with refused("InvalidParameterValue"):
            getattr(ec2, action)(MaxResults=size)


@moto_differs("takes both")
def test_ids_and_pages_exclude_each_other(ec2, instance):
    volume = find(ec2, instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    with refused("InvalidParameterCombination"):
        ec2.describe_instances(MaxResults=5, InstanceIds=[instance])
    with refused("InvalidParameterCombination"):
        ec2.describe_volumes(MaxResults=5, VolumeIds=[volume])
    with refused("InvalidParameterCombination"):
        ec2.describe_instance_status(MaxResults=5, InstanceIds=[instance])


@pytest.mark.parametrize("action", ["describe_instances", "describe_volumes", "describe_tags", "describe_images"])
@moto_differs("takes any token")
def test_a_token_that_is_none(ec2, action):
    with refused("InvalidNextToken", "InvalidPaginationToken", "InvalidParameterValue"):
        getattr(ec2, action)(MaxResults=5, NextToken="nothing like it")
