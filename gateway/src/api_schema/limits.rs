//! The page of limits, held to the code: each limit stands in a row with its number, or is one that no user meets; and each
//! row has a limit.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rts_common::limits as of;

/// A limit that users meet: its constant, its row, and its number as it stands there.
type Met = (&'static str, &'static str, String);

fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or_else(|_| panic!("a number too large")).to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}

fn bytes(number: usize) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (0..units.len()).rev().find(|power| number.is_multiple_of(1 << (10 * power))).unwrap_or_default();
    format!("{} {}", number >> (10 * power), units[power])
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn hours(time: Duration) -> String {
    format!("{} h", time.as_secs() / 3600)
}

fn met() -> Vec<Met> {
    vec![
        ("BODY_BYTES", "message body", bytes(of::BODY_BYTES)),
        ("RECORD_BYTES", "one record from a client", bytes(of::RECORD_BYTES)),
        ("ANSWER_BYTES", "one answer", bytes(of::ANSWER_BYTES)),
        ("ROOM_MEMBERS", "members of a room", count(of::ROOM_MEMBERS)),
        ("ROOM_MEMBERS_INLINE", "members of a room", format!("up to {}", of::ROOM_MEMBERS_INLINE)),
        ("PERSON_ROOMS", "rooms a person is in", count(of::PERSON_ROOMS)),
        ("ROOMS_MADE", "rooms a person makes", format!("{} a day", of::ROOMS_MADE)),
        ("NAME_CHARS", "names", format!("{} characters", of::NAME_CHARS)),
        ("ATTACHMENTS", "files", format!("{} per message", of::ATTACHMENTS)),
        ("ATTACHMENT_BYTES", "files", bytes(of::ATTACHMENT_BYTES)),
        ("PERSON_UPLOADED_BYTES", "uploads", bytes(of::PERSON_UPLOADED_BYTES)),
        ("ORG_UPLOADED_BYTES", "uploads", bytes(of::ORG_UPLOADED_BYTES)),
        ("SEARCH_QUERY_CHARS", "search", format!("1 to {} characters", of::SEARCH_QUERY_CHARS)),
        ("SEARCH_MESSAGES", "search", format!("{} messages a call", count(of::SEARCH_MESSAGES))),
        ("SEARCH_ROOMS", "search", format!("{} most active rooms", count(of::SEARCH_ROOMS))),
        ("PAGE_DEFAULT", "page of history or rooms", format!("{} by default", of::PAGE_DEFAULT)),
        ("PAGE_MAX", "page of history or rooms", format!("at most {}", of::PAGE_MAX)),
        ("RESUME_ROOMS", "rooms of a resume", count(of::RESUME_ROOMS)),
        ("RESUME_EVENTS", "events replayed by a resume", format!("{} per room", of::RESUME_EVENTS)),
        ("STREAM_EVENTS", "events replayed by a resume", count(of::STREAM_EVENTS)),
        ("STREAM_BYTES", "events replayed by a resume", bytes(of::STREAM_BYTES)),
        ("STREAMS_PER_CONNECTION", "streams", format!("{} at once", of::STREAMS_PER_CONNECTION)),
        ("STREAM_PAGE", "streams", format!("{} messages", of::STREAM_PAGE)),
        ("STREAM_PAGE_BYTES", "streams", bytes(of::STREAM_PAGE_BYTES)),
        ("INVOCATIONS_IN_FLIGHT", "calls under way", format!("{} per connection", of::INVOCATIONS_IN_FLIGHT)),
        ("READS_AT_ONCE", "calls under way", format!("{} reads per user", of::READS_AT_ONCE)),
        ("CHANGE_ATTEMPTS", "changes of one message by several at once", count(of::CHANGE_ATTEMPTS)),
        ("RECORD_RATE", "records from a client", format!("{} a second", of::RECORD_RATE)),
        ("RECORD_BURST", "records from a client", format!("{} at once", count(of::RECORD_BURST))),
        ("RECORD_DEPTH", "records from a client", format!("{} deep", of::RECORD_DEPTH)),
        ("POST_BYTES", "records from a client", bytes(of::POST_BYTES)),
        ("ADDRESS_CONNECTIONS", "connections of an address, of a node", count(of::ADDRESS_CONNECTIONS)),
        ("HTTP_HEAD_TIME", "connections without a handshake", seconds(of::HTTP_HEAD_TIME)),
        ("HTTP_HEADERS", "requests", format!("{} headers", of::HTTP_HEADERS)),
        ("HTTP_HEAD_BYTES", "requests", bytes(of::HTTP_HEAD_BYTES)),
        ("HTTP_BODY_BYTES", "requests", bytes(of::HTTP_BODY_BYTES)),
        ("HTTP_IDLE", "requests", seconds(of::HTTP_IDLE)),
        ("SESSION_MAX", "life of a session", hours(of::SESSION_MAX)),
        ("REPLAY_BYTES", "stateful reconnect", format!("{} kB unacknowledged", of::REPLAY_BYTES / 1000)),
        ("UNREAD_CAP", "unread and mention counts", format!("below {}", count(of::UNREAD_CAP))),
        ("MENTIONS", "members mentioned in a message, as `@id`", count(of::MENTIONS)),
        ("MENTION_CANDIDATES", "members mentioned in a message, as `@id`", count(of::MENTION_CANDIDATES)),
        ("MENTION_SCAN", "mentions counted after a loss of Redis", count(of::MENTION_SCAN)),
        ("REACTION_EMOJI", "reactions of a message", format!("{} different emoji", of::REACTION_EMOJI)),
        ("REACTIONS", "reactions of a message", format!("{} in all", count(of::REACTIONS))),
        ("EMOJI_BYTES", "reactions of a message", bytes(of::EMOJI_BYTES)),
        ("WATCHED_USERS", "users watched", format!("{} per connection", of::WATCHED_USERS)),
        ("DEDUP_WINDOW", "how long a `clientId` is remembered", hours(of::DEDUP_WINDOW)),
        ("READ_BYTES", "answers of calls that read", format!("every {}", bytes(of::READ_BYTES))),
        ("READ_ROOMS", "`Resume`", format!("every {} rooms", of::READ_ROOMS)),
        ("READ_LISTED", "`ListRooms`", format!("every {} rooms", of::READ_LISTED)),
        ("READ_TRUNCATED", "`Resume`", format!("{} for each that is truncated", of::READ_TRUNCATED)),
        ("READ_COUNTED", "unread messages that Redis cannot count", format!("each {}", of::READ_COUNTED)),
        ("READ_PEOPLE", "`WatchPresence`, `SearchUsers`", format!("each {} users", of::READ_PEOPLE)),
    ]
}

