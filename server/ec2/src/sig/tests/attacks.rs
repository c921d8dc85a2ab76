//! Requests that somebody changed on the way, or that never were whole.

use super::*;

const EUCA: &str = include_str!("../../../fuzz/seeds/request/euca2ools-run-instances.http");
const BOTO3: &str = include_str!("../../../fuzz/seeds/request/boto3-run-instances.http");
const PRESIGNED: &str = include_str!("../../../fuzz/seeds/request/boto3-presigned.http");
const V2_POST: &str = include_str!("../../../fuzz/seeds/request/boto2-sigv2-post.http");
const V2_GET: &str = include_str!("../../../fuzz/seeds/request/script-sigv2-get.http");

fn changed(text: &str, change: impl FnOnce(&mut Request)) -> &'static str {
    let mut request = Request::parse(text);
    assert!(request.verify(NOW, &rules()).is_ok());
    change(&mut request);
    request.refused(NOW, &rules())
}

fn authorization(from: &str, to: &str) -> &'static str {
    changed(BOTO3, |request| request.replace_header("authorization", from, to))
}

#[test]
fn signatures_that_are_not_whole() {
    let mut request = Request::parse(BOTO3);
    let text = String::from_utf8(request.header("authorization").clone()).unwrap();
    let (_, signature) = text.rsplit_once('=').unwrap();
    assert_eq!(authorization(signature, &signature[..63]), "AuthFailure");
    assert_eq!(authorization(signature, &signature.to_uppercase()), "AuthFailure");
    assert_eq!(authorization(signature, &format!("{signature}0")), "AuthFailure");
    assert_eq!(authorization(signature, ""), "IncompleteSignature");
    assert_eq!(authorization(&format!(", Signature={signature}"), ""), "IncompleteSignature");
    assert_eq!(authorization("SignedHeaders", "Signatures"), "IncompleteSignature");
    assert_eq!(authorization(", Signature", ", Credential=x, Signature"), "IncompleteSignature");
    assert_eq!(authorization("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"), "AuthFailure");
    assert_eq!(authorization("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 "), "AuthFailure");
}

#[test]
fn scopes_that_do_not_fit() {
    assert_eq!(authorization("/20260102/", "/20260103/"), "AuthFailure");
    assert_eq!(authorization("/20260102/", "//"), "AuthFailure");
    assert_eq!(authorization("/garr/", "/other/"), "AuthFailure");
    assert_eq!(authorization("aws4_request", "aws5_request"), "IncompleteSignature");
    assert_eq!(authorization("/ec2/aws4_request", "/aws4_request"), "IncompleteSignature");
    assert_eq!(authorization("aws4_request", "aws4_request/x"), "IncompleteSignature");
    assert_eq!(authorization(KEY, "AKIAIOSFODNN7EXAMPLF"), "AuthFailure");
}

#[test]
fn headers_that_are_missing_or_not_signed() {
    assert_eq!(authorization(";host;", ";"), "IncompleteSignature");
    assert_eq!(authorization(";x-amz-date", ""), "IncompleteSignature");
    assert_eq!(authorization("content-type;", "content-type;content-type;"), "IncompleteSignature");
    assert_eq!(authorization("content-type;", "content-type;nothing;"), "AuthFailure");
    assert_eq!(authorization("content-type;", "Content-Type;"), "AuthFailure");
    let without = |name: &'static str| changed(EUCA, move |request| request.headers.retain(|(given, _)| given != name));
    for name in ["host", "accept", "accept-encoding", "content-length", "x-amz-content-sha256"] {
        assert_eq!(without(name), "AuthFailure", "{name}");
    }
    assert_eq!(without("x-amz-date"), "IncompleteSignature");
    assert_eq!(without("authorization"), "AuthFailure");
    let with = |name: &str, value: &str| changed(BOTO3, |request| request.headers.push((name.into(), value.into())));
    assert_eq!(with("x-amz-target", "x"), "IncompleteSignature");
    assert_eq!(with("x-amz-date", "20260102T030405Z"), "IncompleteSignature");
    assert_eq!(with("host", "elsewhere"), "AuthFailure");
    assert_eq!(with("authorization", "Basic eA=="), "IncompleteSignature");
}

