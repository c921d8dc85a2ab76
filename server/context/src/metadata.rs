//! The instance metadata service: what EC2 images ask at `http://169.254.169.254/`.
//!
//! [`answer`] is the whole of it: a request and what is known of the instance in, a response out. Who
//! listens finds out which instance asks, which is a matter of where the packets come from and of
//! nothing that a guest can write, reads at most [`MOST_HEADERS`] and no body, and calls it.
//!
//! # Tokens
//!
//! Version 2 of the service gives nothing without a token, and a token only for a `PUT`, which a proxy or
//! a web page in the guest is seldom brought to make; a request that a proxy forwarded gets none. Tokens
//! are of one instance, last as long as they were asked to, and are known again by their seal alone:
//! see [`Tokens`]. [`Access`] says whether an instance needs one.
//!
//! # Hops
//!
//! The response to a `PUT` should not leave the guest, which containers and tunnels in it might have
//! it do. So its packets have few hops to live when they arrive, one unless its owner says otherwise. It is for
//! the listener to set this as the connection's IP TTL (IP_TTL), adding the routers between: see [`reply_ttl`].
//!
//! # Versions
//!
//! All dates that Amazon had a version of are known, and all say the same, which is what the newest says.
//! Clients that ask for an old one take what they know.

mod facts;
mod request;
mod response;
mod tokens;
mod tree;

use cascina_core::metadata::HopLimit;
use cascina_core::units::Timestamp;

use request::{Target, Wrong};
use tree::{Found, Tree};

pub use facts::{Access, Facts, Group, LoginKey};
pub use request::{MOST_HEADERS, MOST_PATH, MetadataRequest};
pub use response::MetadataResponse;
pub use tokens::{MOST_TTL, Tokens};

/// Asks for a token, and says of how many seconds.
pub const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Carries a token.
pub const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
/// What proxies add.
const FORWARDED_HEADER: &str = "x-forwarded-for";

/// The IP TTL that a listener sets on a connection, so that the response arrives with so many hops left: each
/// router between it and the guest takes one.
pub fn reply_ttl(hops: HopLimit, routers_between: u8) -> u8 {
    hops.get().saturating_add(routers_between)
}

/// What the service says to this request of this instance.
pub fn answer(request: &MetadataRequest<'_>, facts: &Facts, tokens: &Tokens, now: Timestamp) -> MetadataResponse {
    let head = request.method == "HEAD";
    let response = respond(request, facts, tokens, now);
    if head { response.without_body() } else { response }
}

fn respond(request: &MetadataRequest<'_>, facts: &Facts, tokens: &Tokens, now: Timestamp) -> MetadataResponse {
    let target = match request.target() {
        Ok(target) => target,
        Err(wrong) => return MetadataResponse::error(status(wrong)),
    };
    // Whoever listens should not have come here with the facts of another; if so, they are not told.
    if request.source != facts.local_ipv4 || facts.access == Access::Off {
        return MetadataResponse::error(403);
    }
    if target.is(&["latest", "api", "token"]) {
        return match request.method {
            "PUT" => token(request, facts, tokens, now),
            _ => MetadataResponse::error(405).with("Allow", "PUT".into()),
        };
    }
    if !matches!(request.method, "GET" | "HEAD") {
        return MetadataResponse::error(405).with("Allow", "GET, HEAD".into());
    }
    let rest = match request.header(TOKEN_HEADER) {
        Err(wrong) => return MetadataResponse::error(status(wrong)),
        Ok(None) if facts.access == Access::TokensRequired => return MetadataResponse::error(401),
        Ok(None) => None,
        Ok(Some(token)) => match tokens.rest(token, facts.instance, now) {
            None => return MetadataResponse::error(401),
            rest => rest,
        },
    };
    let response = read(&target, facts);
    match rest {
        Some(seconds) if response.status == 200 => response.with(TTL_SHOWN, seconds.to_string()),
        _ => response,
    }
}

/// As Amazon writes it in responses.
const TTL_SHOWN: &str = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds";

fn token(request: &MetadataRequest<'_>, facts: &Facts, tokens: &Tokens, now: Timestamp) -> MetadataResponse {
    if request.has(FORWARDED_HEADER) {
        return MetadataResponse::error(403);
    }
    let seconds = request.header(TTL_HEADER).ok().flatten().and_then(tokens::ttl);
    let Some(seconds) = seconds else { return MetadataResponse::error(400) };
    let token = tokens.issue(facts.instance, seconds, now);
    MetadataResponse::text(token).with(TTL_SHOWN, seconds.to_string())
}

fn read(target: &Target, facts: &Facts) -> MetadataResponse {
    match Tree::new(facts).find(target.parts()) {
        Some(Found::Text(text)) => MetadataResponse::text(text),
        Some(Found::Bytes(bytes)) => MetadataResponse::bytes(bytes.to_vec()),
        None => MetadataResponse::error(404),
    }
}

fn status(wrong: Wrong) -> u16 {
    match wrong {
        Wrong::Malformed => 400,
        Wrong::LongPath => 414,
        Wrong::LargeHeaders => 431,
    }
}

#[cfg(test)]
mod tests;
