//! The interface from sessions to the hub.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use rts_common::signalr::Arguments;

use crate::close_reason::CloseReason;
use crate::connection::{Principal, SessionHandle};

/// A future on the heap: a session without one stays small.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A session on its way to the hub.
pub(super) type Connecting = BoxFuture<Result<Caller, CloseReason>>;

/// The encoded records of one stream, its completion last. Nothing is read ahead of what is taken but
/// what the method says; dropped, it is cancelled.
pub type Records = BoxStream<'static, StreamRecord>;

/// An encoded record of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamRecord {
    /// Others follow.
    Item(Bytes),
    /// None follows.
    Completion(Bytes),
}

/// One call of a client.
#[derive(Debug)]
pub struct Call {
    /// The client's id for it; without one, the client gets no answer.
    pub invocation_id: Option<String>,
    /// The method's name, in any case.
    pub target: String,
    /// Its arguments, not yet decoded.
    pub arguments: Arguments,
}

/// The outcome of a call. Its effect has happened when this exists; its answer may still wait for the journal. `None`
/// if the client wants no answer.
pub enum Outcome {
    /// The encoded completion.
    Now(Option<Bytes>),
    /// The encoded completion, once the change is durable.
    Later(BoxFuture<Option<Bytes>>),
    /// Like `Later`, if the client wants no answer: nothing is sent, and nobody has to wait for it.
    Unanswered(BoxFuture<Option<Bytes>>),
}

/// The node behind its sessions: the hub and the fan-out, or a fake in tests.
pub trait Service: Send + Sync + 'static {
    /// Connects a session: from then on it misses no event of its user, and may make calls. If that takes until after
    /// `answer_by`, it gets what it has missed since. An error is the reason to end.
    fn connect(
        &self,
        session: SessionHandle,
        principal: &Arc<Principal>,
        answer_by: Instant,
    ) -> BoxFuture<Result<Caller, CloseReason>>;
}

/// A user on a connected session.
pub type Caller = Box<dyn ConnectedCaller>;

/// A user on a connected session; dropping it removes the session from the fan-out.
pub trait ConnectedCaller: Send + Sync {
    /// Runs one call. A session makes its calls one after the other, but for those that only read.
    fn call(&self, call: Call) -> BoxFuture<Outcome>;

    /// Begins a stream, which runs beside the calls.
    fn stream(&self, call: Call) -> Records;

    /// Returns a method's name in the hub's spelling; clients may use any case.
    fn method_name(&self, target: &str) -> &'static str;

    /// True if a method changes nothing, and nobody's order: it may run beside other calls.
    fn only_reads(&self, target: &str) -> bool;
}