#[test]
fn what_is_not_signed_may_change() {
    let mut request = Request::parse(BOTO3);
    request.headers.push(("x-forwarded-for".into(), b"192.0.2.1".to_vec()));
    request.headers.push(("x-amzn-trace-id".into(), b"Root=1".to_vec()));
    request.header("user-agent").clear();
    request.headers.reverse();
    // White space does not count.
    *request.header("content-type") = b" application/x-www-form-urlencoded;   charset=utf-8 ".to_vec();
    assert!(request.verify(NOW, &rules()).is_ok());
}

#[test]
fn bodies_and_queries_that_changed() {
    for text in [EUCA, BOTO3, V2_POST] {
        assert_eq!(changed(text, |request| request.body.extend(b"&X=1")), "AuthFailure");
        assert_eq!(changed(text, |request| request.query = "DryRun=false".into()), "AuthFailure");
        assert_eq!(changed(text, |request| request.method = "PUT".into()), "AuthFailure");
        assert_eq!(changed(text, |request| request.path = "/services/Cloud".into()), "AuthFailure");
    }
    for text in [PRESIGNED, V2_GET] {
        assert_eq!(changed(text, |request| request.query.push_str("&X=1")), "AuthFailure");
        assert_eq!(changed(text, |request| request.body = b"X=1".to_vec()), "AuthFailure");
        assert_eq!(changed(text, |request| request.method = "POST".into()), "AuthFailure");
    }
    let moved = |request: &mut Request| request.query = String::from_utf8(std::mem::take(&mut request.body)).unwrap();
    assert_eq!(changed(BOTO3, moved), "AuthFailure");
}

#[test]
fn hashes_that_are_not_of_the_body() {
    let hash =
        |value: &'static str| changed(EUCA, move |request| *request.header("x-amz-content-sha256") = value.into());
    assert_eq!(hash("UNSIGNED-PAYLOAD"), "AuthFailure");
    assert_eq!(hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "AuthFailure");
    assert_eq!(hash(""), "AuthFailure");
}

#[test]
fn a_body_may_be_left_out_where_that_is_allowed() {
    let allowed = Rules { unsigned_payload: true, ..rules() };
    let host = ("host".to_owned(), b"cloud".to_vec());
    let date = ("x-amz-date".to_owned(), b"20260102T030405Z".to_vec());
    let hash = ("x-amz-content-sha256".to_owned(), b"UNSIGNED-PAYLOAD".to_vec());
    let mut request = Request {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        headers: vec![host, hash, date],
        body: b"Action=DescribeRegions".to_vec(),
    };
    // Made by other code than ours.
    let text = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20260102/r/ec2/aws4_request,\
         SignedHeaders=host;x-amz-content-sha256;x-amz-date,\
         Signature=4db4a11ccdff302637e5cd219285d5f16d004b938d7ab9041fe02dd13a2de4af"
    );
    request.headers.push(("authorization".into(), text.into()));
    assert!(request.verify(NOW, &allowed).is_ok());
    assert_eq!(request.refused(NOW, &rules()), "AuthFailure");
}

#[test]
fn dates_that_are_none() {
    let date = |value: &'static str| changed(BOTO3, move |request| *request.header("x-amz-date") = value.into());
    assert_eq!(date("20260102T030406Z"), "AuthFailure");
    assert_eq!(date("20260102T999999Z"), "IncompleteSignature");
    assert_eq!(date("2026-01-02T03:04:05Z"), "IncompleteSignature");
    assert_eq!(date(""), "IncompleteSignature");
    assert_eq!(date("20250102T030405Z"), "RequestExpired");
}

