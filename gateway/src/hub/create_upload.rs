//! `CreateUpload`: a signed URL for one file, which a message of the room may then use.

use std::collections::BTreeMap;

use rts_common::ids::AttachmentId;
use rts_common::seq::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::{ErrorKind, HubError};
use crate::metrics::Limit;
use crate::rooms::RoomError;
use crate::uploads::{FileFacts, Unacceptable};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    file_name: String,
    content_type: String,
    size_bytes: u64,
    sha256: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    attachment_id: AttachmentId,
    url: String,
    method: &'static str,
    headers: BTreeMap<String, String>,
    expires_at: Timestamp,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let uploads = hub.uploads()?;
    let room = request.room_id.id()?;
    if hub.parts.rooms.is_archived(&caller.person, room).await? {
        return Err(RoomError::Archived.into());
    }
    let Request { file_name, content_type, size_bytes, sha256, .. } = &request;
    let facts = FileFacts::check(uploads.rules(), file_name, content_type, *size_bytes, sha256)
        .map_err(|why| refusal(why, uploads.rules().size_bytes_max))?;
    let (limits, bytes) = (&hub.parts.limits, usize::try_from(*size_bytes).unwrap_or(usize::MAX));
    let most = (limits.person_uploaded_bytes, limits.org_uploaded_bytes);
    if let Some(wait) = hub.parts.rooms.count_uploaded(&caller.person, bytes, most).await? {
        return Err(HubError::rate_limited(Limit::UploadedBytes, wait));
    }
    let ticket = Box::pin(uploads.begin(&caller.person, room, &facts)).await?;
    Ok(Answer::now(Response {
        attachment_id: ticket.attachment_id,
        url: ticket.url,
        method: ticket.method,
        headers: ticket.headers,
        expires_at: ticket.expires_at,
    }))
}

fn refusal(why: Unacceptable, size_bytes_max: u64) -> HubError {
    match why {
        Unacceptable::Name => {
            HubError::invalid("fileName has 1 to 255 characters, no path and none that do not show as they are.")
        }
        Unacceptable::ContentType => HubError::invalid("contentType is not a MIME type."),
        Unacceptable::Kind => HubError::invalid("Files of this type are not accepted here."),
        Unacceptable::Empty => HubError::invalid("The file is empty: sizeBytes has to be 1 or more."),
        Unacceptable::Sha256 => HubError::invalid("sha256 is not 64 lower-case hexadecimal digits."),
        Unacceptable::TooLarge => {
            HubError::new(ErrorKind::TooLarge, format!("A file has at most {size_bytes_max} bytes."))
        }
    }
}
