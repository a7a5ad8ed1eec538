//! Starts a session from a request, and runs it so that other nodes can find it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::App;
use super::request_error::RequestError;
use crate::auth::Identity;
use crate::budgets::Budget;
use crate::connection::{ConnectionId, Outbox};
use crate::metrics::{self, Limit};
use crate::session::{Carrier, NewConnection, ReconnectSlot, Transport};

/// A request that was authenticated and checked.
pub(super) struct Admitted {
    pub(super) identity: Identity,
    /// The time when the request arrived.
    pub(super) arrived: Instant,
    /// The time for which the connection's token could still be used.
    pub(super) token_left: Duration,
}

impl Admitted {
    /// Takes a slot among the node's connections.
    pub(super) fn connect(self, app: &App, id: ConnectionId, carrier: Carrier) -> Result<NewConnection, RequestError> {
        let outbox = Arc::new(Outbox::default());
        let slot: Option<Arc<ReconnectSlot>> = match &carrier {
            Carrier::WebSocket(slot) => slot.clone(),
            Carrier::Http(_) => None,
        };
        let shaking = app.handshakes.open(&self.identity.person).ok_or(RequestError::TooManyOfUser)?;
        if app.budgets.take(&self.identity.person, Budget::Connects, 1).is_err() {
            metrics::rate_limited(Limit::Connects);
            return Err(RequestError::TooOften);
        }
        let claim = app.registry.claim(id, self.arrived + self.token_left, &outbox, carrier)?;
        let expires = self.identity.expires;
        Ok(NewConnection {
            connection_id: id,
            principal: Arc::new(self.identity.into_principal()),
            expires,
            outbox,
            claim,
            rejoin: slot,
            address: None,
            shaking: Some(shaking),
            arrived: self.arrived,
        })
    }
}

/// Runs a session that requests on other nodes may look up, and keeps its address until it ends.
pub(super) async fn run_findable(app: Arc<App>, connection: NewConnection, transport: Transport) {
    let (id, token_ends) = (connection.connection_id, connection.claim.token_ends());
    let session = Box::pin(app.sessions.run(connection, transport));
    app.peers.keep_while(id, token_ends, session).await;
}
