//! Version 4: over method, path, query, the headers that the client chose, and the body.

use std::collections::HashSet;

use cascina_core::units::Timestamp;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::{Received, Rules, Scheme, Signed, canonical, expired, incomplete, mac, moment, no_sessions};
use crate::code::Code;
use crate::fault::Fault;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// Seven days, the longest that a request may be signed for.
const LONGEST_S: u64 = 7 * 24 * 3600;

/// What a client says of its signature.
struct Claim<'a> {
    access_key: &'a str,
    scope: Scope<'a>,
    /// The names of the headers that count.
    signed: Vec<&'a str>,
    signature: &'a str,
    /// As `20260102T030405Z`.
    date: &'a str,
}

/// What the key is derived for, by turns.
struct Scope<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

/// `Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
pub fn by_header(
    received: &Received<'_>,
    header: &str,
    now: Timestamp,
    rules: &Rules,
    find: impl Fn(&str) -> Option<SecretString>,
) -> Result<Signed, Fault> {
    let Some(fields) = header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', '\t'])) else {
        return Err(Code::AuthFailure.fault(format!("The header authorization must begin with {ALGORITHM}")));
    };
    let [credential, signed, signature] = fields_of(fields)?;
    let given = received.only("x-amz-date")?;
    let (at, date) = if let Some(text) = given {
        (moment::basic(text), Some(text.to_owned()))
    } else {
        let at = received.only("date")?.and_then(moment::of_header);
        (at, at.and_then(moment::to_basic))
    };
    let (Some(at), Some(date)) = (at, date) else {
        return Err(incomplete("The request must have a valid header x-amz-date, such as 20260102T030405Z"));
    };
    if now.0.abs_diff(at.0) > rules.skew_ms {
        return Err(expired(&format!("Request has expired. It was signed at {date}")));
    }
    let (access_key, scope) = credential_of(credential)?;
    let claim = Claim { access_key, scope, signed: headers_of(received, signed)?, signature, date: &date };
    let query = canonical::query(received.query, None);
    claim.verify(received, query, rules, Scheme::V4, find)
}

/// `?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=…`, for a time that the client chose.
pub fn by_query(
    received: &Received<'_>,
    now: Timestamp,
    rules: &Rules,
    find: impl Fn(&str) -> Option<SecretString>,
) -> Result<Signed, Fault> {
    let field = |name: &str| {
        let given = received.params.get(name).filter(|value| !value.is_empty());
        given.ok_or_else(|| incomplete(&format!("The request must contain the parameter {name}")))
    };
    if field("X-Amz-Algorithm")? != ALGORITHM {
        return Err(incomplete(&format!("X-Amz-Algorithm must be {ALGORITHM}")));
    }
    let (access_key, scope) = credential_of(field("X-Amz-Credential")?)?;
    let date = field("X-Amz-Date")?;
    let at = moment::basic(date).ok_or_else(|| incomplete("X-Amz-Date must be like 20260102T030405Z"))?;
    let lifetime = field("X-Amz-Expires")?;
    let lifetime = lifetime.parse().ok().filter(|seconds| (1..=LONGEST_S).contains(seconds));
    let lifetime = lifetime.ok_or_else(|| incomplete(&format!("X-Amz-Expires must be 1 to {LONGEST_S} seconds")))?;
    if now > at.plus_ms(lifetime * 1000) {
        return Err(expired(&format!("Request has expired. It was signed at {date} for {lifetime} seconds")));
    }
    if at > now.plus_ms(rules.skew_ms) {
        return Err(expired(&format!("The request is not valid before {date}")));
    }
    let signed = headers_of(received, field("X-Amz-SignedHeaders")?)?;
    let claim = Claim { access_key, scope, signed, signature: field("X-Amz-Signature")?, date };
    // If it came in the body, the signature would have to cover itself, and never does.
    let query = canonical::query(received.query, Some("X-Amz-Signature"));
    claim.verify(received, query, rules, Scheme::V4Presigned, find)
}

/// The three fields of the header, each once, in any order, with or without spaces.
fn fields_of(text: &str) -> Result<[&str; 3], Fault> {
    const NAMES: [&str; 3] = ["Credential", "SignedHeaders", "Signature"];
    let mut fields = [None; 3];
    for field in text.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let place = NAMES.iter().position(|known| *known == name);
        match place.and_then(|place| fields.get_mut(place)) {
            Some(room @ None) if !value.is_empty() => *room = Some(value),
            _ => return Err(incomplete("The header authorization has a field that is empty, unknown or there twice")),
        }
    }
    let missing = |name| move || incomplete(&format!("The header authorization requires the field {name}"));
    let [credential, signed, signature] = fields;
    Ok([
        credential.ok_or_else(missing(NAMES[0]))?,
        signed.ok_or_else(missing(NAMES[1]))?,
        signature.ok_or_else(missing(NAMES[2]))?,
    ])
}

