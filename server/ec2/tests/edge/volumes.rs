//! Volumes: made, attached, changed, found, and taken away.

use cascina_core::command::Power;

use crate::site::TestSite;
use crate::storage::{NOBODY, elements, instance, power, shown, snapshot, until, volume};

#[tokio::test]
async fn a_volume_and_its_life() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let made = client
        .call(
            "CreateVolume",
            &[
                ("AvailabilityZone", "workers"),
                ("Size", "2"),
                ("VolumeType", "gp3"),
                ("Iops", "4000"),
                ("Encrypted", "false"),
                ("TagSpecification.1.ResourceType", "volume"),
                ("TagSpecification.1.Tag.1.Key", "Name"),
                ("TagSpecification.1.Tag.1.Value", "data"),
            ],
        )
        .await;
    let id = made.element("volumeId");
    until(client, "DescribeVolumes", &[("VolumeId.1", &id)], "<status>available<").await;
    insta::assert_snapshot!(shown(&client.call("DescribeVolumes", &[("VolumeId.1", &id)]).await));
    insta::assert_snapshot!(shown(&client.call("DescribeVolumeStatus", &[("VolumeId.1", &id)]).await));
    for (attribute, answer) in [("autoEnableIO", "<value>true</value>"), ("productCodes", "<productCodes/>")] {
        let params = [("VolumeId", id.as_str()), ("Attribute", attribute)];
        assert!(client.call("DescribeVolumeAttribute", &params).await.good().contains(answer));
    }
    let colour = [("VolumeId", id.as_str()), ("Attribute", "colour")];
    assert_eq!(client.call("DescribeVolumeAttribute", &colour).await.code(400), "InvalidParameterValue");

    client.call("DeleteVolume", &[("VolumeId", &id)]).await.good();
    for _ in 0..1000 {
        if client.call("DescribeVolumes", &[("VolumeId.1", &id)]).await.status == 400 {
            break;
        }
    }
    for action in ["DeleteVolume", "DetachVolume", "CreateSnapshot"] {
        let (code, message) = client.call(action, &[("VolumeId", &id)]).await.refused(400);
        assert_eq!((code.as_str(), message), ("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")));
    }
}

#[tokio::test]
async fn what_cannot_be_a_volume() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let nobody = format!("snap-{NOBODY}");
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("MissingParameter", &[("AvailabilityZone", "workers")]),
        ("MissingParameter", &[("Size", "1")]),
        ("MissingParameter", &[("AvailabilityZone", ""), ("Size", "1")]),
        ("InvalidZone.NotFound", &[("AvailabilityZone", "mars"), ("Size", "1")]),
        ("InvalidParameterValue", &[("AvailabilityZone", "workers"), ("Size", "0")]),
        ("InvalidParameterValue", &[("AvailabilityZone", "workers"), ("Size", "-1")]),
        ("InvalidParameterValue", &[("AvailabilityZone", "workers"), ("Size", "20000")]),
        ("InvalidParameterValue", &[("AvailabilityZone", "workers"), ("Size", "1"), ("VolumeType", "wood")]),
        ("InvalidSnapshot.NotFound", &[("AvailabilityZone", "workers"), ("SnapshotId", &nobody)]),
        ("UnsupportedOperation", &[("AvailabilityZone", "workers"), ("Size", "1"), ("Encrypted", "1")]),
        ("UnsupportedOperation", &[("AvailabilityZone", "workers"), ("Size", "1"), ("MultiAttachEnabled", "true")]),
        ("InvalidParameterCombination", &[("AvailabilityZone", "workers"), ("Size", "1"), ("Iops", "100")]),
        ("MissingParameter", &[("AvailabilityZone", "workers"), ("Size", "4"), ("VolumeType", "io1")]),
        (
            "InvalidParameterValue",
            &[
                ("AvailabilityZone", "workers"),
                ("Size", "1"),
                ("TagSpecification.1.ResourceType", "snapshot"),
                ("TagSpecification.1.Tag.1.Key", "a"),
            ],
        ),
        ("DryRunOperation", &[("AvailabilityZone", "workers"), ("Size", "1"), ("DryRun", "true")]),
    ];
    for (code, params) in cases {
        let status = if *code == "DryRunOperation" { 412 } else { 400 };
        assert_eq!(&farm.client.call("CreateVolume", params).await.code(status), code, "{params:?}");
    }
    assert!(farm.client.call("DescribeVolumes", &[]).await.good().contains("<volumeSet/>"));
}

#[tokio::test]
async fn a_token_makes_one_volume() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let id = volume(&farm, &[("Size", "1"), ("ClientToken", "once")]).await;
    assert_eq!(volume(&farm, &[("Size", "1"), ("ClientToken", "once")]).await, id);
    let other = [("AvailabilityZone", "workers"), ("Size", "2"), ("ClientToken", "once")];
    assert_eq!(farm.client.call("CreateVolume", &other).await.code(400), "IdempotentParameterMismatch");
    let all = farm.client.call("DescribeVolumes", &[]).await.good();
    assert_eq!(elements(&all, "size"), ["1"]);
}

