//! The whole API on one page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use cascina_engine::Engine;
use rand::RngCore;
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::auth::Auth;
use crate::hear_out::HeardOut;
use crate::problem::Problem;
use crate::rest::{
    address, binding, catalog, credentials, decision, farm, health, host, instance, network, offer, operation, plan,
    policy, quota, session, share, simulation, tenant, trial, user,
};
use crate::{events, metrics, openapi};

/// A request that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const REQUEST_ID: &str = "x-request-id";

/// Simulated hosts, as far as people play with them through the API.
pub trait Simulation: Send + Sync {
    fn faults(&self) -> Value;
    /// # Errors
    ///
    /// What is wrong with them, for people.
    fn set_faults(&self, faults: Value) -> Result<(), String>;
    /// # Errors
    ///
    /// What is wrong with it, or what is not there for it to befall, for people.
    fn strike(&self, incident: Value) -> Result<(), String>;
    fn world(&self) -> Value;
}

/// What the API needs.
#[derive(Clone)]
pub struct App {
    pub engine: Engine,
    pub auth: Auth,
    /// None with real hosts.
    pub simulation: Option<Arc<dyn Simulation>>,
    /// None: it is switched off.
    pub ec2: Option<Ec2>,
}

/// Where clients find the EC2 API.
#[derive(Debug, Clone)]
pub struct Ec2 {
    pub url: String,
    pub region: String,
}

/// Everything under `/v1`, and what watches the server.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(session::create_token))
        .routes(routes!(session::whoami))
        .routes(routes!(tenant::list_tenants, tenant::create_tenant))
        .routes(routes!(tenant::show_tenant, tenant::delete_tenant))
        .routes(routes!(tenant::suspend_tenant))
        .routes(routes!(tenant::resume_tenant))
        .routes(routes!(tenant::approve_tenant))
        .routes(routes!(tenant::reject_tenant))
        .routes(routes!(user::list_users, user::create_user))
        .routes(routes!(user::show_user, user::delete_user))
        .routes(routes!(user::list_access_keys, user::create_access_key))
        .routes(routes!(user::set_access_key, user::delete_access_key))
        .routes(routes!(farm::list_farms, farm::create_farm))
        .routes(routes!(farm::show_farm, farm::delete_farm))
        .routes(routes!(credentials::farm_credentials))
        .routes(routes!(farm::approve_farm))
        .routes(routes!(farm::reject_farm))
        .routes(routes!(farm::list_farm_instances, farm::run_instances))
        .routes(routes!(instance::list_instances))
        .routes(routes!(instance::show_instance, instance::terminate_instance))
        .routes(routes!(instance::start_instance))
        .routes(routes!(instance::stop_instance))
        .routes(routes!(instance::reboot_instance))
        .routes(routes!(instance::migrate_instance))
        .routes(routes!(network::list_networks))
        .routes(routes!(network::show_network))
        .routes(routes!(network::list_routers))
        .routes(routes!(network::show_router))
        .routes(routes!(network::set_forwards))
        .routes(routes!(network::rebuild_router))
        .routes(routes!(address::list_addresses, address::allocate_address))
        .routes(routes!(address::show_address, address::release_address))
        .routes(routes!(address::associate_address))
        .routes(routes!(address::disassociate_address))
        .routes(routes!(quota::list_quotas))
        .routes(routes!(quota::set_quota))
        .routes(routes!(catalog::list_flavors))
        .routes(routes!(catalog::show_flavor, catalog::put_flavor, catalog::delete_flavor))
        .routes(routes!(catalog::list_images, catalog::register_image))
        .routes(routes!(catalog::show_image, catalog::deregister_image))
        .routes(routes!(catalog::spread_image))
        .routes(routes!(catalog::evict_image))
        .routes(routes!(host::list_hosts, host::add_host))
        .routes(routes!(host::show_host, host::remove_host))
        .routes(routes!(host::cordon_host))
        .routes(routes!(host::uncordon_host))
        .routes(routes!(host::maintain_host))
        .routes(routes!(host::drain_host))
        .routes(routes!(host::fence_host))
        .routes(routes!(host::list_classes))
        .routes(routes!(host::show_class, host::put_class))
        .routes(routes!(share::list_shares, share::put_share))
        .routes(routes!(share::show_share))
        .routes(routes!(share::recall_share))
        .routes(routes!(share::return_share))
        .routes(routes!(policy::list_policies, policy::upload_policy))
        .routes(routes!(policy::show_policy, policy::remove_policy))
        .routes(routes!(policy::fetch_component))
        .routes(routes!(binding::list_bindings, binding::bind))
        .routes(routes!(binding::show_binding, binding::rebind, binding::unbind))
        .routes(routes!(trial::replay_policy, trial::show_replay))
        .routes(routes!(trial::show_trial, trial::begin_trial, trial::withdraw_trial))
        .routes(routes!(trial::promote_trial))
        .routes(routes!(trial::roll_back))
        .routes(routes!(trial::panic_policies))
        .routes(routes!(trial::policy_use))
        .routes(routes!(offer::accept_offer))
        .routes(routes!(decision::list_decisions))
        .routes(routes!(decision::show_decision))
        .routes(routes!(decision::replay_decision))
        .routes(routes!(plan::list_plans, plan::create_plan))
        .routes(routes!(plan::show_plan))
        .routes(routes!(plan::approve_plan))
        .routes(routes!(plan::reject_plan))
        .routes(routes!(plan::cancel_plan))
        .routes(routes!(decision::decision_case))
        .routes(routes!(operation::list_operations))
        .routes(routes!(operation::show_operation))
        .routes(routes!(operation::retry_operation))
        .routes(routes!(operation::skip_operation))
        .routes(routes!(operation::adopt_operation))
        .routes(routes!(operation::cancel_operation))
        .routes(routes!(events::list_events))
        .routes(routes!(simulation::show_faults, simulation::set_faults))
        .routes(routes!(simulation::strike))
        .routes(routes!(simulation::show_world))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::show_metrics))
}

