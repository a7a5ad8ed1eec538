//! HTTP: the routes, what stands before every request, and the listeners.

mod accept;
mod client_address;
mod connect;
mod cors;
mod dev_token;
mod health;
mod identify;
mod negotiate;
mod new_session;
mod origin_policy;
mod polling;
mod polling_response;
mod query;
mod request_error;
mod router;
#[cfg(test)]
mod tests;
mod web;
mod websocket;

use std::sync::Arc;

use crate::auth::{Authenticator, DevTokens};
use crate::connection_token::TokenSigner;
use crate::lifecycle::{Lifecycle, Readiness};
use crate::metrics::Exporter;
use crate::peers::Peers;
use crate::session::{Registry, Sessions};

pub use self::accept::serve;
pub use self::client_address::AddressPolicy;
pub use self::origin_policy::OriginPolicy;
pub use self::router::{admin_router, public_router};
pub use self::web::{Site, SiteError};

/// What the routes for clients work with.
pub struct App {
    /// Checks tokens.
    pub authenticator: Arc<Authenticator>,
    /// Signs and checks connection tokens.
    pub connection_tokens: TokenSigner,
    /// How many connections an address may have.
    pub addresses: AddressPolicy,
    /// Which web pages may connect.
    pub origins: OriginPolicy,
    /// The nodes where other connections are.
    pub peers: Peers,
    /// The node's connections.
    pub registry: Arc<Registry>,
    /// What lives them.
    pub sessions: Arc<Sessions>,
    /// Whether clients are welcome.
    pub readiness: Readiness,
    /// Gives tokens to anyone, in development.
    pub dev_tokens: Option<DevTokens>,
    /// The web app, if it is served here.
    pub site: Option<Site>,
}

/// What the routes on the admin address work with.
#[derive(Clone)]
pub struct Admin {
    /// What `/metrics` serves.
    pub exporter: Exporter,
    /// What `/drain` ends.
    pub lifecycle: Lifecycle,
    /// What `/readyz` tells.
    pub readiness: Readiness,
}