#[tokio::test]
async fn attached_and_detached() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let (one, two) = (volume(&farm, &[("Size", "1")]).await, volume(&farm, &[("Size", "1")]).await);
    let of = instance(&site, &farm).await;
    let (of_text, root) = (of.to_string(), cascina_core::id::VolumeId(of.0).to_string());
    let attach = async |volume: &str, device: &str| {
        client.call("AttachVolume", &[("VolumeId", volume), ("InstanceId", &of_text), ("Device", device)]).await
    };

    let (code, message) = client.call("DetachVolume", &[("VolumeId", &one)]).await.refused(400);
    assert_eq!(code, "IncorrectState");
    assert_eq!(message, format!("Volume '{one}' is in the 'available' state."));
    insta::assert_snapshot!(shown(&attach(&one, "/dev/sdh").await));
    until(client, "DescribeVolumes", &[("VolumeId.1", &one)], "<status>attached<").await;
    let wanted = [
        ("VolumeId.1", one.as_str()),
        ("Filter.1.Name", "attachment.device"),
        ("Filter.1.Value.1", "/dev/sdh"),
        ("Filter.2.Name", "attachment.instance-id"),
        ("Filter.2.Value.1", &of_text),
        ("Filter.3.Name", "status"),
        ("Filter.3.Value.1", "in-use"),
    ];
    insta::assert_snapshot!(shown(&client.call("DescribeVolumes", &wanted).await));

    for device in ["/dev/sdh", "/dev/sdi"] {
        assert_eq!(attach(&one, device).await.code(400), "VolumeInUse");
    }
    assert_eq!(attach(&root, "/dev/sdi").await.code(400), "VolumeInUse");
    for device in ["/dev/sdh", "sdh", "/dev/sda1", "xvda", "tape"] {
        assert_eq!(attach(&two, device).await.code(400), "InvalidParameterValue", "{device}");
    }
    assert_eq!(attach(&two, "").await.code(400), "MissingParameter");
    for volume in [&one, &root] {
        let (code, message) = client.call("DeleteVolume", &[("VolumeId", volume)]).await.refused(400);
        assert_eq!(code, "VolumeInUse");
        assert_eq!(message, format!("Volume {volume} is currently attached to {of}"));
    }
    let services =
        client.call("CreateVolume", &[("AvailabilityZone", "services"), ("Size", "1")]).await.element("volumeId");
    until(client, "DescribeVolumes", &[("VolumeId.1", &services)], "<status>available<").await;
    assert_eq!(attach(&services, "/dev/sdj").await.code(400), "InvalidVolume.ZoneMismatch");

    let other = instance(&site, &farm).await.to_string();
    let detach = async |params: &[(&str, &str)]| client.call("DetachVolume", params).await;
    let (wrong, nobody) = ([("VolumeId", one.as_str()), ("InstanceId", &other)], format!("i-{NOBODY}"));
    assert_eq!(detach(&wrong).await.code(400), "InvalidAttachment.NotFound");
    let device = [("VolumeId", one.as_str()), ("Device", "/dev/sdi")];
    assert_eq!(detach(&device).await.code(400), "InvalidAttachment.NotFound");
    let gone = [("VolumeId", one.as_str()), ("InstanceId", &nobody)];
    assert_eq!(detach(&gone).await.code(400), "InvalidInstanceID.NotFound");
    assert_eq!(detach(&[("VolumeId", &root)]).await.code(400), "OperationNotPermitted");
    let right = [("VolumeId", one.as_str()), ("InstanceId", &of_text), ("Device", "sdh"), ("Force", "false")];
    let answer = detach(&right).await.good();
    assert_eq!(elements(&answer, "status"), ["detaching"]);
    until(client, "DescribeVolumes", &[("VolumeId.1", &one)], "<status>available<").await;

    power(&site, of, Power::Stop).await;
    attach(&one, "/dev/sdh").await.good();
    until(client, "DescribeVolumes", &[("VolumeId.1", &one)], "<status>attached<").await;
    power(&site, of, Power::Terminate).await;
    let left = until(client, "DescribeVolumes", &[("VolumeId.1", &one)], "<status>available<").await;
    assert!(left.contains("<attachmentSet/>"), "{left}");
    assert_eq!(client.call("DescribeVolumes", &[("VolumeId.1", &root)]).await.code(400), "InvalidVolume.NotFound");
    assert_eq!(attach(&one, "/dev/sdh").await.code(400), "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn what_an_instance_boots_from_is_a_volume() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let of = instance(&site, &farm).await;
    insta::assert_snapshot!(shown(&farm.client.call("DescribeVolumes", &[]).await));
    let root = cascina_core::id::VolumeId(of.0).to_string();
    let snapshot = snapshot(&farm, &root).await;
    let found = farm.client.call("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await.good();
    assert_eq!(elements(&found, "volumeId"), [root.clone()]);
    let larger = [("VolumeId", root.as_str()), ("Size", "2")];
    assert_eq!(farm.client.call("ModifyVolume", &larger).await.code(400), "UnsupportedOperation");
}

#[tokio::test]
async fn a_larger_volume_later() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let id = volume(&farm, &[("Size", "2")]).await;
    let modify = async |params: &[(&str, &str)]| {
        let mut all = vec![("VolumeId", id.as_str())];
        all.extend(params);
        client.call("ModifyVolume", &all).await
    };
    let modified = [("VolumeId.1", id.as_str())];
    let none = client.call("DescribeVolumesModifications", &modified).await.code(400);
    assert_eq!(none, "InvalidVolumeModification.NotFound");
    assert_eq!(modify(&[]).await.code(400), "InvalidParameterCombination");
    assert_eq!(modify(&[("Size", "1")]).await.code(400), "InvalidParameterValue");
    assert_eq!(modify(&[("VolumeType", "io2")]).await.code(400), "MissingParameter");
    let answer = modify(&[("Size", "3"), ("VolumeType", "io2"), ("Iops", "500")]).await.good();
    assert_eq!(
        (elements(&answer, "originalSize"), elements(&answer, "targetSize")),
        (vec!["2".into()], vec!["3".into()])
    );
    until(client, "DescribeVolumesModifications", &modified, "<modificationState>completed<").await;
    insta::assert_snapshot!(shown(&client.call("DescribeVolumesModifications", &modified).await));
    let found = client.call("DescribeVolumes", &modified).await.good();
    assert_eq!((elements(&found, "size"), elements(&found, "iops")), (vec!["3".into()], vec!["500".into()]));
    let by_size = [("Filter.1.Name", "target-size"), ("Filter.1.Value.1", "4")];
    assert!(client.call("DescribeVolumesModifications", &by_size).await.good().contains("Set/>"));
}

