//! Health, readiness and metrics, on a port of their own that VMs do not reach.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use http::{StatusCode, header};

use super::app::App;

/// `/healthz`, `/readyz` and `/metrics`.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(app)
}

/// False until a release is loaded, and when the server ends. It stays true when a later release cannot be loaded: the old
/// one is served on.
async fn ready(State(app): State<Arc<App>>) -> (StatusCode, String) {
    if app.is_ending() {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n".to_owned());
    }
    match &*app.served() {
        Some(served) => (StatusCode::OK, format!("serving release {}\n", served.catalog.current().id)),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no release is loaded yet\n".to_owned()),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> impl axum::response::IntoResponse {
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media_type)], app.render_metrics())
}
