//! The streams of one session. They run beside the calls, not between them, and are polled for more only when the
//! client has taken their last records: a stream is as fast as its reader, and holds only what its method reads ahead.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use rts_common::signalr::{Protocol, encode_completion_error, encode_completion_void};

use super::refusal;
use super::service::{Records, StreamRecord};
use crate::error::{ErrorKind, HubError};
use crate::metrics::{self, Limit};

/// The most that streams send at once, between events and answers; one item may come on top.
const TURN_BYTES: usize = 32 * 1024;
/// Time after which to retry a stream for which there was no room: another stream has to end first.
const RETRY_AFTER_MS: u32 = 1000;

/// Streams in progress. Holds no allocation while there are none.
#[derive(Default)]
pub(super) struct Streams {
    /// The next stream whose turn it is comes first.
    live: VecDeque<Live>,
}

struct Live {
    invocation_id: String,
    records: Records,
}

/// The reason why a stream cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoStream {
    /// The connection has the maximum number of streams.
    TooMany,
    /// Its id belongs to a live stream.
    IdInUse,
}

impl Streams {
    /// Checks that another stream may begin. Two with one id could not be told apart, and no item may follow the
    /// completion that reports this: the older one ends.
    pub(super) fn admit(&mut self, invocation_id: &str, streams_max: usize) -> Result<(), NoStream> {
        if self.end(invocation_id) {
            return Err(NoStream::IdInUse);
        }
        if self.live.len() >= streams_max {
            metrics::rate_limited(Limit::Streams);
            return Err(NoStream::TooMany);
        }
        Ok(())
    }

    /// Begins a stream that was admitted.
    pub(super) fn begin(&mut self, invocation_id: String, records: Records) {
        self.live.push_back(Live { invocation_id, records });
    }

    /// Cancels one, if it is there: of what it has to give only a completion is sent, as by the reference server. It
    /// keeps its place until then, so that cancelled ones are no more than live ones may be.
    pub(super) fn cancel(&mut self, protocol: Protocol, invocation_id: &str) {
        if let Some(cancelled) = self.live.iter_mut().find(|stream| stream.invocation_id == invocation_id) {
            let completion = StreamRecord::Completion(encode_completion_void(protocol, invocation_id));
            cancelled.records = stream::iter([completion]).boxed();
        }
    }

    /// Ends one, if it is there; nothing of it is sent any more.
    fn end(&mut self, invocation_id: &str) -> bool {
        let before = self.live.len();
        self.live.retain(|stream| stream.invocation_id != invocation_id);
        let is_ended = self.live.len() < before;
        if self.live.is_empty() {
            self.live = VecDeque::new();
        }
        is_ended
    }

    /// Returns records that are due: one of each stream in turn, up to about a turn's bytes. Ready if there are any.
    pub(super) fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Bytes>> {
        let (mut due, mut bytes, mut waiting) = (Vec::new(), 0, 0);
        while bytes < TURN_BYTES && waiting < self.live.len() {
            let Some(mut stream) = self.live.pop_front() else { break };
            let (record, is_last) = match stream.records.poll_next_unpin(cx) {
                Poll::Ready(None) => continue,
                Poll::Pending => {
                    waiting += 1;
                    self.live.push_back(stream);
                    continue;
                }
                Poll::Ready(Some(StreamRecord::Item(record))) => (record, false),
                Poll::Ready(Some(StreamRecord::Completion(record))) => (record, true),
            };
            waiting = 0;
            bytes += record.len();
            due.push(record);
            // One that is over is not there to be cancelled any more.
            if !is_last {
                self.live.push_back(stream);
            }
        }
        if self.live.is_empty() {
            self.live = VecDeque::new();
        }
        if due.is_empty() { Poll::Pending } else { Poll::Ready(due) }
    }
}

