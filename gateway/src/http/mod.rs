//! HTTP: the routes, the checks before every request, and the listeners.

mod accept;
mod admin;
mod arrivals;
mod client_address;
mod connect;
mod cors;
#[cfg(feature = "dev-login")]
mod dev_token;
mod hardening;
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

use rts_common::ids::Person;

use crate::auth::{Authenticator, DevTokens};
use crate::budgets::Budgets;
use crate::connection_token::TokenSigner;
use crate::lifecycle::{Lifecycle, Readiness};
use crate::metrics::Exporter;
use crate::peers::Peers;
use crate::rooms::Rooms;
use crate::session::{Quota, Registry, Sessions};

pub use self::accept::serve;
pub use self::admin::AdminGuard;
pub use self::arrivals::Arrivals;
pub use self::client_address::AddressPolicy;
pub use self::origin_policy::OriginPolicy;
pub use self::router::{admin_router, public_router};
pub use self::web::{Site, SiteError};

/// The state of the routes for clients.
pub struct App {
    /// Checks tokens.
    pub authenticator: Arc<Authenticator>,
    /// Signs and checks connection tokens.
    pub connection_tokens: TokenSigner,
    /// Limits the connections of an address.
    pub addresses: AddressPolicy,
    /// The web pages that may connect.
    pub origins: OriginPolicy,
    /// The nodes of other connections.
    pub peers: Peers,
    /// The node's connections.
    pub registry: Arc<Registry>,
    /// Limits the connections of a user that have not finished their handshake: only those that have are counted over
    /// all nodes.
    pub handshakes: Arc<Quota<Person>>,
    /// What users may do: here, how often they connect.
    pub budgets: Arc<Budgets>,
    /// Runs the sessions.
    pub sessions: Arc<Sessions>,
    /// Says if the node accepts clients.
    pub readiness: Readiness,
    /// Issues tokens to anyone, in development.
    pub dev_tokens: Option<DevTokens>,
    /// The web app, if it is served here.
    pub site: Option<Site>,
}

/// The state of the routes on the admin address.
#[derive(Clone)]
pub struct Admin {
    /// Renders `/metrics`.
    pub exporter: Exporter,
    /// Shut down by `/drain`.
    pub lifecycle: Lifecycle,
    /// Answers `/readyz`.
    pub readiness: Readiness,
    /// Says who may make changes.
    pub guard: AdminGuard,
    /// Ends the sessions of people.
    pub rooms: Arc<Rooms>,
}