/// `<access key>/20260102/<region>/<service>/aws4_request`
fn credential_of(text: &str) -> Result<(&str, Scope<'_>), Fault> {
    let parts: Vec<&str> = text.splitn(6, '/').collect();
    let [access_key, date, region, service, end] = parts[..] else {
        return Err(incomplete("The credential must be <access key>/<date>/<region>/<service>/aws4_request"));
    };
    if end != TERMINATOR {
        return Err(incomplete("The credential must end with aws4_request"));
    }
    Ok((access_key, Scope { date, region, service }))
}

/// The signed headers. They must have come, and `host` and all that Amazon's clients add must be among them.
fn headers_of<'a>(received: &Received<'_>, list: &'a str) -> Result<Vec<&'a str>, Fault> {
    let signed: Vec<&str> = list.split(';').collect();
    let once: HashSet<&str> = signed.iter().copied().collect();
    // Repeated headers would let a short request grow long here.
    if once.len() < signed.len() {
        return Err(incomplete("A signed header is named twice"));
    }
    if let Some(missing) = signed.iter().find(|name| received.values(name).next().is_none()) {
        let missing: String = missing.chars().take(80).collect();
        return Err(Code::AuthFailure.fault(format!(
            "The signed header '{missing}' did not arrive; something between client and server may have removed it"
        )));
    }
    if !once.contains("host") {
        return Err(incomplete("The header host must be signed"));
    }
    let ours = |name: &str| name.starts_with("x-amz-");
    match received.headers.iter().find(|(name, _)| ours(name) && !once.contains(name)) {
        Some((name, _)) => Err(incomplete(&format!("The header {name} must be signed"))),
        None => Ok(signed),
    }
}

/// The hash of the body as it is to be signed.
fn payload(received: &Received<'_>, rules: &Rules) -> Result<String, Fault> {
    let given = received.only("x-amz-content-sha256")?;
    if given == Some(UNSIGNED) && rules.unsigned_payload {
        return Ok(UNSIGNED.into());
    }
    let hash = mac::hash(received.body);
    match given {
        Some(given) if given != hash => {
            Err(Code::AuthFailure.fault("The header x-amz-content-sha256 is not the SHA-256 of the body"))
        }
        _ => Ok(hash),
    }
}

impl Claim<'_> {
    fn verify(
        &self,
        received: &Received<'_>,
        query: Option<String>,
        rules: &Rules,
        scheme: Scheme,
        find: impl Fn(&str) -> Option<SecretString>,
    ) -> Result<Signed, Fault> {
        let by_header = received.values("x-amz-security-token").next().is_some();
        if by_header || received.params.get("X-Amz-Security-Token").is_some() {
            return Err(no_sessions());
        }
        let Scope { date, region, service } = self.scope;
        if self.date.get(..8) != Some(date) {
            return Err(Code::AuthFailure.fault("The date of the credential is not that of the request"));
        }
        if let Some(only) = &rules.region
            && (region != only || service != "ec2")
        {
            return Err(Code::AuthFailure.fault(format!("The credential must be for ec2 in region {only}")));
        }
        let query = query.ok_or_else(|| Code::MalformedQueryString.fault("The query string is malformed"))?;
        let request = canonical::request(received, &query, &self.signed, &payload(received, rules)?);
        let hash = mac::hash(&request);
        let text = format!("{ALGORITHM}\n{}\n{date}/{region}/{service}/{TERMINATOR}\n{hash}", self.date);
        let good = mac::is_signed(find(self.access_key), |secret| {
            let key = self.scope.key(secret);
            mac::same(self.signature, &hex::encode(mac::sha256(&*key, text.as_bytes())))
        });
        if !good {
            return Err(Fault::credentials());
        }
        Ok(Signed { access_key: self.access_key.into(), scheme })
    }
}

impl Scope<'_> {
    /// The key for this day, region and service.
    fn key(&self, secret: &str) -> Zeroizing<[u8; 32]> {
        let first = Zeroizing::new(format!("AWS4{secret}"));
        let mut key = Zeroizing::new(mac::sha256(first.as_bytes(), self.date.as_bytes()));
        for part in [self.region, self.service, TERMINATOR] {
            key = Zeroizing::new(mac::sha256(&*key, part.as_bytes()));
        }
        key
    }
}
