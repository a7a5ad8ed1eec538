//! The hub: every method of the chat by name.
//!
//! A call is decoded, checked, takes effect in Redis, and is answered once its change is durable.
//! Each method is a file beside the others and a line of the table below.

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
#[macro_use]
mod method;
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
use std::sync::Arc;
use std::time::Instant;

use rts_common::ids::{NodeId, Person};
use rts_common::signalr::{Arguments, Protocol};
use rts_common::store::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::reply::Reply;
use self::stream_reply::StreamReply;
use crate::connection::Principal;
use crate::error::HubError;
use crate::fanout::{Fanout, WatchList};
use crate::journal::Journal;
use crate::metrics::Limit;
use crate::presence::Presence;
use crate::rate_limits::RateLimits;
use crate::rooms::Rooms;
use crate::search::Search;
use crate::send::{InFlight, SendQueue};
use crate::session::{BoxFuture, Call, ConnectedCaller, Outcome, Records};
use crate::uploads::Uploads;

pub use self::reply::Answer;
pub use self::set_typing::Typists;

// A row is a method, the function that serves it, and in brackets the limit of its rate, if it has one.
methods! {
    changes: {
        CreateRoom => create_room::run,
        AddMembers => members::add,
        RemoveMember => members::remove,
        LeaveRoom => members::leave,
        RenameRoom => rename_room::run,
        ArchiveRoom => archive_room::archive,
        UnarchiveRoom => archive_room::unarchive,
        SendMessage => send_message::run [Messages],
        EditMessage => edit_message::run,
        DeleteMessage => delete_message::run,
        React => react::run,
        MarkRead => mark::read,
        MarkDelivered => mark::delivered,
        CreateUpload => create_upload::run [Uploads],
        SetTyping => set_typing::run,
        SetPresence => set_presence::run [People],
        WatchPresence => watch_presence::run [People],
    }
    reads: {
        ListRooms => list_rooms::run,
        GetRoom => list_rooms::one,
        GetHistory => get_history::run,
        SearchMessages => search_messages::run [Searches],
        GetAttachmentUrl => get_attachment_url::run,
        Resume => resume::run,
        SearchUsers => search_users::run [People],
    }
    streams: {
        StreamHistory => stream_history::run,
    }
}

impl Method {
    /// Finds a method by its name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.name().eq_ignore_ascii_case(name))
    }
}

/// A user who calls, on one connection.
pub struct Caller {
    /// The authenticated user.
    pub person: Person,
    /// The name in their token; their id if it has none.
    pub display_name: String,
    /// The watch list of their connection.
    watcher: WatchList,
    /// Their messages that are still in the send queue.
    in_flight: Arc<InFlight>,
}

impl Caller {
    /// Returns a caller whose session is in the fan-out.
    pub fn new(principal: &Principal, watcher: WatchList) -> Self {
        let Principal { person, display_name } = principal.clone();
        Self { person, display_name, watcher, in_flight: Arc::default() }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("person", &self.person).finish_non_exhaustive()
    }
}

/// A user's connection to the hub.
pub struct HubConnection<Guards> {
    hub: Arc<Hub>,
    caller: Arc<Caller>,
    protocol: Protocol,
    /// Guards in other parts of the node, held until the connection is dropped.
    _guards: Guards,
}

impl<Guards> HubConnection<Guards> {
    /// Connects a caller; the guards are dropped with the connection.
    pub fn new(hub: Arc<Hub>, caller: Arc<Caller>, protocol: Protocol, guards: Guards) -> Self {
        Self { hub, caller, protocol, _guards: guards }
    }
}

impl<Guards: Send + Sync> ConnectedCaller for HubConnection<Guards> {
    fn call(&self, call: Call) -> BoxFuture<Outcome> {
        let (hub, caller, protocol) = (Arc::clone(&self.hub), Arc::clone(&self.caller), self.protocol);
        Box::pin(async move { hub.call(&caller, protocol, call).await })
    }

    fn stream(&self, call: Call) -> Records {
        self.hub.stream(&self.caller, self.protocol, call)
    }

    fn method_name(&self, target: &str) -> &'static str {
        Method::from_name(target).map_or("unknown", Method::name)
    }

    fn only_reads(&self, target: &str) -> bool {
        Method::from_name(target).is_some_and(Method::only_reads)
    }
}

