//! Health for balancers, and the admin address.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::{Admin, App};
use crate::lifecycle::Readiness;

/// Answers that the process runs.
pub(super) async fn live() -> &'static str {
    "live"
}

pub(super) async fn public_ready(State(app): State<Arc<App>>) -> Response {
    ready(&app.readiness)
}

pub(super) async fn admin_ready(State(admin): State<Admin>) -> Response {
    ready(&admin.readiness)
}

/// Answers 200 when the node accepts clients; else 503 and the missing parts.
fn ready(readiness: &Readiness) -> Response {
    let missing = readiness.missing();
    if missing.is_empty() {
        return "ready".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}", missing.join(", "))).into_response()
}

pub(super) async fn metrics(State(admin): State<Admin>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], admin.exporter.render()).into_response()
}
