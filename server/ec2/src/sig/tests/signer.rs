//! The client's side, written apart from ours and only for tests.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::*;

pub fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

pub fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn canonical(request: &Request, params: &[(String, String)], signed: &[&str], payload: &str) -> String {
    let mut query: Vec<_> = params.iter().map(|(name, value)| format!("{}={}", quote(name), quote(value))).collect();
    // By name and then by value, which differs from sorting lines where a name begins another.
    query.sort_by(|a, b| a.split_once('=').cmp(&b.split_once('=')));
    let headers: String = signed
        .iter()
        .map(|name| {
            let value = &request.headers.iter().find(|(given, _)| given == name).unwrap().1;
            format!("{name}:{}\n", String::from_utf8(value.clone()).unwrap())
        })
        .collect();
    let Request { method, path, .. } = request;
    format!("{method}\n{path}\n{}\n{headers}\n{}\n{payload}", query.join("&"), signed.join(";"))
}

fn signature(canonical: &str, region: &str) -> String {
    let hash = hex::encode(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n20260102T030405Z\n20260102/{region}/ec2/aws4_request\n{hash}");
    let mut key = hmac(format!("AWS4{SECRET}").as_bytes(), "20260102");
    for part in [region, "ec2", "aws4_request"] {
        key = hmac(&key, part);
    }
    hex::encode(hmac(&key, &text))
}

/// Signs in the header; `params` is what the query says.
pub fn by_header(request: &mut Request, params: &[(String, String)], region: &str) {
    let mut names: Vec<String> = request.headers.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    let signed: Vec<&str> = names.iter().map(String::as_str).collect();
    let payload = hex::encode(Sha256::digest(&request.body));
    let signature = signature(&canonical(request, params, &signed, &payload), region);
    let text = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20260102/{region}/ec2/aws4_request, SignedHeaders={}, Signature={signature}",
        signed.join(";")
    );
    request.headers.push(("authorization".into(), text.into()));
}

/// Signs in the query, for an hour.
pub fn by_query(request: &mut Request, params: &[(String, String)], region: &str) {
    let mut params = params.to_vec();
    for (name, value) in [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &format!("{KEY}/20260102/{region}/ec2/aws4_request")),
        ("X-Amz-Date", "20260102T030405Z"),
        ("X-Amz-Expires", "3600"),
        ("X-Amz-SignedHeaders", "host"),
    ] {
        params.push((name.into(), value.into()));
    }
    let payload = hex::encode(Sha256::digest(&request.body));
    let signature = signature(&canonical(request, &params, &["host"], &payload), region);
    params.push(("X-Amz-Signature".into(), signature));
    let query: Vec<_> = params.iter().map(|(name, value)| format!("{}={}", quote(name), quote(value))).collect();
    request.query = query.join("&");
}
