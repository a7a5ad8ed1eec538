//! Sessions: one task each, from a client's arrival on some transport to its end.
//!
//! A session goes through three phases, each a file: `handshake`, `run_loop` (calls in, answers
//! and events out, keep-alive), `closing`. Whatever happens in a phase ends it with one
//! [`CloseReason`], and there is one way out. With stateful reconnect (`reconnect`) the second phase goes
//! on without a socket for a while, and over the next one. Deliberately absent: what a method does (the
//! hub), and who gets an event (the fan-out).

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

use rts_common::signalr::Protocol;

pub use self::quota::{AddressConnection, AddressConnections};
pub use self::reconnect::{ReconnectSlot, ReturnedSocket};
pub use self::registry::{Beginning, Carrier, Claim, ClaimError, Registry};
pub use self::service::{BoxFuture, Call, Caller, ConnectedCaller, Outcome, Records, Service, StreamRecord};
pub use self::settings::Settings;
pub use self::transport::{
    HttpTransport, HttpTransportEnd, HttpTransportKind, Over, Reader, Taken, Transport, WebSocket,
};

use self::calls::Calls;
use self::reconnect::Stateful;
use crate::close_reason::CloseReason;
use crate::connection::{ConnectionId, Outbox, Principal};
use crate::lifecycle::Lifecycle;
use crate::metrics::{self, OpenConnection};

/// How long an effect may go on after its session's end.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(30);

/// What all sessions of a node share.
pub struct Sessions {
    /// Their time constants and bounds.
    pub settings: Settings,
    /// The hub and the fan-out behind them.
    pub service: Arc<dyn Service>,
    /// Where their tasks run.
    pub lifecycle: Lifecycle,
}

/// A connection that was let in.
#[derive(Debug)]
pub struct NewConnection {
    /// Its id.
    pub connection_id: ConnectionId,
    /// Whose it is.
    pub principal: Arc<Principal>,
    /// When its token ends, and it with it.
    pub expires: Instant,
    /// Where its events go; the same that its claim registered.
    pub outbox: Arc<Outbox>,
    /// Its place among the node's connections.
    pub claim: Claim,
    /// Where its next socket is handed in, if negotiation granted it stateful reconnect.
    pub rejoin: Option<Arc<ReconnectSlot>>,
    /// Its place among the connections of its address, if those are counted.
    pub address: Option<AddressConnection>,
    /// When it was let in.
    pub arrived: Instant,
}

/// What a session moved, for its line in the log.
#[derive(Debug, Default)]
struct Counts {
    calls: u64,
    bytes_in: u64,
    records_out: u64,
    bytes_out: u64,
    rejoins: u64,
}

impl Sessions {
    /// Lives a session on what carries it, to its end.
    pub async fn run(&self, arrival: NewConnection, mut socket: Transport) {
        let mut counts = Counts::default();
        let (protocol, reason) = match handshake::shake_hands(&self.settings, &arrival, &mut socket).await {
            Ok((handshake, received)) => {
                let protocol = handshake.protocol;
                // Version 2 without a grant is version 1.
                let rejoin = arrival.rejoin.clone().filter(|_| handshake.version > 1);
                let stateful = rejoin.map(|rejoin| Box::new(Stateful::new(rejoin, protocol)));
                let _open = OpenConnection::new(socket.label(), protocol);
                let mut calls = Calls::default();
                let stay = run_loop::SessionLoop {
                    sessions: self,
                    arrival: &arrival,
                    protocol,
                    stateful,
                    counts: &mut counts,
                };
                let reason = stay.run(&mut socket, &mut calls, received).await;
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
        // Whoever still pushes is told that nobody reads.
        arrival.outbox.close(reason);
        arrival.report(protocol, reason, &counts);
    }
}

impl NewConnection {
    /// The one line that a session leaves in the log.
    fn report(&self, protocol: Option<Protocol>, reason: CloseReason, counts: &Counts) {
        let lived = self.arrived.elapsed();
        metrics::session_closed(reason, lived);
        tracing::info!(
            connection = %self.connection_id,
            org = %self.principal.person.org,
            user = %self.principal.person.user,
            protocol = protocol.map_or("none", Protocol::name),
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
