//! The files of messages: claimed by a message that is sent, released by one that is deleted.

use std::collections::HashSet;

use rts_common::ids::{AttachmentId, RoomId};
use rts_common::limits;
use rts_common::message::Attachment;
use rts_common::seq::Seq;

use super::{Caller, Hub};
use crate::error::{ErrorKind, HubError};
use crate::uploads::{UploadError, Uploads};

impl Hub {
    /// Returns the storage of files, if the deployment has one.
    pub(super) fn uploads(&self) -> Result<&Uploads, HubError> {
        let not_here = || HubError::new(ErrorKind::Unavailable, "Files are not set up here.");
        self.parts.uploads.as_ref().ok_or_else(not_here)
    }

    /// Claims the caller's uploads for a message that is about to be sent.
    pub(super) async fn claim_files(
        &self,
        caller: &Caller,
        room: &RoomId,
        ids: &[AttachmentId],
    ) -> Result<Vec<Attachment>, HubError> {
        // Without a storage no upload was begun.
        let uploads = self.parts.uploads.as_ref().ok_or_else(HubError::attachment_not_found)?;
        Ok(Box::pin(uploads.claim(&caller.person, room, ids)).await?)
    }

    /// Releases the files of a message that the caller is about to delete: once a message shows as deleted, its files
    /// are not available any more.
    pub(super) async fn release_files(&self, caller: &Caller, room: &RoomId, seq: Seq) -> Result<(), HubError> {
        let Some(uploads) = &self.parts.uploads else { return Ok(()) };
        let found = self.parts.rooms.message(&caller.person, room, seq).await?;
        let content = found.state.content;
        let may_delete = content.sender_id == caller.person.user || found.reader_is_owner;
        if content.attachments.is_empty() || !may_delete || self.parts.rooms.is_archived(&caller.person, room).await? {
            return Ok(());
        }
        Ok(Box::pin(uploads.release(&caller.person.org, room, &content.attachments)).await?)
    }
}

/// The files that a message names: not too many, each once.
pub(super) fn check(ids: &[AttachmentId]) -> Result<(), HubError> {
    if ids.len() > limits::ATTACHMENTS {
        let sentence = format!("A message has at most {} attachments.", limits::ATTACHMENTS);
        return Err(HubError::new(ErrorKind::TooLarge, sentence));
    }
    if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
        return Err(HubError::invalid("attachmentIds holds one twice."));
    }
    Ok(())
}

impl From<UploadError> for HubError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NotFound => Self::attachment_not_found(),
            UploadError::Unavailable(cause) => {
                tracing::warn!(cause, "the storage of files is unavailable");
                Self::unavailable()
            }
            UploadError::Fault(cause) => {
                tracing::error!(cause, "the storage of files refused a request");
                Self::unavailable()
            }
        }
    }
}
