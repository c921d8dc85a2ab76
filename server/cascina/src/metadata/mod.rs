//! The instance metadata service: who listens where routers lead what guests ask of 169.254.169.254.
//!
//! A router maps its farm's network, host for host, to one that no other farm has, so the address that a
//! connection comes from tells who asks ([`Peers`]). Nothing that a guest can write is believed. What is
//! answered is `cascina_context::metadata`'s matter; here are connections and their bounds.

mod facts;
mod gate;
mod peers;
mod section;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use cascina_context::metadata::{Facts, MetadataRequest, Tokens, answer, reply_ttl};
use cascina_core::metadata::HopLimit;
use cascina_engine::Engine;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub use gate::Bounds;
use gate::Gate;
pub use peers::Peers;
pub use section::Section;

/// For the head of a request to arrive.
const HEAD: Duration = Duration::from_secs(5);
/// For a connection from its beginning to its end; each has one request.
const WHOLE: Duration = Duration::from_secs(15);
/// Bytes of the head of a request: hyper's least is 8 KiB.
const HEAD_BYTES: usize = 24 << 10;

pub struct Service {
    pub engine: Engine,
    pub peers: Peers,
    pub tokens: Tokens,
    /// Name of the site's one region.
    pub region: String,
    /// Routers that a response passes on its way to a guest.
    pub routers_between: u8,
    pub bounds: Bounds,
}

/// Answers guests until `stop`.
pub async fn listen(listener: TcpListener, service: Service, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(service.bounds.connections));
    let gate = Arc::new(Gate::new(&service.bounds));
    let service = Arc::new(service);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a guest's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(peer) = known(peer, &service.peers) else {
            tracing::debug!(%peer, "not the address of a guest's network: no metadata for it");
            continue;
        };
        let Some(entered) = Gate::enter(&gate, peer) else {
            tracing::debug!(%peer, "a guest has too many connections to the metadata service");
            continue;
        };
        let (service, gate) = (Arc::clone(&service), Arc::clone(&gate));
        tokio::spawn(async move {
            let (_place, _entered) = (place, entered);
            if tokio::time::timeout(WHOLE, speak(stream, peer, &service, &gate)).await.is_err() {
                tracing::debug!(%peer, "a guest's connection took too long and is cut");
            }
        });
    }
}

fn known(peer: SocketAddr, peers: &Peers) -> Option<Ipv4Addr> {
    match peer.ip() {
        IpAddr::V4(ip) if peers.has(ip) => Some(ip),
        _ => None,
    }
}

async fn speak(stream: TcpStream, peer: Ipv4Addr, service: &Service, gate: &Gate) {
    // The same connection once more, for its TTL.
    let twin = stream.into_std().and_then(|stream| Ok((stream.try_clone()?, TcpStream::from_std(stream)?)));
    let Ok((twin, stream)) = twin else { return };
    let _ = stream.set_nodelay(true);
    let served =
        service_fn(|request| std::future::ready(Ok::<_, Infallible>(serve(&request, peer, &twin, service, gate))));
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).keep_alive(false);
    if let Err(error) = protocol.serve_connection(TokioIo::new(stream), served).await {
        tracing::debug!(%peer, error = %error, "a guest's connection broke off");
    }
}

fn serve(
    request: &Request<Incoming>,
    peer: Ipv4Addr,
    connection: &StdStream,
    service: &Service,
    gate: &Gate,
) -> Response<Body> {
    let now = service.engine.now();
    if !gate.lets(peer, now) {
        return refusal(StatusCode::TOO_MANY_REQUESTS);
    }
    // There is nothing to say at length to this service.
    if !request.body().is_end_stream() {
        return refusal(StatusCode::BAD_REQUEST);
    }
    let found = service.engine.read(|state| {
        let guest = service.peers.guest(state, peer)?;
        Some((facts::facts(state, guest.instance, guest.network, &service.region), guest.instance.metadata.hop_limit))
    });
    let Some((facts, hops)) = found else { return refusal(StatusCode::FORBIDDEN) };
    if request.method() == Method::PUT && !keep_near(connection, hops, service.routers_between) {
        return refusal(StatusCode::INTERNAL_SERVER_ERROR);
    }
    respond(request, &facts, &service.tokens, now)
}

/// What answers a `PUT` does not get far. One that could would be no answer to give.
fn keep_near(connection: &StdStream, hops: HopLimit, routers_between: u8) -> bool {
    let set = connection.set_ttl(reply_ttl(hops, routers_between).into());
    set.inspect_err(|error| tracing::warn!(error = %error, "a connection's TTL cannot be set")).is_ok()
}

fn respond(
    request: &Request<Incoming>,
    facts: &Facts,
    tokens: &Tokens,
    now: cascina_core::units::Timestamp,
) -> Response<Body> {
    let path = request.uri().to_string();
    let headers: Vec<(&str, &[u8])> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let asked =
        MetadataRequest { method: request.method().as_str(), path: &path, headers: &headers, source: facts.local_ipv4 };
    let answered = answer(&asked, facts, tokens, now);
    // Neither headers nor answers, which are a tenant's secrets.
    tracing::debug!(
        instance = %facts.instance, method = %request.method(), path = %path.escape_debug(), status = answered.status,
        "metadata"
    );
    let mut response = Response::builder().status(answered.status);
    for (name, value) in &answered.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(answered.body)).unwrap_or_else(|error| {
        tracing::error!(error = %error, "an answer of the metadata service is no HTTP");
        refusal(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

fn refusal(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
