//! The answer of a verb, and how it becomes a completion.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rts_common::signalr::{self, Protocol};
use serde::Serialize;

use super::{Method, fault};
use crate::error::{ErrorKind, HubError};
use crate::fanout::AnswerUnderWay;
use crate::journal::Ticket;
use crate::metrics;
use crate::rooms::RoomError;
use crate::session::Outcome;

/// The answer of a verb, and what it waits for.
pub enum Answer<T> {
    /// Nothing was changed, or the change is durable already.
    Now {
        /// The value to return.
        value: T,
        /// Dropped once the answer is being sent to the client, or will never be.
        under_way: Option<AnswerUnderWay>,
    },
    /// The change has happened, and has to be durable before the client gets the answer.
    Durable(Done<T>),
    /// The change will happen in its turn, even if nobody waits for it; this resolves to its result.
    Later(BoxFuture<'static, Result<Done<T>, HubError>>),
}

/// A change that has happened, and the journal's tickets for it.
pub struct Done<T> {
    pub(super) value: T,
    pub(super) durable: Vec<Ticket>,
}

impl<T> Answer<T> {
    pub(super) fn now(value: T) -> Self {
        Self::Now { value, under_way: None }
    }

    /// Answers once the journal has accepted the tickets.
    pub(super) fn once(value: T, durable: impl IntoIterator<Item = Ticket>) -> Self {
        Self::Durable(Done { value, durable: durable.into_iter().collect() })
    }

    /// Answers immediately; calls that must come after it wait until it is being sent.
    pub(super) fn before(value: T, under_way: AnswerUnderWay) -> Self {
        Self::Now { value, under_way: Some(under_way) }
    }
}

/// The bytes of an answer, which the transport drops once it has written them in their order.
struct Leaving {
    bytes: Bytes,
    _until_dropped: AnswerUnderWay,
}

impl AsRef<[u8]> for Leaving {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Returns the name for the client's error text: an unknown name may be of any length.
pub(super) fn shortened(target: &str) -> String {
    const CHARS_MAX: usize = 100;
    target.chars().take(CHARS_MAX).collect()
}

/// The reply to one call, not yet complete.
pub(super) struct Reply {
    pub(super) protocol: Protocol,
    pub(super) method: Option<Method>,
    pub(super) target: String,
    pub(super) invocation_id: Option<String>,
    pub(super) begun: Instant,
}

impl Reply {
    pub(super) fn outcome<T: Serialize + Send + 'static>(self, result: Result<Answer<T>, HubError>) -> Outcome {
        match result {
            Ok(Answer::Now { value, under_way }) => {
                let answer = self.value(&value);
                Outcome::Now(match under_way {
                    Some(under_way) => {
                        answer.map(|bytes| Bytes::from_owner(Leaving { bytes, _until_dropped: under_way }))
                    }
                    None => answer,
                })
            }
            Ok(Answer::Durable(done)) => later(self.invocation_id.is_some(), self.once_durable(done)),
            Ok(Answer::Later(effect)) => later(self.invocation_id.is_some(), async move {
                match effect.await {
                    Ok(done) => self.once_durable(done).await,
                    Err(error) => self.error(&error),
                }
            }),
            Err(error) => Outcome::Now(self.error(&error)),
        }
    }

    async fn once_durable<T: Serialize>(self, done: Done<T>) -> Option<Bytes> {
        for ticket in done.durable {
            if ticket.await.is_err() {
                return self.error(&HubError::unavailable());
            }
        }
        self.value(&done.value)
    }

    /// Answers with the error text of the reference server, and our code.
    pub(super) fn wrong_arguments(self) -> Option<Bytes> {
        self.count(ErrorKind::InvalidArgument.code());
        let text = refusal(&self.target, &HubError::one_object());
        self.completion_error(&text)
    }

    /// Answers with the error text of the reference server.
    pub(super) fn unknown_method(self) -> Option<Bytes> {
        self.count("unknownMethod");
        let text = refusal(&shortened(&self.target), &HubError::no_method());
        self.completion_error(&text)
    }

    /// Answers with the error text of the reference server.
    pub(super) fn wants_stream(self) -> Option<Bytes> {
        self.count(ErrorKind::InvalidArgument.code());
        let text = format!(
            "The client attempted to invoke the streaming '{}' method with a non-streaming invocation. HubException: {}",
            self.method.map_or("unknown", Method::name),
            HubError::invalid("This method is a stream; call it as one.")
        );
        self.completion_error(&text)
    }

    fn value<T: Serialize>(self, value: &T) -> Option<Bytes> {
        let id = self.invocation_id.as_deref();
        let encoded = id.map(|id| signalr::encode_completion(self.protocol, id, value)).transpose();
        match encoded {
            Ok(record) => {
                self.count("ok");
                record
            }
            Err(error) => {
                tracing::error!(method = self.target, %error, "cannot encode an answer");
                self.error(&HubError::internal())
            }
        }
    }

    fn error(self, error: &HubError) -> Option<Bytes> {
        self.count(error.kind.code());
        let rule = self.method.filter(|_| error.is_unexplained()).and_then(fault::rule_of);
        let explained = rule.map(|rule| HubError::new(ErrorKind::Forbidden, rule));
        let error = explained.as_ref().unwrap_or(error);
        let text =
            format!("An unexpected error occurred invoking '{}' on the server. HubException: {error}", self.target);
        self.completion_error(&text)
    }

    fn completion_error(self, text: &str) -> Option<Bytes> {
        let id = self.invocation_id.as_deref()?;
        Some(signalr::encode_completion_error(self.protocol, id, text))
    }

    fn count(&self, outcome: &'static str) {
        metrics::hub_call(self.method.map_or("unknown", Method::name), outcome, self.begun.elapsed());
    }
}

/// Returns the error text of the reference server for a call that no method takes, and the code behind it.
pub(super) fn refusal(target: &str, error: &HubError) -> String {
    format!("Failed to invoke '{target}' due to an error on the server. HubException: {error}")
}

fn later(is_wanted: bool, answer: impl Future<Output = Option<Bytes>> + Send + 'static) -> Outcome {
    let answer = Box::pin(answer);
    if is_wanted { Outcome::Later(answer) } else { Outcome::Unanswered(answer) }
}

impl From<RoomError> for HubError {
    fn from(refusal: RoomError) -> Self {
        match refusal {
            RoomError::NotFound => Self::room_not_found(),
            RoomError::NoMessage => Self::new(ErrorKind::NotFound, "There is no such message."),
            RoomError::NoMember => Self::new(ErrorKind::NotFound, "There is no such member."),
            RoomError::Forbidden => Self::not_allowed(),
            RoomError::Archived => Self::new(ErrorKind::Archived, "The room is archived and read-only."),
            RoomError::Conflict => Self::new(ErrorKind::Conflict, "The message was changed by someone else."),
            RoomError::FileTaken => {
                Self::new(ErrorKind::Conflict, "A file belongs to another message; upload it again.")
            }
            RoomError::EmptyBody => Self::invalid("body is empty."),
            RoomError::TooManyReactions => {
                Self::new(ErrorKind::TooLarge, "The message has the maximum number of reactions.")
            }
            RoomError::TooManyMembers => super::request::too_many_members(),
            RoomError::Unavailable(cause) => {
                tracing::warn!(cause, "a call is unavailable");
                Self::unavailable()
            }
            RoomError::Fault(cause) => {
                tracing::error!(cause, "a call failed");
                Self::internal()
            }
        }
    }
}
