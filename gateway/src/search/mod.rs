//! Search in messages: walks back in time through the histories of the caller's own rooms.
//!
//! There is no index: nothing is written for the search, and a message costs no more with it. A call reads pages of
//! history, newest first over all rooms, and searches them for the words; when it has found a page or spent its budget,
//! it returns the matches and a cursor from which the next call continues. It reads what `GetHistory` reads:
//! tombstones, expired messages and rooms of others are never found, and messages that only Redis has are. A word is a
//! piece of text in composed form and lower case, found anywhere: Korean and Japanese need no segmentation into words.
//!
//! Its cost: a call reads at most [`limits::SEARCH_MESSAGES`] messages and a page for each room, from Redis (the newest
//! thousand of a room) or from DynamoDB: strongly consistent reads, a unit for 4 KB, or about 10 messages, so about 400
//! units and a second for a call that finds nothing, and 0 write units. A word that is only in the oldest of a million
//! messages takes 250 calls. Where that is too slow, users search in one room, or the deployment adds a search engine
//! behind the tables' streams.
//!
//! It is kept from harming others by a rate limit for each user, few searches at once on a node, few reads at once for
//! each, and deadlines. Nothing is held between calls, so a node that dies costs one call.

mod cursor;
mod front;
mod words;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rts_common::config::Secret;
use rts_common::ids::{Person, RoomId};
use rts_common::limits;
use rts_common::message::MessageState;
use rts_common::seq::{SEQ_MAX, Seq, Timestamp};
use rts_common::store::Direction;

pub use self::words::Words;

use self::cursor::{Cursor, CursorSigner};
use self::front::{Front, Read};
use crate::rooms::{HistoryPage, HistoryRange, RoomError, RoomSummary, Rooms};
use crate::shares::FairTurns;

/// Searches at once on a node. With [`READS_AT_ONCE`], a send waits for at most 24 scripts of a node's searches, of up
/// to half a millisecond each.
const AT_ONCE: usize = 6;
/// Pages that one search reads at once.
const READS_AT_ONCE: usize = 4;
/// The longest wait of a search for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// Time after which a call returns its matches.
const ENOUGH: Duration = Duration::from_millis(1200);
/// Time after which a call without matches gives up.
const TIMEOUT: Duration = Duration::from_secs(8);
/// The most bytes of bodies that a call reads; the largest of [`limits::SEARCH_MESSAGES`] would be 64 MiB.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// The smallest page of a room among many.
const PAGE_MIN: usize = 20;
/// A seq after all others.
const LAST: Seq = Seq::new(SEQ_MAX).expect("the largest seq is valid");

/// A query of a user.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The caller, who finds messages of their own rooms only.
    pub person: &'a Person,
    /// All of them have to be in a message.
    pub words: &'a Words,
    /// Searches only this room.
    pub room: Option<&'a RoomId>,
    /// The end of the last answer to the same query.
    pub cursor: Option<&'a str>,
    /// The most messages of the page.
    pub limit: usize,
}

/// A page of matches.
#[derive(Debug)]
pub struct Found {
    /// Newest first; may be fewer than the limit, or none, although there is a cursor.
    pub messages: Vec<MessageState>,
    /// The start of the next page; `None` when everything was read.
    pub cursor: Option<String>,
}

/// The reason why nothing was searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The cursor is not from this query.
    #[error("not a cursor of this query")]
    Cursor,
    /// Too many other searches run here, or it took too long.
    #[error("no time for this search")]
    Busy,
    /// The rooms cannot be read.
    #[error(transparent)]
    Refused(#[from] RoomError),
}

/// Searches, on one node.
pub struct Search {
    rooms: Arc<Rooms>,
    cursors: CursorSigner,
    turns: FairTurns,
}

impl Search {
    /// Returns a search in these rooms; cursors are signed with the secret that all nodes share.
    pub fn new(rooms: Arc<Rooms>, secret: &Secret) -> Self {
        Self { rooms, cursors: CursorSigner::new(secret), turns: FairTurns::new(AT_ONCE) }
    }

