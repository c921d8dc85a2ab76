use cascina_core::id::InstanceId;

use super::*;
use crate::wire::{Blob, Limits, Params};

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Run {
    image_id: String,
    min_count: u32,
    #[serde(default)]
    security_group: Vec<String>,
    #[serde(default)]
    block_device_mapping: Vec<Mapping>,
    placement: Option<Placement>,
    ebs_optimized: Option<bool>,
    user_data: Option<Blob>,
    instance_initiated_shutdown_behavior: Option<Behavior>,
    from_port: Option<i32>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Mapping {
    device_name: String,
    ebs: Option<Ebs>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ebs {
    volume_size: Option<u32>,
    delete_on_termination: Option<bool>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Placement {
    availability_zone: Option<String>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Behavior {
    Stop,
    Terminate,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ids {
    #[serde(default)]
    instance_id: Vec<InstanceId>,
}

fn tree(query: &str) -> Tree {
    Params::parse(query, b"", &Limits::default()).unwrap().tree().unwrap()
}

fn run(query: &str) -> Result<Run, String> {
    decode::<Run>(&tree(query)).map_err(|error| error.to_string())
}

fn refused(more: &str) -> String {
    run(&format!("ImageId=ami-1&MinCount=1&{more}")).unwrap_err()
}

#[test]
fn a_request_with_everything() {
    let query = "Action=RunInstances&Version=2016-11-15&MinCount=2&ImageId=ami-1&SecurityGroup.10=c&SecurityGroup.9=b&\
                 SecurityGroup.1=a&BlockDeviceMapping.2.DeviceName=/dev/vdb&BlockDeviceMapping.2.Ebs.VolumeSize=20&\
                 BlockDeviceMapping.2.Ebs.DeleteOnTermination=FALSE&BlockDeviceMapping.1.DeviceName=&\
                 Placement.AvailabilityZone=workers&EbsOptimized=1&UserData=aGk%3D&\
                 InstanceInitiatedShutdownBehavior=terminate&FromPort=-1";
    let run = run(query).unwrap();
    assert_eq!(run.security_group, ["a", "b", "c"]);
    let device = |name: &str, ebs| Mapping { device_name: name.into(), ebs };
    let ebs = Ebs { volume_size: Some(20), delete_on_termination: Some(false) };
    assert_eq!(run.block_device_mapping, [device("", None), device("/dev/vdb", Some(ebs))]);
    assert_eq!(run.placement.unwrap().availability_zone.as_deref(), Some("workers"));
    assert_eq!(run.ebs_optimized, Some(true));
    assert_eq!(run.user_data.unwrap().decode().as_deref(), Some(&b"hi"[..]));
    assert_eq!(run.instance_initiated_shutdown_behavior, Some(Behavior::Terminate));
    assert_eq!(run.from_port, Some(-1));
}

#[test]
fn what_is_not_there() {
    let run = run("ImageId=&MinCount=1").unwrap();
    assert_eq!((run.image_id.as_str(), run.ebs_optimized, run.security_group.len()), ("", None, 0));
    assert!(run.placement.is_none() && run.block_device_mapping.is_empty());
    assert_eq!(decode::<Ids>(&tree("")).unwrap(), Ids { instance_id: Vec::new() });
}

#[test]
fn missing_parameters_have_their_whole_name() {
    assert_eq!(run("MinCount=1").unwrap_err(), "The request must contain the parameter ImageId");
    let text = "The request must contain the parameter BlockDeviceMapping.3.DeviceName";
    assert_eq!(refused("BlockDeviceMapping.3.Ebs.VolumeSize=1"), text);
}

#[test]
fn unknown_parameters_have_their_whole_name() {
    for (query, name) in [
        ("Foo=1", "Foo"),
        ("Foo.2.Bar=1&Foo.1.Bar.3=1", "Foo.1.Bar.3"),
        ("BlockDeviceMapping.1.Foo.Bar=1&BlockDeviceMapping.1.DeviceName=a", "BlockDeviceMapping.1.Foo.Bar"),
        ("SecurityGroup.member.1=a", "SecurityGroup.member.1"),
        ("SecurityGroup.1.Name=a", "SecurityGroup.1.Name"),
        ("SecurityGroup=a&SecurityGroup.1=b", "SecurityGroup"),
        ("SecurityGroup.0x1=a", "SecurityGroup.0x1"),
        ("BlockDeviceMapping=a", "BlockDeviceMapping"),
        ("Placement=workers", "Placement"),
        ("Placement.1=workers", "Placement.1"),
        ("EbsOptimized.Value=true", "EbsOptimized.Value"),
        ("EbsOptimized=true&EbsOptimized.Value=true", "EbsOptimized.Value"),
        ("imageid=ami-1", "imageid"),
    ] {
        assert_eq!(refused(query), format!("The parameter {name} is not recognized"), "{query}");
    }
}

#[test]
fn lists_as_some_clients_write_them() {
    let groups = |more: &str| run(&format!("ImageId=ami-1&MinCount=1&{more}")).unwrap().security_group;
    assert_eq!(groups("SecurityGroup=a"), ["a"]);
    assert_eq!(groups("SecurityGroup.1=b&SecurityGroup.0=a"), ["a", "b"]);
    assert_eq!(groups("SecurityGroup.010=b&SecurityGroup.09=a"), ["a", "b"]);
    let error = decode::<Ids>(&tree("InstanceId=x")).unwrap_err();
    assert!(
        matches!(&error, ParamError::Invalid { name, value, .. } if name == "InstanceId" && value == "x"),
        "{error}"
    );
}

#[test]
fn invalid_values_are_repeated() {
    for (query, text) in [
        ("EbsOptimized=yes", "Value (yes) for parameter EbsOptimized is invalid. It should be true or false"),
        ("EbsOptimized=", "Value () for parameter EbsOptimized is invalid. It should be true or false"),
        (
            "BlockDeviceMapping.1.DeviceName=a&BlockDeviceMapping.1.Ebs.VolumeSize=-1",
            "Value (-1) for parameter BlockDeviceMapping.1.Ebs.VolumeSize is invalid. It should be an integer from 0 to \
             4294967295",
        ),
        (
            "InstanceInitiatedShutdownBehavior=hibernate",
            "Value (hibernate) for parameter InstanceInitiatedShutdownBehavior is invalid. Allowed values are: stop, \
             terminate",
        ),
    ] {
        assert_eq!(refused(query), text);
    }
    for number in ["+1", "1.0", "0x1", "1e3", "", "4294967296", "%D9%A1"] {
        assert!(run(&format!("ImageId=a&MinCount={number}")).is_err(), "{number}");
    }
    let long = refused(&format!("EbsOptimized={}", "x".repeat(10_000)));
    assert!(long.len() < 300, "{}", long.len());
}

#[test]
fn types_with_a_form_of_their_own() {
    let ids = decode::<Ids>(&tree("InstanceId.7=i-0deadbeef00000001")).unwrap();
    assert_eq!(ids.instance_id, [InstanceId(0xdead_beef_0000_0001)]);
    let error = decode::<Ids>(&tree("InstanceId.7=x")).unwrap_err();
    assert!(
        matches!(&error, ParamError::Invalid { name, value, .. } if name == "InstanceId.7" && value == "x"),
        "{error}"
    );
}

#[test]
fn many_parameters_are_no_trouble() {
    let query: Vec<_> = (0..2000).map(|i| format!("InstanceId.{}=i-0{:016x}", 2000 - i, i)).collect();
    let ids = decode::<Ids>(&tree(&query.join("&"))).unwrap();
    assert_eq!((ids.instance_id.len(), ids.instance_id[0]), (2000, InstanceId(1999)));
}
