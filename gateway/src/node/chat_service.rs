//! The service behind the sessions: the fan-out, presence, and the hub.

use std::sync::Arc;
use std::time::Instant;

use crate::close_reason::CloseReason;
use crate::connection::{Principal, SessionHandle};
use crate::fanout::Fanout;
use crate::hub::{self, Hub, HubConnection};
use crate::lifecycle::Lifecycle;
use crate::presence::{Presence, PresenceError};
use crate::rooms::Rooms;
use crate::session::{BoxFuture, Caller, Service};

/// The chat as sessions see it.
pub(super) struct ChatService {
    pub(super) hub: Arc<Hub>,
    pub(super) fanout: Fanout,
    pub(super) presence: Presence,
    pub(super) rooms: Arc<Rooms>,
    pub(super) lifecycle: Lifecycle,
}

impl Service for ChatService {
    fn connect(
        &self,
        session: SessionHandle,
        principal: &Arc<Principal>,
        answer_by: Instant,
    ) -> BoxFuture<Result<Caller, CloseReason>> {
        let (hub, fanout, principal) = (Arc::clone(&self.hub), self.fanout.clone(), Arc::clone(principal));
        let (presence, lifecycle) = (self.presence.clone(), self.lifecycle.clone());
        let rooms = Arc::clone(&self.rooms);
        Box::pin(async move {
            let protocol = session.protocol;
            let opened = presence.open(&principal.person, session.connection_id).await;
            let place = opened.map_err(|reason| match reason {
                PresenceError::TooMany => CloseReason::TooManyConnections,
                PresenceError::Unavailable => CloseReason::Overload,
            })?;
            let (attached, is_new_name, ()) = tokio::join!(
                fanout.attach(session, answer_by),
                hub.note_name(&principal),
                hub.learn_spent(&principal.person)
            );
            let attachment = attached.map_err(|_| CloseReason::Overload)?;
            // Now that a later revocation would be heard.
            match rooms.is_revoked(&principal.person, principal.issued_at).await {
                Ok(false) => {}
                Ok(true) => return Err(CloseReason::Revoked),
                Err(_) => return Err(CloseReason::Overload),
            }
            let caller = Arc::new(hub::Caller::new(&principal, attachment.watcher()));
            if is_new_name {
                let hub = Arc::clone(&hub);
                lifecycle.spawn(async move { hub.spread_name(&principal.person).await });
            }
            Ok(Box::new(HubConnection::new(hub, caller, protocol, (attachment, place))) as Caller)
        })
    }
}
