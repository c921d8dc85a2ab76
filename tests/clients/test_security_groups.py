"""Security groups and their rules."""

import re

import pytest

from conftest import NOBODY, moto_differs, refused, tags_of

EVERYWHERE = [{"CidrIp": "0.0.0.0/0"}]
ALL_OUT = {"IpProtocol": "-1", "IpRanges": EVERYWHERE}
SSH = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": EVERYWHERE}
MANAGED = "Managed by Terraform"


def group_of(ec2, group):
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return found


def plain(permissions):
    """Permissions as (protocol, from, to, source), one each, in order."""
    found = []
    for one in permissions:
        ports = one["IpProtocol"], one.get("FromPort"), one.get("ToPort")
        found += [(*ports, source["CidrIp"]) for source in one["IpRanges"]]
        found += [(*ports, source["CidrIpv6"]) for source in one["Ipv6Ranges"]]
        found += [(*ports, source["GroupId"]) for source in one["UserIdGroupPairs"]]
    return sorted(found, key=str)


def ingress(ec2, group):
    return plain(group_of(ec2, group)["IpPermissions"])


def egress(ec2, group):
    return plain(group_of(ec2, group)["IpPermissionsEgress"])


# ---- Groups ---------------------------------------------------------------------------------------


def test_made_and_deleted(ec2, make_group, name, account):
    group = make_group()
    assert re.fullmatch(r"sg-[0-9a-f]{8,17}", group)
    ec2.get_waiter("security_group_exists").wait(GroupIds=[group])
    (found,) = ec2.describe_security_groups(GroupNames=[name])["SecurityGroups"]
    assert found["GroupId"] == group
    assert found["GroupName"] == name
    assert found["Description"] == "of a test"
    assert found["OwnerId"] == account
    assert found["VpcId"].startswith("vpc-")
    assert found["IpPermissions"] == []
    assert plain(found["IpPermissionsEgress"]) == [("-1", None, None, "0.0.0.0/0")]
    assert found["Tags"] == []
    ec2.delete_security_group(GroupId=group)
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupIds=[group])
    with refused("InvalidGroup.NotFound"):
        ec2.delete_security_group(GroupId=group)


def test_deleted_by_name(ec2, make_group, name):
    make_group()
    ec2.delete_security_group(GroupName=name)
    with refused("InvalidGroup.NotFound"):
        ec2.describe_security_groups(GroupNames=[name])


def test_in_the_default_vpc_by_its_id(ec2, make_group):
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert group_of(ec2, make_group(VpcId=vpc["VpcId"]))["VpcId"] == vpc["VpcId"]


@moto_differs("does not look for it")
def test_in_a_vpc_that_there_is_not(make_group):
    with refused("InvalidVpcID.NotFound"):
        make_group(VpcId=f"vpc-{NOBODY}")


def test_a_name_is_taken_once(make_group):
    make_group()
    with refused("InvalidGroup.Duplicate"):
        make_group()


@pytest.mark.parametrize(
    "group, description",
    [
        ("default", "d"),
        ("sg-never", "d"),
        ('name%"', "d"),
        ("never", 'd%"'),
        ("x" * 256, "d"),
        ("never", "x" * 256),
    ],
)
@moto_differs("takes any name, and refuses default as a duplicate")
def test_what_cannot_be_a_group(ec2, group, description):
    with refused("InvalidParameterValue"):
        ec2.create_security_group(GroupName=group, Description=description)


@pytest.mark.parametrize("group, description", [pytest.param("", "d", marks=moto_differs("takes it")), ("never", "")])
def test_a_group_has_a_name_and_a_description(ec2, group, description):
    with refused("MissingParameter"):
        ec2.create_security_group(GroupName=group, Description=description)


def test_names_may_hold_much(ec2, make_group, name):
    odd = f"{name} ._-:/()#,@[]+=&;{{}}!$*"
    group = make_group(odd[len(name) :], Description="also <this> is not fine".translate({60: None, 62: None}))
    assert group_of(ec2, group)["GroupName"] == odd
    assert ec2.describe_security_groups(GroupNames=[odd])["SecurityGroups"][0]["GroupId"] == group


@moto_differs("gives it no rule")
def test_the_default_group(ec2):
    (found,) = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    assert plain(found["IpPermissions"]) == [("-1", None, None, found["GroupId"])]
    assert plain(found["IpPermissionsEgress"]) == [("-1", None, None, "0.0.0.0/0")]


