"""The life of instances as boto3's client and resources see it."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import WaiterError

from conftest import (
    FLAVOR,
    IMAGE,
    KEYS,
    NOBODY,
    OTHER_FLAVOR,
    REGION,
    URL,
    ZONE,
    client,
    end,
    find,
    launch,
    moto_differs,
    refused,
    settings,
    tags_of,
    until,
    wait,
)

STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


@pytest.fixture(scope="module")
def resource():
    return boto3.resource(
        "ec2",
        endpoint_url=URL,
        region_name=REGION,
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        config=settings(),
    )


def change(answer, kind):
    (one,) = answer[kind]
    for state in one["PreviousState"], one["CurrentState"]:
        assert state["Code"] == STATES[state["Name"]]
    return one["InstanceId"], one["PreviousState"]["Name"], one["CurrentState"]["Name"]


# ---- Life ---------------------------------------------------------------------------------------


def test_a_whole_life(ec2):
    answer = launch(ec2)
    (started,) = answer["Instances"]
    instance = started["InstanceId"]
    assert re.fullmatch(r"i-[0-9a-f]{8,17}", instance)
    assert re.fullmatch(r"r-[0-9a-f]{8,17}", answer["ReservationId"])
    assert started["State"]["Name"] in ("pending", "running")
    wait(ec2, "instance_exists", InstanceIds=[instance])
    wait(ec2, "instance_running", InstanceIds=[instance])
    wait(ec2, "instance_status_ok", InstanceIds=[instance])
    wait(ec2, "system_status_ok", InstanceIds=[instance])

    assert change(ec2.stop_instances(InstanceIds=[instance]), "StoppingInstances") == (instance, "running", "stopping")
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    assert change(ec2.start_instances(InstanceIds=[instance]), "StartingInstances") == (instance, "stopped", "pending")
    wait(ec2, "instance_running", InstanceIds=[instance])
    ec2.reboot_instances(InstanceIds=[instance])
    wait(ec2, "instance_running", InstanceIds=[instance])

    ended = change(ec2.terminate_instances(InstanceIds=[instance]), "TerminatingInstances")
    assert ended == (instance, "running", "shutting-down")
    wait(ec2, "instance_terminated", InstanceIds=[instance])
    left = find(ec2, instance)
    assert left["State"] == {"Code": 48, "Name": "terminated"}
    assert left["StateTransitionReason"]


@moto_differs("says shutting-down")
def test_what_is_over_can_be_terminated_again(ec2):
    instance = launch(ec2)["Instances"][0]["InstanceId"]
    wait(ec2, "instance_running", InstanceIds=[instance])
    end(ec2, instance)
    again = change(ec2.terminate_instances(InstanceIds=[instance]), "TerminatingInstances")
    assert again == (instance, "terminated", "terminated")


@moto_differs("says pending, and stopping")
def test_what_is_done_already_is_no_error(ec2, run):
    (instance,) = run()
    assert change(ec2.start_instances(InstanceIds=[instance]), "StartingInstances") == (instance, "running", "running")
    ec2.stop_instances(InstanceIds=[instance], Force=True)
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    assert change(ec2.stop_instances(InstanceIds=[instance]), "StoppingInstances") == (instance, "stopped", "stopped")


def test_the_address_stays_over_a_stop(ec2, run):
    (instance,) = run()
    before = find(ec2, instance)
    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    stopped = find(ec2, instance)
    assert stopped["PrivateIpAddress"] == before["PrivateIpAddress"]
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    ec2.start_instances(InstanceIds=[instance])
    wait(ec2, "instance_running", InstanceIds=[instance])
    after = find(ec2, instance)
    for what in "PrivateIpAddress", "SubnetId", "BlockDeviceMappings", "SecurityGroups":
        assert after[what] == before[what]
    assert after["LaunchTime"] >= before["LaunchTime"]


@moto_differs("lets what is over be started and stopped")
def test_the_terminated_cannot_go_on(ec2):
    instance = launch(ec2)["Instances"][0]["InstanceId"]
    wait(ec2, "instance_running", InstanceIds=[instance])
    end(ec2, instance)
    for action in ec2.start_instances, ec2.stop_instances:
        with refused("IncorrectInstanceState"):
            action(InstanceIds=[instance])


def test_waiters_see_what_cannot_come_true(ec2):
    instance = launch(ec2)["Instances"][0]["InstanceId"]
    wait(ec2, "instance_running", InstanceIds=[instance])
    end(ec2, instance)
    with pytest.raises(WaiterError, match="terminal failure"):
        wait(ec2, "instance_running", InstanceIds=[instance])


def test_several_at_once(ec2, run):
    ids = run(MinCount=3, MaxCount=3)
    assert len(set(ids)) == 3
    (reservation,) = ec2.describe_instances(InstanceIds=ids)["Reservations"]
    assert sorted(one["AmiLaunchIndex"] for one in reservation["Instances"]) == [0, 1, 2]
    assert len({one["PrivateIpAddress"] for one in reservation["Instances"]}) == 3
    stopping = ec2.stop_instances(InstanceIds=ids)["StoppingInstances"]
    assert [one["InstanceId"] for one in stopping] == ids
    wait(ec2, "instance_stopped", InstanceIds=ids)


def test_one_missing_id_changes_nothing(ec2, run):
    (instance,) = run()
    for action in ec2.stop_instances, ec2.terminate_instances, ec2.reboot_instances:
        with refused("InvalidInstanceID.NotFound") as caught:
            action(InstanceIds=[instance, f"i-{NOBODY}"])
        assert NOBODY in str(caught.value)
    assert find(ec2, instance)["State"]["Name"] == "running"


# ---- What an instance says of itself --------------------------------------------------------------


def test_every_field(ec2, make_group, run, key_pair, account):
    group = make_group()
    (instance,) = run(KeyName=key_pair, SecurityGroupIds=[group], Placement={"AvailabilityZone": ZONE})
    (reservation,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    assert reservation["OwnerId"] == account
    (seen,) = reservation["Instances"]
    assert seen["ImageId"] == IMAGE
    assert seen["InstanceType"] == FLAVOR
    assert seen["KeyName"] == key_pair
    assert seen["AmiLaunchIndex"] == 0
    assert seen["State"] == {"Code": 16, "Name": "running"}
    assert seen["Placement"]["AvailabilityZone"] == ZONE
    assert seen["Placement"]["Tenancy"] == "default"
    assert seen["Monitoring"] == {"State": "disabled"}
    assert [one["GroupId"] for one in seen["SecurityGroups"]] == [group]
    assert seen["Architecture"] == "x86_64"
    assert seen["VirtualizationType"] == "hvm"
    assert seen["Hypervisor"]
    assert seen["EbsOptimized"] is False
    assert seen["SourceDestCheck"] is True
    assert seen["ProductCodes"] == []
    assert seen["StateTransitionReason"] == ""
    assert seen["PrivateDnsName"]
    assert seen["ClientToken"]
    assert abs(datetime.now(UTC) - seen["LaunchTime"]) < timedelta(minutes=5)


def test_its_network_interface(ec2, instance):
    seen = find(ec2, instance)
    (interface,) = seen["NetworkInterfaces"]
    assert interface["NetworkInterfaceId"].startswith("eni-")
    for what in "SubnetId", "VpcId", "PrivateIpAddress", "PrivateDnsName":
        assert interface[what] == seen[what]
    assert interface["Status"] == "in-use"
    assert interface["SourceDestCheck"] is True
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", interface["MacAddress"])
    assert interface["Attachment"]["DeviceIndex"] == 0
    assert interface["Attachment"]["Status"] == "attached"
    assert interface["Attachment"]["AttachmentId"].startswith("eni-attach-")
    (address,) = interface["PrivateIpAddresses"]
    assert address["Primary"] is True
    assert address["PrivateIpAddress"] == seen["PrivateIpAddress"]


@moto_differs("keeps the first interface after its instance")
def test_its_network_interface_goes_with_it(ec2, instance):
    assert find(ec2, instance)["NetworkInterfaces"][0]["Attachment"]["DeleteOnTermination"] is True


def test_its_root_volume(ec2, instance):
    seen = find(ec2, instance)
    assert seen["RootDeviceType"] == "ebs"
    (mapping,) = seen["BlockDeviceMappings"]
    assert mapping["DeviceName"] == seen["RootDeviceName"]
    assert mapping["Ebs"]["Status"] == "attached"
    assert mapping["Ebs"]["DeleteOnTermination"] is True
    assert mapping["Ebs"]["AttachTime"] >= seen["LaunchTime"] - timedelta(seconds=5)
    (volume,) = ec2.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])["Volumes"]
    assert volume["State"] == "in-use"
    assert volume["Size"] >= 1
    assert volume["Attachments"][0]["InstanceId"] == instance
    assert volume["Attachments"][0]["Device"] == seen["RootDeviceName"]


@moto_differs("names no group if none was asked for")
def test_without_a_group_it_is_in_default(ec2, instance):
    assert [one["GroupName"] for one in find(ec2, instance)["SecurityGroups"]] == ["default"]


def test_groups_by_name_and_by_id(ec2, make_group, run, name):
    by_name, by_id = make_group(), make_group("-more")
    (instance,) = run(SecurityGroups=[name], SecurityGroupIds=[by_id])
    assert {one["GroupId"] for one in find(ec2, instance)["SecurityGroups"]} == {by_name, by_id}


@moto_differs("does not list the interface's groups")
def test_a_network_interface_instead_of_subnet_and_groups(ec2, make_group, run):
    group = make_group()
    subnet = next(one for one in ec2.describe_subnets()["Subnets"] if one["AvailabilityZone"] == ZONE)
    interface = {"DeviceIndex": 0, "SubnetId": subnet["SubnetId"], "Groups": [group], "DeleteOnTermination": True}
    (instance,) = run(NetworkInterfaces=[interface])
    seen = find(ec2, instance)
    assert seen["SubnetId"] == subnet["SubnetId"]
    assert [one["GroupId"] for one in seen["SecurityGroups"]] == [group]


@moto_differs("does not answer in the fields that need no value")
def test_what_tools_show_of_the_machine(ec2, instance):
    seen = find(ec2, instance)
    assert seen["CpuOptions"]["CoreCount"] * seen["CpuOptions"]["ThreadsPerCore"] >= 1
    assert seen["EnclaveOptions"] == {"Enabled": False}
    assert seen["HibernationOptions"] == {"Configured": False}
    assert seen["MetadataOptions"]["State"] == "applied"


@moto_differs("does not keep them")
def test_metadata_options(ec2, run):
    asked = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    (instance,) = run(MetadataOptions=asked)
    options = find(ec2, instance)["MetadataOptions"]
    expected = {**asked, "HttpEndpoint": "enabled", "State": "applied"}
    assert expected.items() <= options.items()

    change = {"HttpEndpoint": "disabled", "HttpTokens": "optional"}
    answer = ec2.modify_instance_metadata_options(InstanceId=instance, **change)
    expected |= change
    assert answer["InstanceId"] == instance
    assert expected.items() <= answer["InstanceMetadataOptions"].items()
    assert find(ec2, instance)["MetadataOptions"] == answer["InstanceMetadataOptions"]

    for wrong in {"HttpPutResponseHopLimit": 0}, {"HttpPutResponseHopLimit": 65}, {"HttpTokens": "sometimes"}:
        with refused("InvalidParameterValue"):
            ec2.modify_instance_metadata_options(InstanceId=instance, **wrong)
    for missing in {"HttpProtocolIpv6": "enabled"}, {"InstanceMetadataTags": "enabled"}:
        with refused("UnsupportedOperation"):
            ec2.modify_instance_metadata_options(InstanceId=instance, **missing)
    with refused("InvalidInstanceID.NotFound"):
        ec2.modify_instance_metadata_options(InstanceId=f"i-{NOBODY}", HttpEndpoint="disabled")
    assert find(ec2, instance)["MetadataOptions"] == answer["InstanceMetadataOptions"]


def test_the_state_of_an_instance(ec2, run):
    (instance,) = run()
    wait(ec2, "instance_status_ok", InstanceIds=[instance])
    (status,) = ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"]
    assert status["InstanceState"] == {"Code": 16, "Name": "running"}
    assert status["AvailabilityZone"] == find(ec2, instance)["Placement"]["AvailabilityZone"]
    for kind in "InstanceStatus", "SystemStatus":
        assert status[kind]["Status"] == "ok"
        assert {"Name": "reachability", "Status": "passed"}.items() <= status[kind]["Details"][0].items()

    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    assert ec2.describe_instance_status(InstanceIds=[instance])["InstanceStatuses"] == []
    (status,) = ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)["InstanceStatuses"]
    assert status["InstanceState"]["Name"] == "stopped"


def test_console_output(ec2, instance):
    answer = until(lambda: (found := ec2.get_console_output(InstanceId=instance)).get("Output") and found)
    assert answer["InstanceId"] == instance
    assert isinstance(answer["Output"], str)
    assert abs(datetime.now(UTC) - answer["Timestamp"]) < timedelta(minutes=5)
    assert ec2.get_console_output(InstanceId=instance, Latest=True)["InstanceId"] == instance


def test_password_data(ec2, instance):
    answer = ec2.get_password_data(InstanceId=instance)
    assert answer["InstanceId"] == instance
    assert answer["Timestamp"]
    assert isinstance(answer["PasswordData"], str)


@moto_differs("does not know the action")


@moto_differs("monitors in detail")
def test_monitoring(ec2, run):
    """Nothing is monitored in detail here, and whoever asks for it is told."""
    (instance,) = run()
    with refused("UnsupportedOperation"):
        ec2.monitor_instances(InstanceIds=[instance])
    (one,) = ec2.unmonitor_instances(InstanceIds=[instance])["InstanceMonitorings"]
    assert (one["InstanceId"], one["Monitoring"]["State"]) == (instance, "disabled")


# ---- Attributes ---------------------------------------------------------------------------------


def attribute(ec2, instance, name):
    return ec2.describe_instance_attribute(InstanceId=instance, Attribute=name)


@moto_differs("reads the protection of RunInstances nowhere")
def test_protection_against_termination(ec2, run):
    (instance,) = run(DisableApiTermination=True)
    assert attribute(ec2, instance, "disableApiTermination")["DisableApiTermination"] == {"Value": True}
    with refused("OperationNotPermitted"):
        ec2.terminate_instances(InstanceIds=[instance])
    assert find(ec2, instance)["State"]["Name"] == "running"
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})
    assert attribute(ec2, instance, "disableApiTermination")["DisableApiTermination"] == {"Value": False}
    ec2.terminate_instances(InstanceIds=[instance])
    wait(ec2, "instance_terminated", InstanceIds=[instance])


@moto_differs("reads the protection of RunInstances nowhere")
def test_a_protected_one_keeps_the_others_of_its_call(ec2, run):
    free, protected = *run(), *run(DisableApiTermination=True)
    with refused("OperationNotPermitted"):
        ec2.terminate_instances(InstanceIds=[free, protected])
    assert find(ec2, free)["State"]["Name"] == "running"


def test_protection_against_stopping(ec2, run):
    (instance,) = run()
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiStop={"Value": True})
    assert attribute(ec2, instance, "disableApiStop")["DisableApiStop"] == {"Value": True}
    with refused("OperationNotPermitted"):
        ec2.stop_instances(InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiStop={"Value": False})


@moto_differs("keeps the first behaviour")
def test_what_a_shutdown_from_within_does(ec2, run):
    (instance,) = run(InstanceInitiatedShutdownBehavior="terminate")

    def behaviour():
        return attribute(ec2, instance, "instanceInitiatedShutdownBehavior")["InstanceInitiatedShutdownBehavior"]

    assert behaviour() == {"Value": "terminate"}
    ec2.modify_instance_attribute(InstanceId=instance, InstanceInitiatedShutdownBehavior={"Value": "stop"})
    assert behaviour() == {"Value": "stop"}
    with refused("InvalidParameterValue"):
        ec2.modify_instance_attribute(InstanceId=instance, InstanceInitiatedShutdownBehavior={"Value": "burn"})
    assert behaviour() == {"Value": "stop"}


@pytest.mark.parametrize(
    "name, field, value",
    [
        ("instanceType", "InstanceType", {"Value": FLAVOR}),
        ("disableApiTermination", "DisableApiTermination", {"Value": False}),
        ("disableApiStop", "DisableApiStop", {"Value": False}),
        ("instanceInitiatedShutdownBehavior", "InstanceInitiatedShutdownBehavior", {"Value": "stop"}),
        ("sourceDestCheck", "SourceDestCheck", {"Value": True}),
        ("ebsOptimized", "EbsOptimized", {"Value": False}),
        ("userData", "UserData", {}),
        ("productCodes", "ProductCodes", []),
        pytest.param("kernel", "KernelId", {}, marks=moto_differs("leaves it out")),
        pytest.param("ramdisk", "RamdiskId", {}, marks=moto_differs("leaves it out")),
    ],
)
def test_attributes_of_a_plain_instance(ec2, instance, name, field, value):
    answer = attribute(ec2, instance, name)
    assert answer["InstanceId"] == instance
    assert answer[field] == value


@moto_differs("names it, without what is there")
def test_the_mapping_as_an_attribute(ec2, instance):
    seen = find(ec2, instance)
    (mapping,) = attribute(ec2, instance, "blockDeviceMapping")["BlockDeviceMappings"]
    assert mapping["Ebs"]["VolumeId"] == seen["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]


def test_the_root_device_as_an_attribute(ec2, instance):
    assert (
        attribute(ec2, instance, "rootDeviceName")["RootDeviceName"]["Value"] == find(ec2, instance)["RootDeviceName"]
    )


@moto_differs("shows those that were asked for only")
def test_the_groups_as_an_attribute(ec2, instance):
    seen = find(ec2, instance)
    groups = {one["GroupId"] for one in attribute(ec2, instance, "groupSet")["Groups"]}
    assert groups == {one["GroupId"] for one in seen["NetworkInterfaces"][0]["Groups"]}


@moto_differs("changes it while it runs")
def test_another_flavor_while_stopped(ec2, run):
    (instance,) = run()
    with refused("IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": OTHER_FLAVOR})
    ec2.stop_instances(InstanceIds=[instance])
    wait(ec2, "instance_stopped", InstanceIds=[instance])
    ec2.modify_instance_attribute(InstanceId=instance, InstanceType={"Value": OTHER_FLAVOR})
    assert find(ec2, instance)["InstanceType"] == OTHER_FLAVOR
    ec2.start_instances(InstanceIds=[instance])
    wait(ec2, "instance_running", InstanceIds=[instance])
    assert find(ec2, instance)["InstanceType"] == OTHER_FLAVOR


def test_the_old_form_of_changing(ec2, instance):
    for value in "True", "false":
        ec2.modify_instance_attribute(InstanceId=instance, Attribute="disableApiTermination", Value=value)
        found = attribute(ec2, instance, "disableApiTermination")["DisableApiTermination"]
        assert found == {"Value": value.lower() == "true"}


@pytest.mark.parametrize(
    "code, parameters",
    [
        ("InvalidParameterCombination", {}),
        ("MissingParameter", {"Attribute": "disableApiTermination"}),
        ("InvalidParameterValue", {"Attribute": "colour", "Value": "red"}),
        (
            "InvalidParameterCombination",
            {"DisableApiTermination": {"Value": False}, "SourceDestCheck": {"Value": True}},
        ),
        ("InvalidGroup.NotFound", {"Groups": [f"sg-{NOBODY}"]}),
        ("InvalidParameterValue", {"Attribute": "sourceDestCheck", "Value": "perhaps"}),
    ],
)
@moto_differs("does not check the parameters of ModifyInstanceAttribute")
def test_changes_that_make_no_sense(ec2, instance, code, parameters):
    with refused(code):
        ec2.modify_instance_attribute(InstanceId=instance, **parameters)


def test_an_attribute_that_there_is_not(ec2, instance):
    with refused("InvalidParameterValue"):
        attribute(ec2, instance, "colour")


@moto_differs("lets the instance and its interface disagree")
def test_groups_change_while_it_runs(ec2, make_group, run):
    one, two = make_group("-one"), make_group("-two")
    (instance,) = run(SecurityGroupIds=[one])
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[two])

    def groups():
        return [group["GroupId"] for group in find(ec2, instance)["SecurityGroups"]]

    assert groups() == [two]
    interface = find(ec2, instance)["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[one, two])
    assert set(groups()) == {one, two}
    found = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"][0]["Groups"]
    assert {group["GroupId"] for group in found} == {one, two}


# ---- Errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code, parameters",
    [
        ("InvalidAMIID.NotFound", {"ImageId": f"ami-{NOBODY}"}),
        ("InvalidAMIID.Malformed", {"ImageId": "debian"}),
        ("InvalidKeyPair.NotFound", {"KeyName": "nobody's"}),
        ("InvalidGroup.NotFound", {"SecurityGroupIds": [f"sg-{NOBODY}"]}),
        pytest.param("InvalidGroup.NotFound", {"SecurityGroups": ["nobody's"]}, marks=moto_differs("breaks")),
        ("InvalidSubnetID.NotFound", {"SubnetId": f"subnet-{NOBODY}"}),
        pytest.param(
            "InvalidParameterValue", {"InstanceType": "m9.enormous"}, marks=moto_differs("has a code of its own")
        ),
        ("InvalidParameterValue", {"Placement": {"AvailabilityZone": "mars"}}),
        pytest.param("InvalidParameterValue", {"MinCount": 2, "MaxCount": 1}, marks=moto_differs("counts as it likes")),
        pytest.param("InvalidParameterValue", {"MinCount": 0, "MaxCount": 0}, marks=moto_differs("counts as it likes")),
    ],
)
def test_what_cannot_be_run(ec2, code, parameters):
    with refused(code):
        launch(ec2, **parameters)


@moto_differs("has no quota")
def test_what_is_more_than_there_is(ec2):
    with refused("InstanceLimitExceeded", "VcpuLimitExceeded", "InsufficientInstanceCapacity"):
        launch(ec2, MinCount=900, MaxCount=900)


def test_a_network_interface_and_a_subnet_exclude_each_other(ec2):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    with refused("InvalidParameterCombination"):
        launch(ec2, SubnetId=subnet, NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet}])


ON_ONE = [
    ("describe_instance_attribute", {"Attribute": "userData"}),
    ("modify_instance_attribute", {"SourceDestCheck": {"Value": True}}),
    ("get_console_output", {}),
    ("get_password_data", {}),
    ("create_image", {"Name": "never"}),
]
ON_MANY = [
    "describe_instances",
    "describe_instance_status",
    "start_instances",
    "stop_instances",
    "reboot_instances",
    "terminate_instances",
]


@pytest.mark.parametrize("action, parameters", ON_ONE)
def test_one_that_nobody_has(ec2, action, parameters):
    with refused("InvalidInstanceID.NotFound") as caught:
        getattr(ec2, action)(InstanceId=f"i-{NOBODY}", **parameters)
    assert str(caught.value.response["Error"]["Message"]) == f"The instance ID 'i-{NOBODY}' does not exist"


@pytest.mark.parametrize("action", ON_MANY)
def test_some_that_nobody_has(ec2, action):
    with refused("InvalidInstanceID.NotFound") as caught:
        getattr(ec2, action)(InstanceIds=[f"i-{NOBODY}"])
    assert str(caught.value.response["Error"]["Message"]) == f"The instance ID 'i-{NOBODY}' does not exist"


@pytest.mark.parametrize("action", ON_MANY)
@moto_differs("looks for ids of any form")
def test_what_is_no_id(ec2, action):
    with refused("InvalidInstanceID.Malformed"):
        getattr(ec2, action)(InstanceIds=["alpha"])


@moto_differs("does not read the request's number")
def test_every_answer_has_a_number_of_its_own(ec2):
    numbers = {ec2.describe_regions()["ResponseMetadata"]["RequestId"] for _ in range(3)}
    assert len(numbers) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", number) for number in numbers)
    with refused("InvalidInstanceID.NotFound") as caught:
        ec2.describe_instances(InstanceIds=[f"i-{NOBODY}"])
    assert caught.value.response["ResponseMetadata"]["RequestId"]


# ---- The same request twice -----------------------------------------------------------------------


@moto_differs("reads no tokens")
def test_a_token_makes_a_request_happen_once(ec2, run, name):
    (instance,) = run(ClientToken=name)
    again = launch(ec2, ClientToken=name)
    assert [one["InstanceId"] for one in again["Instances"]] == [instance]
    assert again["Instances"][0]["ClientToken"] == name
    (reservation,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    assert again["ReservationId"] == reservation["ReservationId"]
    found = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": [name]}])["Reservations"]
    assert [one["InstanceId"] for one in found[0]["Instances"]] == [instance]


@moto_differs("does not compare parameters")
def test_a_token_is_for_one_request_only(ec2, run, name):
    run(ClientToken=name)
    with refused("IdempotentParameterMismatch"):
        launch(ec2, ClientToken=name, MinCount=2, MaxCount=2)
    with refused("IdempotentParameterMismatch"):
        launch(ec2, ClientToken=name, UserData="other")


@moto_differs("runs one for each")
def test_a_token_sent_by_many_at_once(run, name):
    def once(_):
        return [one["InstanceId"] for one in launch(client(), ClientToken=name)["Instances"]]

    with ThreadPoolExecutor(6) as many:
        answers = list(many.map(once, range(6)))
    assert len({instance for answer in answers for instance in answer}) == 1
    run(ClientToken=name)


@moto_differs("takes tokens of any length")
def test_a_token_has_an_end(ec2):
    with refused("InvalidParameterValue"):
        launch(ec2, ClientToken="x" * 65)


def test_the_sdk_makes_tokens_itself(ec2, run):
    one, two = *run(), *run()
    assert find(ec2, one)["ClientToken"] != find(ec2, two)["ClientToken"]


# ---- Only asking ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action, parameters",
    [
        ("run_instances", {"ImageId": IMAGE, "InstanceType": FLAVOR, "MinCount": 1, "MaxCount": 1}),
        ("create_security_group", {"GroupName": "never", "Description": "never"}),
        ("create_key_pair", {"KeyName": "never"}),
        ("create_volume", {"AvailabilityZone": ZONE, "Size": 1}),
        ("allocate_address", {"Domain": "vpc"}),
        ("describe_instances", {}),
        ("describe_images", {}),
        pytest.param("describe_volumes", {}, marks=moto_differs("answers")),
        pytest.param("describe_key_pairs", {}, marks=moto_differs("answers")),
        pytest.param("describe_security_groups", {}, marks=moto_differs("answers")),
        ("describe_addresses", {}),
        ("describe_regions", {}),
        ("describe_availability_zones", {}),
    ],
)
def test_a_dry_run_tells_that_it_would_work(ec2, action, parameters):
    with refused("DryRunOperation", status=412) as caught:
        getattr(ec2, action)(DryRun=True, **parameters)
    assert caught.value.response["Error"]["Message"] == "Request would have succeeded, but DryRun flag is set."


def test_a_dry_run_changes_nothing(ec2, run):
    (instance,) = run()
    for action in ec2.stop_instances, ec2.terminate_instances, ec2.reboot_instances:
        with refused("DryRunOperation", status=412):
            action(InstanceIds=[instance], DryRun=True)
    assert find(ec2, instance)["State"]["Name"] == "running"


@moto_differs("does not look further")
def test_a_dry_run_tells_what_is_wrong(ec2):
    with refused("InvalidAMIID.NotFound"):
        launch(ec2, ImageId=f"ami-{NOBODY}", DryRun=True)
    with refused("InvalidInstanceID.NotFound"):
        ec2.terminate_instances(InstanceIds=[f"i-{NOBODY}"], DryRun=True)


def test_a_dry_run_uses_no_token_up(ec2, run, name):
    with refused("DryRunOperation", status=412):
        launch(ec2, ClientToken=name, DryRun=True)
    run(ClientToken=name)


# ---- Resources ------------------------------------------------------------------------------------


def test_the_resource_api(resource, make_group, name):
    group = resource.SecurityGroup(make_group())
    group.authorize_ingress(IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    pair = resource.create_key_pair(KeyName=name)
    try:
        (instance,) = resource.create_instances(
            ImageId=IMAGE,
            InstanceType=FLAVOR,
            MinCount=1,
            MaxCount=1,
            KeyName=pair.name,
            SecurityGroupIds=[group.id],
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": name}]}],
        )
        instance.wait_until_exists()
        wait(resource.meta.client, "instance_running", InstanceIds=[instance.id])
        instance.wait_until_running()
        instance.reload()
        assert instance.state["Name"] == "running"
        assert instance.instance_type == FLAVOR
        assert instance.image.id == IMAGE
        assert instance.image.state == "available"
        assert instance.key_pair.name == name
        assert [one["GroupId"] for one in instance.security_groups] == [group.id]
        assert tags_of({"Tags": instance.tags}) == {"Name": name}
        assert instance.vpc.is_default
        assert instance.subnet.availability_zone == instance.placement["AvailabilityZone"]
        assert instance.network_interfaces[0].private_ip_address == instance.private_ip_address
        assert [volume.attachments[0]["InstanceId"] for volume in instance.volumes.all()] == [instance.id]
        assert [one.id for one in resource.instances.filter(Filters=[{"Name": "tag:Name", "Values": [name]}])] == [
            instance.id
        ]
        assert instance.describe_attribute(Attribute="instanceType")["InstanceType"]["Value"] == FLAVOR
        instance.modify_attribute(SourceDestCheck={"Value": True})
        assert instance.describe_attribute(Attribute="sourceDestCheck")["SourceDestCheck"]["Value"] is True
        assert instance.console_output()["InstanceId"] == instance.id
        instance.create_tags(Tags=[{"Key": "phase", "Value": "two"}])
        instance.reload()
        assert tags_of({"Tags": instance.tags}) == {"Name": name, "phase": "two"}

        instance.stop()
        wait(resource.meta.client, "instance_stopped", InstanceIds=[instance.id])
        instance.wait_until_stopped()
        instance.start()
        wait(resource.meta.client, "instance_running", InstanceIds=[instance.id])
        resource.instances.filter(InstanceIds=[instance.id]).terminate()
        wait(resource.meta.client, "instance_terminated", InstanceIds=[instance.id])
        instance.wait_until_terminated()
        instance.reload()
        assert instance.state["Name"] == "terminated"
    finally:
        pair.delete()


def test_collections_of_resources(resource, instance):
    assert instance in [one.id for one in resource.instances.all()]
    assert instance in [one.id for one in resource.instances.page_size(5)]
    assert IMAGE in [one.id for one in resource.images.filter(ImageIds=[IMAGE])]
    assert "default" in [one.group_name for one in resource.security_groups.all()]
    assert [one.id for one in resource.vpcs.filter(Filters=[{"Name": "is-default", "Values": ["true"]}])]
    assert len(list(resource.subnets.limit(1))) == 1
    assert list(resource.volumes.all())


# ---- Who asks -------------------------------------------------------------------------------------


def test_who_asks(ec2, account):
    """Ansible and Terraform ask the security token service first. It is at the same address."""
    sts = boto3.client(
        "sts",
        endpoint_url=URL,
        region_name=REGION,
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
        config=settings(),
    )
    answer = sts.get_caller_identity()
    assert answer["Account"] == account
    assert re.fullmatch(rf"arn:aws:(iam|sts)::{account}:.+", answer["Arn"])
    assert answer["UserId"]


# ---- Where it is ----------------------------------------------------------------------------------


def test_regions(ec2):
    regions = ec2.describe_regions()["Regions"]
    assert REGION in [one["RegionName"] for one in regions]
    assert all(one["Endpoint"] for one in regions)
    assert ec2.describe_regions(RegionNames=[REGION])["Regions"][0]["OptInStatus"] == "opt-in-not-required"


@moto_differs("does not miss it")
def test_a_region_that_there_is_not(ec2):
    with refused("InvalidParameterValue"):
        ec2.describe_regions(RegionNames=["mars-north-1"])


def test_zones(ec2):
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    zone = next(one for one in zones if one["ZoneName"] == ZONE)
    assert zone["State"] == "available"
    assert zone["RegionName"] == REGION
    assert zone["Messages"] == []
    assert zone["ZoneId"]
    found = ec2.describe_availability_zones(ZoneNames=[ZONE])["AvailabilityZones"]
    assert [one["ZoneName"] for one in found] == [ZONE]


@moto_differs("does not miss it")
def test_a_zone_that_there_is_not(ec2):
    with refused("InvalidParameterValue"):
        ec2.describe_availability_zones(ZoneNames=["mars"])


def test_account_attributes(ec2):
    asked = ["supported-platforms", "default-vpc", "max-instances", "max-elastic-ips", "vpc-max-elastic-ips"]
    found = {
        one["AttributeName"]: [value["AttributeValue"] for value in one["AttributeValues"]]
        for one in ec2.describe_account_attributes(AttributeNames=asked)["AccountAttributes"]
    }
    assert set(found) >= set(asked)
    assert "VPC" in found["supported-platforms"]
    for limit in "max-instances", "max-elastic-ips", "vpc-max-elastic-ips":
        assert int(found[limit][0]) >= 1


@pytest.mark.parametrize("action", ["create_transit_gateway", "describe_fpga_images"])
@moto_differs("knows the action, or answers nothing that clients can read")
def test_actions_that_nobody_has_here(ec2, action):
    with refused("InvalidAction", "UnsupportedOperation"):
        getattr(ec2, action)()
