//! What sessions reach through their port: the fan-out, presence, and the hub.

use std::sync::Arc;

use rts_common::signalr::Protocol;

use crate::close_reason::CloseReason;
use crate::connection::{Principal, SessionHandle};
use crate::fanout::{Attachment, Bus};
use crate::hub::{self, Hub, Method};
use crate::lifecycle::Lifecycle;
use crate::presence::{NotPresent, Place, Presence};
use crate::session::{BoxFuture, Call, Caller, ConnectedCaller, Outcome, Records, Service};

/// The chat as sessions see it.
pub(super) struct ChatService {
    pub(super) hub: Arc<Hub>,
    pub(super) bus: Bus,
    pub(super) presence: Presence,
    pub(super) lifecycle: Lifecycle,
}

/// A user whose session is in the fan-out and in presence, until this is dropped.
struct ChatCaller {
    hub: Arc<Hub>,
    caller: Arc<hub::Caller>,
    protocol: Protocol,
    _attachment: Attachment,
    _presence: Place,
}

impl Service for ChatService {
    fn connect(&self, session: SessionHandle, principal: &Arc<Principal>) -> BoxFuture<Result<Caller, CloseReason>> {
        let (hub, bus, principal) = (Arc::clone(&self.hub), self.bus.clone(), Arc::clone(principal));
        let (presence, lifecycle) = (self.presence.clone(), self.lifecycle.clone());
        Box::pin(async move {
            let protocol = session.protocol;
            let opened = presence.open(&principal.person, session.connection_id).await;
            let place = opened.map_err(|reason| match reason {
                NotPresent::TooMany => CloseReason::TooManyConnections,
                NotPresent::Unavailable => CloseReason::Overload,
            })?;
            let attachment = bus.attach(session).await.map_err(|_| CloseReason::Overload)?;
            let caller = Arc::new(hub::Caller::new(&principal, attachment.watcher()));
            let (greeter, greeted) = (Arc::clone(&hub), Arc::clone(&caller));
            lifecycle.spawn(async move { greeter.greet(&greeted).await });
            let caller = ChatCaller { hub, caller, protocol, _attachment: attachment, _presence: place };
            Ok(Box::new(caller) as Caller)
        })
    }
}

impl ConnectedCaller for ChatCaller {
    fn call(&self, call: Call) -> BoxFuture<Outcome> {
        let (hub, caller, protocol) = (Arc::clone(&self.hub), Arc::clone(&self.caller), self.protocol);
        Box::pin(async move { hub.call(&caller, protocol, call).await })
    }

    fn stream(&self, call: Call) -> Records {
        self.hub.stream(&self.caller, self.protocol, call)
    }

    fn method_name(&self, target: &str) -> &'static str {
        Method::from_name(target).map_or("unknown", Method::name)
    }
}