impl NoStream {
    /// The completion that tells the client.
    pub(super) fn completion(
        self,
        protocol: Protocol,
        invocation_id: &str,
        method: &'static str,
        streams_max: usize,
    ) -> Bytes {
        match self {
            // As the reference server says it.
            Self::IdInUse => {
                let text = format!("Invocation ID '{invocation_id}' is already in use.");
                encode_completion_error(protocol, invocation_id, &text)
            }
            Self::TooMany => {
                let sentence =
                    format!("A connection has at most {streams_max} streams at once. retryAfterMs={RETRY_AFTER_MS}");
                let error = HubError::new(ErrorKind::RateLimited, sentence);
                refusal::completion(protocol, invocation_id, method, &error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn numbers(name: &'static str, count: usize, bytes: usize) -> Records {
        let record = move |number| Bytes::from(format!("{name}{number}{}", "x".repeat(bytes)));
        stream::iter(0..count).map(move |number| StreamRecord::Item(record(number))).boxed()
    }

    async fn due(streams: &mut Streams) -> Vec<Bytes> {
        poll_fn(|cx| {
            Poll::Ready(match streams.poll_records(cx) {
                Poll::Ready(due) => due,
                Poll::Pending => Vec::new(),
            })
        })
        .await
    }

    #[tokio::test]
    async fn streams_take_turns_and_leave_nothing_behind() {
        let mut streams = Streams::default();
        streams.begin("1".to_owned(), numbers("a", 3, 0));
        streams.begin("2".to_owned(), numbers("b", 1, 0));
        streams.begin("3".to_owned(), stream::pending().boxed());
        assert_eq!(due(&mut streams).await, ["a0", "b0", "a1", "a2"]);
        assert_eq!(due(&mut streams).await, Vec::<Bytes>::new());
        assert_eq!(streams.live.len(), 1, "those that ended are gone");
        assert!(streams.end("3") && !streams.end("3"));
        assert_eq!(streams.live.capacity(), 0);
    }

    #[tokio::test]
    async fn a_cancelled_stream_has_one_completion_and_nothing_else() {
        const DONE: &str = "{\"type\":3,\"invocationId\":\"1\"}\u{1e}";
        let mut streams = Streams::default();
        streams.begin("1".to_owned(), numbers("a", 3, 0));
        for _ in 0..2 {
            streams.cancel(Protocol::Json, "1");
        }
        assert_eq!(streams.admit("2", 1), Err(NoStream::TooMany), "it keeps its place");
        assert_eq!(due(&mut streams).await, [DONE]);
        streams.cancel(Protocol::Json, "1");
        assert_eq!(due(&mut streams).await, Vec::<Bytes>::new());
        // A turn may end with the last record of a stream: it has had its completion then.
        let last = StreamRecord::Completion(Bytes::from(vec![b'x'; TURN_BYTES]));
        streams.begin("1".to_owned(), stream::iter([last]).boxed());
        assert_eq!(due(&mut streams).await.len(), 1);
        streams.cancel(Protocol::Json, "1");
        assert_eq!(due(&mut streams).await, Vec::<Bytes>::new());
    }

    #[tokio::test]
    async fn no_more_is_asked_for_than_a_turn_takes() {
        let mut streams = Streams::default();
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&asked);
        let records = numbers("", 1000, 10_000).inspect(move |_| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        streams.begin("1".to_owned(), records.boxed());
        assert_eq!(due(&mut streams).await.len(), 4);
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 4);
    }

    #[test]
    fn an_id_has_one_stream_and_the_live_ones_are_limited() {
        let mut streams = Streams::default();
        for id in ["1", "2"] {
            assert_eq!(streams.admit(id, 2), Ok(()));
            streams.begin(id.to_owned(), stream::pending().boxed());
        }
        assert_eq!(streams.admit("3", 2), Err(NoStream::TooMany));
        assert_eq!(streams.admit("1", 2), Err(NoStream::IdInUse));
        assert_eq!(streams.admit("1", 2), Ok(()), "the older one ended");
        let text = NoStream::TooMany.completion(Protocol::Json, "3", "StreamHistory", 2);
        let text = String::from_utf8(text.to_vec()).unwrap();
        assert!(text.contains("'StreamHistory' on the server. HubException: rateLimited: "), "{text}");
        assert!(text.contains("retryAfterMs=1000\""), "{text}");
    }
}
