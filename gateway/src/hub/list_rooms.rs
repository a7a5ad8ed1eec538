//! `ListRooms` and `GetRoom`.

use std::cmp::Reverse;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::ids::RoomId;
use rts_common::message::Message;
use rts_common::room::Room;
use rts_common::seq::Seq;
use serde::{Deserialize, Serialize};

use super::rename_room::Response as RoomResponse;
use super::request::{self, RoomRequest};
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::{Refusal, RoomView};

/// Rooms looked at at once for one request.
const AT_ONCE: usize = 32;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    cursor: Option<String>,
    limit: Option<i64>,
    archived: Option<bool>,
    query: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    rooms: Vec<Listed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    room: Room,
    head_seq: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_message: Option<Message>,
    unread: u64,
    read_seq: Seq,
    delivered_seq: Seq,
}

/// A room's place in the list: newest activity first, then by id.
type Place = (Reverse<Seq>, RoomId);

pub(super) async fn one(hub: &Hub, caller: &Caller, request: RoomRequest) -> Result<Answer<RoomResponse>, HubError> {
    let view = hub.parts.rooms.view(&caller.person, request.room_id.id()?).await?;
    Ok(Answer::now(RoomResponse { room: view.room() }))
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let limit = request::page_limit(request.limit, hub.parts.limits.page)?;
    let after = request.cursor.as_deref().map(parse_cursor).transpose()?;
    let query = request.query.map(|query| query.to_lowercase()).filter(|query| !query.is_empty());
    let mut places = places(hub, caller, request.archived.unwrap_or(false)).await?;
    if let Some(after) = after {
        places.retain(|place| *place > after);
    }
    places.sort_unstable();

    let mut rooms = Vec::with_capacity(limit.min(places.len()));
    let mut cursor = None;
    let views = places.iter().map(async |(_, room)| hub.parts.rooms.glance(&caller.person, room).await);
    let views: Vec<_> = views.collect();
    let mut views = stream::iter(views).buffered(AT_ONCE).zip(stream::iter(&places));
    while let Some((view, place)) = views.next().await {
        let view = match view {
            Ok(view) => view,
            Err(Refusal::NotFound) => continue,
            Err(refusal) => return Err(refusal.into()),
        };
        if !query.as_deref().is_none_or(|query| matches(&view, query)) {
            continue;
        }
        if rooms.len() == limit {
            return Ok(Answer::now(Response { rooms, cursor }));
        }
        cursor = Some(encode_cursor(place));
        rooms.push(listed(view));
    }
    Ok(Answer::now(Response { rooms, cursor: None }))
}

async fn places(hub: &Hub, caller: &Caller, archived: bool) -> Result<Vec<Place>, HubError> {
    let rooms = hub.parts.rooms.rooms_of(&caller.person).await?;
    let standings = rooms.into_iter().map(async |room| match hub.parts.rooms.standing(&caller.person, &room).await {
        Ok((is_archived, activity)) => Ok((is_archived == archived).then_some((Reverse(activity), room))),
        Err(Refusal::NotFound) => Ok(None),
        Err(refusal) => Err(HubError::from(refusal)),
    });
    let found: Vec<Option<Place>> = stream::iter(standings).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

fn matches(view: &RoomView, query: &str) -> bool {
    let facts = &view.snapshot.facts;
    facts.name.as_deref().is_some_and(|name| name.to_lowercase().contains(query))
        || facts.case_id.as_ref().is_some_and(|case| case.as_str().to_lowercase().contains(query))
}

fn listed(view: RoomView) -> Listed {
    let room = view.room().abridged();
    Listed {
        head_seq: room.head_seq,
        room,
        unread: view.unread,
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
    place().ok_or_else(|| HubError::invalid("cursor is not one that this method gave."))
}
