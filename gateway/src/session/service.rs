//! The port by which sessions reach the hub.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use rts_common::signalr::Arguments;

use crate::close_reason::CloseReason;
use crate::connection::{Principal, SessionHandle};

/// A future on the heap: a session that waits for none stays small.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

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

/// One call as it came in.
#[derive(Debug)]
pub struct Call {
    /// The client's id for it; without one, nothing is answered.
    pub invocation_id: Option<String>,
    /// The method's name, in any case.
    pub target: String,
    /// Its arguments, not yet decoded.
    pub arguments: Arguments,
}

/// What a call came to. Its effect has happened when this is there; its answer may still wait for
/// the journal. `None` where the client wants no answer.
pub enum Outcome {
    /// The encoded completion.
    Now(Option<Bytes>),
    /// The encoded completion, once what was done is durable.
    Later(BoxFuture<Option<Bytes>>),
    /// The same, where the client wants no answer: nothing comes of it, and nobody has to wait for it.
    Unanswered(BoxFuture<Option<Bytes>>),
}

/// The node as its sessions see it: the hub and the fan-out, or what a test puts in their place.
pub trait Service: Send + Sync + 'static {
    /// Connects a session: from then on it misses no event of its user, and may make calls. A reason ends it.
    fn connect(&self, session: SessionHandle, principal: &Arc<Principal>) -> BoxFuture<Result<Caller, CloseReason>>;
}

/// A user on a session that is connected.
pub type Caller = Box<dyn ConnectedCaller>;

/// A user on a session that is connected; dropping it takes the session out of the fan-out.
pub trait ConnectedCaller: Send + Sync {
    /// Runs one call. A session makes its calls one after the other, but for those that only read.
    fn call(&self, call: Call) -> BoxFuture<Outcome>;

    /// Begins a stream, which runs beside the calls.
    fn stream(&self, call: Call) -> Records;

    /// Returns a method's name as the hub writes it; clients write it in any case.
    fn method_name(&self, target: &str) -> &'static str;

    /// True if a method changes nothing, and nobody's order: it may run beside other calls.
    fn only_reads(&self, target: &str) -> bool;
}
