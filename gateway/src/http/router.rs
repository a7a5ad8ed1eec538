//! The routes, all on one page.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use http::Uri;
use rts_common::limits::HTTP_BODY_BYTES;

use super::{Admin, App, admin, connect, cors, hardening, health, negotiate, web};

/// The hub's path.
const HUB: &str = "/hubs/chat";
/// The path that negotiates its connections.
const NEGOTIATE: &str = "/hubs/chat/negotiate";

/// For clients.
pub fn public_router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route(NEGOTIATE, post(negotiate::negotiate))
        .route(HUB, any(connect::connect))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::public_ready));
    #[cfg(feature = "dev-login")]
    if app.dev_tokens.is_some() {
        router = router.route("/dev/token", post(super::dev_token::issue));
    }
    if app.site.is_some() {
        router = router.fallback(web::serve);
    }
    router
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&app), cors::allow))
        .layer(from_fn(hardening::harden))
        .with_state(app)
}

/// The address of the hub as it stands in the routes, where a request has it in another letter case or with a slash
/// behind it: the reference server takes both. `None` where there is nothing to change.
pub(super) fn as_routed(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    let route = [HUB, NEGOTIATE].into_iter().find(|route| route.eq_ignore_ascii_case(path))?;
    if route == uri.path() {
        return None;
    }
    let target = uri.query().map_or_else(|| route.to_owned(), |query| format!("{route}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.try_into().ok()?);
    Uri::from_parts(parts).ok()
}

/// For operators, on an address of its own.
pub fn admin_router(admin: Admin) -> Router {
    let changes = Router::new()
        .route("/drain", post(admin::drain))
        .route("/revoke", post(admin::revoke))
        .layer(from_fn_with_state(admin.clone(), admin::guard));
    Router::new()
        .route("/metrics", get(health::metrics))
        .merge(changes)
        .route("/livez", get(health::live))
        .route("/readyz", get(health::admin_ready))
        .with_state(admin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_is_found_in_any_case_and_with_a_slash_behind_it() {
        let routed = |uri: &str| as_routed(&uri.parse().unwrap()).map(|uri| uri.to_string());
        for (uri, expected) in [
            ("/hubs/chat/", Some("/hubs/chat")),
            ("/Hubs/Chat?id=A%20b&x=Y/", Some("/hubs/chat?id=A%20b&x=Y/")),
            ("/HUBS/CHAT/Negotiate/?a", Some("/hubs/chat/negotiate?a")),
            ("http://a:1/hubs/Chat?b", Some("http://a:1/hubs/chat?b")),
            ("/hubs/chat?id=A", None),
            ("/hubs/chat/negotiate", None),
            ("/hubs/chat//", None),
            ("/hubs/chats/", None),
            ("/", None),
        ] {
            assert_eq!(routed(uri).as_deref(), expected, "{uri}");
        }
    }
}
