//! `GetHistory`: a page of messages, ascending.

use rts_common::limits;
use rts_common::message::Message;
use rts_common::seq::Seq;
use rts_common::store::Direction;
use serde::{Deserialize, Serialize};

use super::request::{self, RoomRef};
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::HistoryRange;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    before: Option<Seq>,
    after: Option<Seq>,
    limit: Option<i128>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    messages: Vec<Message>,
    has_more: bool,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let range = HistoryRange {
        after: request.after.unwrap_or_default(),
        before: request.before,
        // Upwards from `after`; without it, the newest.
        direction: if request.after.is_some() { Direction::Ascending } else { Direction::Descending },
        limit: request::page_limit(request.limit, hub.parts.limits.page)?,
        bytes: limits::ANSWER_BYTES,
    };
    let page = hub.parts.rooms.history(&caller.person, room, range).await?;
    hub.pay_for_bytes(caller, page.vain_bytes);
    let messages = page.messages.into_iter().map(Message::from).collect();
    Ok(Answer::now(Response { messages, has_more: page.has_more }))
}
