//! Limits; the reasons for the defaults are in `rts_common::limits`.

use std::ops::RangeInclusive;

use rts_common::config::Environment;
use rts_common::limits;

use crate::budgets::{Rate, Rates};

/// Connections of a user: several devices with several tabs each.
const USER_CONNECTIONS: usize = 20;
/// Connections of a node: as many as 16 GiB hold with room for their outboxes.
const NODE_CONNECTIONS: usize = 200_000;

/// Limits that a deployment may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `RTS_LIMIT_BODY_BYTES`: a message body. Default 16384.
    pub body_bytes: usize,
    /// `RTS_LIMIT_RECORD_BYTES`: a record from a client. Default 262144; a body has to fit, however it is written.
    pub record_bytes: usize,
    /// `RTS_LIMIT_ROOM_MEMBERS`: members of a room. Default 1000.
    pub room_members: usize,
    /// `RTS_LIMIT_PERSON_ROOMS`: rooms that a person is in. Default 5000.
    pub person_rooms: usize,
    /// `RTS_LIMIT_ROOMS_MADE`: rooms that a person makes a day. Default 500.
    pub rooms_made: usize,
    /// `RTS_LIMIT_PERSON_UPLOADED_BYTES`: bytes of files that a person begins to upload a day. Default 10737418240.
    pub person_uploaded_bytes: usize,
    /// `RTS_LIMIT_ORG_UPLOADED_BYTES`: bytes of files that an organization begins to upload a day. Default 1099511627776.
    pub org_uploaded_bytes: usize,
    /// `RTS_LIMIT_NAME_CHARS`: a room's or a user's name. Default 120.
    pub name_chars: usize,
    /// `RTS_LIMIT_PAGE`: items of a page. Default 200.
    pub page: usize,
    /// `RTS_LIMIT_RESUME_EVENTS`: events that a resume replays for a room. Default 500.
    pub resume_events: usize,
    /// `RTS_LIMIT_USER_CONNECTIONS`: connections of a user on all nodes together. Default 20.
    pub user_connections: usize,
    /// `RTS_LIMIT_NODE_CONNECTIONS`: connections of this node. Default 200000.
    pub node_connections: usize,
    /// `RTS_LIMIT_ADDRESS_CONNECTIONS`: connections of an address. Default 1000.
    pub address_connections: usize,
    /// `RTS_LIMIT_STREAMS`: streams of a connection at once. Default 8.
    pub streams: usize,
    /// `RTS_LIMIT_RECORD_RATE`: records a second of a connection, of any kind. Default 500.
    pub record_rate: u32,
    /// `RTS_LIMIT_RECORD_BURST`: records that a connection may send at once. Default 2000.
    pub record_burst: u32,
    /// `RTS_LIMIT_…_RATE` and `RTS_LIMIT_…_BURST`: what a user's calls may cost, on all nodes together.
    pub budgets: Rates,
}

impl LimitsConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        // Upper ends: what an SQS entry (1 MiB), a DynamoDB item (400 KB) and one reply can hold.
        let body_bytes = number(environment, "RTS_LIMIT_BODY_BYTES", limits::BODY_BYTES, 1..=65_536);
        let record_bytes = number(environment, "RTS_LIMIT_RECORD_BYTES", limits::RECORD_BYTES, 4096..=1_048_576);
        let needed = body_bytes.saturating_mul(limits::JSON_BYTES).saturating_add(limits::RECORD_FRAME_BYTES);
        if record_bytes < needed {
            let problem = format!("is less than the {needed} that a body of RTS_LIMIT_BODY_BYTES may take");
            environment.problem("RTS_LIMIT_RECORD_BYTES", &problem);
        }
        let uploaded =
            |environment: &mut Environment, name: &str, default: usize| number(environment, name, default, 1..=1 << 50);
        Self {
            body_bytes,
            record_bytes,
            room_members: number(environment, "RTS_LIMIT_ROOM_MEMBERS", limits::ROOM_MEMBERS, 2..=1000),
            person_rooms: number(environment, "RTS_LIMIT_PERSON_ROOMS", limits::PERSON_ROOMS, 1..=100_000),
            rooms_made: number(environment, "RTS_LIMIT_ROOMS_MADE", limits::ROOMS_MADE, 1..=1_000_000),
            person_uploaded_bytes: uploaded(
                environment,
                "RTS_LIMIT_PERSON_UPLOADED_BYTES",
                limits::PERSON_UPLOADED_BYTES,
            ),
            org_uploaded_bytes: uploaded(environment, "RTS_LIMIT_ORG_UPLOADED_BYTES", limits::ORG_UPLOADED_BYTES),
            name_chars: number(environment, "RTS_LIMIT_NAME_CHARS", limits::NAME_CHARS, 1..=1000),
            page: number(environment, "RTS_LIMIT_PAGE", limits::PAGE_MAX, 1..=1000),
            resume_events: number(environment, "RTS_LIMIT_RESUME_EVENTS", limits::RESUME_EVENTS, 1..=1000),
            user_connections: number(environment, "RTS_LIMIT_USER_CONNECTIONS", USER_CONNECTIONS, 1..=10_000),
            node_connections: number(environment, "RTS_LIMIT_NODE_CONNECTIONS", NODE_CONNECTIONS, 1..=10_000_000),
            address_connections: number(
                environment,
                "RTS_LIMIT_ADDRESS_CONNECTIONS",
                limits::ADDRESS_CONNECTIONS,
                1..=10_000_000,
            ),
            streams: number(environment, "RTS_LIMIT_STREAMS", limits::STREAMS_PER_CONNECTION, 1..=100),
            record_rate: small(environment, "RTS_LIMIT_RECORD_RATE", limits::RECORD_RATE),
            record_burst: small(environment, "RTS_LIMIT_RECORD_BURST", limits::RECORD_BURST),
            budgets: Rates::of(|budget| {
                let ((rate, burst), default) = (budget.variables(), budget.default_rate());
                Rate {
                    per_second: small(environment, rate, default.per_second),
                    burst: small(environment, burst, default.burst),
                }
            }),
        }
    }
}

pub(super) fn number(environment: &mut Environment, name: &str, default: usize, range: RangeInclusive<usize>) -> usize {
    let form = format!("a whole number from {} to {}", range.start(), range.end());
    let number = environment.parsed(name, default, &form);
    if !range.contains(&number) {
        environment.problem(name, &format!("is not {form}"));
    }
    number
}

fn small(environment: &mut Environment, name: &str, default: u32) -> u32 {
    const MAX: usize = 1_000_000;
    let number = number(environment, name, default as usize, 1..=MAX);
    u32::try_from(number).unwrap_or(default)
}