/// The server's edge, ready to be served.
pub fn router(app: App) -> Router {
    metrics::install();
    let (router, mut api) = routes().split_for_parts();
    openapi::complete(&mut api);
    router
        .with_state(app)
        .merge(SwaggerUi::new("/docs").url("/v1/openapi.json", api))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_this_way)
        .layer(CatchPanicLayer::custom(|_| Problem::internal("the server failed; its log says why").into_response()))
        .layer(from_fn(edge))
}

async fn nothing_here(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("there is nothing at `{path}`; /docs shows what there is");
    Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
}

async fn not_this_way() -> Problem {
    let detail = "this does not take that method; /docs shows which it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "Method not allowed", detail)
}

/// What a client calls its request, if it may be repeated in logs and headers; else a name of ours.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    let usable =
        |value: &&HeaderValue| (1..=64).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic);
    let ours = || {
        let id = format!("{:016x}", rand::rng().next_u64());
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("0"))
    };
    given.filter(usable).cloned().unwrap_or_else(ours)
}

/// Around everything: a name for the request, an end to it, and a line about it.
async fn edge(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched".to_owned(), |path| path.as_str().into());
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %method, route);
    let begun = Instant::now();
    let request = request.map(HeardOut::wrap);
    let answered = tokio::time::timeout(PATIENCE, next.run(request)).instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|_| {
        let detail = "it took too long; it may still have its effect: repeat it with the same Idempotency-Key";
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "Too slow", detail).into_response()
    });
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    metrics::request(method.as_str(), &route, status, took);
    span.in_scope(|| tracing::debug!(status, micros = took.as_micros() as u64, "answered"));
    response.headers_mut().insert(REQUEST_ID, id);
    response
}