#[test]
fn presigned_requests_that_lack_or_stretch_something() {
    let replaced = |from: &str, to: &str| {
        changed(PRESIGNED, |request| {
            assert!(request.query.contains(from), "{from}");
            request.query = request.query.replace(from, to);
        })
    };
    for name in ["Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        assert_eq!(replaced(&format!("X-Amz-{name}="), &format!("X-Amz-{name}s=")), "IncompleteSignature", "{name}");
    }
    assert_eq!(replaced("X-Amz-Algorithm", "X-Amz-Algorithms"), "AuthFailure");
    assert_eq!(replaced("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), "IncompleteSignature");
    assert_eq!(replaced("Expires=3600", "Expires=604800"), "AuthFailure");
    for seconds in ["604801", "0", "-1", "99999999999999999999", "1h"] {
        assert_eq!(replaced("Expires=3600", &format!("Expires={seconds}")), "IncompleteSignature", "{seconds}");
    }
    assert_eq!(replaced("SignedHeaders=host", "SignedHeaders=user-agent"), "IncompleteSignature");
    assert_eq!(replaced("X-Amz-Date=2026", "X-Amz-Date=2027"), "RequestExpired");
}

#[test]
fn session_tokens() {
    let by_header = |request: &mut Request| request.headers.push(("x-amz-security-token".into(), b"t".to_vec()));
    // Not signed; signed or not, it would not do.
    assert_eq!(changed(BOTO3, by_header), "IncompleteSignature");
    assert_eq!(changed(BOTO3, |request| request.query = "X-Amz-Security-Token=t".into()), "AuthFailure");
    assert_eq!(changed(PRESIGNED, |request| request.query.push_str("&X-Amz-Security-Token=t")), "AuthFailure");
    assert_eq!(changed(V2_POST, |request| request.body.extend(b"&SecurityToken=t")), "AuthFailure");
}

#[test]
fn no_credentials_or_others() {
    let plain = |header: Option<&str>, query: &str| {
        let headers = header.map(|value| ("authorization".to_owned(), value.into())).into_iter().collect();
        let (method, path) = ("GET".into(), "/".into());
        Request { method, path, query: query.into(), headers, body: Vec::new() }.refused(NOW, &rules())
    };
    assert_eq!(plain(None, "Action=DescribeRegions"), "AuthFailure");
    assert_eq!(plain(Some("Basic eDp5"), "Action=DescribeRegions"), "AuthFailure");
    assert_eq!(plain(Some("AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl"), "Action=DescribeRegions"), "AuthFailure");
    assert_eq!(plain(Some(""), "Action=DescribeRegions"), "AuthFailure");
    assert_eq!(plain(None, "Action=DescribeRegions&SignatureVersion=1&Signature=x"), "AuthFailure");
    assert_eq!(plain(None, "Action=DescribeRegions&SignatureVersion=2"), "IncompleteSignature");
}

#[test]
fn version_2_in_parts() {
    let body = |from: &str, to: &str| {
        changed(V2_POST, |request| {
            let text = String::from_utf8(request.body.clone()).unwrap();
            assert!(text.contains(from), "{from}");
            request.body = text.replace(from, to).into();
        })
    };
    assert_eq!(body("Timestamp=2026-01-02", "Timestamp=2026-01-03"), "RequestExpired");
    assert_eq!(body("Timestamp=2026-01-02", "Timestamp=yesterday"), "IncompleteSignature");
    assert_eq!(body("Timestamp=", "Time="), "IncompleteSignature");
    assert_eq!(body("HmacSHA256", "HmacSHA1"), "AuthFailure");
    assert_eq!(body("HmacSHA256", "HmacMD5"), "IncompleteSignature");
    assert_eq!(body("AWSAccessKeyId=AKIA", "AWSAccessKeyId=BKIA"), "AuthFailure");
    assert_eq!(body("&Version=", "&Expires=2026-01-02T04%3A00%3A00Z&Version="), "InvalidParameterCombination");
    assert_eq!(body("&Version=", "&Version=1&Versions="), "AuthFailure");
    assert_eq!(changed(V2_POST, |request| *request.header("host") = b"127.0.0.2".to_vec()), "AuthFailure");
    assert_eq!(changed(V2_POST, |request| request.headers.clear()), "IncompleteSignature");
    let far = |request: &mut Request| request.query = request.query.replace("Expires=2026", "Expires=2036");
    assert_eq!(changed(V2_GET, far), "RequestExpired");
}
