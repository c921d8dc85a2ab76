//! Images: those of the site, and those that farms make and share.

use cascina_core::command::Power;

use crate::site::TestSite;
use crate::storage::{NOBODY, elements, image, instance, power, shown, until};

#[tokio::test]
async fn images_of_the_site() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let found = client.call("DescribeImages", &[]).await;
    insta::assert_snapshot!(shown(&found));
    let (id, owner) = (found.element("imageId"), found.element("imageOwnerId"));
    let ask =
        async |params: &[(&str, &str)]| elements(&client.call("DescribeImages", params).await.good(), "imageId").len();
    for (params, hits) in [
        (&[("Owner.1", owner.as_str())][..], 1),
        (&[("Owner.1", "self")], 0),
        (&[("Owner.1", "amazon")], 0),
        (&[("Owner.1", "999999999999")], 0),
        (&[("ExecutableBy.1", "all")], 1),
        (&[("ExecutableBy.1", "self")], 0),
        (&[("ImageId.1", &id), ("IncludeDeprecated", "true")], 1),
        (&[("Filter.1.Name", "name"), ("Filter.1.Value.1", "deb*")], 1),
        (&[("Filter.1.Name", "is-public"), ("Filter.1.Value.1", "true")], 1),
        (&[("Filter.1.Name", "block-device-mapping.volume-size"), ("Filter.1.Value.1", "1")], 1),
        (&[("Filter.1.Name", "owner-id"), ("Filter.1.Value.1", &owner)], 1),
        (&[("Filter.1.Name", "platform"), ("Filter.1.Value.1", "*")], 0),
        (&[("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "*")], 0),
    ] {
        assert_eq!(ask(params).await, hits, "{params:?}");
    }
    let nobody = format!("ami-{NOBODY}");
    for (action, params, code) in [
        ("DescribeImages", &[("ImageId.1", nobody.as_str())][..], "InvalidAMIID.NotFound"),
        ("DescribeImages", &[("ImageId.1", "debian")], "InvalidAMIID.Malformed"),
        ("DescribeImages", &[("Owner.1", "bob")], "InvalidUserID.Malformed"),
        ("DescribeImages", &[("Filter.1.Name", "x"), ("Filter.1.Value.1", "y")], "InvalidParameterValue"),
        ("DeregisterImage", &[("ImageId", &nobody)], "InvalidAMIID.NotFound"),
        ("DeregisterImage", &[("ImageId", &id)], "AuthFailure"),
        ("ModifyImageAttribute", &[("ImageId", &id), ("Description.Value", "mine")], "AuthFailure"),
        ("ModifyImageAttribute", &[("ImageId", &id), ("LaunchPermission.Add.1.Group", "all")], "AuthFailure"),
        ("ResetImageAttribute", &[("ImageId", &id), ("Attribute", "launchPermission")], "AuthFailure"),
        ("DescribeImageAttribute", &[("ImageId", &id), ("Attribute", "launchPermission")], "AuthFailure"),
        ("DescribeImageAttribute", &[("ImageId", &id), ("Attribute", "colour")], "InvalidRequest"),
        ("ResetImageAttribute", &[("ImageId", &id), ("Attribute", "colour")], "InvalidRequest"),
        ("CopyImage", &[("SourceImageId", &id), ("SourceRegion", "garr"), ("Name", "copy")], "UnsupportedOperation"),
    ] {
        assert_eq!(client.call(action, params).await.code(400), code, "{action} {params:?}");
    }
    let (_, message) = client.call("DescribeImages", &[("ImageId.1", "debian")]).await.refused(400);
    assert_eq!(message, "Invalid id: \"debian\" (expecting \"ami-...\")");
}

#[tokio::test]
async fn made_of_an_instance() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let of = instance(&site, &farm).await;
    let of_text = of.to_string();
    let make = async |more: &[(&str, &str)]| {
        let mut params = vec![("InstanceId", of_text.as_str())];
        params.extend(more);
        client.call("CreateImage", &params).await
    };
    let made = make(&[
        ("Name", "Web server (v1.0) [b]"),
        ("Description", "as it was"),
        ("NoReboot", "true"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
        ("BlockDeviceMapping.1.NoDevice", ""),
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "of"),
        ("TagSpecification.1.Tag.1.Value", "image"),
        ("TagSpecification.2.ResourceType", "snapshot"),
        ("TagSpecification.2.Tag.1.Key", "of"),
        ("TagSpecification.2.Tag.1.Value", "snapshot"),
    ]);
    let id = made.await.element("imageId");
    until(client, "DescribeImages", &[("ImageId.1", &id)], "<imageState>available<").await;
    let found = client.call("DescribeImages", &[("Owner.1", "self")]).await;
    insta::assert_snapshot!(shown(&found).replace(&found.element("imageOwnerId"), "(account)"));
    let snapshot = found.element("snapshotId");
    let kept = client.call("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await.good();
    assert_eq!(elements(&kept, "value"), ["snapshot"]);

    for (more, code) in [
        (&[("Name", "Web server (v1.0) [b]")][..], "InvalidAMIName.Duplicate"),
        (&[("Name", "ab")], "InvalidAMIName.Malformed"),
        (&[("Name", "what?")], "InvalidAMIName.Malformed"),
        (&[("Name", &"x".repeat(129))], "InvalidAMIName.Malformed"),
        (&[], "MissingParameter"),
        (
            &[
                ("Name", "more"),
                ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
                ("BlockDeviceMapping.1.Ebs.VolumeSize", "1"),
            ],
            "UnsupportedOperation",
        ),
    ] {
        assert_eq!(make(more).await.code(400), code, "{more:?}");
    }
    let (_, message) = make(&[("Name", "Web server (v1.0) [b]")]).await.refused(400);
    assert_eq!(message, format!("AMI name Web server (v1.0) [b] is already in use by AMI {id}"));
    // As a name it would be the same.
    image(&farm, of, "web server -v1.0- -b-").await;

    client.call("DeregisterImage", &[("ImageId", &id)]).await.good();
    assert_eq!(client.call("DescribeImages", &[("ImageId.1", &id)]).await.code(400), "InvalidAMIID.NotFound");
    client.call("DeleteSnapshot", &[("SnapshotId", &snapshot)]).await.good();
    power(&site, of, Power::Terminate).await;
    assert_eq!(make(&[("Name", "too late")]).await.code(400), "IncorrectInstanceState");
    let nobody = format!("i-{NOBODY}");
    let missing = [("InstanceId", nobody.as_str()), ("Name", "nobody")];
    assert_eq!(client.call("CreateImage", &missing).await.code(400), "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn registered_and_copied() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let first = image(&farm, instance(&site, &farm).await, "first").await;
    let snapshot = client.call("DescribeImages", &[("ImageId.1", &first)]).await.element("snapshotId");
    let register = async |name: &str, snapshot: &str| {
        let params = [
            ("Name", name),
            ("Architecture", "x86_64"),
            ("RootDeviceName", "/dev/sda1"),
            ("VirtualizationType", "hvm"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
        ];
        client.call("RegisterImage", &params).await
    };
    let again = register("again", &snapshot).await;
    again.good();
    let again = again.element("imageId");
    assert_eq!(register("again", &snapshot).await.code(400), "InvalidAMIName.Duplicate");
    assert_eq!(register("other", &format!("snap-{NOBODY}")).await.code(400), "InvalidSnapshot.NotFound");
    let found = client.call("DescribeImages", &[("ImageId.1", &again)]).await.good();
    assert_eq!((elements(&found, "name"), elements(&found, "snapshotId")), (vec!["again".into()], vec![snapshot]));

    let copy = [
        ("SourceImageId", first.as_str()),
        ("SourceRegion", "garr"),
        ("Name", "copy"),
        ("Description", "of the first"),
        ("ClientToken", "once"),
    ];
    let copied = client.call("CopyImage", &copy).await;
    copied.good();
    let id = copied.element("imageId");
    assert_eq!(client.call("CopyImage", &copy).await.element("imageId"), id, "once for a token");
    until(client, "DescribeImages", &[("ImageId.1", &id)], "<imageState>available<").await;
    let found = client.call("DescribeImages", &[("ImageId.1", &id)]).await;
    assert_eq!(found.element("description"), "of the first");
    let twice = [("SourceImageId", first.as_str()), ("SourceRegion", "garr"), ("Name", "copy")];
    assert_eq!(client.call("CopyImage", &twice).await.code(400), "InvalidAMIName.Duplicate");
    // It stands by itself.
    client.call("DeregisterImage", &[("ImageId", &id)]).await.good();
    client.call("DeleteSnapshot", &[("SnapshotId", &found.element("snapshotId"))]).await.good();
}

#[tokio::test]
async fn descriptions_and_who_may_launch() {
    let site = TestSite::new().await;
    let (farm, other) = (site.farm("alpha").await, site.farm("beta").await);
    let id = image(&farm, instance(&site, &farm).await, "shared").await;
    let client = &farm.client;
    let modify = async |more: &[(&str, &str)]| {
        let mut params = vec![("ImageId", id.as_str())];
        params.extend(more);
        client.call("ModifyImageAttribute", &params).await.good()
    };
    let attribute = async |name: &str| {
        client.call("DescribeImageAttribute", &[("ImageId", id.as_str()), ("Attribute", name)]).await.good()
    };
    modify(&[("Description.Value", "second")]).await;
    assert!(attribute("description").await.contains("<description><value>second</value></description>"));
    assert!(attribute("kernel").await.contains("<kernel/>"));
    assert!(attribute("blockDeviceMapping").await.contains("<deviceName>/dev/sda1<"));

    let described = async |params: &[(&str, &str)]| other.client.call("DescribeImages", params).await;
    let named = [("ImageId.1", id.as_str())];
    assert_eq!(described(&named).await.code(400), "InvalidAMIID.NotFound");
    assert!(attribute("launchPermission").await.contains("<launchPermission/>"));
    let account = cascina_ec2::account::of(other.id);
    modify(&[("LaunchPermission.Add.1.UserId", &account), ("LaunchPermission.Add.2.UserId", "123456789012")]).await;
    let mut users = elements(&attribute("launchPermission").await, "userId");
    users.sort_unstable();
    let mut expected = vec![account.clone(), "123456789012".to_owned()];
    expected.sort_unstable();
    assert_eq!(users, expected);
    let theirs = described(&named).await.good();
    assert!(theirs.contains("<isPublic>false<"), "{theirs}");
    for (params, hits) in [
        (&[("ExecutableBy.1", "self")][..], 1),
        (&[("ExecutableBy.1", "all"), ("Filter.1.Name", "name"), ("Filter.1.Value.1", "shared")], 0),
        (&[("Owner.1", &cascina_ec2::account::of(farm.id))], 1),
        (&[("Owner.1", "self")], 0),
    ] {
        assert_eq!(elements(&described(params).await.good(), "imageId").len(), hits, "{params:?}");
    }
    let take = [("ImageId", id.as_str())];
    assert_eq!(other.client.call("DeregisterImage", &take).await.code(400), "AuthFailure");
    let copy = [("SourceImageId", id.as_str()), ("SourceRegion", "garr"), ("Name", "mine now")];
    let copied = other.client.call("CopyImage", &copy).await;
    copied.good();
    let copied = copied.element("imageId");
    until(&other.client, "DescribeImages", &[("ImageId.1", &copied)], "<imageState>available<").await;

    modify(&[("LaunchPermission.Remove.1.UserId", &account)]).await;
    assert_eq!(described(&named).await.code(400), "InvalidAMIID.NotFound");
    assert_eq!(elements(&attribute("launchPermission").await, "userId"), ["123456789012"]);
    modify(&[("Attribute", "launchPermission"), ("OperationType", "add"), ("UserGroup.1", "all")]).await;
    assert!(described(&[("ExecutableBy.1", "all")]).await.good().contains(&id));
    assert!(attribute("launchPermission").await.contains("<group>all</group>"));
    client.call("ResetImageAttribute", &[("ImageId", &id), ("Attribute", "launchPermission")]).await.good();
    assert!(attribute("launchPermission").await.contains("<launchPermission/>"));
    assert_eq!(described(&named).await.code(400), "InvalidAMIID.NotFound");
}
