//! Snapshots, and what is made of them.

use crate::site::TestSite;
use crate::storage::{NOBODY, elements, image, instance, shown, snapshot, until, volume};

#[tokio::test]
async fn a_snapshot_and_its_life() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let of = volume(&farm, &[("Size", "2")]).await;
    let params = [
        ("VolumeId", of.as_str()),
        ("Description", "before the change"),
        ("TagSpecification.1.ResourceType", "snapshot"),
        ("TagSpecification.1.Tag.1.Key", "stage"),
    ];
    let made = client.call("CreateSnapshot", &params).await;
    let account = made.element("ownerId");
    insta::assert_snapshot!(shown(&made).replace(&account, "(account)"));
    let id = made.element("snapshotId");
    until(client, "DescribeSnapshots", &[("SnapshotId.1", &id)], "<status>completed<").await;

    let ask = async |params: &[(&str, &str)]| {
        let own = |id: &String| id != "vol-ffffffff";
        elements(&client.call("DescribeSnapshots", params).await.good(), "volumeId").into_iter().filter(own).count()
    };
    for (params, hits) in [
        (&[][..], 1),
        (&[("Owner.1", "self")], 1),
        (&[("Owner.1", &account)], 1),
        (&[("Owner.1", "999999999999")], 0),
        (&[("Owner.1", "amazon")], 0),
        (&[("RestorableBy.1", "self")], 1),
        (&[("RestorableBy.1", "all")], 0),
        (&[("Filter.1.Name", "description"), ("Filter.1.Value.1", "before*")], 1),
        (&[("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", &of)], 1),
        (&[("Filter.1.Name", "volume-size"), ("Filter.1.Value.1", "2")], 1),
        (&[("Filter.1.Name", "tag:stage"), ("Filter.1.Value.1", "")], 1),
        (&[("Filter.1.Name", "progress"), ("Filter.1.Value.1", "99%")], 0),
    ] {
        assert_eq!(ask(params).await, hits, "{params:?}");
    }
    for (params, code) in [
        (&[("SnapshotId.1", "yesterday")][..], "InvalidSnapshotID.Malformed"),
        (&[("SnapshotId.1", "snap-12345678")], "InvalidSnapshot.NotFound"),
        (&[("Owner.1", "bob")], "InvalidUserID.Malformed"),
        (&[("MaxResults", "4")], "InvalidParameterValue"),
    ] {
        assert_eq!(client.call("DescribeSnapshots", params).await.code(400), code, "{params:?}");
    }
    let permission = [("SnapshotId", id.as_str()), ("Attribute", "createVolumePermission")];
    let permission = client.call("DescribeSnapshotAttribute", &permission).await.good();
    assert!(permission.contains("<createVolumePermission/>"));

    client.call("DeleteVolume", &[("VolumeId", &of)]).await.good();
    client.call("DeleteSnapshot", &[("SnapshotId", &id)]).await.good();
    let (code, message) = client.call("DeleteSnapshot", &[("SnapshotId", &id)]).await.refused(400);
    assert_eq!((code.as_str(), message), ("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")));
    assert_eq!(ask(&[]).await, 0);
}

#[tokio::test]
async fn volumes_and_copies_of_a_snapshot() {
    let site = TestSite::new().await;
    let (farm, other) = (site.farm("alpha").await, site.farm("beta").await);
    let client = &farm.client;
    let of = volume(&farm, &[("Size", "2")]).await;
    let id = snapshot(&farm, &of).await;
    for (more, size) in [(&[][..], "2"), (&[("Size", "3")], "3")] {
        let mut params = vec![("SnapshotId", id.as_str())];
        params.extend(more);
        let made = volume(&farm, &params).await;
        let found = client.call("DescribeVolumes", &[("VolumeId.1", &made)]).await.good();
        assert_eq!((elements(&found, "size"), elements(&found, "snapshotId")), (vec![size.into()], vec![id.clone()]));
    }
    let small = [("AvailabilityZone", "workers"), ("SnapshotId", id.as_str()), ("Size", "1")];
    assert_eq!(client.call("CreateVolume", &small).await.code(400), "InvalidParameterValue");
    let elsewhere = [("AvailabilityZone", "services"), ("SnapshotId", id.as_str())];
    assert_eq!(client.call("CreateVolume", &elsewhere).await.code(400), "InvalidParameterValue");

    let copy = [("SourceRegion", "garr"), ("SourceSnapshotId", id.as_str()), ("Description", "copy")];
    let made = client.call("CopySnapshot", &copy).await;
    made.good();
    let copied = made.element("snapshotId");
    let found = until(client, "DescribeSnapshots", &[("SnapshotId.1", &copied)], "<status>completed<").await;
    assert_eq!(
        (elements(&found, "volumeSize"), elements(&found, "description")),
        (vec!["2".into()], vec!["copy".into()])
    );
    client.call("DeleteSnapshot", &[("SnapshotId", &id)]).await.good();
    volume(&farm, &[("SnapshotId", &copied)]).await;

    let far = [("SourceRegion", "us-west-9"), ("SourceSnapshotId", copied.as_str())];
    assert_eq!(client.call("CopySnapshot", &far).await.code(400), "InvalidParameterValue");
    for (action, params) in [
        ("CopySnapshot", &[("SourceRegion", "garr"), ("SourceSnapshotId", copied.as_str())][..]),
        ("CreateVolume", &[("AvailabilityZone", "workers"), ("SnapshotId", &copied)]),
        ("DeleteSnapshot", &[("SnapshotId", &copied)]),
        ("DescribeSnapshots", &[("SnapshotId.1", &copied)]),
        ("DescribeSnapshotAttribute", &[("SnapshotId", &copied), ("Attribute", "productCodes")]),
    ] {
        assert_eq!(other.client.call(action, params).await.code(400), "InvalidSnapshot.NotFound", "{action}");
    }
    let theirs = other.client.call("CreateSnapshot", &[("VolumeId", &of)]).await.code(400);
    assert_eq!(theirs, "InvalidVolume.NotFound");
}

#[tokio::test]
async fn what_images_are_kept_as() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    let images = client.call("DescribeImages", &[]).await;
    let id = images.element("snapshotId");
    insta::assert_snapshot!(shown(&client.call("DescribeSnapshots", &[("SnapshotId.1", &id)]).await));
    for (action, params, code) in [
        ("DeleteSnapshot", &[("SnapshotId", id.as_str())][..], "InvalidSnapshot.InUse"),
        ("CreateVolume", &[("SnapshotId", &id), ("AvailabilityZone", "workers")], "UnsupportedOperation"),
        ("CopySnapshot", &[("SourceSnapshotId", &id), ("SourceRegion", "garr")], "UnsupportedOperation"),
    ] {
        assert_eq!(client.call(action, params).await.code(400), code, "{action}");
    }
    let own = image(&farm, instance(&site, &farm).await, "mine").await;
    let own = client.call("DescribeImages", &[("ImageId.1", &own)]).await.element("snapshotId");
    let (code, message) = client.call("DeleteSnapshot", &[("SnapshotId", &own)]).await.refused(400);
    assert_eq!(code, "InvalidSnapshot.InUse");
    assert!(message.starts_with(&format!("The snapshot {own} is currently in use by ami-")), "{message}");
    let nobody = format!("snap-{NOBODY}");
    assert_eq!(client.call("DeleteSnapshot", &[("SnapshotId", &nobody)]).await.code(400), "InvalidSnapshot.NotFound");
}