    /// Returns the next page of matches, and notes what it read, also where it fails.
    pub async fn find(&self, query: Query<'_>, spent: &mut Spent) -> Result<Found, SearchError> {
        let cursor = match query.cursor {
            Some(text) => Some(self.cursors.verify(text, &query).ok_or(SearchError::Cursor)?),
            None => None,
        };
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns.acquire(query.person)).await;
        let _turn = turn.map_err(|_| SearchError::Busy)?;
        let searched = tokio::time::timeout(TIMEOUT, self.walk(&query, cursor.as_ref(), spent)).await;
        let (messages, next) = searched.map_err(|_| SearchError::Busy)??;
        Ok(Found { messages, cursor: next.map(|cursor| self.cursors.sign(&cursor, &query)) })
    }

    async fn walk(
        &self,
        query: &Query<'_>,
        cursor: Option<&Cursor>,
        spent: &mut Spent,
    ) -> Result<(Vec<MessageState>, Option<Cursor>), SearchError> {
        let begun = Instant::now();
        let places = match query.room {
            Some(room) => vec![(room.clone(), LAST)],
            None => self.places(query.person, spent).await?,
        };
        let mut front = Front::new(places, cursor, query.limit);
        let start = front.frontier();
        while let Some(frontier) = front.frontier() {
            // With any number of rooms, each answer reaches further back than the one before.
            let has_moved = Some(frontier) < start;
            if front.is_full() || (has_moved && (spent.is_enough() || begun.elapsed() >= ENOUGH)) {
                break;
            }
            let reads = front.next_reads(READS_AT_ONCE);
            let pages = join_all(reads.iter().map(|read| self.page(query.person, read))).await;
            for (read, page) in reads.iter().zip(pages) {
                match page {
                    Ok(page) => {
                        spent.add(&page);
                        front.read(read, page.messages, page.has_more, |message| query.words.are_in(&message.content));
                    }
                    // The caller left, or was removed, a moment ago.
                    Err(RoomError::NotFound) if query.room.is_none() => front.leave(read),
                    Err(refusal) => return Err(refusal.into()),
                }
            }
        }
        Ok(front.finish())
    }

    async fn page(&self, person: &Person, read: &Read) -> Result<HistoryPage, RoomError> {
        let range = HistoryRange {
            after: Seq::ZERO,
            before: Some(read.before),
            direction: Direction::Descending,
            limit: read.limit,
            bytes: limits::ANSWER_BYTES,
        };
        self.rooms.history(person, &read.room, range).await
    }

    /// Returns the user's rooms, archived ones too, each with the seq before which all of its messages are. If there
    /// are more rooms than are searched at once, the most active.
    async fn places(&self, person: &Person, spent: &mut Spent) -> Result<Vec<(RoomId, Seq)>, RoomError> {
        let standings = self.rooms.standings(person).await?;
        spent.rooms = standings.len();
        let mut places: Vec<(RoomId, Seq)> = standings.into_iter().map(|it| (it.room_id.clone(), end(&it))).collect();
        places.sort_unstable_by(|(_, one), (_, other)| other.cmp(one));
        places.truncate(limits::SEARCH_ROOMS);
        Ok(places)
    }
}

/// Returns the seq before which all messages of a room are. The activity of an archived one may be unknown, but nothing
/// was sent there since it was archived, whatever the clocks say.
fn end(standing: &RoomSummary) -> Seq {
    const CLOCKS_MS: u64 = 24 * 60 * 60 * 1000;
    let archived = standing.archived_at.map(|at| Seq::of(Timestamp::from_millis(at.millis() + CLOCKS_MS)));
    standing.activity.max(archived.unwrap_or_default()).next()
}

/// What a search has read.
#[derive(Debug, Default)]
pub struct Spent {
    rooms: usize,
    messages: usize,
    bytes: usize,
    vain_bytes: usize,
}

impl Spent {
    /// Returns what it costs, in small reads.
    pub fn reads(&self) -> usize {
        self.rooms / limits::READ_LISTED + self.messages / limits::READ_COUNTED + self.vain_bytes / limits::READ_BYTES
    }

    fn add(&mut self, page: &HistoryPage) {
        self.messages += page.messages.len();
        self.bytes += page.messages.iter().map(|message| message.content.body.len()).sum::<usize>();
        self.vain_bytes += page.vain_bytes;
    }

    fn is_enough(&self) -> bool {
        self.messages >= limits::SEARCH_MESSAGES || self.bytes + self.vain_bytes >= BYTES_MAX
    }
}
