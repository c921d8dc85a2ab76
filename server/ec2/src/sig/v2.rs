//! Version 2: over method, host, path and parameters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cascina_core::units::Timestamp;
use secrecy::SecretString;

use super::{Received, Rules, Scheme, Signed, canonical, expired, incomplete, mac, moment, no_sessions};
use crate::code::Code;
use crate::fault::Fault;

/// Seven days, as with version 4; Amazon sets no limit here.
const LONGEST_MS: u64 = 7 * 24 * 3600 * 1000;

pub fn verify(
    received: &Received<'_>,
    now: Timestamp,
    rules: &Rules,
    find: impl Fn(&str) -> Option<SecretString>,
) -> Result<Signed, Fault> {
    if !rules.sigv2 {
        let text = "Signatures of version 2 are not accepted here; use version 4, or ask an admin to allow them";
        return Err(Code::AuthFailure.fault(text));
    }
    let field = |name: &str| {
        let given = received.params.get(name).filter(|value| !value.is_empty());
        given.ok_or_else(|| incomplete(&format!("The request must contain the parameter {name}")))
    };
    let (access_key, signature) = (field("AWSAccessKeyId")?, field("Signature")?);
    let sign = match field("SignatureMethod")? {
        "HmacSHA256" => |secret: &[u8], text: &[u8]| STANDARD.encode(mac::sha256(secret, text)),
        "HmacSHA1" => |secret: &[u8], text: &[u8]| STANDARD.encode(mac::sha1(secret, text)),
        _ => return Err(incomplete("SignatureMethod must be HmacSHA256 or HmacSHA1")),
    };
    if received.params.get("SecurityToken").is_some() {
        return Err(no_sessions());
    }
    check_time(received, now, rules)?;
    let host = received.only("host")?.ok_or_else(|| incomplete("The request must have the header host"))?;
    let host = host.to_lowercase();
    // Query and body alike, so that nothing can be added to a request that was signed.
    let others = received.params.iter().filter(|(name, _)| *name != "Signature");
    let mut others: Vec<_> = others.collect();
    others.sort_unstable();
    let line: Vec<_> = others
        .iter()
        .map(|(name, value)| format!("{}={}", canonical::escape(name.as_bytes()), canonical::escape(value.as_bytes())))
        .collect();
    let line = line.join("&");
    let good = mac::is_signed(find(access_key), |secret| {
        let signed_for = |host: &str| {
            let text = format!("{}\n{host}\n{}\n{line}", received.method, canonical::path(received.path));
            mac::same(signature, &sign(secret.as_bytes(), text.as_bytes()))
        };
        // Some clients sign the host without its port.
        signed_for(&host) | signed_for(without_port(&host))
    });
    if good { Ok(Signed { access_key: access_key.into(), scheme: Scheme::V2 }) } else { Err(Fault::credentials()) }
}

/// `example.org:8080` and `[2001:db8::1]:8080`, but not the end of `[2001:db8::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A request is signed either at a time or until one.
fn check_time(received: &Received<'_>, now: Timestamp, rules: &Rules) -> Result<(), Fault> {
    let read = |name: &str, text: &str| {
        moment::extended(text).ok_or_else(|| incomplete(&format!("{name} must be like 2026-01-02T03:04:05Z")))
    };
    match (received.params.get("Timestamp"), received.params.get("Expires")) {
        (Some(text), None) if now.0.abs_diff(read("Timestamp", text)?.0) <= rules.skew_ms => Ok(()),
        (Some(_), None) => Err(expired("Request has expired. Its Timestamp is too far from now")),
        (None, Some(text)) => {
            let end = read("Expires", text)?;
            if now > end {
                Err(expired("Request has expired"))
            } else if end > now.plus_ms(LONGEST_MS) {
                Err(expired("Expires must be within seven days"))
            } else {
                Ok(())
            }
        }
        (Some(_), Some(_)) => {
            Err(Code::InvalidParameterCombination.fault("Timestamp and Expires cannot be used together"))
        }
        (None, None) => Err(incomplete("The request must contain the parameter Timestamp or Expires")),
    }
}
