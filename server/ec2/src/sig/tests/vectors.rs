//! In the style of Amazon's suite: the worked example of its documentation, and requests with whatever
//! is hard to bring into one form. Their signatures were made by other code than ours.

use super::*;

/// Credentials and moment of the example.
fn verify_example(request: &Request) -> Result<Signed, Fault> {
    let headers: Vec<Header<'_>> = request.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
    let params = Params::default();
    let Request { method, path, query, body, .. } = request;
    let received = Received { method, path, query, headers: &headers, body, params: &params };
    let now = moment::basic("20150830T123600Z").unwrap();
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    verify(&received, now, &Rules::default(), |key| (key == "AKIDEXAMPLE").then(|| secret.into()))
}

#[test]
fn the_documented_example() {
    let text = "GET /?Action=ListUsers&Version=2010-05-08 HTTP/1.1\n\
        Content-Type: application/x-www-form-urlencoded; charset=utf-8\n\
        Host: iam.amazonaws.com\n\
        X-Amz-Date: 20150830T123600Z\n\
        Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
        SignedHeaders=content-type;host;x-amz-date, \
        Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7\n\n";
    assert_eq!(verify_example(&Request::parse(text)).unwrap().access_key, "AKIDEXAMPLE");
}

/// Query, further headers, what is signed, and the signature.
const GETS: &[(&str, &str, &str, &str)] = &[
    ("", "", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
        "Param2=value2&Param1=value1",
        "",
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "Param1=value2&Param1=value1&Param1",
        "",
        "host;x-amz-date",
        "593492d3ab742ebd4f836e9d691e9b09c00713319b152c7c1e11167c3a131c30",
    ),
    (
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=\
         -._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "",
        "host;x-amz-date",
        "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
    ),
    ("ሴ=bar", "", "host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("%e1%88%b4=bar", "", "host;x-amz-date", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ("a+b=c%20d%2Be/f", "", "host;x-amz-date", "989aad03749a1d4b8668053025f3bff0819d86da564d8f22064f522613f95ad6"),
    // A name that begins another comes first, whatever follows.
    (
        "fooA=4&foo.1=2&foo=1&foo-1=3",
        "",
        "host;x-amz-date",
        "b40e1d0b8474120d827afc013860fe830e6d43c055ae65a8bdb7f27634b7bbaa",
    ),
    (
        "",
        "My-Header1: value2\nMy-Header1: value2\nMy-Header1: value1\n",
        "host;my-header1;x-amz-date",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    (
        "",
        "My-Header1:  value1\nMy-Header2: \"a   b   c\"\nAnother: is not signed\n",
        "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
];

fn example(first: &str, headers: &str, signed: &str, signature: &str, body: &str) -> Request {
    Request::parse(&format!(
        "{first} HTTP/1.1\nHost: example.amazonaws.com\n{headers}X-Amz-Date: 20150830T123600Z\nAuthorization: \
         AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={signed}, \
         Signature={signature}\n\n{body}"
    ))
}

#[test]
fn gets() {
    for (query, headers, signed, signature) in GETS {
        let request = example(&format!("GET /?{query}"), headers, signed, signature, "");
        let verified = verify_example(&request);
        assert!(verified.is_ok(), "{query} {headers}: {verified:?}");
        let other = Request { method: "POST".into(), ..request };
        assert_eq!(verify_example(&other).unwrap_err().code, Code::AuthFailure);
    }
}

#[test]
fn posts() {
    let signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    assert!(verify_example(&example("POST /", "", "host;x-amz-date", signature, "")).is_ok());
    let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
    let headers = "Content-Type: application/x-www-form-urlencoded\n";
    let request = example("POST /", headers, "content-type;host;x-amz-date", signature, "Param1=value1");
    assert!(verify_example(&request).is_ok());
}

#[test]
fn the_date_may_come_in_its_own_header() {
    let text = "GET / HTTP/1.1\nHost: example.amazonaws.com\nDate: Sun, 30 Aug 2015 12:36:00 GMT\nAuthorization: \
        AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request,SignedHeaders=date;host,\
        Signature=1262aceaf1a79c7f0b69fda81cd744572fcbe2e4c23b647b4de183cd5a0f1075\n\n";
    assert!(verify_example(&Request::parse(text)).is_ok());
}
