use std::borrow::Cow;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use cascina_core::id::InstanceId;

#[derive(Debug, Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Answer {
    reservation_set: Set<Reservation>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Reservation {
    owner_id: String,
    group_set: Set<()>,
    instances_set: Set<Instance>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    instance_id: InstanceId,
    reason: &'static str,
    launch_time: Time,
    ebs_optimized: bool,
    ami_launch_index: u32,
    from_port: i32,
    ip_address: Option<std::net::Ipv4Addr>,
    monitoring: Monitoring,
    placement: Option<Placement>,
    dns_name: Cow<'static, str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Monitoring {
    NotAtAll,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Placement {
    tenancy: Option<String>,
}

fn instance(number: u64) -> Instance {
    Instance {
        instance_id: InstanceId(number),
        reason: "",
        launch_time: Time(Timestamp(1_767_323_045_000)),
        ebs_optimized: false,
        ami_launch_index: 3,
        from_port: -1,
        ip_address: Some([192, 0, 2, 1].into()),
        monitoring: Monitoring::NotAtAll,
        placement: Some(Placement { tenancy: None }),
        dns_name: "a & b".into(),
    }
}

#[test]
fn a_response_in_full() {
    let reservation = Reservation {
        owner_id: "123456789012".into(),
        instances_set: vec![Instance { ip_address: None, placement: None, ..instance(1) }, instance(2)].into(),
        ..Reservation::default()
    };
    let answer = Answer { reservation_set: vec![reservation].into(), next_token: None };
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2015-10-01/\"><requestId>r-1</requestId>\
        <reservationSet><item><ownerId>123456789012</ownerId><groupSet/><instancesSet>\
        <item><instanceId>i-00000000000000001</instanceId><reason/>\
        <launchTime>2026-01-02T03:04:05.000Z</launchTime><ebsOptimized>false</ebsOptimized>\
        <amiLaunchIndex>3</amiLaunchIndex><fromPort>-1</fromPort><monitoring>not-at-all</monitoring>\
        <dnsName>a &amp; b</dnsName></item>\
        <item><instanceId>i-00000000000000002</instanceId><reason/>\
        <launchTime>2026-01-02T03:04:05.000Z</launchTime><ebsOptimized>false</ebsOptimized>\
        <amiLaunchIndex>3</amiLaunchIndex><fromPort>-1</fromPort><ipAddress>192.0.2.1</ipAddress>\
        <monitoring>not-at-all</monitoring><placement/><dnsName>a &amp; b</dnsName></item>\
        </instancesSet></item></reservationSet></DescribeInstancesResponse>";
    assert_eq!(response("DescribeInstances", "2015-10-01", "r-1", &answer).unwrap(), expected);
}

#[test]
fn simple_and_empty_answers() {
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <DeleteTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r-1</requestId>\
        <return>true</return></DeleteTagsResponse>";
    assert_eq!(response("DeleteTags", "2016-11-15", "r-1", &Done::TRUE).unwrap(), expected);
    let empty = response("DescribeInstances", "2016-11-15", "r-1", &Answer::default()).unwrap();
    assert!(empty.ends_with("<requestId>r-1</requestId><reservationSet/></DescribeInstancesResponse>"), "{empty}");
    assert!(response("A", "2016-11-15", "r-1", &()).unwrap().ends_with("</requestId></AResponse>"));
}

#[test]
fn a_version_is_a_date_or_ours() {
    for version in ["", "latest", "2016-11-1x", "\"><x/>", "2016-11-155"] {
        let text = response("A", version, "r", &Done::TRUE).unwrap();
        assert!(text.contains("xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"), "{text}");
    }
}

#[test]
fn errors_have_their_own_form() {
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code>\
        <Message>The instance ID 'i-&lt;1&gt;' does not exist</Message></Error></Errors>\
        <RequestID>r-1</RequestID></Response>";
    assert_eq!(error("InvalidInstanceID.NotFound", "The instance ID 'i-<1>' does not exist", "r-1"), expected);
}

#[test]
fn times_stay_in_the_calendar() {
    assert_eq!(Time(Timestamp(0)).to_string(), "1970-01-01T00:00:00.000Z");
    assert_eq!(Time(Timestamp(1)).to_string(), "1970-01-01T00:00:00.001Z");
    assert!(Time(Timestamp(u64::MAX)).to_string().starts_with("9999-12-"));
}

#[test]
fn what_has_no_form_is_an_error() {
    #[derive(Serialize)]
    struct Strange {
        pair: (u8, u8),
    }
    assert!(response("A", "", "r", &Strange { pair: (1, 2) }).is_err());
    assert!(response("A", "", "r", &vec![1]).is_err());
    assert!(response("A", "", "r", &"text").is_err());
}

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    text: String,
}

/// What XML 1.0 may hold.
fn holdable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

proptest! {
    #[test]
    fn others_read_what_is_written(text in "\\PC{0,40}|[\\x00-\\x20<>&;]{0,40}|(\u{fffe}|\u{ffff}|a){0,9}") {
        let written = response("A", "", "r", &Text { text: text.clone() }).unwrap();
        let read: Text = quick_xml::de::from_str(&written).unwrap();
        let kept: String = text.chars().filter(|&c| holdable(c)).collect();
        // This reader cuts white space off at both ends.
        prop_assert_eq!(read.text.trim(), kept.trim());
    }
}

#[test]
fn a_thousand_instances_are_quick() {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wide {
        one: Instance,
        two: Instance,
        three: Instance,
        four: Instance,
    }
    let wide =
        |number| Wide { one: instance(number), two: instance(number), three: instance(number), four: instance(number) };
    #[derive(Serialize)]
    struct Many {
        set: Set<Wide>,
    }
    let many = Many { set: (0..1000).map(wide).collect() };
    let begun = std::time::Instant::now();
    let text = response("A", "", "r", &many).unwrap();
    let took = begun.elapsed();
    assert!(text.len() > 1_000_000 && took.as_millis() < 500, "{} bytes in {took:?}", text.len());
}
