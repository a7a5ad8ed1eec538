//! `WatchPresence`: the current status of users, and `PresenceChanged` from then on. Ids are looked up in the caller's
//! own organization only: those of others, and unknown ones, are offline and were never seen.

use std::collections::{HashMap, HashSet};

use rts_common::ids::{Person, UserId};
use rts_common::limits::{self, WATCHED_USERS};
use serde::{Deserialize, Serialize};

use super::{Answer, Caller, Hub};
use crate::budgets::Budget;
use crate::error::{ErrorKind, HubError};
use crate::presence::{PersonStatus, UserStatus};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    user_ids: Vec<UserId>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {
    users: Vec<UserStatus>,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    if request.user_ids.len() > WATCHED_USERS {
        let sentence = format!("At most {WATCHED_USERS} users can be watched.");
        return Err(HubError::new(ErrorKind::TooLarge, sentence));
    }
    hub.pay_for(caller, Budget::Reads, request.user_ids.len() / limits::READ_PEOPLE)?;
    let mut seen = HashSet::new();
    let asked: Vec<_> = request.user_ids.into_iter().filter(|user| seen.insert(user.clone())).collect();
    let person = |user: &UserId| Person { org: caller.person.org.clone(), user: user.clone() };
    let watched = caller.watcher.watch(asked.iter().map(person).collect()).await;
    let (statuses, under_way) = watched.map_err(|_| HubError::unavailable())?;
    let statuses: HashMap<_, _> = statuses.into_iter().map(|(person, status)| (person.user, status)).collect();
    let users = asked.iter().map(|user| UserStatus::new(user, statuses.get(user).unwrap_or(&PersonStatus::UNKNOWN)));
    Ok(Answer::before(Response { users: users.collect() }, under_way))
}
