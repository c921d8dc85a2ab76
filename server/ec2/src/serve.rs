//! The edge as a service: from bytes to an action and back, with everything that all actions have in common.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use cascina_core::tenant::TenantState;
use cascina_engine::Engine;
use futures::FutureExt;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use tracing::Instrument;

use crate::account;
use crate::action::{Access, Action, Actions};
use crate::audit::{self, Audit, Line};
use crate::body;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::keyring::{self, Holder, Useless};
use crate::limit::Limiter;
use crate::settings::Settings;
use crate::sig::{self, Header, Received};
use crate::wire::{Params, fingerprint, xml};

const REQUEST_ID: &str = "x-amzn-requestid";
/// What pages of the same query may differ in.
const OF_PAGES: [&str; 3] = ["MaxResults", "NextToken", "DryRun"];

struct Shared {
    engine: Engine,
    settings: Arc<Settings>,
    actions: Actions,
    limiter: Limiter,
    audit: Audit,
}

/// The EC2 edge of an engine.
#[derive(Clone)]
pub struct Ec2(Arc<Shared>);

/// What is known of a request so far, for the log and the books.
#[derive(Default)]
struct Known {
    holder: Option<Holder>,
    /// The access key as it was sent, if one was.
    key: String,
    action: Option<(&'static str, Access)>,
}

impl Ec2 {
    /// Also begins to write calls into the books, for as long as the edge is there.
    pub fn start(engine: Engine, settings: Settings) -> Ec2 {
        let limiter = Limiter::new(settings.rate, settings.burst);
        let settings = Arc::new(settings);
        let shared =
            Arc::new(Shared { engine, settings, actions: Actions::default(), limiter, audit: Audit::default() });
        tokio::spawn(write_calls(Arc::downgrade(&shared)));
        Ec2(shared)
    }

    /// Answers on every path, for a port of its own.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Answers at a path such as `/ec2` and below it, to be merged with others.
    pub fn under(&self, path: &str) -> Router {
        Router::new()
            .route(path, any(handle))
            .route(&format!("{path}/"), any(handle))
            .route(&format!("{path}/{{*rest}}"), any(handle))
            .with_state(self.clone())
    }

