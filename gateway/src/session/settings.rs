//! The time constants of sessions, in one place so that tests can shorten them.

use std::time::Duration;

use rts_common::limits::{
    INVOCATIONS_IN_FLIGHT, RECORD_BURST, RECORD_BYTES, RECORD_RATE, SESSION_MAX, STREAMS_PER_CONNECTION,
};

/// Timeouts and bounds of sessions.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time for a handshake, the HTTP upgrade included.
    pub handshake_timeout: Duration,
    /// Time for which the answer to a handshake waits for the session to be connected; it comes then in any case: clients
    /// wait 15 s.
    pub answer_within: Duration,
    /// Interval of pings to the client, independent of other records: the client's own timeout is 30 s.
    pub keep_alive: Duration,
    /// Silence after which a client that pings (every 15 s, by default) counts as gone. One that does not is sent a
    /// ping of the WebSocket, and has twice as long.
    pub client_timeout: Duration,
    /// Time for which a client may leave sent data unread.
    pub write_timeout: Duration,
    /// Time for pending calls to be answered once the session ends.
    pub finish_timeout: Duration,
    /// Time for the close handshake, until the client closes too.
    pub close_timeout: Duration,
    /// Time for which a long poll waits for records.
    pub poll_idle: Duration,
    /// The longest time from one long poll to the next.
    pub poll_gap_max: Duration,
    /// Time for a request that sends, its turn and its body included.
    pub post_timeout: Duration,
    /// Time for which a session with stateful reconnect waits for its next socket.
    pub detach_window: Duration,
    /// Time after which a session ends whatever its token says, and its client reconnects: with a token that the issuer
    /// still gives it.
    pub session_max: Duration,
    /// The largest record of a client, with its framing.
    pub record_bytes_max: usize,
    /// Calls that may wait for their answer; beyond it, nothing more is read.
    pub calls_in_flight_max: usize,
    /// Streams that may run at once; beyond it, a new one is refused.
    pub streams_max: usize,
    /// Records that a client may send per second, pings and acknowledgements too.
    pub records_per_second: u32,
    /// Records that it may send at once.
    pub records_burst: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(15),
            answer_within: Duration::from_secs(10),
            keep_alive: Duration::from_secs(15),
            client_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            finish_timeout: Duration::from_secs(3),
            close_timeout: Duration::from_secs(3),
            poll_idle: Duration::from_secs(90),
            poll_gap_max: Duration::from_secs(15),
            post_timeout: Duration::from_secs(30),
            detach_window: Duration::from_secs(15),
            session_max: SESSION_MAX,
            record_bytes_max: RECORD_BYTES,
            calls_in_flight_max: INVOCATIONS_IN_FLIGHT,
            streams_max: STREAMS_PER_CONNECTION,
            records_per_second: RECORD_RATE,
            records_burst: RECORD_BURST,
        }
    }
}