@moto_differs("deletes it")
def test_the_default_group_stays(ec2):
    group = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    with refused("CannotDelete"):
        ec2.delete_security_group(GroupId=group)


@moto_differs("deletes it")
def test_one_in_use_stays(ec2, make_group, run):
    group = make_group()
    (instance,) = run(SecurityGroupIds=[group])
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 0.1, "MaxAttempts": 300})
    ec2.delete_security_group(GroupId=group)


@moto_differs("deletes it")
def test_one_that_others_name_stays(ec2, make_group):
    named, naming = make_group("-named"), make_group("-naming")
    rule = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": named}]}]
    ec2.authorize_security_group_ingress(GroupId=naming, IpPermissions=rule)
    with refused("DependencyViolation"):
        ec2.delete_security_group(GroupId=named)
    ec2.revoke_security_group_ingress(GroupId=naming, IpPermissions=rule)
    ec2.delete_security_group(GroupId=named)


def test_one_that_names_itself_goes(ec2, make_group):
    group = make_group()
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    )
    ec2.delete_security_group(GroupId=group)


@pytest.mark.parametrize(
    "parameters, code",
    [
        ({"GroupIds": [f"sg-{NOBODY}"]}, "InvalidGroup.NotFound"),
        ({"GroupNames": ["nobody's"]}, "InvalidGroup.NotFound"),
        pytest.param({"GroupIds": ["group"]}, "InvalidGroupId.Malformed", marks=moto_differs("looks for any id")),
    ],
)
def test_one_that_there_is_not(ec2, parameters, code):
    with refused(code):
        ec2.describe_security_groups(**parameters)


# ---- Rules ----------------------------------------------------------------------------------------


def test_in_and_out(ec2, make_group):
    group = make_group()
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            SSH,
            {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        ],
    )
    assert ingress(ec2, group) == [("icmp", -1, -1, "10.0.0.0/8"), ("tcp", 22, 22, "0.0.0.0/0")]
    ec2.authorize_security_group_egress(
        GroupId=group, IpPermissions=[{"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": EVERYWHERE}]
    )
    assert egress(ec2, group) == [("-1", None, None, "0.0.0.0/0"), ("udp", 53, 53, "0.0.0.0/0")]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[ALL_OUT])
    assert egress(ec2, group) == [("udp", 53, 53, "0.0.0.0/0")]
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    assert ingress(ec2, group) == [("icmp", -1, -1, "10.0.0.0/8")]


def test_rules_in_the_old_form(ec2, make_group, name):
    group = make_group()
    ec2.authorize_security_group_ingress(
        GroupName=name, IpProtocol="tcp", FromPort=80, ToPort=81, CidrIp="192.0.2.0/24"
    )
    assert ingress(ec2, group) == [("tcp", 80, 81, "192.0.2.0/24")]
    ec2.revoke_security_group_ingress(GroupName=name, IpProtocol="tcp", FromPort=80, ToPort=81, CidrIp="192.0.2.0/24")
    assert ingress(ec2, group) == []


@moto_differs("reads no source groups in this form")
def test_a_source_group_in_the_old_form(ec2, make_group, name):
    group, source = make_group(), make_group("-source")
    ec2.authorize_security_group_ingress(GroupName=name, SourceSecurityGroupName=f"{name}-source")
    assert {(protocol, group) for protocol, _, _, group in ingress(ec2, group)} == {
        ("tcp", source),
        ("udp", source),
        ("icmp", source),
    }


def test_equal_ports_share_an_entry(ec2, make_group):
    group = make_group()
    for cidr in "192.0.2.0/25", "192.0.2.128/25":
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[{**SSH, "IpRanges": [{"CidrIp": cidr}]}])
    (entry,) = group_of(ec2, group)["IpPermissions"]
    assert {one["CidrIp"] for one in entry["IpRanges"]} == {"192.0.2.0/25", "192.0.2.128/25"}
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[{**SSH, "IpRanges": [{"CidrIp": "192.0.2.0/25"}]}])
    assert ingress(ec2, group) == [("tcp", 22, 22, "192.0.2.128/25")]