    /// Writes the calls that wait, for when the server stops.
    pub async fn flush(&self) {
        self.0.audit.write(&self.0.engine).await;
    }
}

async fn write_calls(edge: Weak<Shared>) {
    loop {
        tokio::time::sleep(audit::EVERY).await;
        let Some(shared) = edge.upgrade() else { return };
        shared.audit.write(&shared.engine).await;
    }
}

/// One that nobody can guess, in the form of a UUID of version 4.
fn request_id() -> String {
    let mut bytes = [0; 16];
    StdRng::from_os_rng().fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

async fn handle(
    State(edge): State<Ec2>,
    // As it came: the path is signed, wherever this is mounted.
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (id, begun) = (request_id(), Instant::now());
    let span = tracing::info_span!("ec2", id, %method);
    let mut known = Known::default();
    let answer = edge.0.answer(&id, &method, &uri, &headers, body, &mut known);
    let answer = tokio::time::timeout(edge.0.settings.patience, AssertUnwindSafe(answer).catch_unwind());
    let answer = match answer.instrument(span.clone()).await {
        Ok(Ok(answer)) => answer,
        // The panic itself is in the log.
        Ok(Err(_)) => Err(Fault::internal()),
        Err(_) => Err(Code::Unavailable
            .fault("It took too long. It may still have its effect: repeat the request with the same ClientToken.")),
    };
    let (status, code) = answer.as_ref().map_or_else(|fault| (fault.status(), fault.code.as_str()), |_| (200, "ok"));
    let action = known.action.map_or("none", |(name, _)| name);
    span.in_scope(|| tracing::debug!(action, code, micros = begun.elapsed().as_micros() as u64, "answered"));
    metrics::counter!("cascina_ec2_requests_total", "action" => action, "code" => code).increment(1);
    metrics::histogram!("cascina_ec2_request_seconds", "action" => action).record(begun.elapsed().as_secs_f64());
    edge.0.note(&known, action, code, &id);
    respond(status, answer.unwrap_or_else(|fault| fault.xml(&id)), &id)
}

fn respond(status: u16, xml: String, id: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, xml).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(xml::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

impl Shared {
    async fn answer(
        &self,
        id: &str,
        method: &Method,
        uri: &axum::http::Uri,
        headers: &HeaderMap,
        body: Body,
        known: &mut Known,
    ) -> Result<String, Fault> {
        let body = body::read(body, self.settings.body).await?;
        if !matches!(*method, Method::GET | Method::POST) {
            return Err(Code::InvalidAction.fault("Requests are made with GET or POST"));
        }
        let query = uri.query().unwrap_or_default();
        let params = Params::parse(query, &body, &self.settings.limits)?;
        let Some(action) = params.get("Action").filter(|name| !name.is_empty()) else {
            return Err(Code::MissingAction.fault("The request must contain the parameter Action"));
        };
        let list: Vec<Header<'_>> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let received =
            Received { method: method.as_str(), path: uri.path(), query, headers: &list, body: &body, params: &params };
        let holder = self.authenticate(&received, known)?;
        let action = self.actions.find(action)?;
        known.action = Some((action.name, action.access));
        self.admit(&holder, action)?;
        let tree = params.tree()?;
        let version = params.get("Version").unwrap_or(xml::VERSION);
        let hash = fingerprint(action.name, &tree, &OF_PAGES);
        let call = Call {
            engine: self.engine.clone(),
            settings: Arc::clone(&self.settings),
            action: action.name,
            account: account::of(holder.farm),
            who: holder.who,
            key: holder.key,
            farm: holder.farm,
            tenant: holder.tenant,
            version: version.to_owned(),
            request_id: id.to_owned(),
            host: headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned(),
            now: self.engine.now(),
            dry_run: false,
            request: hex::encode(fingerprint(action.name, &tree, &["DryRun"])),
            query: std::array::from_fn(|place| hash[place]),
        };
        action.run(call, tree).await
    }

    /// Who it is, and whether it is not too often.
    fn authenticate(&self, received: &Received<'_>, known: &mut Known) -> Result<Holder, Fault> {
        let now = self.engine.now();
        let signed = sig::verify(received, now, &self.settings.rules, |key| keyring::secret(&self.engine, key));
        let signed = signed.inspect_err(|_| known.key = sig::claimed_key(received))?;
        let holder = self.engine.read(|state| keyring::holder(state, &signed.access_key));
        let holder = holder.map_err(|useless| match useless {
            Useless::Gone => Fault::credentials(),
            Useless::NoFarm => Code::UnauthorizedOperation
                .fault("You are not authorized to perform this operation: the access key is not for a farm"),
        })?;
        known.holder = Some(holder.clone());
        if self.limiter.take(&signed.access_key, now) {
            Ok(holder)
        } else {
            Err(Code::RequestLimitExceeded.fault("Request limit exceeded."))
        }
    }

    /// What holds for an action whatever it is asked.
    fn admit(&self, holder: &Holder, action: &Action) -> Result<(), Fault> {
        if action.access == Access::Read {
            return Ok(());
        }
        if !holder.who.changes(holder.tenant) {
            let text = "You are not authorized to perform this operation: viewers may look but not change";
            return Err(Code::UnauthorizedOperation.fault(text));
        }
        let state = self.engine.read(|state| state.rows.tenants.get(&holder.tenant).map(|tenant| tenant.state));
        match state {
            Some(TenantState::Suspended) => Err(Code::Blocked.fault("Your account is currently blocked.")),
            _ => Ok(()),
        }
    }

    fn note(&self, known: &Known, action: &str, code: &'static str, id: &str) {
        let actor = known.holder.as_ref().map_or(known.key.as_str(), |holder| &holder.who.name);
        let changes = known.action.is_some_and(|(_, access)| access == Access::Write);
        self.audit.record(Line {
            key: known.holder.as_ref().map(|holder| holder.key),
            actor: if actor.is_empty() { "nobody" } else { actor },
            action,
            result: code,
            request_id: id,
            at: self.engine.now(),
            alone: changes && known.holder.is_some(),
        });
    }
}
