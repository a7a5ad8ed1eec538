//! Sessions: one task each, from a client's arrival on some transport to its end.
//!
//! A session has three phases, each in a file: `handshake`, `run_loop` (calls in, answers and events out, keep-alive),
//! `closing`. Each phase ends with one [`CloseReason`], and there is one exit path. With stateful reconnect
//! (`reconnect`) the second phase continues without a socket for a while, and over the next one. Deliberately absent:
//! the methods (the hub), and the distribution of events (the fan-out).

mod calls;
mod closing;
mod handshake;
mod keep_alive;
mod quota;
mod rate_limit;
mod reconnect;
mod refusal;
mod registry;
mod run_loop;
mod service;
mod settings;
mod streams;
#[cfg(test)]
mod tests;
mod transport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::ids::Person;
use rts_common::signalr::Protocol;

pub use self::quota::{AddressConnection, AddressConnections, Counted, Quota};
pub use self::reconnect::{ReconnectSlot, ReturnedSocket};
pub use self::registry::{Beginning, Carrier, Claim, ClaimError, Registry};
pub use self::service::{BoxFuture, Call, Caller, ConnectedCaller, Outcome, Records, Service, StreamRecord};
pub use self::settings::Settings;
pub use self::transport::{
    HttpTransport, HttpTransportEnd, HttpTransportKind, Over, Reader, Taken, Transport, WebSocket,
};

use self::calls::Calls;
use self::keep_alive::Ends;
use self::reconnect::Stateful;
use crate::close_reason::CloseReason;
use crate::connection::{ConnectionId, Outbox, Principal, SessionHandle};
use crate::lifecycle::Lifecycle;
use crate::metrics::{self, OpenConnection};

/// Time in which an effect may complete after its session's end.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(30);

/// The state that all sessions of a node share.
pub struct Sessions {
    /// Their time constants and bounds.
    pub settings: Settings,
    /// The hub and the fan-out behind them.
    pub service: Arc<dyn Service>,
    /// Runs their tasks.
    pub lifecycle: Lifecycle,
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct NewConnection {
    /// Its id.
    pub connection_id: ConnectionId,
    /// Its user.
    pub principal: Arc<Principal>,
    /// The expiry of its token, which ends it.
    pub expires: Instant,
    /// The outbox for its events; the same that its claim registered.
    pub outbox: Arc<Outbox>,
    /// Its entry in the registry.
    pub claim: Claim,
    /// The slot for its next socket, if negotiation granted it stateful reconnect.
    pub rejoin: Option<Arc<ReconnectSlot>>,
    /// Its count among the connections of its address, if those are counted.
    pub address: Option<AddressConnection>,
    /// Its count among the connections of its user that have not finished their handshake.
    pub shaking: Option<Counted<Person>>,
    /// The time when it was accepted.
    pub arrived: Instant,
}

/// Counters of a session, for its line in the log.
#[derive(Debug, Default)]
struct Counts {
    calls: u64,
    bytes_in: u64,
    records_out: u64,
    bytes_out: u64,
    rejoins: u64,
    /// What carries it; its first one, if it rejoins on others.
    transport: Option<metrics::Transport>,
}

impl Sessions {
    /// Runs a session on its transport, to its end.
    pub async fn run(&self, mut arrival: NewConnection, mut socket: Transport) {
        let mut counts = Counts::default();
        let shaken = handshake::shake_hands(&self.settings, &arrival, &mut socket).await;
        arrival.shaking = None;
        let (protocol, reason) = match shaken {
            Ok((handshake, received)) => {
                let protocol = handshake.protocol;
                // Version 2 without a grant is version 1.
                let rejoin = arrival.rejoin.clone().filter(|_| handshake.version > 1);
                let stateful = rejoin.map(|rejoin| Box::new(Stateful::new(rejoin, protocol)));
                counts.transport = Some(socket.label());
                let _open = OpenConnection::new(socket.label(), protocol);
                let handle = SessionHandle {
                    connection_id: arrival.connection_id,
                    person: arrival.principal.person.clone(),
                    protocol,
                    outbox: Arc::clone(&arrival.outbox),
                };
                let answer_by = Instant::now() + self.settings.answer_within;
                let connecting = self.service.connect(handle, &arrival.principal, answer_by);
                let connecting = handshake::answer(connecting, answer_by, protocol, &arrival, &mut socket).await;
                let mut calls = Calls::default();
                let stay = run_loop::SessionLoop {
                    sessions: self,
                    arrival: &arrival,
                    protocol,
                    stateful,
                    counts: &mut counts,
                };
                let reason = stay.run(&mut socket, &mut calls, connecting, received).await;
                closing::say(&self.settings, &mut socket, protocol, reason, &mut calls).await;
                if let Some(effect) = calls.into_effect() {
                    self.lifecycle.spawn(async { tokio::time::timeout(ORPHAN_TIMEOUT, effect).await.is_ok() });
                }
                (Some(protocol), reason)
            }
            Err(reason) => {
                closing::close(&self.settings, &mut socket).await;
                (None, reason)
            }
        };
        // From here on a push reports that it will not be delivered.
        arrival.outbox.close(reason);
        arrival.report(protocol, reason, &counts);
    }
}

impl NewConnection {
    /// Returns when the session ends in any case, with a token. Sessions that began together, as after a deployment, do
    /// not end together: up to a twentieth sooner.
    fn ends(&self, settings: &Settings, token: Instant) -> Ends {
        let sooner = settings.session_max.mul_f64(f64::from(self.connection_id.as_bytes()[0]) / 256.0 / 20.0);
        Ends { token, life: self.arrived + settings.session_max.saturating_sub(sooner) }
    }

    /// Logs the one line of a session.
    fn report(&self, protocol: Option<Protocol>, reason: CloseReason, counts: &Counts) {
        let lived = self.arrived.elapsed();
        metrics::session_closed(reason, lived);
        tracing::info!(
            connection = %self.connection_id,
            // Quoted: an id may hold what looks like further fields.
            org = ?self.principal.person.org,
            user = ?self.principal.person.user,
            protocol = protocol.map_or("none", Protocol::name),
            transport = counts.transport.map_or("none", metrics::Transport::label),
            reason = reason.label(),
            seconds = lived.as_secs_f64(),
            calls = counts.calls,
            bytes_in = counts.bytes_in,
            records_out = counts.records_out,
            bytes_out = counts.bytes_out,
            rejoins = counts.rejoins,
            "session ended"
        );
    }
}
