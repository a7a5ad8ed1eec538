//! Rebuilds a room that Redis does not have, or may have lost something of, from DynamoDB, under a new epoch.
//!
//! A room of another history of Redis's data is rebuilt once a fence has gone through its queue (`fence`): by then
//! DynamoDB has all of it that was acknowledged, and what only Redis had.
//!
//! A node rebuilds a room once, for whoever waits for it. Two nodes may do so at once: the first install wins, the other
//! finds the room there. Messages that a Lambda writes between the read and the install are noted by it (`:late`) and
//! added by the install; those that it writes later are added by `stored_messages`. The sequence continues from the
//! highest seq that DynamoDB has and never behind Redis's clock, so that no seq is used twice.
//!
//! The dedup window is installed before the room is, page by page, the newest messages first: no script holds Redis for
//! long, and what a limit forgets is what nobody sends again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use rts_common::ids::{Person, RoomId};
use rts_common::limits;
use rts_common::message::MessageState;
use rts_common::redis::scripts::DAY_MICROS;
use rts_common::redis::stored::member_value;
use rts_common::redis::{Redis, keys, scripts};
use rts_common::seq::{SEQ_MAX, Seq};
use rts_common::store::{Direction, MessageQuery, Store, StoredRoom, oldest_month};
use tokio::time::timeout;

use super::fence::{Fencing, Footing};
use super::reply::Reply;
use super::{RoomError, Rooms};
use crate::shares::{FairTurns, Holders};

/// The most messages of the dedup window that one rebuild loads: two hours of a room at full rate; older ones of such a
/// room may be duplicated by a client that waits that long to send again.
const DEDUP_MESSAGES_MAX: usize = 100_000;
/// Messages of a page of the window. Their entries hold Redis for two to four milliseconds.
const PAGE: usize = 400;
/// Rebuilds at once on a node: each holds a page of messages, up to 8 MiB.
const AT_ONCE: usize = 16;
/// Rebuilds under way or waiting for their turn; beyond half of it, nobody has more than their share. Beyond it callers are told to try again: a Redis that lost everything has
/// more rooms asked for than a node can rebuild while they wait.
const WAITING_MAX: usize = 1024;
/// The longest wait of a caller, who is then told to try again.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// The longest time of a rebuild; the functions may be late.
const TIME_MAX: Duration = Duration::from_mins(5);
/// The time for which a token of reading is kept, in seconds.
const READ_SECONDS: usize = 60;

type Rebuilt = Result<bool, RoomError>;

/// The rebuilds of a node.
pub(super) struct Rebuilds {
    pub(super) redis: Arc<Redis>,
    pub(super) store: Store,
    pub(super) fencing: OnceLock<Fencing>,
    turns: FairTurns,
    under_way: Mutex<Waiting>,
}

/// The rebuilds under way or waiting, and for whom.
#[derive(Default)]
struct Waiting {
    rooms: HashMap<RoomId, Shared<BoxFuture<'static, Rebuilt>>>,
    people: Holders,
}

impl Rooms {
    /// Works like [`Self::rebuild`] for a user, and does nothing unless the room is in their list: false then, too.
    pub async fn rebuild_for(&self, person: &Person, room: &RoomId) -> Result<bool, RoomError> {
        Ok(self.is_listed(person, room).await? && Box::pin(self.rebuild_as(Some(person), room)).await?)
    }

    /// Takes the time that it takes to find out that there is no such room for a user: what was refused sooner costs as
    /// much.
    pub async fn look_in_list(&self, person: &Person, room: &RoomId) {
        let _any = self.is_listed(person, room).await;
    }

    /// True if Redis has a room.
    pub(super) async fn is_in_redis(&self, room: &RoomId) -> Result<bool, RoomError> {
        is_in_redis(&self.redis, room).await
    }

    /// Rebuilds the room if Redis does not have it; false if DynamoDB does not have it either.
    pub async fn rebuild(&self, room: &RoomId) -> Result<bool, RoomError> {
        self.rebuild_as(None, room).await
    }