/// The budgets: the beginning of their constants' names, their row, and their numbers.
const BUDGETS: [(&str, &str, u32, u32); 11] = [
    ("SEND", "messages", of::SEND_RATE, of::SEND_BURST),
    ("MARK", "marks", of::MARK_RATE, of::MARK_BURST),
    ("READ", "reads", of::READ_RATE, of::READ_BURST),
    ("ROOM", "rooms", of::ROOM_RATE, of::ROOM_BURST),
    ("ROOM_CHANGE", "room changes", of::ROOM_CHANGE_RATE, of::ROOM_CHANGE_BURST),
    ("MEMBER", "members", of::MEMBER_RATE, of::MEMBER_BURST),
    ("UPLOAD", "uploads", of::UPLOAD_RATE, of::UPLOAD_BURST),
    ("FILE", "files", of::FILE_RATE, of::FILE_BURST),
    ("SEARCH", "searches", of::SEARCH_RATE, of::SEARCH_BURST),
    ("PEOPLE", "people", of::PEOPLE_RATE, of::PEOPLE_BURST),
    ("CONNECT", "connects", of::CONNECT_RATE, of::CONNECT_BURST),
];

/// Parts of others, or of how the node works.
const NOT_MET: [&str; 3] = ["JSON_BYTES", "RECORD_FRAME_BYTES", "SEND_TOGETHER"];

/// Rows whose number is elsewhere than in `limits.rs`: the costs of calls are in the table of methods.
const ELSEWHERE: [&str; 8] = [
    "an upload without a message",
    "connections",
    "last seen",
    "`GetRoom`",
    "`GetHistory`",
    "`StreamHistory`",
    "`SendMessage`",
    "`SearchMessages`",
];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/limits.md");
    std::fs::read_to_string(path).unwrap()
}

/// True if a text has this number, and not as a part of a longer one.
fn has(row: &str, number: &str) -> bool {
    let is_digit = |char: Option<char>| char.is_some_and(|char| char.is_ascii_digit() || char == ',');
    row.match_indices(number).any(|(at, _)| {
        !is_digit(row[..at].chars().next_back())
            && !row[at + number.len()..].starts_with(|char: char| char.is_ascii_digit())
    })
}

#[test]
fn every_limit_is_in_the_documentation_with_its_number() {
    let page = page();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let row = |name: &str| {
        let start = format!("| {name} |");
        rows.iter().find(|row| row.starts_with(&start)).unwrap_or_else(|| panic!("docs/limits.md has no row {name}"))
    };
    for (name, at, number) in met() {
        assert!(has(row(at), &number), "{name} is {number}: {}", row(at));
    }
    for (_, at, rate, burst) in BUDGETS {
        let start = format!("| {at} | {} | {} |", count(rate), count(burst));
        assert!(rows.iter().any(|row| row.starts_with(&start)), "docs/limits.md has no row {start}");
    }
}

#[test]
fn no_limit_and_no_row_is_forgotten() {
    let source = include_str!("../../../common/src/limits.rs");
    let constants: BTreeSet<_> = source
        .lines()
        .filter_map(|line| Some(line.strip_prefix("pub const ")?.split_once(':')?.0.to_owned()))
        .collect();
    let met = met();
    let budgets = BUDGETS.iter().flat_map(|(name, ..)| [format!("{name}_RATE"), format!("{name}_BURST")]);
    let known = met.iter().map(|(name, ..)| (*name).to_owned()).chain(NOT_MET.map(str::to_owned)).chain(budgets);
    assert_eq!(known.collect::<BTreeSet<_>>(), constants);
    let page = page();
    let first_cells = page.lines().filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" |")?.0));
    let rows: BTreeSet<_> = first_cells.filter(|cell| !["what", "budget", "call"].contains(cell)).collect();
    let held = met.iter().map(|(_, row, _)| *row).chain(BUDGETS.map(|(_, row, ..)| row)).chain(ELSEWHERE);
    assert_eq!(rows, held.collect());
}
