//! Tokens: signed by us, and only good for as long as they say.

use cascina_core::principal::Role;
use cascina_core::units::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

/// Who we are, in tokens.
const US: &str = "cascina";

/// What a token says. Roles and groups are there for readers; what counts is the user's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// Id of the user, or `admin`.
    pub sub: String,
    pub name: String,
    pub role: Role,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tenant: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub groups: Vec<String>,
    /// Seconds since 1970, as the standard wants it.
    pub iat: u64,
    pub nbf: u64,
    pub exp: u64,
}

/// What is put into a token; the rest follows.
pub struct Subject {
    pub sub: String,
    pub name: String,
    pub role: Role,
    pub tenant: Option<String>,
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not one of this server's")]
    Forged,
    #[error("the token has expired; get a new one from /v1/tokens")]
    Expired,
    #[error("the token is not valid yet")]
    TooEarly,
}

pub fn issue(key: &EncodingKey, subject: Subject, now: Timestamp, ttl_s: u64) -> Option<(String, u64)> {
    let now_s = now.0 / 1000;
    let exp = now_s.saturating_add(ttl_s);
    let Subject { sub, name, role, tenant, groups } = subject;
    let (iss, aud) = (US.to_owned(), US.to_owned());
    let claims = Claims { iss, aud, sub, name, role, tenant, groups, iat: now_s, nbf: now_s, exp };
    let text = encode(&Header::new(Algorithm::HS256), &claims, key).ok()?;
    Some((text, exp))
}

pub fn check(key: &DecodingKey, text: &str, now: Timestamp) -> Result<Claims, TokenError> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[US]);
    validation.set_audience(&[US]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "nbf", "sub"]);
    // Against the injected clock, below.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims = decode::<Claims>(text, key, &validation).map_err(|_| TokenError::Forged)?.claims;
    let now_s = now.0 / 1000;
    if claims.exp <= now_s {
        return Err(TokenError::Expired);
    }
    if claims.nbf > now_s {
        return Err(TokenError::TooEarly);
    }
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn admin() -> Subject {
        Subject { sub: "admin".into(), name: "admin".into(), role: Role::SiteAdmin, tenant: None, groups: Vec::new() }
    }

    fn token(secret: &[u8], ttl_s: u64) -> String {
        issue(&EncodingKey::from_secret(secret), admin(), NOW, ttl_s).unwrap().0
    }

    fn checked(text: &str, now: Timestamp) -> Result<Claims, TokenError> {
        check(&DecodingKey::from_secret(&[1; 32]), text, now)
    }

    #[test]
    fn ours_are_good_until_they_expire() {
        let text = token(&[1; 32], 60);
        assert_eq!(checked(&text, NOW).unwrap().role, Role::SiteAdmin);
        assert_eq!(checked(&text, NOW.plus_ms(59_999)).map(|claims| claims.sub), Ok("admin".into()));
        assert_eq!(checked(&text, NOW.plus_ms(60_000)), Err(TokenError::Expired));
        assert_eq!(checked(&text, Timestamp(NOW.0 - 1000)), Err(TokenError::TooEarly));
    }

    #[test]
    fn others_are_not() {
        assert_eq!(checked(&token(&[2; 32], 60), NOW), Err(TokenError::Forged));
        for text in ["", "a.b.c", "....", "Bearer"] {
            assert_eq!(checked(text, NOW), Err(TokenError::Forged), "{text}");
        }
    }

    #[test]
    fn what_was_signed_cannot_be_changed() {
        let text = token(&[1; 32], 60);
        let parts: Vec<&str> = text.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let wide = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS512","typ":"JWT"}"#);
        let body = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let other = URL_SAFE_NO_PAD.encode(body.replace("admin\"", "root\""));
        for forged in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{wide}.{}.{}", parts[1], parts[2]),
            format!("{}.{other}.{}", parts[0], parts[2]),
        ] {
            assert_eq!(checked(&forged, NOW), Err(TokenError::Forged), "{forged}");
        }
    }

    #[test]
    fn for_others_or_by_others_is_not_for_us() {
        let key = EncodingKey::from_secret(&[1; 32]);
        let text = token(&[1; 32], 60);
        let good = checked(&text, NOW).unwrap();
        for claims in [Claims { aud: "others".into(), ..good.clone() }, Claims { iss: "others".into(), ..good }] {
            let text = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
            assert_eq!(checked(&text, NOW), Err(TokenError::Forged));
        }
    }
}