    /// Works like [`Self::rebuild`], as part of a user's share of what a node rebuilds.
    pub(super) async fn rebuild_as(&self, person: Option<&Person>, room: &RoomId) -> Result<bool, RoomError> {
        let rebuilt = timeout(WAIT_MAX, Arc::clone(&self.rebuilds).join(person, room)?).await;
        rebuilt.unwrap_or_else(|_| Err(RoomError::Unavailable("the room is still being rebuilt".to_owned())))
    }
}

impl Rebuilds {
    pub(super) fn new(redis: Arc<Redis>, store: Store) -> Arc<Self> {
        let (fencing, turns) = (OnceLock::new(), FairTurns::new(AT_ONCE));
        Arc::new(Self { redis, store, fencing, turns, under_way: Mutex::default() })
    }

    /// Returns the rebuild of a room: the one under way, or a new one, which goes on if nobody waits for it any more.
    fn join(
        self: Arc<Self>,
        person: Option<&Person>,
        room: &RoomId,
    ) -> Result<Shared<BoxFuture<'static, Rebuilt>>, RoomError> {
        let mut under_way = self.under_way();
        if let Some(known) = under_way.rooms.get(room) {
            return Ok(known.clone());
        }
        let has_share = |person: &Person| {
            let people = &under_way.people;
            !people.has_others(person) || people.has_room(person, 1, WAITING_MAX)
        };
        let (waiting, is_crowded) = (under_way.rooms.len(), under_way.rooms.len() >= WAITING_MAX / 2);
        if waiting >= WAITING_MAX || (is_crowded && person.is_some_and(|person| !has_share(person))) {
            return Err(RoomError::Unavailable("too many rooms are being rebuilt".to_owned()));
        }
        if let Some(person) = person {
            under_way.people.add(person, 1);
        }
        let under_way_here = UnderWay { rebuilds: Arc::clone(&self), room: room.clone(), person: person.cloned() };
        // It ends within its time: a node that drains need not wait for it.
        let task = tokio::spawn(async move { under_way_here.run().await });
        let rebuilt = task.map(|ended| ended.unwrap_or_else(|_| Err(RoomError::Fault("a rebuild ended".to_owned()))));
        let rebuilt = rebuilt.boxed().shared();
        under_way.rooms.insert(room.clone(), rebuilt.clone());
        Ok(rebuilt)
    }

    fn under_way(&self) -> MutexGuard<'_, Waiting> {
        self.under_way.lock().expect("no holder of this lock panics")
    }

    async fn rebuild(&self, room: &RoomId, person: Option<&Person>) -> Rebuilt {
        loop {
            match self.footing(room).await? {
                Footing::Trusted => return Ok(true),
                Footing::Absent => match self.restore(room, "", person).await? {
                    Restored::Done => return Ok(true),
                    Restored::Unknown => return Ok(false),
                    Restored::Again => {}
                },
                Footing::Fenced(history) => match self.restore(room, &history, person).await? {
                    Restored::Done => return Ok(true),
                    Restored::Unknown => return Ok(false),
                    Restored::Again => {}
                },
            }
        }
    }

    /// Installs what DynamoDB has; `history` is that of the fence, or empty.
    async fn restore(&self, room: &RoomId, history: &str, person: Option<&Person>) -> Result<Restored, RoomError> {
        let _turn = match person {
            Some(person) => self.turns.acquire(person).await,
            None => self.turns.acquire_for_node().await,
        };
        let mut token = String::new();
        if !history.is_empty() {
            token = format!("{:016x}", rand::random::<u64>());
            let mut begin = redis::cmd("SET");
            begin.arg(keys::room_read(room)).arg(&token).arg("EX").arg(READ_SECONDS);
            self.redis.command("rebuild_read", &begin).await?;
        }
        let Some(stored) = self.store.room(room).await? else {
            return Ok(Restored::Unknown);
        };
        let last = self.store.last_message(room, oldest_month(stored.facts.created_at)).await?;
        let window = self.install_window(room).await?;
        let room_arguments = install_arguments(&stored, last.as_ref(), window.changed);
        let mut arguments = vec![history, &token];
        arguments.extend(room_arguments.iter().map(String::as_str));
        let reply = Reply::new(self.redis.run(&scripts::INSTALL_ROOM, &keys::room(room), &arguments).await?)?;
        if reply.status()? == "again" {
            return Ok(Restored::Again);
        }
        tracing::info!(room = %room, members = stored.members.len(), dedup = window.messages, "room rebuilt");
        Ok(Restored::Done)
    }

    /// Installs what the senders of the dedup window may send again.
    async fn install_window(&self, room: &RoomId) -> Result<Window, RoomError> {
        let after = Seq::now().minus(limits::DEDUP_WINDOW);
        let mut window = Window { messages: 0, changed: Seq::ZERO };
        let mut before = Seq::new(SEQ_MAX).unwrap_or_default();
        loop {
            let query = MessageQuery {
                room,
                after,
                before,
                direction: Direction::Descending,
                limit: PAGE,
                oldest: after.month(),
            };
            let page = self.store.messages(query).await?;
            let Some(oldest) = page.last() else { return Ok(window) };
            before = oldest.seq;
            window.messages += page.len();
            window.changed = page.iter().map(|message| message.version).max().unwrap_or_default().max(window.changed);
            let arguments: Vec<String> = page.iter().flat_map(sent_arguments).collect();
            for slice in arguments.chunks(PAGE * 4) {
                let slice: Vec<&str> = slice.iter().map(String::as_str).collect();
                self.redis.run(&scripts::INSTALL_SENT, &keys::room(room), &slice).await?;
            }
            if page.len() < PAGE {
                return Ok(window);
            }
            if window.messages >= DEDUP_MESSAGES_MAX {
                tracing::warn!(room = %room, "the dedup window is too long to be rebuilt completely");
                return Ok(window);
            }
        }
    }
}

