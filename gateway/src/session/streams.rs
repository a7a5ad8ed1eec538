//! The streams of one session. They run beside the calls, not between them, and are asked for more only
//! when the client has taken what it was sent: a stream is as fast as its reader, and holds what its
//! method reads ahead.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::StreamExt as _;
use rts_common::signalr::{Protocol, encode_completion_error};

use super::service::Records;
use crate::error::{ErrorKind, HubError};
use crate::metrics::{self, Limit};

/// What streams may put on their way at once, between events and answers; one item may come on top.
const TURN_BYTES: usize = 32 * 1024;
/// When to ask again for a stream that there was no room for: one of the others has to end.
const RETRY_AFTER_MS: u32 = 1000;

/// Streams under way. Holds no allocation while there are none.
#[derive(Default)]
pub(super) struct Streams {
    /// Whose turn is next stands in front.
    live: VecDeque<Live>,
}

struct Live {
    invocation_id: String,
    records: Records,
}

/// Why a stream cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoStream {
    /// The connection has as many as it may.
    TooMany,
    /// Its id is that of a live one.
    IdInUse,
}

impl Streams {
    /// Whether another one may begin. Two of one id could not be told apart, and no item may follow the
    /// completion that says so: the older one ends.
    pub(super) fn admit(&mut self, invocation_id: &str, streams_max: usize) -> Result<(), NoStream> {
        if self.cancel(invocation_id) {
            return Err(NoStream::IdInUse);
        }
        if self.live.len() >= streams_max {
            metrics::rate_limited(Limit::Streams);
            return Err(NoStream::TooMany);
        }
        Ok(())
    }

    /// Begins one that was admitted.
    pub(super) fn begin(&mut self, invocation_id: String, records: Records) {
        self.live.push_back(Live { invocation_id, records });
    }

    /// Ends one, if it is there; nothing more of it is sent.
    pub(super) fn cancel(&mut self, invocation_id: &str) -> bool {
        let before = self.live.len();
        self.live.retain(|stream| stream.invocation_id != invocation_id);
        let is_cancelled = self.live.len() < before;
        if self.live.is_empty() {
            self.live = VecDeque::new();
        }
        is_cancelled
    }

    /// Records that are due: one of each in turn, to about a turn's worth of bytes. Ready if there are any.
    pub(super) fn poll_records(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Bytes>> {
        let (mut due, mut bytes, mut waiting) = (Vec::new(), 0, 0);
        while bytes < TURN_BYTES && waiting < self.live.len() {
            let Some(mut stream) = self.live.pop_front() else { break };
            match stream.records.poll_next_unpin(cx) {
                Poll::Ready(None) => continue,
                Poll::Pending => waiting += 1,
                Poll::Ready(Some(record)) => {
                    waiting = 0;
                    bytes += record.len();
                    due.push(record);
                }
            }
            self.live.push_back(stream);
        }
        if self.live.is_empty() {
            self.live = VecDeque::new();
        }
        if due.is_empty() { Poll::Pending } else { Poll::Ready(due) }
    }
}

impl NoStream {
    /// The completion that tells the client.
    pub(super) fn completion(self, protocol: Protocol, invocation_id: &str, method: &str, streams_max: usize) -> Bytes {
        let text = match self {
            // As the reference server says it.
            Self::IdInUse => format!("Invocation ID '{invocation_id}' is already in use."),
            Self::TooMany => {
                let sentence =
                    format!("A connection has at most {streams_max} streams at once. retryAfterMs={RETRY_AFTER_MS}");
                let error = HubError::new(ErrorKind::RateLimited, sentence);
                format!("An unexpected error occurred invoking '{method}' on the server. HubException: {error}")
            }
        };
        encode_completion_error(protocol, invocation_id, &text)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::stream;

    use super::*;

    fn numbers(name: &'static str, count: usize, bytes: usize) -> Records {
        stream::iter(0..count).map(move |number| Bytes::from(format!("{name}{number}{}", "x".repeat(bytes)))).boxed()
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
        assert!(streams.cancel("3") && !streams.cancel("3"));
        assert_eq!(streams.live.capacity(), 0);
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
    fn an_id_is_of_one_stream_and_only_so_many_live() {
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
