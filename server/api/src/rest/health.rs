//! For those who watch the server.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::metrics;
use crate::problem::Problem;
use crate::router::App;

/// The process is alive.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = String)), security(()))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The server takes requests.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String)), security(()))]
pub async fn readyz(State(app): State<App>) -> Response {
    if app.engine.is_ready() {
        return "ready\n".into_response();
    }
    let detail = "the server is starting or stopping, or its store failed";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not ready", detail).into_response()
}

/// Measurements in the text form of Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String)), security(()))]
pub async fn show_metrics(State(app): State<App>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, metrics::render(&app)).into_response()
}
