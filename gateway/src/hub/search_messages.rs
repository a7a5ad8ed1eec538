//! `SearchMessages`: messages of the caller's own rooms that have all words of the query, newest first.

use rts_common::limits;
use rts_common::message::Message;
use serde::{Deserialize, Serialize};

use super::request::{self, RoomRef};
use super::{Answer, Caller, Hub};
use crate::budgets::Budget;
use crate::error::HubError;
use crate::search::{Query, SearchError, Spent, Words};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    query: String,
    room_id: Option<RoomRef>,
    cursor: Option<String>,
    limit: Option<i128>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {
    messages: Vec<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let limit = request::page_limit(request.limit, hub.parts.limits.page)?;
    let words = Words::parse(&request.query).ok_or_else(|| {
        HubError::invalid(format!("query has 1 to {} characters, not only blanks.", limits::SEARCH_QUERY_CHARS))
    })?;
    let room = request.room_id.as_ref().map(RoomRef::id).transpose()?;
    let query = Query { person: &caller.person, words: &words, room, cursor: request.cursor.as_deref(), limit };
    // Who owes for reads of before waits, and what it reads is paid once it is known.
    hub.pay_for(caller, Budget::Reads, 1)?;
    let mut spent = Spent::default();
    let found = Box::pin(hub.parts.search.find(query, &mut spent)).await;
    hub.pay_for_each(caller, spent.reads(), 1);
    let found = found?;
    Ok(Answer::now(Response {
        messages: found.messages.into_iter().map(Message::from).collect(),
        cursor: found.cursor,
    }))
}

impl From<SearchError> for HubError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Cursor => Self::invalid("cursor is not one that this method gave for this query."),
            SearchError::Busy => Self::unavailable(),
            SearchError::Refused(refusal) => refusal.into(),
        }
    }
}
