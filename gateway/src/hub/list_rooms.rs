//! `ListRooms` and `GetRoom`.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt, stream};
use rts_common::ids::RoomId;
use rts_common::limits;
use rts_common::message::Message;
use rts_common::room::Room;
use rts_common::seq::Seq;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::rename_room::Response as RoomResponse;
use super::request::{self, RoomRequest};
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::{RoomError, RoomSummary, RoomView};

/// Rooms looked up at once for one request.
const AT_ONCE: usize = 32;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    cursor: Option<String>,
    limit: Option<i128>,
    archived: Option<bool>,
    query: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    rooms: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Listed {
    room: Room,
    head_seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<Message>,
    unread: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unread_at_least: bool,
    mentions: u64,
    read_seq: Seq,
    delivered_seq: Seq,
}

/// The position of a room in the list: newest activity first, then by id.
type Place = (Reverse<Seq>, RoomId);

pub(super) async fn one(hub: &Hub, caller: &Caller, request: RoomRequest) -> Result<Answer<RoomResponse>, HubError> {
    let view = hub.parts.rooms.view(&caller.person, request.room_id.id()?).await?;
    hub.pay_for_each(caller, view.counted, limits::READ_COUNTED);
    Ok(Answer::now(RoomResponse { room: view.room() }))
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let limit = request::page_limit(request.limit, hub.parts.limits.page)?;
    let after = request.cursor.as_deref().map(parse_cursor).transpose()?;
    let query = request.query.map(|query| folded(query.trim())).filter(|query| !query.is_empty());
    let places = places(hub, caller, request.archived.unwrap_or(false), query.as_deref(), after.as_ref()).await?;

    let (mut rooms, mut last) = (Vec::with_capacity(limit.min(places.len())), None);
    let (mut left, mut bytes) = (places.as_slice(), 0);
    // Once, unless rooms of the list are gone: no room is read that is not returned, but for those beyond the bytes of an
    // answer.
    while rooms.len() < limit && !left.is_empty() {
        let (page, rest) = left.split_at(left.len().min(limit - rooms.len()));
        let views = page.iter().map(async |(_, room)| hub.parts.rooms.glance(&caller.person, room).await);
        let views: Vec<_> = views.collect();
        let mut views = stream::iter(views).buffered(AT_ONCE).zip(stream::iter(page));
        while let Some((view, place)) = views.next().await {
            match view {
                Ok(view) => {
                    hub.pay_for_each(caller, view.counted, limits::READ_COUNTED);
                    let room = listed(view);
                    bytes += serde_json::to_vec(&room).map_or(0, |json| json.len());
                    if bytes > limits::ANSWER_BYTES && !rooms.is_empty() {
                        return Ok(Answer::now(Response { rooms, cursor: last.map(encode_cursor) }));
                    }
                    rooms.push(room);
                    last = Some(place);
                }
                Err(RoomError::NotFound) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
        left = rest;
    }
    let last = last.filter(|_| !left.is_empty());
    Ok(Answer::now(Response { rooms, cursor: last.map(encode_cursor) }))
}

/// Returns the caller's rooms that match the request, in order: open ones by activity, archived ones by the time they
/// were archived.
async fn places(
    hub: &Hub,
    caller: &Caller,
    archived: bool,
    query: Option<&str>,
    after: Option<&Place>,
) -> Result<Vec<Place>, HubError> {
    let standings = hub.parts.rooms.standings(&caller.person).await?;
    hub.pay_for_each(caller, standings.len(), limits::READ_LISTED);
    let mut places: Vec<_> = standings
        .into_iter()
        .filter(|standing| standing.archived_at.is_some() == archived)
        .filter(|standing| query.is_none_or(|query| matches(standing, query)))
        .map(|standing| (Reverse(standing.archived_at.map_or(standing.activity, Seq::of)), standing.room_id))
        .filter(|place| after.is_none_or(|after| place > after))
        .collect();
    places.sort_unstable();
    Ok(places)
}

/// True if a part of the name, or the beginning of the case's id, matches the query.
fn matches(standing: &RoomSummary, query: &str) -> bool {
    standing.name.as_deref().is_some_and(|name| folded(name).contains(query))
        || standing.case_id.as_deref().is_some_and(|case| folded(case).starts_with(query))
}

/// Returns a text in composed form and lower case: Korean typed on any system matches that of any other.
fn folded(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).collect()
}

fn listed(view: RoomView) -> Listed {
    let room = view.room().abridged();
    Listed {
        head_seq: room.head_seq,
        room,
        unread: view.unread,
        unread_at_least: view.unread_at_least,
        mentions: view.mentions,
        read_seq: view.marks.read_seq,
        delivered_seq: view.marks.delivered_seq,
        last_message: view.last_message.map(Message::from),
    }
}

fn encode_cursor((Reverse(activity), room): &Place) -> String {
    URL_SAFE_NO_PAD.encode(format!("{activity} {room}"))
}

fn parse_cursor(cursor: &str) -> Result<Place, HubError> {
    let place = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (activity, room) = text.split_once(' ')?;
        Some((Reverse(Seq::parse(activity)?), RoomId::parse(room).ok()?))
    };
    let given = place().filter(|place| encode_cursor(place) == cursor);
    given.ok_or_else(|| HubError::invalid("cursor is not one that this method gave."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_a_cursor() {
        let place = (Reverse(Seq::new(1_700_000_000_000_000).unwrap()), RoomId::new_group());
        assert_eq!(parse_cursor(&encode_cursor(&place)), Ok(place.clone()));
        let (activity, room) = (place.0.0, &place.1);
        for text in ["", "1", &format!("+{activity} {room}"), &format!("0{activity} {room}"), &format!("{activity} x")]
        {
            assert!(parse_cursor(&URL_SAFE_NO_PAD.encode(text)).is_err(), "{text}");
        }
        for cursor in ["", "x", "!!", &format!("{}=", encode_cursor(&place))] {
            assert!(parse_cursor(cursor).is_err(), "{cursor}");
        }
    }

    #[test]
    fn rooms_are_found_by_a_part_of_the_name_or_the_beginning_of_the_case() {
        let standing = RoomSummary {
            room_id: RoomId::new_group(),
            archived_at: None,
            activity: Seq::ZERO,
            name: Some("\u{1112}\u{116C}\u{110B}\u{1174} Minutes".to_owned()),
            case_id: Some("CASE-4711".to_owned()),
        };
        for query in ["회의", "\u{1112}\u{116C}", "MINUTES", "nut", "case-47", "Case-4711"] {
            assert!(matches(&standing, &folded(query)), "{query}");
        }
        for query in ["4711", "회의실", "minutes of"] {
            assert!(!matches(&standing, &folded(query)), "{query}");
        }
    }
}
