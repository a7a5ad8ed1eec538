//! Fences: the way of a room that Redis may have lost something of back to one that is served.
//!
//! What Redis has of it and nobody is known to have stored goes into the room's queue, and a fence behind it. Once the
//! function has written the fence, DynamoDB has all that was accepted before: the conditional writes are the merge.
//! Before that, nodes that were still sending what an earlier history had accepted get the time to have done so.

use std::time::Duration;

use rts_common::ids::{NodeId, OrgId, RoomId, UserId};
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, FenceRecord, MessageRecord, RoomChange, RoomRecord};
use rts_common::redis::journaled::message_member;
use rts_common::redis::keys::Partition;
use rts_common::redis::room_hash::meta;
use rts_common::redis::stored::parse_member;
use rts_common::redis::stream::StreamEntry;
use rts_common::redis::{keys, read, scripts};
use rts_common::room::{Closing, Membership};
use rts_common::seq::{SEQ_MAX, Seq};
use rts_common::store::{Direction, MessageQuery, oldest_month};
use tokio::time::{Instant, sleep};

use super::event::Entry;
use super::rebuild::Rebuilds;
use super::reply::Reply;
use super::snapshot::{self, seq_field};
use super::unstored::flat_hash;
use super::{RoomError, unexpected_status};
use crate::journal::{Busy, Journal, JournalError, QUIET, Ticket};

/// Time for which a node does a rebuild, unless it goes on with it.
const LEASE: Duration = Duration::from_secs(15);
/// Interval of looks at another node's rebuild.
const HELD_PAUSE: Duration = Duration::from_millis(250);
/// The first and the longest pause between looks for a fence.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Entries of the stream that are read at once.
const PAGE: usize = 200;

/// The way of a node's rebuilds to the journal.
pub struct Fencing {
    /// The node.
    pub node: NodeId,
    /// The journal of messages.
    pub journal: Journal,
    /// Time for which nodes may still send what an earlier history of Redis accepted.
    pub quiet: Duration,
}

impl Fencing {
    /// Returns the way of a node into its journal of messages, with the [`QUIET`] of production.
    pub fn new(node: &NodeId, journal: &Journal) -> Self {
        Self { node: node.clone(), journal: journal.clone(), quiet: QUIET }
    }
}

/// What a rebuild stands on.
pub(super) enum Footing {
    /// Nothing has to be done.
    Trusted,
    /// Redis has nothing of the room.
    Absent,
    /// DynamoDB has all that was accepted before this history.
    Fenced(String),
}

enum Begun {
    Done(Footing),
    Wait(Duration),
    Fence { history: String, unstored: Option<Seq> },
}

impl From<Busy> for RoomError {
    fn from(busy: Busy) -> Self {
        Self::Unavailable(busy.to_string())
    }
}

