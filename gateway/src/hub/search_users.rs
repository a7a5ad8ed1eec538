//! `SearchUsers`: users of the caller's own organization of whose name a word, or whose id, begins with the query.
//!
//! A search reads the directory's texts from the first that begins with the query, a page at a time, and the profiles
//! of the users found: one query and one batch of reads for a page without left-over texts, whatever the organization's
//! size. Names that begin with the query are in their order; users found by a later word or the id are at the position
//! of that text. A page is sorted by name. Limits: words of a name after the seventh are not searched, and one
//! partition of DynamoDB (3,000 reads a second) carries one organization's searches.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::ids::{Person, UserId};
use rts_common::store::FoundName;
use rts_common::{limits, names};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Answer, Caller, Hub, request};
use crate::error::{ErrorKind, HubError};
use crate::presence::Status;
use crate::rooms::RoomError;

/// The most queries of the directory for one request; a page may be incomplete then.
const QUERIES_MAX: usize = 8;
/// Texts of one query beyond the page: for users found by two texts, and for left-over texts.
const SPARE_TEXTS: usize = 20;
/// Statuses read at once.
const AT_ONCE: usize = 32;
/// Bytes of the query's digest in a cursor.
const MARK_BYTES: usize = 8;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Request {
    query: Option<String>,
    cursor: Option<String>,
    limit: Option<i128>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {
    users: Vec<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Found {
    user_id: UserId,
    display_name: String,
    status: Status,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let limit = request::page_limit(request.limit, hub.parts.limits.page)?;
    let query = request.query.unwrap_or_default();
    if query.chars().count() > hub.parts.limits.name_chars {
        let sentence = format!("query has more than {} characters.", hub.parts.limits.name_chars);
        return Err(HubError::new(ErrorKind::TooLarge, sentence));
    }
    let query = names::fold(&query);
    let after = request.cursor.as_deref().map(|cursor| parse_cursor(cursor, &query)).transpose()?;
    let (found, next) = Box::pin(find(hub, caller, &query, after, limit)).await?;
    hub.pay_for_each(caller, found.len(), limits::READ_PEOPLE);
    let people = found.into_iter().map(async |(user_id, display_name)| {
        let person = Person { org: caller.person.org.clone(), user: user_id };
        let status = hub.parts.presence.status_of(&person).await.map_err(RoomError::from)?.status;
        Ok::<_, HubError>(Found { user_id: person.user, display_name, status })
    });
    let people: Vec<_> = people.collect();
    let mut users: Vec<_> = stream::iter(people).buffered(AT_ONCE).try_collect().await?;
    users.sort_by_cached_key(|user| (user.display_name.to_lowercase(), user.user_id.clone()));
    let cursor = next.map(|place| encode_cursor(&place, &query));
    Ok(Answer::now(Response { users, cursor }))
}

/// Returns the users of a page by name, and the position after which the next one begins.
async fn find(
    hub: &Hub,
    caller: &Caller,
    query: &str,
    mut after: Option<String>,
    limit: usize,
) -> Result<(Vec<(UserId, String)>, Option<String>), HubError> {
    let (store, org) = (&hub.parts.store, &caller.person.org);
    let mut people = Vec::with_capacity(limit);
    let mut end = None;
    for _ in 0..QUERIES_MAX {
        let texts = limit - people.len() + SPARE_TEXTS;
        let page = store.names(org, names::key(query), after.as_deref(), texts).await.map_err(RoomError::from)?;
        let users: Vec<_> = page.found.iter().map(|found| found.user_id.clone()).collect();
        let profiles = store.profiles(org, &users).await.map_err(RoomError::from)?;
        for found in page.found {
            let Some(profile) = profiles.get(&found.user_id) else { continue };
            if !is_shown(&found, query, &profile.display_name) {
                continue;
            }
            if people.len() == limit {
                return Ok((people, end));
            }
            end = Some(found.place());
            people.push((found.user_id, profile.display_name.clone()));
        }
        after = page.next;
        if after.is_none() {
            return Ok((people, None));
        }
    }
    Ok((people, after))
}

/// True if a text is the one for which its user is shown: each user is shown once, and only by their current name.
fn is_shown(found: &FoundName, query: &str, name: &str) -> bool {
    names::key_found(query, name, &found.user_id).is_some_and(|text| text == found.text)
}

/// Encodes a position as a cursor that is valid for its query only.
fn encode_cursor(place: &str, query: &str) -> String {
    let mut bytes = mark(query).to_vec();
    bytes.extend(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn parse_cursor(cursor: &str, query: &str) -> Result<String, HubError> {
    let place = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (found, place) = bytes.split_at_checked(MARK_BYTES)?;
        let place = std::str::from_utf8(place).ok()?;
        let is_ours = found == mark(query) && rts_common::store::is_name_place(place, names::key(query));
        is_ours.then(|| place.to_owned())
    };
    place().ok_or_else(|| HubError::invalid("cursor is not one that this method gave for this query."))
}

fn mark(query: &str) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    mark.copy_from_slice(&Sha256::digest(query.as_bytes())[..MARK_BYTES]);
    mark
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_valid_for_its_query_only() {
        let place = FoundName { text: "ann lee".to_owned(), user_id: UserId::parse("u1").unwrap() }.place();
        let cursor = encode_cursor(&place, "ann");
        assert_eq!(parse_cursor(&cursor, "ann"), Ok(place.clone()));
        assert!(parse_cursor(&cursor, "an").is_err());
        for bad in ["", "x", "!!", &encode_cursor("USER#u1", "ann"), &encode_cursor("NAME#bob#u1", "ann"), &place] {
            assert!(parse_cursor(bad, "ann").is_err(), "{bad}");
        }
        let long = format!("NAME#ann{}", "x".repeat(2000));
        assert!(parse_cursor(&encode_cursor(&long, "ann"), "ann").is_err());
    }
}