async fn is_in_redis(redis: &Redis, room: &RoomId) -> Result<bool, RoomError> {
    let mut exists = redis::cmd("EXISTS");
    exists.arg(keys::room_meta(room));
    Ok(rts_common::redis::read(redis.command("room_exists", &exists).await?)?)
}

/// The result of an install.
#[derive(PartialEq, Eq)]
enum Restored {
    /// The room is there.
    Done,
    /// DynamoDB does not know it.
    Unknown,
    /// Something came in between.
    Again,
}

/// A rebuild that others may join until it ends, however that is.
struct UnderWay {
    rebuilds: Arc<Rebuilds>,
    room: RoomId,
    /// The user who asked for it first; the node itself asks, too.
    person: Option<Person>,
}

impl UnderWay {
    async fn run(self) -> Rebuilt {
        let rebuilt = timeout(TIME_MAX, self.rebuilds.rebuild(&self.room, self.person.as_ref())).await;
        rebuilt.unwrap_or_else(|_| Err(RoomError::Unavailable("a rebuild took too long".to_owned())))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut under_way = self.rebuilds.under_way();
        under_way.rooms.remove(&self.room);
        if let Some(person) = &self.person {
            under_way.people.remove(person, 1);
        }
    }
}

/// The dedup window, as it was installed.
struct Window {
    messages: usize,
    /// The last version of its messages.
    changed: Seq,
}

/// Returns the entries of a message: for its sender's clientId, and for each of its files.
fn sent_arguments(message: &MessageState) -> Vec<String> {
    let (day, seq) = (message.seq.get() / DAY_MICROS, message.seq);
    let content = &message.content;
    let sent = [(content.sender_id.as_str(), content.client_id.as_str())];
    let files = content.attachments.iter().map(|file| ("", file.attachment_id.as_str()));
    sent.into_iter()
        .chain(files)
        .flat_map(|(sender, id)| [day.to_string(), sender.to_owned(), id.to_owned(), seq.to_string()])
        .collect()
}

