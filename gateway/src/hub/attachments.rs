//! The files of messages: claimed by a message that is sent, given up by one that is deleted.

use std::collections::HashSet;

use rts_common::ids::{AttachmentId, Person, RoomId};
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

    /// Notes on the files of a message that the caller is about to delete which message decides about them: once it shows
    /// as deleted, they are not available any more. Returns the files.
    pub(super) async fn note_delete(
        &self,
        caller: &Caller,
        room: &RoomId,
        seq: Seq,
    ) -> Result<Vec<Attachment>, HubError> {
        let Some(uploads) = &self.parts.uploads else { return Ok(Vec::new()) };
        let found = self.parts.rooms.message(&caller.person, room, seq).await?;
        let content = found.state.content;
        let may_delete = content.sender_id == caller.person.user || found.reader_is_owner;
        if content.attachments.is_empty() || !may_delete || self.parts.rooms.is_archived(&caller.person, room).await? {
            return Ok(Vec::new());
        }
        Box::pin(uploads.note_delete(&caller.person, room, &content.attachments, seq)).await?;
        Ok(content.attachments)
    }

    /// Gives up the files of a message whose tombstone is durable. Should it fail, the note on them still stands.
    pub(super) async fn give_up_files(&self, person: &Person, room: &RoomId, files: &[AttachmentId]) {
        let Some(uploads) = &self.parts.uploads else { return };
        if let Err(error) = Box::pin(uploads.release(person, room, files)).await {
            tracing::warn!(room = %room, %error, "failed to give up the files of a deleted message");
        }
    }
}

/// Returns the files that a message names, without their facts.
pub(super) fn named(ids: &[AttachmentId]) -> Vec<Attachment> {
    let named = |id: &AttachmentId| Attachment {
        attachment_id: id.clone(),
        file_name: String::new(),
        content_type: String::new(),
        size_bytes: 0,
    };
    ids.iter().map(named).collect()
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