/// Limits that a deployment may set.
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
    /// The send queue of new messages.
    pub send_queue: SendQueue,
    /// The state of rooms on this node.
    pub fanout: Fanout,
    /// The journal of messages.
    pub message_journal: Journal,
    /// The journal of rooms.
    pub room_journal: Journal,
    /// The presence of users.
    pub presence: Presence,
    /// The rate limit of sends.
    pub rates: Arc<RateLimits>,
    /// Files, where the deployment has them.
    pub uploads: Option<Uploads>,
    /// The rate limit of uploads.
    pub upload_rates: RateLimits,
    /// Search in messages.
    pub search: Search,
    /// The rate limit of searches.
    pub search_rates: RateLimits,
    /// The rate limit of watching, searching users, and setting presence.
    pub people_rates: RateLimits,
    /// The users last announced as typing.
    pub typists: Typists,
    /// Limits of requests.
    pub limits: HubLimits,
}

/// The hub with all its methods.
pub struct Hub {
    parts: HubParts,
}

impl Hub {
    /// Returns a hub on these parts.
    pub fn new(parts: HubParts) -> Self {
        Self { parts }
    }

    /// Runs a call. Calls of one connection run one after the other, in the order received. A message may follow
    /// another to the same room before that one has taken effect, since the send queue keeps their order; any other
    /// call begins when all before it have.
    pub async fn call(self: &Arc<Self>, caller: &Arc<Caller>, protocol: Protocol, call: Call) -> Outcome {
        let begun = Instant::now();
        let method = Method::from_name(&call.target);
        let reply = Reply { protocol, method, target: call.target, invocation_id: call.invocation_id, begun };
        match method {
            Some(method) if method.is_stream() => Outcome::Now(reply.wants_stream()),
            Some(method) if call.arguments.len() == 1 => {
                if method != Method::SendMessage {
                    caller.in_flight.wait_idle().await;
                }
                self.dispatch(method, caller, &call.arguments, reply).await
            }
            Some(_) => Outcome::Now(reply.wrong_arguments()),
            None => Outcome::Now(reply.unknown_method()),
        }
    }

    /// Counts a call against the caller's rate limit, if the method has one.
    fn take(&self, method: Method, caller: &Caller) -> Result<(), HubError> {
        let (limit, rates) = match method.limit() {
            Some(limit @ Limit::Messages) => (limit, &*self.parts.rates),
            Some(limit @ Limit::People) => (limit, &self.parts.people_rates),
            Some(limit @ Limit::Searches) => (limit, &self.parts.search_rates),
            Some(limit @ Limit::Uploads) => (limit, &self.parts.upload_rates),
            // The others are limits of connections.
            Some(Limit::Records | Limit::Streams | Limit::Connections | Limit::AddressConnections) | None => {
                return Ok(());
            }
        };
        rates.take(&caller.person, Instant::now()).map_err(|wait| HubError::rate_limited(limit, wait))
    }
}

impl Reply {
    /// Decodes the request, runs the verb, and encodes its answer.
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

/// Returns the error for a request that is not an object of the method's type.
fn wrong_request() -> HubError {
    HubError::invalid("The request lacks a field, or a field has the wrong type or value.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_and_the_isolation_suite_know_every_method() {
        let readme = include_str!("../../../README.md");
        let table = readme.split_once("| method | request | answer |").unwrap().1;
        let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let documented: std::collections::BTreeSet<_> =
            cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        let names: std::collections::BTreeSet<_> = Method::ALL.iter().map(|method| method.name()).collect();
        assert!(names.is_subset(&documented), "{:?}", names.difference(&documented));
        assert!(documented.difference(&names).all(|other| !other.starts_with(char::is_uppercase)), "{documented:?}");
        let isolation = include_str!("../../tests/clients/test/isolation/cases.js");
        let untried = names.iter().filter(|name| !isolation.contains(&format!("  {name}: ")));
        assert_eq!(untried.collect::<Vec<_>>(), Vec::<&&str>::new(), "another organization tries each");
    }

    #[test]
    fn names_are_found_in_any_case() {
        for &method in Method::ALL {
            assert_eq!(Method::from_name(&method.name().to_lowercase()), Some(method));
        }
        assert_eq!(Method::from_name("SendMessages"), None);
    }
}
