//! Tags by themselves.

use crate::site::TestSite;

#[tokio::test]
async fn tags_are_set_found_and_taken_away() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let call = async |action: &str, params: &[(&str, &str)]| farm.client.call(action, params).await;
    let group = site.engine.read(|state| state.group_named(farm.id, "default").unwrap().id).to_string();
    let vpc = site.engine.read(|state| state.indexes.networks_by_farm.of(&farm.id).next()).unwrap().to_string();
    let things = [("ResourceId.1", group.as_str()), ("ResourceId.2", vpc.as_str())];
    let with = |rest: &[(&'static str, &'static str)]| [&things[..], rest].concat();
    call("CreateTags", &with(&[("Tag.1.Key", "a"), ("Tag.1.Value", "1"), ("Tag.2.Key", "b")])).await.good();
    let found = async |name: &str, value: &str| {
        let params = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        call("DescribeTags", &params).await.good()
    };
    let all = call("DescribeTags", &[]).await.good();
    let first = format!(
        "<tagSet><item><resourceId>{group}</resourceId><resourceType>security-group</resourceType>\
         <key>a</key><value>1</value></item>"
    );
    assert!(all.contains(&first), "{all}");
    assert_eq!(all.matches("<item>").count(), 4);
    for (name, value, count) in [
        ("resource-id", group.as_str(), 2),
        ("resource-type", "vpc", 2),
        ("key", "a", 2),
        ("value", "?", 2),
        ("value", "", 2),
        ("tag:a", "1", 2),
        ("tag-key", "b", 2),
        ("tag-value", "2", 0),
        ("key", "aws:ec2launchtemplate:id", 0),
    ] {
        assert_eq!(found(name, value).await.matches("<item>").count(), count, "{name} {value}");
    }
    // Another farm has its own.
    let stranger = site.farm("beta").await;
    assert!(stranger.client.call("DescribeTags", &[]).await.good().contains("<tagSet/>"));
    let theirs = [things[0], ("Tag.1.Key", "x")];
    assert_eq!(stranger.client.call("CreateTags", &theirs).await.code(400), "InvalidGroup.NotFound");

    call("DeleteTags", &with(&[("Tag.1.Key", "a"), ("Tag.1.Value", "2"), ("Tag.2.Key", "never")])).await.good();
    assert_eq!(call("DescribeTags", &[]).await.good().matches("<item>").count(), 4);
    call("DeleteTags", &with(&[("Tag.1.Key", "a"), ("Tag.1.Value", "1")])).await.good();
    assert_eq!(call("DescribeTags", &[]).await.good().matches("<item>").count(), 2);
    call("DeleteTags", &things).await.good();
    assert!(call("DescribeTags", &[]).await.good().contains("<tagSet/>"));
}

#[tokio::test]
async fn what_cannot_be_tagged_so() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let group = site.engine.read(|state| state.group_named(farm.id, "default").unwrap().id).to_string();
    let set = async |params: &[(&str, &str)]| farm.client.call("CreateTags", params).await;
    for (id, code) in [
        ("i-0123456789abcdef0", "InvalidInstanceID.NotFound"),
        ("vol-0123456789abcdef0", "InvalidVolume.NotFound"),
        ("ami-0123456789abcdef0", "InvalidAMIID.NotFound"),
        ("eipalloc-0123456789abcdef0", "InvalidAllocationID.NotFound"),
        ("what-0123456789abcdef0", "InvalidID"),
    ] {
        let both = [("ResourceId.1", group.as_str()), ("ResourceId.2", id), ("Tag.1.Key", "a")];
        assert_eq!(set(&both).await.code(400), code, "{id}");
    }
    let thing = ("ResourceId.1", group.as_str());
    assert_eq!(set(&[thing]).await.code(400), "MissingParameter");
    assert_eq!(set(&[("Tag.1.Key", "a")]).await.code(400), "MissingParameter");
    assert_eq!(set(&[thing, ("Tag.1.Key", "aws:a")]).await.code(400), "InvalidParameterValue");
    assert_eq!(set(&[thing, ("Tag.1.Key", "a"), ("DryRun", "true")]).await.code(412), "DryRunOperation");
    assert!(farm.client.call("DescribeTags", &[]).await.good().contains("<tagSet/>"));

    let names: Vec<_> = (1..=50).map(|place| (format!("Tag.{place}.Key"), format!("k{place}"))).collect();
    let mut fifty = vec![thing];
    fifty.extend(names.iter().map(|(name, key)| (name.as_str(), key.as_str())));
    set(&fifty).await.good();
    assert_eq!(set(&[thing, ("Tag.1.Key", "more")]).await.code(400), "TagLimitExceeded");
    set(&[thing, ("Tag.1.Key", "k1"), ("Tag.1.Value", "x")]).await.good();
    let page = farm.client.call("DescribeTags", &[("MaxResults", "30")]).await;
    assert_eq!(page.good().matches("<item>").count(), 30);
    let rest = [("MaxResults", "30"), ("NextToken", &page.element("nextToken"))];
    let rest = farm.client.call("DescribeTags", &rest).await.good();
    assert_eq!((rest.matches("<item>").count(), rest.contains("nextToken")), (20, false));
}
