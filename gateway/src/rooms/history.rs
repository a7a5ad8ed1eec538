//! History: the stream and DynamoDB, combined.

use rts_common::ids::{Person, RoomId};
use rts_common::limits;
use rts_common::message::MessageState;
use rts_common::redis::{keys, scripts};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::{Direction, MessageQuery, oldest_month};

use super::messages::state;
use super::reply::Reply;
use super::{RoomError, Rooms};

/// Messages whose newer states one script looks for: with the largest bodies they are 0.8 MiB.
const OVERLAID_AT_ONCE: usize = 50;

/// A range of messages: those after `after` and before `before`.
#[derive(Clone, Copy, Debug)]
pub struct HistoryRange {
    /// Exclusive lower end.
    pub after: Seq,
    /// Exclusive upper end; `None` for the newest.
    pub before: Option<Seq>,
    /// The end from which the page is filled.
    pub direction: Direction,
    /// The most messages of the page.
    pub limit: usize,
    /// The most bytes of the page, unless it has only one message.
    pub bytes: usize,
}

/// The state for which unread messages are counted. If any of it has changed when the count is done, the count is not
/// kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedAt {
    /// The member's mark.
    pub(super) read: Seq,
    /// The room's head.
    pub(super) head: Seq,
    /// Number of messages that reached DynamoDB after the room was rebuilt from it.
    pub(super) late: Seq,
}

/// The unread counts of a member, up to the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Messages of others.
    pub(super) unread: u64,
    /// Messages of others that mention the member.
    pub(super) mentions: u64,
    /// Messages that were read for it.
    pub(super) looked_at: usize,
}

/// A page of history.
#[derive(Debug)]
pub struct HistoryPage {
    /// Ascending by seq.
    pub messages: Vec<MessageState>,
    /// True if the range holds more.
    pub has_more: bool,
    /// Bytes that Redis looked at besides those of the messages: edits and reactions between them.
    pub vain_bytes: usize,
}

/// What the stream has of a range.
struct Recent {
    /// Messages up to this one are in DynamoDB.
    trimmed: Seq,
    created_ms: u64,
    messages: Vec<MessageState>,
    /// True if it stopped for their bytes.
    is_cut: bool,
    vain_bytes: usize,
}

impl Rooms {
    /// Returns a page as a member sees it.
    pub async fn history(&self, person: &Person, room: &RoomId, range: HistoryRange) -> Result<HistoryPage, RoomError> {
        self.read_history(Some(person), room, range).await
    }

    /// Returns the seq of the first message of a room that can be read.
    pub(super) async fn first_message(&self, room: &RoomId) -> Result<Option<Seq>, RoomError> {
        let (direction, bytes) = (Direction::Ascending, limits::ANSWER_BYTES);
        let range = HistoryRange { after: Seq::ZERO, before: None, direction, limit: 1, bytes };
        let page = self.read_history(None, room, range).await?;
        Ok(page.messages.first().map(|message| message.seq))
    }

    /// Reads a page for a member, or for the node itself. The stream is read first: messages that left it since are
    /// stored.
    async fn read_history(
        &self,
        reader: Option<&Person>,
        room: &RoomId,
        range: HistoryRange,
    ) -> Result<HistoryPage, RoomError> {
        let range = HistoryRange { after: range.after.max(self.expired()), ..range };
        let wanted = range.limit + 1;
        let Recent { trimmed, created_ms, messages: recent, mut is_cut, vain_bytes } =
            self.recent(reader, room, HistoryRange { limit: wanted, ..range }).await?;
        let stored_before = range.before.map_or(trimmed.next(), |before| before.min(trimmed.next()));
        let is_short = !is_cut && recent.len() < wanted;
        let needs_store = stored_before > range.after.next() && (range.direction == Direction::Ascending || is_short);
        let mut messages = if needs_store {
            let missing = match range.direction {
                Direction::Ascending => wanted,
                Direction::Descending => wanted - recent.len(),
            };
            let query = MessageQuery {
                room,
                after: range.after,
                before: stored_before,
                direction: range.direction,
                limit: missing,
                oldest: oldest_month(Timestamp::from_millis(created_ms)),
            };
            Box::pin(self.stored(query)).await?
        } else {
            Vec::new()
        };
        match range.direction {
            Direction::Ascending => messages.extend(recent),
            Direction::Descending => {
                let mut newest = recent;
                newest.append(&mut messages);
                messages = newest;
            }
        }
        is_cut |= messages.len() > range.limit;
        messages.truncate(range.limit);
        let within = messages_within(&messages, range.bytes);
        is_cut |= within < messages.len();
        messages.truncate(within);
        if range.direction == Direction::Descending {
            messages.reverse();
        }
        Ok(HistoryPage { messages, has_more: is_cut, vain_bytes })
    }

    /// Reads what the stream has of a range, in its direction. One call looks at a bounded number of its entries, which may
    /// be edits and reactions without a message between them: then the next one goes on there.
    async fn recent(
        &self,
        reader: Option<&Person>,
        room: &RoomId,
        mut range: HistoryRange,
    ) -> Result<Recent, RoomError> {
        let (mut messages, mut vain_bytes) = (Vec::<MessageState>::new(), 0);
        loop {
            let bytes = messages.iter().map(|message| message.content.body.len()).sum::<usize>();
            let arguments = [
                range.after.to_string(),
                range.before.map(|seq| seq.to_string()).unwrap_or_default(),
                range.limit.to_string(),
                if range.direction == Direction::Ascending { "asc" } else { "desc" }.to_owned(),
                range.bytes.saturating_sub(bytes).to_string(),
            ];
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let reply = match reader {
                Some(person) => self.as_member(&scripts::HISTORY, room, person, &arguments).await?,
                None => self.as_node(&scripts::HISTORY, room, &arguments).await?,
            };
            let found = states(room, reply.list(2)?)?;
            range.limit -= found.len().min(range.limit);
            messages.extend(found);
            let stopped = reply.text(4)?;
            vain_bytes += usize::try_from(reply.number(5)?).unwrap_or(usize::MAX);
            if stopped == "0" || stopped == "1" || range.limit == 0 {
                let (trimmed, created_ms) = (reply.seq(1)?, reply.number(3)?);
                // What was dropped from the stream between two calls is read from DynamoDB.
                messages.retain(|message| message.seq > trimmed);
                return Ok(Recent { trimmed, created_ms, messages, is_cut: stopped == "1", vain_bytes });
            }
            let looked_at = reply.seq(4)?;
            match range.direction {
                Direction::Ascending => range.after = looked_at,
                Direction::Descending => range.before = Some(looked_at),
            }
        }
    }

