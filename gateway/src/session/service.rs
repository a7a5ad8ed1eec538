//! What sessions need of the node.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use rts_common::signalr::Protocol;

use crate::close_reason::CloseReason;
use crate::connection::SessionHandle;
use crate::hub::{Call, Caller, Outcome, Records};

/// A future on the heap: a session that waits for none stays small.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A session's place in the fan-out, given up when dropped.
pub type Attachment = Box<dyn Send>;

/// The node as its sessions see it: the hub and the bus, or what a test puts in their place.
pub trait Service: Send + Sync + 'static {
    /// Lets events come to the session. A reason ends it.
    fn attach(&self, session: SessionHandle, caller: &Arc<Caller>) -> BoxFuture<Result<Attachment, CloseReason>>;

    /// Runs one call. A session makes its calls one after the other.
    fn call(&self, caller: &Arc<Caller>, protocol: Protocol, call: Call) -> BoxFuture<Outcome>;

    /// Begins a stream, which runs beside the calls.
    fn stream(&self, caller: &Arc<Caller>, protocol: Protocol, call: Call) -> Records;
}