fn install_arguments(stored: &StoredRoom, last: Option<&MessageState>, changed: Seq) -> Vec<String> {
    let facts = &stored.facts;
    let joined = stored.members.iter().map(|(member, _)| member.version).max();
    let marked = stored.members.iter().map(|(_, marks)| marks.delivered_seq.max(marks.read_seq)).max();
    // The highest seq in DynamoDB: of messages, their changes, and the room's own.
    let head = [last.map(|message| message.version), Some(changed), joined, marked, Some(facts.version)]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or_default();
    let mut arguments = vec![
        stored.org.to_string(),
        match facts.kind {
            rts_common::room::RoomKind::Direct => "direct",
            rts_common::room::RoomKind::Group => "group",
        }
        .to_owned(),
        facts.name.clone().unwrap_or_default(),
        facts.case_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        facts.created_by.to_string(),
        facts.created_at.millis().to_string(),
        facts.archived_at.map_or(0, rts_common::seq::Timestamp::millis).to_string(),
        facts.version.to_string(),
        head.to_string(),
        last.map(|message| message.seq).unwrap_or_default().to_string(),
        last.map_or(0, |message| message.ordinal).to_string(),
        stored.members.iter().filter(|(member, _)| member.role.is_some()).count().to_string(),
        stored.members.len().to_string(),
    ];
    arguments.extend(stored.members.iter().flat_map(|(member, _)| [member.user_id.to_string(), member_value(member)]));
    for (member, marks) in stored.members.iter().filter(|(member, _)| member.role.is_some()) {
        let user = &member.user_id;
        let read = marks.read_seq.max(member.joined_seq);
        let delivered = marks.delivered_seq.max(member.joined_seq);
        arguments.extend([format!("r:{user}"), read.to_string(), format!("d:{user}"), delivered.to_string()]);
        arguments.extend([format!("q:{user}"), "1".to_owned(), format!("w:{user}"), "1".to_owned()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use rts_common::ids::{OrgId, UserId};
    use rts_common::redis::RedisServers;
    use rts_common::store::Tables;

    use super::*;

    #[tokio::test]
    async fn rooms_beyond_those_that_wait_are_refused_at_once_and_the_others_joined() {
        // Neither Redis nor DynamoDB is asked for anything.
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:9")
            .build();
        let redis = Redis::new(&RedisServers::parse("redis://127.0.0.1:9").unwrap(), |_, _| ()).unwrap();
        let rebuilds = Rebuilds::new(Arc::new(redis), Store::connect(&config, Tables::default()));
        let rooms: Vec<_> = (0..WAITING_MAX).map(|_| RoomId::new_group()).collect();
        let wait = |room: &RoomId, person: Option<&Person>| {
            let waits = std::future::pending::<Rebuilt>().boxed().shared();
            let mut under_way = rebuilds.under_way();
            under_way.rooms.insert(room.clone(), waits);
            if let Some(person) = person {
                under_way.people.add(person, 1);
            }
        };
        let join = |person: Option<&Person>, room: &RoomId| Arc::clone(&rebuilds).join(person, room);
        let (half, rest) = rooms.split_at(WAITING_MAX / 2);
        for room in half {
            wait(room, Some(&hog()));
        }
        let ann = Person { org: OrgId::parse("o").unwrap(), user: UserId::parse("ann").unwrap() };
        assert!(join(Some(&hog()), &RoomId::new_group()).is_ok(), "nobody else wants them");
        assert!(join(Some(&ann), &RoomId::new_group()).is_ok());
        let refused = join(Some(&hog()), &RoomId::new_group());
        assert!(matches!(refused, Err(RoomError::Unavailable(_))), "half of them, and the rest is for others");
        assert!(join(Some(&ann), &RoomId::new_group()).is_ok());
        for room in rest.iter().skip(3) {
            wait(room, None);
        }
        assert!(join(None, &rooms[0]).is_ok());
        let refused = join(None, &RoomId::new_group());
        assert!(matches!(refused, Err(RoomError::Unavailable(_))));
        assert_eq!(rebuilds.under_way().rooms.len(), WAITING_MAX);
        rebuilds.under_way().rooms.remove(&rooms[0]);
        assert!(join(None, &RoomId::new_group()).is_ok(), "a place came free");
    }

    fn hog() -> Person {
        Person { org: OrgId::parse("other").unwrap(), user: UserId::parse("hog").unwrap() }
    }
}
