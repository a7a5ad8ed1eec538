//! The time constants of sessions, in one place so that tests can shorten them.

use std::time::Duration;

use rts_common::limits::{INVOCATIONS_IN_FLIGHT, RECORD_BURST, RECORD_BYTES, RECORD_RATE, STREAMS_PER_CONNECTION};

/// How patient sessions are.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a handshake may take, the HTTP upgrade included.
    pub handshake_timeout: Duration,
    /// A ping goes to the client this often, whatever else does: its own patience is 30 s.
    pub keep_alive: Duration,
    /// Silence after which a client that pings (every 15 s, by default) is gone. One that does not
    /// is asked for a WebSocket pong, and given twice as long.
    pub client_timeout: Duration,
    /// How long a client may leave what is sent to it unread.
    pub write_timeout: Duration,
    /// How long calls that are under way may take to be answered once the session ends.
    pub finish_timeout: Duration,
    /// How long the goodbye may take, until the client closes too.
    pub close_timeout: Duration,
    /// How long a long poll waits for something to tell.
    pub poll_idle: Duration,
    /// How long a client may take from one long poll to the next.
    pub poll_gap_max: Duration,
    /// How long a request that sends may take, its turn and its body included.
    pub post_timeout: Duration,
    /// How long a session with stateful reconnect waits for its next socket.
    pub detach_window: Duration,
    /// The largest record of a client, with its framing.
    pub record_bytes_max: usize,
    /// Calls that may wait for their answer; beyond, nothing more is read.
    pub calls_in_flight_max: usize,
    /// Streams that may run at once; beyond, one is refused.
    pub streams_max: usize,
    /// Records that a client may send a second, pings and acknowledgements too.
    pub records_per_second: u32,
    /// Records that it may send at once.
    pub records_burst: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(15),
            keep_alive: Duration::from_secs(15),
            client_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            finish_timeout: Duration::from_secs(3),
            close_timeout: Duration::from_secs(3),
            poll_idle: Duration::from_secs(90),
            poll_gap_max: Duration::from_secs(15),
            post_timeout: Duration::from_secs(30),
            detach_window: Duration::from_secs(15),
            record_bytes_max: RECORD_BYTES,
            calls_in_flight_max: INVOCATIONS_IN_FLIGHT,
            streams_max: STREAMS_PER_CONNECTION,
            records_per_second: RECORD_RATE,
            records_burst: RECORD_BURST,
        }
    }
}
