//! `SetPresence`: says if the user is at this device. A user is online if they are at any of theirs.

use serde::{Deserialize, Serialize};

use super::{Answer, Caller, Hub};
use crate::error::HubError;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Request {
    status: DeviceStatus,
}

#[derive(Deserialize, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
enum DeviceStatus {
    Online,
    Away,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let connection = caller.watcher.connection();
    let is_away = request.status == DeviceStatus::Away;
    let told = hub.parts.presence.set(&caller.person, connection, is_away).await;
    told.map_err(|_| HubError::unavailable())?;
    Ok(Answer::now(Response {}))
}