def test_groups_as_sources(ec2, make_group, account, name):
    group, source = make_group(), make_group("-source")
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": source}]}
        ],
    )
    (entry,) = group_of(ec2, group)["IpPermissions"]
    (pair,) = entry["UserIdGroupPairs"]
    assert (pair["GroupId"], pair["UserId"]) == (source, account)
    assert entry["IpRanges"] == entry["Ipv6Ranges"] == entry["PrefixListIds"] == []
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "udp",
                "FromPort": 1,
                "ToPort": 2,
                "UserIdGroupPairs": [{"GroupName": f"{name}-source", "UserId": account}],
            }
        ],
    )
    assert ("udp", 1, 2, source) in ingress(ec2, group)


def test_all_protocols_have_no_ports(ec2, make_group):
    group = make_group()
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "IpRanges": EVERYWHERE}]
    )
    assert ingress(ec2, group) == [("-1", None, None, "0.0.0.0/0")]


@pytest.mark.parametrize(
    "sent, seen", [("6", "tcp"), ("17", "udp"), ("1", "icmp"), pytest.param("50", "50", marks=moto_differs("breaks"))]
)
def test_protocols_by_number(ec2, make_group, sent, seen):
    group = make_group()
    ports = {} if seen == "50" else {"FromPort": 5, "ToPort": 5}
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": sent, **ports, "IpRanges": EVERYWHERE}]
    )
    assert [rule[0] for rule in ingress(ec2, group)] == [seen]


def test_ipv6_and_descriptions(ec2, make_group):
    group = make_group()
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32", "Description": "the six"}],
                "IpRanges": [{"CidrIp": "192.0.2.1/32", "Description": "the four"}],
            }
        ],
    )
    (entry,) = group_of(ec2, group)["IpPermissions"]
    assert entry["Ipv6Ranges"] == [{"CidrIpv6": "2001:db8::/32", "Description": "the six"}]
    assert entry["IpRanges"] == [{"CidrIp": "192.0.2.1/32", "Description": "the four"}]
    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "192.0.2.1/32", "Description": "renamed"}],
            }
        ],
    )
    (entry,) = group_of(ec2, group)["IpPermissions"]
    assert entry["IpRanges"] == [{"CidrIp": "192.0.2.1/32", "Description": "renamed"}]


def test_a_rule_is_there_once(ec2, make_group):
    group = make_group()
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[ALL_OUT])


@moto_differs("adds what comes before the one that is there")
def test_all_rules_of_a_call_or_none(ec2, make_group):
    group = make_group()
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    other = {**SSH, "FromPort": 23, "ToPort": 23}
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[other, SSH])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[SSH, other])
    assert ingress(ec2, group) == [("tcp", 22, 22, "0.0.0.0/0")]


def test_a_description_makes_no_other_rule(ec2, make_group):
    group = make_group()
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    with refused("InvalidPermission.Duplicate"):
        ec2.authorize_security_group_ingress(
            GroupId=group, IpPermissions=[{**SSH, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "again"}]}]
        )


def test_a_rule_that_there_is_not(ec2, make_group):
    group = make_group()
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[SSH])
    with refused("InvalidPermission.NotFound"):
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[SSH])


SSH_PORT = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}


@pytest.mark.parametrize(
    "code, rule",
    [
        ("InvalidParameterValue", {**SSH_PORT, "IpRanges": [{"CidrIp": "everywhere"}]}),
        ("InvalidParameterValue", {**SSH_PORT, "IpRanges": [{"CidrIp": "300.0.0.0/8"}]}),
        ("InvalidGroup.NotFound", {**SSH_PORT, "UserIdGroupPairs": [{"GroupId": f"sg-{NOBODY}"}]}),
        pytest.param(
            "InvalidParameterValue", {**SSH, "FromPort": 70000, "ToPort": 70000}, marks=moto_differs("takes it")
        ),
        pytest.param("InvalidParameterValue", {**SSH, "FromPort": 30, "ToPort": 20}, marks=moto_differs("takes it")),
        pytest.param("InvalidParameterValue", {**SSH, "IpProtocol": "smoke"}, marks=moto_differs("takes it")),
    ],
)
def test_what_cannot_be_a_rule(ec2, make_group, code, rule):
    group = make_group()
    with refused(code):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    assert ingress(ec2, group) == []


def test_rules_of_a_group_that_there_is_not(ec2):
    for action in (
        ec2.authorize_security_group_ingress,
        ec2.revoke_security_group_ingress,
        ec2.authorize_security_group_egress,
        ec2.revoke_security_group_egress,
    ):
        with refused("InvalidGroup.NotFound"):
            action(GroupId=f"sg-{NOBODY}", IpPermissions=[SSH])


