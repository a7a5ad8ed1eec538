//! The hub: every method of the chat by name.
//!
//! A call is decoded, checked, takes effect in Redis, and is answered once what it did is durable.
//! Each method is a verb file beside the others and a line in [`method::Method`].

mod archive_room;
mod attachments;
mod create_room;
mod create_upload;
mod delete_message;
mod edit_message;
mod get_attachment_url;
mod get_history;
mod greet;
mod list_rooms;
mod mark;
mod members;
pub mod method;
mod permits;
mod react;
mod rename_room;
mod reply;
mod request;
mod resume;
mod search_messages;
mod search_users;
mod send_message;
mod set_presence;
mod set_typing;
mod stream_history;
mod stream_reply;
mod watch_presence;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use rts_common::ids::{NodeId, Person};
use rts_common::signalr::{Arguments, Protocol};
use rts_common::store::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::method::Method;
use self::reply::Reply;
use crate::error::{ErrorKind, HubError};
use crate::fanout::{Bus, Watcher};
use crate::journal::Journal;
use crate::metrics;
use crate::presence::Presence;
use crate::rate_limits::RateLimits;
use crate::rooms::Rooms;
use crate::search::Search;
use crate::send::{Flights, Sends};
use crate::uploads::Uploads;

pub use self::reply::Answer;
pub use self::set_typing::Typists;
pub use self::stream_reply::Records;

/// Who is calling, on which connection.
pub struct Caller {
    /// The authenticated person.
    pub person: Person,
    /// The name in their token; their id when it has none.
    pub display_name: String,
    /// Their connection, as one that watches people; set once, before the first call.
    watcher: OnceLock<Watcher>,
    /// Messages of theirs that have not happened yet.
    flights: Arc<Flights>,
}

impl Caller {
    /// Somebody whose token was good.
    pub fn new(person: Person, display_name: String) -> Self {
        Self { person, display_name, watcher: OnceLock::new(), flights: Arc::default() }
    }

    /// Their connection has its place on the bus.
    pub fn attached(&self, watcher: Watcher) {
        // A connection is attached once.
        let _first_stays = self.watcher.set(watcher);
    }

    fn watcher(&self) -> Result<&Watcher, HubError> {
        self.watcher.get().ok_or_else(HubError::internal)
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("person", &self.person).finish_non_exhaustive()
    }
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
    /// The same, where the client wants no answer: nothing comes of it, and nobody has to wait for it.
    Unanswered(Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>),
}

/// What a deployment may set.
#[derive(Clone, Copy, Debug)]
pub struct HubLimits {
    /// Bytes of a message body.
    pub body_bytes: usize,
    /// Members of a room.
    pub room_members: usize,
    /// Characters of a room's name.
    pub name_chars: usize,
    /// Items of a page.
    pub page: usize,
    /// Events that a resume replays for a room.
    pub resume_events: usize,
}

/// The parts that the methods work on.
pub struct HubParts {
    /// This node.
    pub node: NodeId,
    /// Rooms in Redis and DynamoDB.
    pub rooms: Arc<Rooms>,
    /// The directories of organizations.
    pub store: Store,
    /// The way of new messages.
    pub sends: Sends,
    /// What this node has seen of rooms.
    pub bus: Bus,
    /// The journal of messages.
    pub message_journal: Journal,
    /// The journal of rooms.
    pub room_journal: Journal,
    /// Who is connected.
    pub presence: Presence,
    /// How fast users may send.
    pub rates: Arc<RateLimits>,
    /// Files, where the deployment has them.
    pub uploads: Option<Uploads>,
    /// How fast users may begin uploads.
    pub upload_rates: RateLimits,
    /// Search in messages.
    pub search: Search,
    /// How often users may search.
    pub search_rates: RateLimits,
    /// How fast users may watch, search, and set their presence.
    pub people_rates: RateLimits,
    /// Who was told to type.
    pub typists: Typists,
    /// Limits of requests.
    pub limits: HubLimits,
}

/// The methods.
pub struct Hub {
    parts: HubParts,
}

impl Hub {
    /// On these parts.
    pub fn new(parts: HubParts) -> Self {
        Self { parts }
    }

