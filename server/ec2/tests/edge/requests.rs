//! What is the same for all actions.

use axum::Router;
use axum::body::Body;
use axum::http::Request;

use crate::client::send;
use crate::site::TestSite;

#[tokio::test]
async fn actions_that_are_not_there() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let client = &farm.client;
    assert_eq!(client.post("Version=2016-11-15").await.code(400), "MissingAction");
    let (code, message) = client.call("DescribeEverything", &[]).await.refused(400);
    assert_eq!((code.as_str(), message.contains("DescribeEverything")), ("InvalidAction", true));
    let (code, message) = client.call("CreateTransitGateway", &[]).await.refused(400);
    assert_eq!((code.as_str(), message.contains("CreateTransitGateway")), ("UnsupportedOperation", true));
}

#[tokio::test]
async fn parameters_that_are_wrong() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let call = async |params: &[(&str, &str)]| farm.client.call("DescribeRegions", params).await;
    let (code, message) = call(&[("Colour.1", "red")]).await.refused(400);
    assert_eq!((code.as_str(), message.as_str()), ("UnknownParameter", "The parameter Colour.1 is not recognized"));
    assert_eq!(call(&[("Filter.1.Value.1", "x")]).await.code(400), "MissingParameter");
    assert_eq!(
        call(&[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "x")]).await.code(400),
        "InvalidParameterValue"
    );
    assert_eq!(call(&[("RegionName.1", "mars")]).await.code(400), "InvalidParameterValue");
    assert_eq!(call(&[("DryRun", "maybe")]).await.code(400), "InvalidParameterValue");
    assert_eq!(call(&[("Action", "DescribeRegions")]).await.code(400), "InvalidParameterValue");
    assert_eq!(farm.client.post("Action=DescribeRegions&x=%zz").await.code(400), "MalformedQueryString");
}

#[tokio::test]
async fn a_dry_run_fails_where_it_would_have_succeeded() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let (code, message) = farm.client.call("DescribeRegions", &[("DryRun", "true")]).await.refused(412);
    assert_eq!(code, "DryRunOperation");
    assert_eq!(message, "Request would have succeeded, but DryRun flag is set.");
    farm.client.call("DescribeRegions", &[("DryRun", "False")]).await.good();
    let wrong = [("DryRun", "true"), ("RegionName.1", "mars")];
    assert_eq!(farm.client.call("DescribeRegions", &wrong).await.code(400), "InvalidParameterValue");
}

#[tokio::test]
async fn a_version_chooses_the_name_space() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let old = farm.client.post("Action=DescribeRegions&Version=2015-10-01").await.good();
    assert!(old.contains("<DescribeRegionsResponse xmlns=\"http://ec2.amazonaws.com/doc/2015-10-01/\">"), "{old}");
    let none = farm.client.post("Action=DescribeRegions").await.good();
    assert!(none.contains("http://ec2.amazonaws.com/doc/2016-11-15/"), "{none}");
}

#[tokio::test]
async fn it_answers_wherever_it_is_mounted() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let router = Router::new().merge(site.edge.under("/services/Cloud")).merge(site.edge.under("/ec2"));
    let router = router.nest("/nested", site.edge.router());
    for path in ["/services/Cloud", "/services/Cloud/", "/ec2", "/ec2/", "/ec2/deeper/still", "/nested", "/nested/a"] {
        let mut client = farm.client.through(router.clone());
        client.path = path.into();
        client.call("DescribeRegions", &[]).await.good();
    }
}

#[tokio::test]
async fn whatever_comes_is_answered_in_xml() {
    let site = TestSite::new().await;
    let router = site.edge.router();
    for (method, uri, code) in [
        ("GET", "/", "MissingAction"),
        ("GET", "/favicon.ico", "MissingAction"),
        ("PUT", "/?Action=DescribeRegions", "InvalidAction"),
        ("DELETE", "/", "InvalidAction"),
        ("GET", "/?Action=%ff", "MalformedQueryString"),
    ] {
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        assert_eq!(send(&router, request).await.code(400), code, "{method} {uri}");
    }
}
