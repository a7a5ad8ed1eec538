//! The hub: every method of the chat by name.
//!
//! A call is decoded, checked, takes effect in Redis, and is answered once its change is durable.
//! Each method is a file beside the others and a line of the table below.

mod archive_room;
mod attachments;
mod costs;
mod create_room;
mod create_upload;
mod delete_message;
#[cfg(test)]
mod describe;
mod edit_message;
mod fault;
mod get_attachment_url;
mod get_history;
mod greet;
mod invite;
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
use crate::budgets::{Budget, Budgets};
use crate::config::{MakesCases, MayAdd};
use crate::connection::Principal;
use crate::error::HubError;
use crate::fanout::{Fanout, WatchList};
use crate::journal::Journal;
use crate::marks::MarkGatherer;
use crate::presence::Presence;
use crate::room_ids::RoomIds;
use crate::rooms::Rooms;
use crate::search::Search;
use crate::send::{InFlight, SendQueue};
use crate::session::{BoxFuture, Call, ConnectedCaller, Outcome, Records};
use crate::shares::OwnTurns;
use crate::uploads::Uploads;

#[cfg(test)]
pub(crate) use self::describe::Describe;
pub use self::reply::Answer;
pub use self::set_typing::Typists;

// A row is a method, the function that serves it, and in brackets the budget that pays for it and what it costs at least.
// Calls that name people or rooms, and answers of many bytes, cost more; see `costs.rs`.
methods! {
    changes: {
        CreateRoom => create_room::run [Rooms 1],
        AddMembers => members::add [RoomChanges 1],
        RemoveMember => members::remove [RoomChanges 1],
        LeaveRoom => members::leave [RoomChanges 1],
        RenameRoom => rename_room::run [RoomChanges 1],
        ArchiveRoom => archive_room::archive [RoomChanges 1],
        UnarchiveRoom => archive_room::unarchive [RoomChanges 1],
        SendMessage => send_message::run [Messages 1],
        EditMessage => edit_message::run [Messages 1],
        DeleteMessage => delete_message::run [Messages 1],
        React => react::run [Messages 1],
        MarkRead => mark::read [Marks 1],
        MarkDelivered => mark::delivered [Marks 1],
        CreateUpload => create_upload::run [Uploads 1],
        SetTyping => set_typing::run [Marks 1],
        SetPresence => set_presence::run [People 1],
        WatchPresence => watch_presence::run [People 1],
    }
    reads: {
        ListRooms => list_rooms::run [Reads 4],
        GetRoom => list_rooms::one [Reads 1],
        GetHistory => get_history::run [Reads 2],
        SearchMessages => search_messages::run [Searches 1],
        GetAttachmentUrl => get_attachment_url::run [Files 1],
        Resume => resume::run [Reads 2],
        SearchUsers => search_users::run [People 1],
    }
    streams: {
        StreamHistory => stream_history::run [Reads 1],
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
    /// True if their token is a service's.
    pub is_service: bool,
    /// The watch list of their connection.
    watcher: WatchList,
    /// Their messages that are still in the send queue.
    in_flight: Arc<InFlight>,
}

impl Caller {
    /// Returns a caller whose session is in the fan-out.
    pub fn new(principal: &Principal, watcher: WatchList) -> Self {
        let Principal { person, display_name, is_service, .. } = principal.clone();
        Self { person, display_name, is_service, watcher, in_flight: Arc::default() }
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
    /// Rooms that a person is in.
    pub person_rooms: usize,
    /// Rooms that a person makes a day.
    pub rooms_made: usize,
    /// Bytes of files that a person begins to upload a day.
    pub person_uploaded_bytes: usize,
    /// Bytes of files that the people of an organization begin to upload a day.
    pub org_uploaded_bytes: usize,
    /// The users who may be added to rooms.
    pub may_add: MayAdd,
    /// The users who make rooms of cases.
    pub makes_cases: MakesCases,
}

/// The parts that the methods work on.
pub struct HubParts {
    /// This node.
    pub node: NodeId,
    /// Rooms in Redis and DynamoDB.
    pub rooms: Arc<Rooms>,
    /// The ids of rooms that belong to a pair or a case.
    pub room_ids: RoomIds,
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
    /// Marks on their way to the journal.
    pub marks: MarkGatherer,
    /// The presence of users.
    pub presence: Presence,
    /// What the calls of users may cost.
    pub budgets: Arc<Budgets>,
    /// Files, where the deployment has them.
    pub uploads: Option<Uploads>,
    /// Search in messages.
    pub search: Search,
    /// The users last announced as typing.
    pub typists: Typists,
    /// Turns to read, of each user.
    pub reads: Arc<OwnTurns>,
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
                if let Err(refused) = self.pay(method, caller) {
                    return reply.outcome::<()>(Err(refused));
                }
                if method != Method::SendMessage {
                    caller.in_flight.wait_idle().await;
                }
                let _turn = self.turn_to_read(method, caller).await;
                let outcome = self.dispatch(method, caller, &call.arguments, reply).await;
                self.pay_for_answer(method, caller, &outcome);
                outcome
            }
            Some(_) => Outcome::Now(reply.wrong_arguments()),
            None => Outcome::Now(reply.unknown_method()),
        }
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
            Err(_) => self.outcome::<Value>(Err(fault::unreadable(arguments.explain::<Request>(0)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_isolation_suite_knows_every_method() {
        let names: Vec<_> = Method::ALL.iter().map(|method| method.name()).collect();
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
