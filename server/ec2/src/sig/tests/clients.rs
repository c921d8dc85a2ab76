//! Requests as clients send them, signed by their own code.

use super::*;

macro_rules! recorded {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../fuzz/seeds/request/", $name, ".http")))),*]
    };
}

const V4: &[(&str, &str)] = recorded! {
    "euca2ools-run-instances" "euca2ools-describe-images"
    "boto3-run-instances" "boto3-describe-instances" "boto3-path"
    "boto2-sigv4" "boto2-sigv4-get"
};
const V4_PRESIGNED: &[(&str, &str)] = recorded! { "boto3-presigned" };
const V2: &[(&str, &str)] = recorded! {
    "boto3-sigv2-post" "boto2-sigv2-post" "boto2-sigv2-get" "script-sigv2-get"
};

fn all() -> impl Iterator<Item = (&'static str, Request, Scheme)> {
    let schemes = [(V4, Scheme::V4), (V4_PRESIGNED, Scheme::V4Presigned), (V2, Scheme::V2)];
    let rows = schemes.into_iter().flat_map(|(rows, scheme)| rows.iter().map(move |row| (row, scheme)));
    rows.map(|((name, text), scheme)| (*name, Request::parse(text), scheme))
}

#[test]
fn they_are_believed() {
    for (name, request, scheme) in all() {
        let signed = request.verify(NOW, &rules()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(signed, Signed { access_key: KEY.into(), scheme }, "{name}");
    }
}

#[test]
fn not_with_another_key_or_secret() {
    for (name, request, _) in all() {
        let headers: Vec<Header<'_>> =
            request.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        let params = request.params().unwrap();
        let Request { method, path, query, body, .. } = &request;
        let received = Received { method, path, query, headers: &headers, body, params: &params };
        let unknown = verify(&received, NOW, &rules(), |_| None).unwrap_err();
        let wrong = verify(&received, NOW, &rules(), |_| Some("another".into())).unwrap_err();
        assert_eq!(unknown, wrong, "{name}");
        assert_eq!((wrong.code, wrong.status()), (Code::AuthFailure, 401), "{name}");
        assert_eq!(claimed_key(&received), KEY, "{name}");
    }
}

#[test]
fn not_long_after() {
    let minutes = |minutes: u64| NOW.plus_ms(minutes * 60_000);
    for (name, request, scheme) in all() {
        let lasts = if request.query.contains("Expires=") { 55 } else { 15 };
        assert!(request.verify(minutes(lasts), &rules()).is_ok(), "{name}");
        assert_eq!(request.refused(minutes(61), &rules()), "RequestExpired", "{name}");
        if lasts == 15 {
            assert_eq!(request.refused(minutes(16), &rules()), "RequestExpired", "{name}");
        }
        let early = Timestamp(NOW.0 - 16 * 60_000);
        match scheme {
            Scheme::V2 if lasts == 55 => assert!(request.verify(early, &rules()).is_ok(), "{name}"),
            _ => assert_eq!(request.refused(early, &rules()), "RequestExpired", "{name}"),
        }
    }
}

#[test]
fn version_2_is_a_switch() {
    for (name, request, scheme) in all() {
        let verified = request.verify(NOW, &Rules::default());
        assert_eq!(verified.is_ok(), scheme != Scheme::V2, "{name}");
    }
}

#[test]
fn a_strict_site_wants_its_own_region() {
    let strict = Rules { region: Some("garr".into()), ..rules() };
    for (name, request, scheme) in all() {
        let verified = request.verify(NOW, &strict);
        assert_eq!(verified.is_ok(), scheme == Scheme::V2 || name.starts_with("boto3"), "{name}");
    }
}
