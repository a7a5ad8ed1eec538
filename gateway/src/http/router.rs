//! The routes, all on one page.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use rts_common::limits::HTTP_BODY_BYTES;

use super::{Admin, App, connect, cors, dev_token, health, negotiate, web};

/// For clients.
pub fn public_router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/hubs/chat/negotiate", post(negotiate::negotiate))
        .route("/hubs/chat", any(connect::connect))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::public_ready));
    if app.dev_tokens.is_some() {
        router = router.route("/dev/token", post(dev_token::issue));
    }
    if app.site.is_some() {
        router = router.fallback(web::serve);
    }
    router
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&app), cors::allow))
        .with_state(app)
}

/// For operators, on an address of its own.
pub fn admin_router(admin: Admin) -> Router {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/drain", post(health::drain))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::admin_ready))
        .with_state(admin)
}