    /// Reads from DynamoDB, with later changes that are not stored yet applied.
    async fn stored(&self, query: MessageQuery<'_>) -> Result<Vec<MessageState>, RoomError> {
        let room = query.room;
        let mut messages = self.store.messages(query).await?;
        let seqs: Vec<String> = messages.iter().map(|message| message.seq.to_string()).collect();
        for seqs in seqs.chunks(OVERLAID_AT_ONCE) {
            let arguments: Vec<&str> = seqs.iter().map(String::as_str).collect();
            let reply = self.redis.run(&scripts::OVERLAY, &keys::room(room), &arguments).await?;
            for newer in states(room, Reply::new(reply)?)? {
                if let Some(message) = messages.iter_mut().find(|message| message.seq == newer.seq)
                    && newer.supersedes(message)
                {
                    *message = newer;
                }
            }
        }
        Ok(messages)
    }

    /// Counts a member's unread messages where Redis alone cannot, and keeps the counts, also those that stopped at the cap.
    /// Messages beyond the cap are searched for mentions only, and only if those are requested.
    pub(super) async fn count_unread(
        &self,
        person: &Person,
        room: &RoomId,
        at: CountedAt,
        wants_mentions: bool,
    ) -> Result<Counted, RoomError> {
        let (mut counted, mut own, mut mentions) = (Counted::default(), 0_u64, Vec::new());
        let mut before = Some(at.head.next());
        loop {
            let (direction, bytes) = (Direction::Descending, limits::ANSWER_BYTES);
            let range = HistoryRange { after: at.read, before, direction, limit: limits::PAGE_MAX, bytes };
            let page = self.history(person, room, range).await?;
            for message in page.messages.iter().filter(|message| !message.content.deleted) {
                if message.content.sender_id == person.user {
                    own += 1;
                    continue;
                }
                counted.unread += 1;
                if message.content.mentions.contains(&person.user) {
                    mentions.push(message.seq);
                }
            }
            counted.looked_at += page.messages.len() + page.vain_bytes / limits::READ_BYTES * limits::READ_COUNTED;
            before = page.messages.first().map(|message| message.seq);
            if !page.has_more || before.is_none() {
                break;
            }
            if counted.unread >= limits::UNREAD_CAP && (!wants_mentions || counted.looked_at >= limits::MENTION_SCAN) {
                break;
            }
        }
        // The newest are as many as anyone counts, and some that may still be deleted; the script writes each.
        mentions.sort_unstable_by(|one, other| other.cmp(one));
        mentions.truncate(2 * usize::try_from(limits::UNREAD_CAP).unwrap_or(usize::MAX));
        let numbers = [at.read.get(), at.head.get(), at.late.get(), counted.unread, own];
        let mut arguments: Vec<String> = vec![person.user.to_string()];
        arguments.extend(numbers.map(|number| number.to_string()));
        arguments.push(self.expired().to_string());
        arguments.push(if wants_mentions { "mentions" } else { "" }.to_owned());
        if wants_mentions {
            arguments.extend(mentions.iter().map(Seq::to_string));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.redis.run(&scripts::SET_UNREAD, &keys::room(room), &arguments).await?;
        Ok(counted.capped(mentions.len()))
    }
}

/// Returns the number of messages that fit into an answer, at least one. They are measured only where their texts come
/// near it: each of an ordinary page is encoded once, for the answer.
pub(crate) fn messages_within(messages: &[MessageState], bytes_max: usize) -> usize {
    /// A character may take six bytes in JSON.
    const ESCAPED: usize = 6;
    /// The rest of a message without reactions, with the longest ids, mentions and files.
    const REST: usize = 100_000;
    let most = |message: &MessageState| {
        let users = message.content.reactions.iter().map(|reaction| reaction.user_ids.len()).sum::<usize>();
        let has_more = !message.content.attachments.is_empty() || !message.content.mentions.is_empty();
        message.content.body.len() * ESCAPED + users * 800 + if has_more { REST } else { 2000 }
    };
    if messages.iter().map(most).sum::<usize>() <= bytes_max {
        return messages.len().max(1);
    }
    let size = |message: &MessageState| serde_json::to_vec(&message.content).map_or(0, |json| json.len());
    let mut bytes = 0;
    let fits = |message: &&MessageState| {
        bytes += size(message);
        bytes <= bytes_max
    };
    messages.iter().take_while(fits).count().max(1)
}

impl Counted {
    fn capped(self, mentions: usize) -> Self {
        let mentions = u64::try_from(mentions).unwrap_or(limits::UNREAD_CAP);
        Self { unread: self.unread.min(limits::UNREAD_CAP), mentions: mentions.min(limits::UNREAD_CAP), ..self }
    }
}

fn states(room: &RoomId, reply: Reply) -> Result<Vec<MessageState>, RoomError> {
    reply.into_lists()?.iter().map(|values| state(room, values, 0)).collect()
}
