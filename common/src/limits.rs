//! Every limit of the product, with its reason. What a deployment may change is in the gateway's
//! configuration, with these as defaults.

use std::time::Duration;

/// A message body, in bytes of UTF-8: a long mail.
pub const BODY_BYTES: usize = 16 * 1024;
/// One SignalR record from a client, with its framing: what the other limits allow fits into one call, however it is
/// written. Bodies take [`JSON_BYTES`] for each of theirs at the worst (96 KiB), a new room 999 ids of 128 bytes,
/// twice as much where each is escaped (255 KiB), a resume 62 KiB. A connection holds one that is arriving, and some of
/// those whose calls run.
pub const RECORD_BYTES: usize = 256 * 1024;
/// Bytes of JSON that a byte of text may take: `\u0001`, or `\u003c` of clients that escape what HTML has.
pub const JSON_BYTES: usize = 6;
/// What a record has beside a message's body: ids, attachments, and headers, into which a client was seen to copy its
/// token of 8 KiB.
pub const RECORD_FRAME_BYTES: usize = 16 * 1024;
/// Members of a room: every member's node hears every event, and one DynamoDB query reads them all.
pub const ROOM_MEMBERS: usize = 1000;
/// Members up to which a room in a list or an event carries them all; beyond, only their number.
pub const ROOM_MEMBERS_INLINE: usize = 50;
/// A room's or a person's name, in characters.
pub const NAME_CHARS: usize = 120;
/// Attachments of one message.
pub const ATTACHMENTS: usize = 10;
/// One attachment, in bytes: 100 MiB.
pub const ATTACHMENT_BYTES: usize = 100 * 1024 * 1024;
/// Uploads a second that one user may begin.
pub const UPLOAD_RATE: u32 = 2;
/// Uploads one user may begin at once before [`UPLOAD_RATE`] binds: two messages full of files.
pub const UPLOAD_BURST: u32 = 20;
/// A search's words, in characters.
pub const SEARCH_QUERY_CHARS: usize = 200;
/// Messages that one call of a search reads, besides a page of each room: some 400 read units of DynamoDB.
pub const SEARCH_MESSAGES: usize = 4000;
/// Rooms that a search without a room looks into, the most active ones.
pub const SEARCH_ROOMS: usize = 1000;
/// Searches a second of one user: a page for every pause in typing.
pub const SEARCH_RATE: u32 = 5;
/// Searches one user may begin at once before [`SEARCH_RATE`] binds.
pub const SEARCH_BURST: u32 = 20;
/// Items of a page when the request names no limit.
pub const PAGE_DEFAULT: usize = 50;
/// Items of the largest page: 200 bodies of 16 KiB are 3 MiB, the most one reply should hold.
pub const PAGE_MAX: usize = 200;
/// Events one resume replays for a room; beyond, reading history is cheaper.
pub const RESUME_EVENTS: usize = 500;
/// Rooms of one resume request.
pub const RESUME_ROOMS: usize = 1000;
/// Unread messages are counted exactly below this; this number means "this many or more".
pub const UNREAD_CAP: u64 = 1000;
/// New messages a second of one user.
pub const SEND_RATE: u32 = 20;
/// New messages one user may send at once before [`SEND_RATE`] binds.
pub const SEND_BURST: u32 = 40;
/// Invocations of one connection that may be waiting for their reply.
pub const INVOCATIONS_IN_FLIGHT: usize = 32;
/// Records a second of one connection, of any kind: many times what a busy app sends.
pub const RECORD_RATE: u32 = 500;
/// Records of one connection at once before [`RECORD_RATE`] binds: a client that catches up after a reconnect.
pub const RECORD_BURST: u32 = 2000;
/// Streams of one connection at once; each holds up to [`STREAM_PAGE`] messages.
pub const STREAMS_PER_CONNECTION: usize = 8;
/// Messages that a stream reads at once: it holds as many, 800 KiB at the most.
pub const STREAM_PAGE: usize = 50;
/// Bytes that a session with stateful reconnect keeps until they are acknowledged: the reference's own bound.
pub const REPLAY_BYTES: usize = 100_000;
/// People whose presence one connection may watch: a screen full of rooms and their members.
pub const WATCHED_USERS: usize = 200;
/// Calls a second of one user that watch, search or set presence: a search for each key pressed.
pub const PEOPLE_RATE: u32 = 10;
/// Such calls that one user may make at once.
pub const PEOPLE_BURST: u32 = 50;
/// Events that a room's stream keeps at least.
pub const STREAM_EVENTS: usize = 1000;
/// How long a `clientId` is remembered at least.
pub const DEDUP_WINDOW: Duration = Duration::from_hours(24);
/// A versioned change of a message is tried again this often when others change it at the same time.
pub const CHANGE_ATTEMPTS: usize = 16;
/// Members that one message mentions: more of them are rather everyone.
pub const MENTIONS: usize = 50;
/// Texts of one message that may be the ids of members: Redis is asked about each, a microsecond of its time at most.
pub const MENTION_CANDIDATES: usize = 1000;
/// Messages looked through for those that mention someone, after Redis lost its data; of older ones that are still
/// unread no mention is counted.
pub const MENTION_SCAN: usize = 10_000;
/// An emoji of a reaction, in bytes: the longest that Unicode recommends, two people of a skin tone each who
/// kiss, has 35.
pub const EMOJI_BYTES: usize = 40;
/// Different emoji of one message: more of them nobody can tell apart, and each is a line of its own in a client.
pub const REACTION_EMOJI: usize = 20;
/// Reactions of one message, each person's each emoji counted: everyone in the largest room once. With the longest
/// ids they are 130 KB, and a message with them fits one DynamoDB item (400 KB) and one SQS message (1 MiB).
pub const REACTIONS: usize = 1000;
/// How deep arrays and maps may lie in one another in an argument: about the bound of the reference server's JSON
/// reader; far beyond any request, far from a full stack.
pub const RECORD_DEPTH: usize = 64;
/// Connections of one address, where addresses are counted: a large office behind one.
pub const ADDRESS_CONNECTIONS: usize = 1000;
/// Bytes that one request may send for a connection: two records of the largest size. One such body is held for a
/// connection at a time.
pub const POST_BYTES: usize = 512 * 1024;
/// Bytes of any other request's body: negotiates are empty, a request for a token is small.
pub const HTTP_BODY_BYTES: usize = 16 * 1024;
/// How long a new HTTP connection may take to send its first request's head, however slowly it drips.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(15);
/// How long an HTTP connection may be idle, the next head included: more than a balancer's own patience, or that would
/// send a request into a connection that is just being closed.
pub const HTTP_IDLE: Duration = Duration::from_secs(310);
/// Headers of a request.
pub const HTTP_HEADERS: usize = 64;
/// Bytes of a request's head: a token of 8 KiB, and as much again.
pub const HTTP_HEAD_BYTES: usize = 24 * 1024;
/// New messages that one call to Redis makes, which serves nobody else meanwhile: some three milliseconds.
pub const SEND_TOGETHER: usize = 128;
