//! `config.json`: the part of the gateway's configuration that the web app needs. Holds nothing secret.

use serde_json::{Value, json};

use crate::config::{IdentityConfig, WebConfig, WebSignIn};

/// Returns the text of `config.json`.
pub(super) fn settings(web: &WebConfig, identity: &IdentityConfig) -> String {
    let claims = json!({ "user": identity.user_claim, "org": identity.org_claim, "name": identity.name_claim });
    json!({ "hubUrl": "hubs/chat", "auth": sign_in(web, identity), "claims": claims }).to_string()
}

fn sign_in(web: &WebConfig, identity: &IdentityConfig) -> Value {
    match &web.sign_in {
        Some(WebSignIn::Oidc(oidc)) => json!({
            "kind": "oidc",
            "issuer": oidc.issuer,
            "clientId": oidc.client_id,
            "scope": oidc.scope,
            "token": oidc.token,
        }),
        Some(WebSignIn::Host(origin)) => json!({ "kind": "host", "origin": origin.to_string() }),
        None if identity.dev_login.is_some() => json!({ "kind": "dev" }),
        // A script of the same origin may still provide tokens, as `window.rtsHost`.
        None => json!({ "kind": "host" }),
    }
}
