//! Every limit of the product, with its reason. Those that a deployment may change are in the gateway's configuration,
//! with these as defaults.

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
/// Room in a record beside a message's body, for ids, attachments, and headers, into which a client was seen to copy
/// its token of 8 KiB.
pub const RECORD_FRAME_BYTES: usize = 16 * 1024;
/// Members of a room: every member's node hears every event, and one DynamoDB query reads them all.
pub const ROOM_MEMBERS: usize = 1000;
/// Rooms that a person is in: a connection hears all of them, and each list asks for each.
pub const PERSON_ROOMS: usize = 5000;
/// Rooms that a person makes a day: somebody's whole address book, and no more.
pub const ROOMS_MADE: usize = 500;
/// Room size up to which lists and events include all members; larger rooms show only their number.
pub const ROOM_MEMBERS_INLINE: usize = 50;
/// A room's or a user's name, in characters.
pub const NAME_CHARS: usize = 120;
/// Attachments of one message.
pub const ATTACHMENTS: usize = 10;
/// One attachment, in bytes: 100 MiB.
pub const ATTACHMENT_BYTES: usize = 100 * 1024 * 1024;
/// Uploads that one user may begin per second.
pub const UPLOAD_RATE: u32 = 2;
/// Uploads that one user may begin at once before [`UPLOAD_RATE`] applies: two messages full of files.
pub const UPLOAD_BURST: u32 = 20;
/// Bytes of files that one user may begin to upload on a day: a hundred of the largest files.
pub const PERSON_UPLOADED_BYTES: usize = 10 * 1024 * 1024 * 1024;
/// Bytes of files that the users of an organization may begin to upload on a day: a hundred users with all of theirs.
pub const ORG_UPLOADED_BYTES: usize = 1024 * 1024 * 1024 * 1024;
/// A search's query, in characters.
pub const SEARCH_QUERY_CHARS: usize = 200;
/// Messages that one search call reads, besides a page of each room: some 400 read units of DynamoDB.
pub const SEARCH_MESSAGES: usize = 4000;
/// Rooms that a search without a room covers: the most active ones.
pub const SEARCH_ROOMS: usize = 1000;
/// Searches per second of one user: a page for every pause in typing.
pub const SEARCH_RATE: u32 = 5;
/// Searches that one user may begin at once before [`SEARCH_RATE`] applies.
pub const SEARCH_BURST: u32 = 20;
/// Items of a page if the request names no limit.
pub const PAGE_DEFAULT: usize = 50;
/// Items of the largest page: 200 bodies of 16 KiB are 3 MiB, the most that one reply should hold.
pub const PAGE_MAX: usize = 200;
/// Events that one resume replays for a room; beyond that, reading history is cheaper.
pub const RESUME_EVENTS: usize = 500;
/// Rooms in one resume request.
pub const RESUME_ROOMS: usize = 1000;
/// Unread messages are counted exactly below this number; the number itself means "this many or more".
pub const UNREAD_CAP: u64 = 1000;
/// Changes of messages per second of one user: new ones, edits, deletions and reactions go to all members alike.
pub const SEND_RATE: u32 = 20;
/// Changes of messages that one user may make at once before [`SEND_RATE`] applies.
pub const SEND_BURST: u32 = 40;
/// The longest life of a session: who was put out of an organization is out of the chat a day later, however long their
/// token lives.
pub const SESSION_MAX: Duration = Duration::from_hours(24);
/// Marks and signs of typing per second of one user: a client tells each room's mark about once a second.
pub const MARK_RATE: u32 = 50;
/// Marks and signs of typing that one user may send at once: a mark for each room of a screen, on several devices.
pub const MARK_BURST: u32 = 300;
/// Reads per second of one user, in the weights of the methods: somebody who scrolls through a long room.
pub const READ_RATE: u32 = 100;
/// Reads that one user may make at once before [`READ_RATE`] applies: several devices that come back together, each with many rooms.
pub const READ_BURST: u32 = 2000;
/// Bytes of an answer that cost as much as a small read.
pub const READ_BYTES: usize = 16 * 1024;
/// Rooms of a resume that cost as much as a small read.
pub const READ_ROOMS: usize = 10;
/// Rooms of a list, all of which are asked for its order, that cost as much as a small read.
pub const READ_LISTED: usize = 20;
/// Small reads that a room costs in a resume whose answer cannot hold it: its events were read to find that out.
pub const READ_TRUNCATED: usize = 2;
/// Messages that cost as much as a small read where unread ones have to be counted one by one.
pub const READ_COUNTED: usize = 50;
/// Users who are watched or found that cost as much as a small read: each takes a call to Redis.
pub const READ_PEOPLE: usize = 10;
/// Reads of one user at once on a node; others wait. Each may hold an answer, and what it is made from.
pub const READS_AT_ONCE: usize = 4;
/// Rooms per second that one user may make.
pub const ROOM_RATE: u32 = 1;
/// Rooms that one user may make at once before [`ROOM_RATE`] applies.
pub const ROOM_BURST: u32 = 10;
/// Other changes of rooms per second of one user: each goes to all members.
pub const ROOM_CHANGE_RATE: u32 = 5;
/// Other changes of rooms that one user may make at once: to leave, or to tidy up, a list of them.
pub const ROOM_CHANGE_BURST: u32 = 100;
/// People per second whom one user may put into rooms.
pub const MEMBER_RATE: u32 = 20;
/// People whom one user may put into rooms at once: the largest room.
pub const MEMBER_BURST: u32 = 1000;
/// URLs of files per second of one user; each costs up to two requests of S3.
pub const FILE_RATE: u32 = 20;
/// URLs of files that one user may ask for at once: a page of messages, each full of them.
pub const FILE_BURST: u32 = 500;
/// Invocations of one connection that may be awaiting a reply.
pub const INVOCATIONS_IN_FLIGHT: usize = 32;
/// Records per second of one connection, of any kind: many times what a busy app sends.
pub const RECORD_RATE: u32 = 500;
/// Records that one connection may send at once before [`RECORD_RATE`] applies: a client that catches up after a
/// reconnect.
pub const RECORD_BURST: u32 = 2000;
/// Concurrent streams of one connection; each holds up to [`STREAM_PAGE`] messages.
pub const STREAMS_PER_CONNECTION: usize = 8;
/// Messages that a stream reads and holds at once.
pub const STREAM_PAGE: usize = 50;
/// Bytes that a stream reads and holds at once: a user may have 160 streams.
pub const STREAM_PAGE_BYTES: usize = 128 * 1024;
/// Bytes of one answer: a page of ordinary messages is a tenth of it, and a client takes it in within a second on a slow
/// line.
pub const ANSWER_BYTES: usize = 1024 * 1024;
/// Bytes that a session with stateful reconnect keeps until they are acknowledged: the reference server's bound.
pub const REPLAY_BYTES: usize = 100_000;
/// Users whose presence one connection may watch: a screen full of rooms and their members.
pub const WATCHED_USERS: usize = 200;
/// Calls per second of one user that watch, search or set presence: a search for each key pressed.
pub const PEOPLE_RATE: u32 = 10;
/// Such calls that one user may make at once before [`PEOPLE_RATE`] applies.
pub const PEOPLE_BURST: u32 = 50;
/// Connections per second that one user may begin: each learns of all their rooms.
pub const CONNECT_RATE: u32 = 2;
/// Connections that one user may begin at once before [`CONNECT_RATE`] applies: all their devices, a few times.
pub const CONNECT_BURST: u32 = 100;
/// Events that a room's stream keeps, unless they are more than [`STREAM_BYTES`].
pub const STREAM_EVENTS: usize = 1000;
/// Bytes of Redis that a room's stream takes once all of it is stored: some thousand ordinary messages.
pub const STREAM_BYTES: usize = 1024 * 1024;
/// The shortest time for which a `clientId` is remembered.
pub const DEDUP_WINDOW: Duration = Duration::from_hours(24);
/// Attempts at a versioned change of a message while others change it at the same time.
pub const CHANGE_ATTEMPTS: usize = 16;
/// Members that one message may mention: a message for more of them is for everyone.
pub const MENTIONS: usize = 50;
/// Texts of one message that may be member ids: Redis looks each up, which takes at most a microsecond of its time.
pub const MENTION_CANDIDATES: usize = 1000;
/// Messages searched for mentions of a user after Redis lost its data; mentions in older unread messages are not
/// counted.
pub const MENTION_SCAN: usize = 10_000;
/// An emoji of a reaction, in bytes: the longest one that Unicode recommends, a kiss of two people who each have a skin
/// tone, has 35.
pub const EMOJI_BYTES: usize = 40;
/// Different emoji on one message: nobody can tell more of them apart, and each takes a line of its own in a client.
pub const REACTION_EMOJI: usize = 20;
/// Reactions to one message, counting each user's every emoji: one from everyone in the largest room. With the longest
/// ids they are 130 KB, and a message with them fits one DynamoDB item (400 KB) and one SQS message (1 MiB).
pub const REACTIONS: usize = 1000;
/// Nesting depth of arrays and maps in an argument: about the bound of the reference server's JSON reader; far beyond
/// any request, and far from exhausting the stack.
pub const RECORD_DEPTH: usize = 64;
/// Connections from one address, where addresses are counted: a large office behind one address.
pub const ADDRESS_CONNECTIONS: usize = 1000;
/// Bytes that one request may post to a connection: many records of the largest size. A connection holds one such body
/// at a time.
pub const POST_BYTES: usize = 512 * 1024;
/// Bytes of any other request's body: negotiate requests are empty, a request for a token is small.
pub const HTTP_BODY_BYTES: usize = 16 * 1024;
/// Time in which a new HTTP connection must send the whole head of its first request, however slowly it arrives.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(15);
/// Time for which an HTTP connection may be idle, including the wait for the next head: longer than a balancer's idle
/// timeout, which might otherwise send a request into a connection that is closing.
pub const HTTP_IDLE: Duration = Duration::from_secs(310);
/// Headers of a request.
pub const HTTP_HEADERS: usize = 64;
/// Bytes of a request's head: a token of 8 KiB, and as much again for the rest.
pub const HTTP_HEAD_BYTES: usize = 24 * 1024;
/// New messages that one Redis call creates, about three milliseconds during which Redis serves nobody else.
pub const SEND_TOGETHER: usize = 128;