def test_there_can_be_sixty(ec2, make_group):
    group = make_group()

    def rules(count, port):
        return [
            {
                "IpProtocol": "tcp",
                "FromPort": port,
                "ToPort": port,
                "IpRanges": [{"CidrIp": f"192.0.2.{index}/32"} for index in range(count)],
            }
        ]

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules(60, 22))
    with refused("RulesPerSecurityGroupLimitExceeded"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules(1, 23))


# ---- Rules with ids -------------------------------------------------------------------------------


@moto_differs("names no owner")
def test_rules_have_ids(ec2, make_group, account):
    group = make_group()
    (rule,) = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**SSH, "IpRanges": [{"CidrIp": "192.0.2.0/24", "Description": "lab"}]}]
    )["SecurityGroupRules"]
    assert re.fullmatch(r"sgr-[0-9a-f]{8,17}", rule["SecurityGroupRuleId"])
    assert rule["GroupId"] == group
    assert rule["GroupOwnerId"] == account
    assert rule["IsEgress"] is False
    assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["CidrIpv4"]) == ("tcp", 22, 22, "192.0.2.0/24")
    assert rule["Description"] == "lab"
    (found,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])[
        "SecurityGroupRules"
    ]
    assert found["CidrIpv4"] == "192.0.2.0/24"
    of_group = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])[
        "SecurityGroupRules"
    ]
    assert sorted(one["IsEgress"] for one in of_group) == [False, True]
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert ingress(ec2, group) == []


@moto_differs("finds nothing instead")
def test_a_rule_id_that_there_is_not(ec2, make_group):
    group = make_group()
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2.describe_security_group_rules(SecurityGroupRuleIds=[f"sgr-{NOBODY}"])
    with refused("InvalidSecurityGroupRuleId.NotFound"):
        ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[f"sgr-{NOBODY}"])


def test_rules_of_all_protocols(ec2, make_group):
    group = make_group()
    (rule,) = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert (rule["IsEgress"], rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["CidrIpv4"]) == (
        True,
        "-1",
        -1,
        -1,
        "0.0.0.0/0",
    )


def test_a_rule_whose_source_is_a_group(ec2, make_group, account):
    group, source = make_group(), make_group("-source")
    (rule,) = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "UserIdGroupPairs": [{"GroupId": source}]}],
    )["SecurityGroupRules"]
    assert rule["ReferencedGroupInfo"]["GroupId"] == source
    assert rule["ReferencedGroupInfo"]["UserId"] == account
    assert "CidrIpv4" not in rule


def test_a_rule_is_changed(ec2, make_group):
    group = make_group()
    (rule,) = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[SSH])["SecurityGroupRules"]
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rule["SecurityGroupRuleId"],
                "SecurityGroupRule": {
                    "IpProtocol": "tcp",
                    "FromPort": 2222,
                    "ToPort": 2222,
                    "CidrIpv4": "192.0.2.0/24",
                    "Description": "moved",
                },
            }
        ],
    )
    assert ingress(ec2, group) == [("tcp", 2222, 2222, "192.0.2.0/24")]
    (found,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])[
        "SecurityGroupRules"
    ]
    assert found["Description"] == "moved"


def test_a_rule_has_tags(ec2, make_group):
    group = make_group()
    (rule,) = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[SSH],
        TagSpecifications=[{"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "b"}]}],
    )["SecurityGroupRules"]
    assert tags_of(rule) == {"a": "b"}
    ec2.create_tags(Resources=[rule["SecurityGroupRuleId"]], Tags=[{"Key": "c", "Value": "d"}])
    (found,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])[
        "SecurityGroupRules"
    ]
    assert tags_of(found) == {"a": "b", "c": "d"}


# ---- As Terraform does it ---------------------------------------------------------------------------


@moto_differs("misses no rule of IPv6")
def test_terraform_takes_the_way_out_back(ec2, make_group):
    """Right after it has made a group, with the ports that it sends along."""
    group = make_group(Description=MANAGED)
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[{**ALL_OUT, "FromPort": 0, "ToPort": 0}])
    assert egress(ec2, group) == []
    with refused("InvalidPermission.NotFound", "InvalidParameterValue"):
        ec2.revoke_security_group_egress(
            GroupId=group,
            IpPermissions=[{"IpProtocol": "-1", "FromPort": 0, "ToPort": 0, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
        )
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[ALL_OUT])
    assert egress(ec2, group) == [("-1", None, None, "0.0.0.0/0")]
