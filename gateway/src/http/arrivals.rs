//! Connections between their acceptance and their session: bounded in number, by address, and in the time that the head
//! of each request may take.
//!
//! A WebSocket leaves this when it is one; requests of other transports stay, and their sessions are counted elsewhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rts_common::limits::HTTP_HEAD_TIME;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::client_address::{Peer, is_public, network};
use crate::metrics::{self, Limit};
use crate::session::{AddressConnection, AddressConnections};

/// Requests of one client that may be under way beside each other: a poll, a send, and one that follows.
const REQUESTS_AT_ONCE: usize = 3;
/// Connections beyond those that sessions may have: for health checks, the web app, and negotiations.
const SPARE: usize = 2000;
/// Connections to the admin address.
const ADMIN_MAX: usize = 256;

/// Counts the connections of a listener.
pub struct Arrivals {
    most: usize,
    count: AtomicUsize,
    addresses: Arc<AddressConnections>,
}

/// A connection that is counted, until dropped.
pub(super) struct Arrival {
    among: Arc<Arrivals>,
    _address: Option<AddressConnection>,
}

impl Arrivals {
    /// Accepts connections for so many sessions of a node, and of one public address.
    pub fn new(sessions: usize, of_address: usize) -> Arc<Self> {
        Self::at_most(sessions.saturating_add(SPARE), of_address.saturating_mul(REQUESTS_AT_ONCE))
    }

    /// Accepts the connections of operators.
    pub fn of_admin() -> Arc<Self> {
        Self::at_most(ADMIN_MAX, ADMIN_MAX)
    }

    fn at_most(most: usize, of_address: usize) -> Arc<Self> {
        Arc::new(Self { most, count: AtomicUsize::new(0), addresses: AddressConnections::new(of_address) })
    }

    /// Counts a connection; `None` if there are too many.
    pub(super) fn open(self: &Arc<Self>, peer: Peer) -> Option<Arrival> {
        let address = peer.0.ip().to_canonical();
        let of_address = if is_public(&address) {
            let Some(counted) = self.addresses.open(&network(address)) else {
                metrics::rate_limited(Limit::AddressConnections);
                return None;
            };
            Some(counted)
        } else {
            None
        };
        let arrival = Arrival { among: Arc::clone(self), _address: of_address };
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.most {
            metrics::rate_limited(Limit::Sockets);
            return None;
        }
        Some(arrival)
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.among.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The heads that arrive on a connection.
pub(super) struct Heads {
    begun: Instant,
    /// True while a request is served.
    is_busy: AtomicBool,
    /// The milliseconds from the beginning to the first byte of a head that is not complete, and one more; 0 without.
    since: AtomicU64,
}

impl Heads {
    /// Returns the heads of a new connection, which has to send its first.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), is_busy: AtomicBool::new(false), since: AtomicU64::new(1) })
    }

    /// Returns when the head has to be there that is arriving now.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.since.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.begun + Duration::from_millis(since) + HTTP_HEAD_TIME)
    }

    /// Notes that a head is complete.
    pub(super) fn complete(&self) {
        self.is_busy.store(true, Ordering::Relaxed);
        self.since.store(0, Ordering::Relaxed);
    }

    /// Notes that the request is answered: what comes now belongs to the next.
    pub(super) fn answered(&self) {
        self.is_busy.store(false, Ordering::Relaxed);
    }

    fn received(&self) {
        if !self.is_busy.load(Ordering::Relaxed) {
            let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
            // Another byte of the same head changes nothing.
            let _first = self.since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// A socket whose heads are watched.
pub(super) struct WatchedStream {
    stream: TcpStream,
    heads: Arc<Heads>,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, heads: Arc<Heads>) -> Self {
        Self { stream, heads }
    }

    /// Returns the socket, when HTTP is done with it.
    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.heads.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer(format!("{address}:1").parse().unwrap())
    }

    #[test]
    fn connections_are_counted_in_all_and_of_each_public_address_until_they_end() {
        let arrivals = Arrivals::at_most(3, 2);
        let held = [arrivals.open(peer("203.0.113.9")), arrivals.open(peer("203.0.113.9"))];
        assert!(held.iter().all(Option::is_some));
        assert!(arrivals.open(peer("203.0.113.9")).is_none(), "too many of the address");
        let other = arrivals.open(peer("10.0.0.1"));
        assert!(other.is_some());
        assert!(arrivals.open(peer("10.0.0.2")).is_none(), "too many in all");
        drop(other);
        assert!(arrivals.open(peer("10.0.0.2")).is_some());
        drop(held);
        assert!(arrivals.open(peer("203.0.113.9")).is_some());
        assert_eq!(arrivals.count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn each_head_has_its_time_from_its_first_byte_on() {
        let heads = Heads::new();
        assert_eq!(heads.due(), Some(heads.begun + HTTP_HEAD_TIME), "the first");
        heads.complete();
        assert_eq!(heads.due(), None, "while it is served");
        heads.received();
        assert_eq!(heads.due(), None, "its body");
        heads.answered();
        assert_eq!(heads.due(), None, "an idle connection");
        heads.received();
        let due = heads.due().unwrap();
        assert!(due <= Instant::now() + HTTP_HEAD_TIME);
        heads.received();
        assert_eq!(heads.due(), Some(due), "more of the same head gives it no more time");
    }
}
