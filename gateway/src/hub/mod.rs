//! The hub: every method of the chat by name.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use rts_common::ids::Person;
use rts_common::signalr::{Arguments, Protocol};

/// Who is calling, on which connection.
#[derive(Debug)]
pub struct Caller {
    /// The authenticated person.
    pub person: Person,
    /// The name in their token; their id when it has none.
    pub display_name: String,
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
    Later(Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>),
}

/// The methods, with the parts they work on.
pub struct Hub;

impl Hub {
    /// Runs a call. Calls of one connection are made one after the other, in the order received.
    pub async fn call(&self, _caller: &Arc<Caller>, _protocol: Protocol, _call: Call) -> Outcome {
        Outcome::Now(None)
    }
}