#[tokio::test]
async fn lists_filters_and_pages() {
    let site = TestSite::new().await;
    let (farm, other) = (site.farm("alpha").await, site.farm("beta").await);
    let client = &farm.client;
    let mut ids = Vec::new();
    for size in ["1", "1", "1", "1", "1", "2"] {
        ids.push(volume(&farm, &[("Size", size)]).await);
    }
    let theirs = volume(&other, &[("Size", "1")]).await;
    let ask = async |params: &[(&str, &str)]| client.call("DescribeVolumes", params).await;
    let all = elements(&ask(&[]).await.good(), "volumeId");
    ids.sort_unstable();
    assert_eq!(all, ids);
    let first = ask(&[("MaxResults", "5")]).await;
    assert_eq!(elements(&first.good(), "volumeId"), ids[..5]);
    let token = first.element("nextToken");
    let second = ask(&[("NextToken", &token)]).await.good();
    assert_eq!(elements(&second, "volumeId"), ids[5..]);
    assert!(!second.contains("nextToken"));
    for (params, code) in [
        (&[("MaxResults", "4")][..], "InvalidParameterValue"),
        (&[("MaxResults", "5"), ("VolumeId.1", &ids[0])], "InvalidParameterCombination"),
        (&[("MaxResults", "5"), ("NextToken", "nothing like it")], "InvalidNextToken"),
        (&[("VolumeId.1", &theirs)], "InvalidVolume.NotFound"),
        (&[("VolumeId.1", "vol-12345678")], "InvalidVolume.NotFound"),
        (&[("VolumeId.1", "volume")], "InvalidVolumeID.Malformed"),
        (&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")], "InvalidParameterValue"),
    ] {
        assert_eq!(ask(params).await.code(400), code, "{params:?}");
    }
    for (name, value, hits) in [
        ("volume-id", "vol-*", 6),
        ("volume-id", &ids[2], 1),
        ("size", "2", 1),
        ("status", "available", 6),
        ("availability-zone", "work*", 6),
        ("encrypted", "false", 6),
        ("volume-type", "gp?", 6),
        ("snapshot-id", "*", 0),
        ("attachment.status", "*", 0),
        ("create-time", "20??-*", 6),
        ("tag-key", "*", 0),
    ] {
        let found = ask(&[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).await.good();
        assert_eq!(elements(&found, "volumeId").len(), hits, "{name}={value}");
    }
    let twice = ask(&[("VolumeId.1", &ids[1]), ("VolumeId.2", &ids[1])]).await.good();
    assert_eq!(elements(&twice, "volumeId").len(), 1);
}
