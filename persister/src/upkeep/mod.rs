//! Upkeep of what is stored, for the operator: export and erasure of a person and of an organization, a restored backup,
//! an empty Redis. [`Upkeep`] does it beside gateways and functions that run; only a restore wants them stopped.
//!
//! Each verb counts what it would do, and does it if it is told to. All of them can be run again, after any interruption
//! or because they have to be: what was erased stays erased, and is not found any more.

mod erase;
mod export;
mod files;
mod organization;
mod report;
mod restore;

use std::time::Duration;

use anyhow::Context as _;
use rts_common::ids::{OrgId, Person, RoomId};
use rts_common::message::MessageState;
use rts_common::redis::Redis;
use rts_common::room::RoomFacts;
use rts_common::seq::{SEQ_MAX, Seq};
use rts_common::store::upkeep::Keeper;
use rts_common::store::{Direction, MessageQuery, Store, oldest_month};

pub use self::files::{FileNote, Files};
pub use self::report::{Erased, Exported};
pub use self::restore::RedisContent;

/// Messages that are read at once.
const PAGE: usize = 200;

/// The stores that an operator keeps.
pub struct Upkeep {
    /// The tables.
    pub keeper: Keeper,
    /// Redis: without it nothing is erased, since it would bring things back.
    pub redis: Option<Redis>,
    /// The bucket; `None` where messages carry no files.
    pub files: Option<Files>,
    /// The times of an erasure.
    pub times: Times,
}

/// The times that an erasure waits.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Time for the last marks of a user who was connected: gateways gather them before they journal them.
    pub settle: Duration,
    /// Time until a room's entries are stored, and a user's connections are closed.
    pub wait: Duration,
    /// Time for which tokens from before are refused.
    pub revoked: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let revoked = Duration::from_hours(30 * 24);
        Self { settle: Duration::from_secs(20), wait: Duration::from_mins(2), revoked }
    }
}

/// Whose data it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One user of an organization.
    Person(Person),
    /// An organization, with all its users.
    Organization(OrgId),
}

impl Upkeep {
    fn store(&self) -> &Store {
        self.keeper.store()
    }

    fn redis(&self) -> anyhow::Result<&Redis> {
        self.redis.as_ref().context("RTS_REDIS_URL is not set: what Redis has would bring it back")
    }

    /// Returns the rooms that a person is or was in, as far as DynamoDB or Redis knows.
    async fn rooms_of(&self, person: &Person) -> anyhow::Result<Vec<RoomId>> {
        let stored = self.store().rooms_of(person).await?;
        let mut rooms: Vec<_> = stored.into_iter().map(|room| room.room_id).collect();
        if let Some(redis) = &self.redis {
            rooms.extend(rts_common::redis::upkeep::rooms_of(redis, person).await?);
        }
        rooms.sort();
        rooms.dedup();
        Ok(rooms)
    }

    /// Hands on all messages of a room, oldest first, page by page.
    async fn each_page(
        &self,
        room: &RoomId,
        facts: &RoomFacts,
        mut take: impl AsyncFnMut(Vec<MessageState>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let oldest = oldest_month(facts.created_at);
        let before = Seq::new(SEQ_MAX).unwrap_or_default();
        let mut after = Seq::ZERO;
        loop {
            let direction = Direction::Ascending;
            let query = MessageQuery { room, after, before, direction, limit: PAGE, oldest };
            let page = self.store().messages(query).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map_or(after, |message| message.seq);
            take(page).await?;
            if is_last {
                return Ok(());
            }
        }
    }
}