impl From<JournalError> for RoomError {
    fn from(error: JournalError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Rebuilds {
    pub(super) fn set_fencing(&self, fencing: Fencing) {
        // Only the first one counts: a node has one journal.
        let _ = self.fencing.set(fencing);
    }

    /// Prepares a rebuild: waits until DynamoDB has all that it has to have.
    pub(super) async fn footing(&self, room: &RoomId) -> Result<Footing, RoomError> {
        loop {
            match self.begin(room).await? {
                Begun::Done(footing) => return Ok(footing),
                Begun::Wait(time) => sleep(time).await,
                Begun::Fence { history, unstored } => {
                    let number = self.put_fence(room, unstored).await?;
                    if self.await_fence(room, number, &history).await? {
                        return Ok(Footing::Fenced(history));
                    }
                }
            }
        }
    }

    async fn begin(&self, room: &RoomId) -> Result<Begun, RoomError> {
        let (node, quiet) = match self.fencing.get() {
            Some(fencing) => (fencing.node.as_str(), fencing.quiet),
            None => ("", Duration::ZERO),
        };
        let (lease, quiet) = (LEASE.as_millis().to_string(), quiet.as_micros().to_string());
        let reply = self.redis.run(&scripts::REBUILD_BEGIN, &keys::room(room), &[node, &lease, &quiet]).await?;
        let reply = Reply::new(reply)?;
        Ok(match reply.status()? {
            "trusted" => Begun::Done(Footing::Trusted),
            "absent" => Begun::Done(Footing::Absent),
            "wait" => Begun::Wait(Duration::from_millis(reply.number(1)?)),
            "held" => Begun::Wait(HELD_PAUSE),
            "fence" => Begun::Fence { history: reply.text(1)?.to_owned(), unstored: Seq::parse(reply.text(2)?) },
            _ => return Err(unexpected_status(&reply)),
        })
    }

    /// Sends what Redis has of the room and nobody is known to have stored, and a fence behind it; returns its number.
    async fn put_fence(&self, room: &RoomId, unstored: Option<Seq>) -> Result<Seq, RoomError> {
        let no_way = || RoomError::Unavailable("no journal to rebuild a room with".to_owned());
        let Fencing { node, journal, .. } = self.fencing.get().ok_or_else(no_way)?;
        let unreadable = || RoomError::Fault(format!("room {room} cannot be read"));
        let facts = flat_hash(&self.redis, &keys::room_meta(room)).await?;
        let org = facts.chunks_exact(2).find(|pair| pair[0] == meta::ORG).ok_or_else(unreadable)?;
        let org = OrgId::parse(&org[1]).map_err(|_| unreadable())?;
        let mut tickets: Vec<Ticket> = Vec::new();
        if let Some(version) = unstored {
            let change = self.whole_of(room, version, &facts).await?;
            tickets.push(journal.reserve()?.room_again(&RoomRecord { v: FORMAT, org: org.clone(), change }));
        }
        let mut messages = 0;
        for together in self.unstored_messages(room).await? {
            messages += together.len();
            let mut records = Vec::with_capacity(together.len());
            for message in together {
                let record = MessageRecord { v: FORMAT, org: org.clone(), origin: node.clone(), message };
                records.push((journal.reserve()?, record));
            }
            tickets.extend(journal.append_again(records, 0));
        }
        // The fence has to be behind all of them.
        for ticket in tickets {
            ticket.await?;
        }
        let number = Seq::new(rand::random::<u64>() & SEQ_MAX).unwrap_or_default();
        journal.reserve()?.fence(&FenceRecord { v: FORMAT, room_id: room.clone(), number }).await?;
        tracing::info!(room = %room, messages, "a room is of an earlier history of Redis; its fence is under way");
        Ok(number)
    }

    /// Waits for a fence, and keeps the lease meanwhile; false if Redis has another history by then, or another node the
    /// room.
    async fn await_fence(&self, room: &RoomId, number: Seq, fenced: &str) -> Result<bool, RoomError> {
        let mut pause = PAUSE.0;
        let mut renewed = Instant::now();
        loop {
            sleep(pause).await;
            if self.store.has_fence(room, number).await? {
                return Ok(true);
            }
            pause = (pause * 2).min(PAUSE.1);
            if renewed.elapsed() >= LEASE / 3 {
                renewed = Instant::now();
                match self.begin(room).await? {
                    Begun::Fence { history, .. } if history == fenced => {}
                    _ => return Ok(false),
                }
            }
        }
    }

    /// Returns the messages of the stream that are not known to be stored, those that one call made together.
    async fn unstored_messages(&self, room: &RoomId) -> Result<Vec<Vec<MessageState>>, RoomError> {
        let mut found: Vec<Vec<MessageState>> = Vec::new();
        // True if the last one is a new message, with which the next may have been made.
        let mut is_open = false;
        let mut from = "-".to_owned();
        loop {
            let mut range = redis::cmd("XRANGE");
            range.arg(keys::room_stream(room)).arg(&from).arg("+").arg("COUNT").arg(PAGE);
            let entries: Vec<(String, Vec<String>)> = read(self.redis.command("recorded", &range).await?)?;
            let Some((last, _)) = entries.last() else { return Ok(found) };
            from = format!("({last}");
            let mut messages = Vec::with_capacity(entries.len());
            for (id, fields) in &entries {
                let entry = StreamEntry::read(id, fields);
                if entry.is_some_and(|entry| entry.kind == "u") {
                    continue;
                }
                let message = entry.and_then(|entry| Some((entry.kind == "c", Entry::from(entry).state(room)?)));
                if message.is_none() {
                    tracing::error!(room = %room, id, "an entry that cannot be read is not journaled");
                }
                messages.extend(message);
            }
            let awaited = self.awaited(room, &messages).await?;
            for ((is_new, message), is_awaited) in messages.into_iter().zip(awaited) {
                if !is_awaited {
                    is_open = false;
                    continue;
                }
                let follows =
                    |together: &Vec<MessageState>| together.last().is_some_and(|last| last.seq.next() == message.seq);
                match found.last_mut().filter(|together| is_open && is_new && follows(together)) {
                    Some(together) => together.push(message),
                    None => found.push(vec![message]),
                }
                is_open = is_new;
            }
        }
    }

    /// Tells of each message whether it is in the unstored index.
    async fn awaited(&self, room: &RoomId, messages: &[(bool, MessageState)]) -> Result<Vec<bool>, RoomError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let mut scores = redis::cmd("ZMSCORE");
        scores.arg(Partition::of_room(room).unstored());
        for (_, message) in messages {
            scores.arg(message_member(room, message.seq, message.version));
        }
        let scores: Vec<Option<f64>> = read(self.redis.command("awaits_storing", &scores).await?)?;
        Ok(scores.iter().map(Option::is_some).collect())
    }

    /// Returns all of a room's facts and memberships, as Redis has them.
    async fn whole_of(&self, room: &RoomId, version: Seq, facts: &[String]) -> Result<RoomChange, RoomError> {
        let members = flat_hash(&self.redis, &keys::room_members(room)).await?;
        let members: Vec<_> =
            members.chunks_exact(2).filter_map(|pair| parse_member(&UserId::parse(&pair[0]).ok()?, &pair[1])).collect();
        let snapshot = snapshot::parse(room, facts, &[], &[])
            .ok_or_else(|| RoomError::Fault(format!("room {room} cannot be read")))?;
        let closing = match snapshot.facts.archived_at {
            Some(_) => Some(self.closing_of(room, facts, &members, snapshot.facts.created_at).await?),
            None => None,
        };
        Ok(RoomChange::Room { room_id: room.clone(), version, facts: Some(snapshot.facts), members, closing })
    }

    async fn closing_of(
        &self,
        room: &RoomId,
        facts: &[String],
        members: &[Membership],
        created_at: rts_common::seq::Timestamp,
    ) -> Result<Closing, RoomError> {
        let field = |name| seq_field(facts, name).unwrap_or_default();
        let query = MessageQuery {
            room,
            after: Seq::ZERO,
            before: Seq::new(SEQ_MAX).unwrap_or_default(),
            direction: Direction::Ascending,
            limit: 1,
            oldest: oldest_month(created_at),
        };
        let first = self.store.messages(query).await?.pop().map(|message| message.seq);
        let first = first.or_else(|| Some(field(meta::LAST)));
        let is_member = |member: &&Membership| member.role.is_some();
        Ok(Closing {
            members: members.iter().filter(is_member).map(|member| member.user_id.clone()).collect(),
            first_seq: first.unwrap_or_default(),
            last_seq: field(meta::LAST),
            message_count: field(meta::COUNT).get(),
        })
    }
}