    /// Runs a call. Calls of one connection are made one after the other, in the order received. A message may
    /// follow another to the same room before that one has happened, since their order is kept on the way; any
    /// other call begins when all before it have.
    pub async fn call(self: &Arc<Self>, caller: &Arc<Caller>, protocol: Protocol, call: Call) -> Outcome {
        let begun = Instant::now();
        let method = Method::from_name(&call.target);
        let reply = Reply { protocol, method, target: call.target, invocation_id: call.invocation_id, begun };
        match method {
            Some(method) if method.is_stream() => Outcome::Now(reply.wants_stream()),
            Some(method) if call.arguments.len() == 1 => {
                if method != Method::SendMessage {
                    caller.flights.landed().await;
                }
                self.dispatch(method, caller, &call.arguments, reply).await
            }
            Some(_) => Outcome::Now(reply.wrong_arguments()),
            None => Outcome::Now(reply.unknown_method()),
        }
    }

    async fn dispatch(
        self: &Arc<Self>,
        method: Method,
        caller: &Caller,
        arguments: &Arguments,
        reply: Reply,
    ) -> Outcome {
        match method {
            Method::CreateRoom => reply.to(arguments, async |r| create_room::run(self, caller, r).await).await,
            Method::AddMembers => reply.to(arguments, async |r| members::add(self, caller, r).await).await,
            Method::RemoveMember => reply.to(arguments, async |r| members::remove(self, caller, r).await).await,
            Method::LeaveRoom => reply.to(arguments, async |r| members::leave(self, caller, r).await).await,
            Method::RenameRoom => reply.to(arguments, async |r| rename_room::run(self, caller, r).await).await,
            Method::ArchiveRoom => reply.to(arguments, async |r| archive_room::archive(self, caller, r).await).await,
            Method::UnarchiveRoom => {
                reply.to(arguments, async |r| archive_room::unarchive(self, caller, r).await).await
            }
            Method::ListRooms => reply.to(arguments, async |r| list_rooms::run(self, caller, r).await).await,
            Method::GetRoom => reply.to(arguments, async |r| list_rooms::one(self, caller, r).await).await,
            Method::SendMessage => reply.to(arguments, async |r| send_message::run(self, caller, r).await).await,
            Method::EditMessage => reply.to(arguments, async |r| edit_message::run(self, caller, r).await).await,
            Method::DeleteMessage => reply.to(arguments, async |r| delete_message::run(self, caller, r).await).await,
            Method::React => reply.to(arguments, async |r| react::run(self, caller, r).await).await,
            Method::MarkRead => reply.to(arguments, async |r| mark::read(self, caller, r).await).await,
            Method::MarkDelivered => reply.to(arguments, async |r| mark::delivered(self, caller, r).await).await,
            Method::GetHistory => reply.to(arguments, async |r| get_history::run(self, caller, r).await).await,
            Method::SearchMessages => reply.to(arguments, async |r| search_messages::run(self, caller, r).await).await,
            Method::CreateUpload => reply.to(arguments, async |r| create_upload::run(self, caller, r).await).await,
            Method::GetAttachmentUrl => {
                reply.to(arguments, async |r| get_attachment_url::run(self, caller, r).await).await
            }
            Method::Resume => reply.to(arguments, async |r| resume::run(self, caller, r).await).await,
            Method::SetTyping => reply.to(arguments, async |r| set_typing::run(self, caller, r).await).await,
            Method::SetPresence => reply.to(arguments, async |r| set_presence::run(self, caller, r).await).await,
            Method::SearchUsers => reply.to(arguments, async |r| search_users::run(self, caller, r).await).await,
            Method::WatchPresence => reply.to(arguments, async |r| watch_presence::run(self, caller, r).await).await,
            Method::StreamHistory => Outcome::Now(reply.wants_stream()),
        }
    }

    /// Counts a call about people against the caller's rate.
    fn people_rate(&self, caller: &Caller) -> Result<(), HubError> {
        self.parts.people_rates.take(&caller.person, Instant::now()).map_err(|wait| {
            metrics::rate_limited("people");
            HubError::retry_after(ErrorKind::RateLimited, "Too many calls at once", wait)
        })
    }
}

impl Reply {
    /// Decodes the request, runs the verb, and encodes what it answers.
    async fn to<Request: DeserializeOwned, Value: Serialize + Send + 'static>(
        self,
        arguments: &Arguments,
        verb: impl AsyncFnOnce(Request) -> Result<Answer<Value>, HubError>,
    ) -> Outcome {
        match arguments.decode_object(0) {
            Ok(request) => self.outcome(verb(request).await),
            Err(_) => self.outcome::<Value>(Err(wrong_request())),
        }
    }
}

/// The request is no object of the method's.
fn wrong_request() -> HubError {
    HubError::invalid("The request lacks a field, or a field has the wrong type or value.")
}
