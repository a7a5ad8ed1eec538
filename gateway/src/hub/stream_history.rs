//! `StreamHistory`: every message of a range, ascending, one item each: exports a room of any length.
//!
//! One page is held at a time, and the next is read only when the last was consumed: an export of a long room holds one
//! page in memory, however slowly its client reads. Each page checks again that the caller is a member. Messages that
//! are sent meanwhile belong to a range without an end.

use std::sync::Arc;
use std::vec::IntoIter;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use rts_common::ids::RoomId;
use rts_common::limits;
use rts_common::message::{Message, MessageState};
use rts_common::seq::Seq;
use rts_common::store::Direction;
use serde::Deserialize;

use super::request::RoomRef;
use super::{Caller, Hub, Method};
use crate::error::HubError;
use crate::rooms::HistoryRange;

/// Bytes of a message besides its body, for its price.
const MESSAGE_BYTES: usize = 300;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    from: Option<Seq>,
    to: Option<Seq>,
}

/// An export in progress.
struct Export {
    hub: Arc<Hub>,
    caller: Arc<Caller>,
    room: RoomId,
    /// The last message of the page, and in the end of the export.
    after: Seq,
    before: Option<Seq>,
    page: IntoIter<MessageState>,
    has_more: bool,
    /// True once all messages that the caller sent before this call are in the room.
    is_after_calls: bool,
}

pub(super) fn run(
    hub: &Arc<Hub>,
    caller: &Arc<Caller>,
    request: &Request,
) -> Result<BoxStream<'static, Result<Message, HubError>>, HubError> {
    let export = Export {
        hub: Arc::clone(hub),
        caller: Arc::clone(caller),
        room: request.room_id.id()?.clone(),
        after: request.from.unwrap_or_default().previous(),
        before: request.to.map(Seq::next),
        page: Vec::new().into_iter(),
        has_more: true,
        is_after_calls: false,
    };
    Ok(stream::unfold(Some(export), |export| async move {
        let mut export = export?;
        match export.next().await {
            Ok(message) => message.map(|message| (Ok(message), Some(export))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed())
}

impl Export {
    async fn next(&mut self) -> Result<Option<Message>, HubError> {
        if !self.is_after_calls {
            self.caller.in_flight.wait_idle().await;
            self.is_after_calls = true;
        }
        loop {
            if let Some(message) = self.page.next() {
                return Ok(Some(Message::from(message)));
            }
            if !self.has_more {
                return Ok(None);
            }
            let range = HistoryRange {
                after: self.after,
                before: self.before,
                direction: Direction::Ascending,
                limit: limits::STREAM_PAGE.min(self.hub.parts.limits.page),
                bytes: limits::STREAM_PAGE_BYTES,
            };
            while let Err(wait) = self.hub.pay_for_page(&self.caller, Method::StreamHistory) {
                tokio::time::sleep(wait).await;
            }
            let page = {
                let _turn = self.hub.turn_to_read(Method::StreamHistory, &self.caller).await;
                self.hub.parts.rooms.history(&self.caller.person, &self.room, range).await?
            };
            self.has_more = page.has_more;
            self.after = page.messages.last().map_or(self.after, |message| message.seq);
            let bytes: usize = page.messages.iter().map(|message| message.content.body.len() + MESSAGE_BYTES).sum();
            self.hub.pay_for_bytes(&self.caller, bytes + page.vain_bytes);
            self.page = page.messages.into_iter();
        }
    }
}
