//! Whatever is signed is believed, and whatever byte of it changes is not.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Where a byte may change.
#[derive(Debug, Clone, Copy)]
enum Place {
    Method,
    Path,
    Query,
    Body,
    Header,
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-zA-Z0-9.]{1,12}", "[ -~]{1,12}", "\\PC{1,8}"]
}

fn request() -> impl Strategy<Value = (Request, Vec<(String, String)>)> {
    let params = btree_map("[A-Za-z.1-9-]{1,10}|\\PC{1,5}", text(), 0..6);
    let headers = btree_map("[a-z-]{1,8}", "[!-~]{0,12}", 0..4);
    let method = prop_oneof![Just("GET"), Just("POST")];
    let path = "(/[a-zA-Z]{0,8}){1,2}";
    let made = (method, path, params, headers, vec(any::<u8>(), 0..40), 0_u8..3);
    made.prop_map(|(method, path, params, headers, body, style)| {
        let params: Vec<_> = params.into_iter().filter(|(name, _)| !name.starts_with("X-Amz-")).collect();
        let quote = |text: &str| match style {
            0 => signer::quote(text),
            1 => signer::quote(text).replace("%20", "+"),
            // As browsers leave it.
            _ => signer::quote(text).replace("%2F", "/").replace("%3A", ":").replace("%2A", "*"),
        };
        let query: Vec<_> =
            params.iter().rev().map(|(name, value)| format!("{}={}", quote(name), quote(value))).collect();
        let mut headers: Vec<_> = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        headers.retain(|(name, _)| !["authorization", "host", "date"].contains(&name.as_str()));
        headers.push(("host".into(), b"cloud.example.org:8773".to_vec()));
        headers.push(("x-amz-date".into(), b"20260102T030405Z".to_vec()));
        // Of text, so that it can also be read as parameters.
        let body: String = body.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        let request = Request { method: method.into(), path, query: query.join("&"), headers, body: body.into_bytes() };
        (request, params)
    })
}

/// The bytes of a place, and a way to put them back.
fn change(request: &mut Request, place: Place, which: Index, change: impl FnOnce(&mut Vec<u8>)) {
    let text = |text: &mut String, change: &mut dyn FnMut(&mut Vec<u8>)| {
        let mut bytes = std::mem::take(text).into_bytes();
        change(&mut bytes);
        // What is not UTF-8 does not get this far.
        *text = String::from_utf8(bytes).unwrap_or_else(|bytes| String::from_utf8_lossy(&bytes.into_bytes()).into());
    };
    let mut once = Some(change);
    let mut change = |bytes: &mut Vec<u8>| {
        if let Some(change) = once.take() {
            change(bytes);
        }
    };
    match place {
        Place::Method => text(&mut request.method, &mut change),
        Place::Path => text(&mut request.path, &mut change),
        Place::Query => text(&mut request.query, &mut change),
        Place::Body => change(&mut request.body),
        Place::Header => {
            let count = request.headers.len();
            change(&mut request.headers[which.index(count)].1);
        }
    }
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(Place::Method), Just(Place::Path), Just(Place::Query), Just(Place::Body), Just(Place::Header)]
}

/// A header's value as it counts.
fn trimmed(value: &[u8]) -> Vec<&[u8]> {
    value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).collect()
}

/// Two spellings of the same, such as `%2f` and `%2F`.
fn means_the_same(a: &Request, b: &Request) -> bool {
    let headers = |request: &Request| {
        let rows = request.headers.iter();
        let rows = rows.map(|(name, value)| (name.clone(), trimmed(value).join(&b' ')));
        rows.collect::<Vec<_>>()
    };
    let same_query =
        match (Params::parse(&a.query, b"", &Limits::default()), Params::parse(&b.query, b"", &Limits::default())) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        };
    same_query && a.body == b.body && a.method == b.method && a.path == b.path && headers(a) == headers(b)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn in_the_header((request, params) in request(), place in place(), which: Index, at: Index, bit in 0_u32..8) {
        let mut signed = request;
        signer::by_header(&mut signed, &params, "anywhere");
        prop_assume!(signed.params().is_ok());
        let verified = signed.verify(NOW, &rules());
        prop_assert!(verified.is_ok(), "{verified:?}");
        let mut other = signed.clone();
        change(&mut other, place, which, |bytes| if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        });
        prop_assume!(!means_the_same(&signed, &other));
        let refused = other.verify(NOW, &rules());
        prop_assert!(refused.as_ref().is_err_and(|fault| fault.status() < 500), "{refused:?}");
    }

    #[test]
    fn in_the_query((request, params) in request(), place in place(), which: Index, at: Index, bit in 0_u32..8) {
        let mut signed = request;
        signed.headers.retain(|(name, _)| name == "host");
        signer::by_query(&mut signed, &params, "anywhere");
        prop_assume!(signed.params().is_ok());
        let verified = signed.verify(NOW, &rules());
        prop_assert!(verified.is_ok(), "{verified:?}");
        let mut other = signed.clone();
        change(&mut other, place, which, |bytes| if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        });
        prop_assume!(!means_the_same(&signed, &other));
        let refused = other.verify(NOW, &rules());
        prop_assert!(refused.as_ref().is_err_and(|fault| fault.status() < 500), "{refused:?}");
    }
}
