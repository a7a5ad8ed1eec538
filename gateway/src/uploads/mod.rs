//! Files: clients put them directly into S3 by URLs that are signed here, and get them the same way.
//!
//! The gateway stores nothing about a file. Its promised properties (room, sender, name, type, size, hash) are bound to
//! the object itself: the room and the organization by the key, the rest by a piece of metadata that the URL's
//! signature covers. They are read later from the object.
//!
//! An upload begins with a tag by which the bucket's lifecycle rule deletes it, and a file with the tag is never served. A
//! message that claims the file has the tag removed first; a file belongs to the first message that has it, which the
//! script that creates messages decides. A message that is about to be deleted is noted on its files, which are served
//! then only while it is not deleted; they get the tag again once the tombstone is durable. So, when a party dies:
//! - client, before or during its upload: a URL that expires, or an object that the rule deletes;
//! - gateway, before the tag is removed: the same; the resend begins again;
//! - gateway, after the tag is removed, before the message is in its room: the resend finds the object as its sender's
//!   still, and claims it; without a resend the object stays, known to nobody;
//! - gateway, after a delete's note, before the tombstone: the message stays, and its files are served as before;
//! - gateway, after the tombstone, before the tag: the files are not served, and whoever asks for one has it tagged; one
//!   that nobody asks for stays, known to nobody;
//! - Redis, without its data: nothing, files are not in it;
//! - S3: sending, deleting and getting files answer `unavailable`; messages without files are not affected.

mod credentials;
mod disposition;
mod facts;
mod promise;
mod storage;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use futures_util::future::try_join_all;
use rts_common::files::object_key;
use rts_common::ids::{AttachmentId, Person, RoomId};
use rts_common::message::Attachment;
use rts_common::seq::{Seq, Timestamp};

pub use self::facts::{FileFacts, FileRules, Unacceptable};
pub use self::types::{AllowedTypes, ContentType};

use self::promise::Promise;
use self::storage::{FileState, Storage, Stored};

/// Time for which a signed URL can be used, also repeatedly, to begin a transfer.
pub const URL_LIFE: Duration = Duration::from_mins(5);
/// Time after its beginning in which an upload may be claimed by a message: less than the shortest time, a day, after
/// which the bucket deletes unclaimed files.
const CLAIM_WINDOW: Duration = Duration::from_hours(24);

/// The reason why an operation on a file failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// There is no such file, or it is not visible to the caller.
    #[error("no such file")]
    NotFound,
    /// S3, or the source of credentials, did not answer.
    #[error("storage is not reachable: {0}")]
    Unavailable(String),
    /// S3 refused, or its data is invalid.
    #[error("storage: {0}")]
    Fault(String),
}

/// The data that a client needs to upload its file.
#[derive(Clone, Debug)]
pub struct UploadTicket {
    /// The id by which a message names the file.
    pub attachment_id: AttachmentId,
    /// The URL to upload it to.
    pub url: String,
    /// The HTTP method.
    pub method: &'static str,
    /// All that the signature covers and HTTP clients do not set by themselves, as they do the length.
    pub headers: BTreeMap<String, String>,
    /// Until when the URL is good.
    pub expires_at: Timestamp,
}

/// A URL from which a client gets a file.
#[derive(Clone, Debug)]
pub struct SignedUrl {
    /// The URL.
    pub url: String,
    /// Its expiry.
    pub expires_at: Timestamp,
}

/// The files of all rooms.
pub struct Uploads {
    storage: Storage,
    rules: FileRules,
}

impl Uploads {
    /// In a bucket; region, credentials and endpoint are those of the other services.
    pub async fn new(aws: &SdkConfig, bucket: &str, rules: FileRules) -> anyhow::Result<Self> {
        Ok(Self { storage: Storage::new(aws, bucket).await?, rules })
    }

    /// Returns the origin of all signed URLs.
    pub fn origin(&self) -> String {
        self.storage.origin().to_owned()
    }

    /// Returns the rules for files.
    pub fn rules(&self) -> &FileRules {
        &self.rules
    }

    /// Returns a URL that puts this file, once, and no other. The caller checks the user's rights.
    pub async fn begin(&self, person: &Person, room: &RoomId, facts: &FileFacts) -> Result<UploadTicket, UploadError> {
        let attachment_id = AttachmentId::random();
        let key = object_key(&person.org, room, &attachment_id);
        let promise = Promise::new(&person.user, facts, Timestamp::now());
        let (SignedUrl { url, expires_at }, headers) = self.storage.url_to_put(&key, facts, &promise).await?;
        Ok(UploadTicket { attachment_id, url, method: "PUT", headers, expires_at })
    }

    /// Claims uploads of a user for a message: each is checked, and kept from now on. All or an error.
    pub async fn claim(
        &self,
        person: &Person,
        room: &RoomId,
        ids: &[AttachmentId],
    ) -> Result<Vec<Attachment>, UploadError> {
        let found = try_join_all(ids.iter().map(|id| self.verify(person, room, id))).await?;
        // None is kept before all were found valid.
        try_join_all(ids.iter().map(async |id| {
            let is_there = self.storage.keep(person, &object_key(&person.org, room, id)).await?;
            is_there.then_some(()).ok_or(UploadError::NotFound)
        }))
        .await?;
        Ok(found)
    }

    /// Notes on the files of a message that it decides whether they are served.
    pub async fn note_delete(
        &self,
        person: &Person,
        room: &RoomId,
        files: &[Attachment],
        seq: Seq,
    ) -> Result<(), UploadError> {
        self.tag_all(person, room, files.iter().map(|file| &file.attachment_id), FileState::Deleting(seq)).await
    }

    /// Releases files: they are not served any more, and the bucket deletes them.
    pub async fn release(&self, person: &Person, room: &RoomId, files: &[AttachmentId]) -> Result<(), UploadError> {
        self.tag_all(person, room, files.iter(), FileState::Unclaimed).await
    }

    async fn tag_all(
        &self,
        person: &Person,
        room: &RoomId,
        files: impl Iterator<Item = &AttachmentId>,
        state: FileState,
    ) -> Result<(), UploadError> {
        let tagged = files.map(|file| async {
            let key = object_key(&person.org, room, file);
            // A file that does not exist any more needs no tag.
            self.storage.tag(person, &key, state).await.map(drop)
        });
        try_join_all(tagged).await.map(drop)
    }

    /// Returns a URL that gets a file which a message of the room has, and which was not uploaded before its time
    /// ended; with a seq, it is for the caller only if that message is not deleted. The caller checks that the user is a
    /// member of the room.
    pub async fn read(
        &self,
        person: &Person,
        room: &RoomId,
        id: &AttachmentId,
        expired: Timestamp,
    ) -> Result<(SignedUrl, Option<Seq>), UploadError> {
        let key = object_key(&person.org, room, id);
        let (stored, state) = tokio::try_join!(self.storage.head(person, &key), self.storage.state(person, &key))?;
        let stored = stored.ok_or(UploadError::NotFound)?;
        let deleting = match state {
            None | Some(FileState::Unclaimed) => return Err(UploadError::NotFound),
            Some(FileState::Claimed) => None,
            Some(FileState::Deleting(seq)) => Some(seq),
        };
        let promise = stored.promise().filter(|promise| promise.at >= expired.millis()).ok_or(UploadError::NotFound)?;
        let disposition = disposition::attachment(&promise.name);
        let url = self.storage.url_to_get(&key, &disposition, types::served_as(&promise.content_type)).await?;
        Ok((url, deleting))
    }

    async fn verify(&self, person: &Person, room: &RoomId, id: &AttachmentId) -> Result<Attachment, UploadError> {
        let stored =
            self.storage.head(person, &object_key(&person.org, room, id)).await?.ok_or(UploadError::NotFound)?;
        let promise = stored.promise().ok_or(UploadError::NotFound)?;
        if promise.user != person.user.as_str() || promise.is_older_than(CLAIM_WINDOW, Timestamp::now()) {
            return Err(UploadError::NotFound);
        }
        if !is_as_promised(&stored, &promise) {
            tracing::warn!(room = %room, attachment = %id, "an upload differs from its promise");
            return Err(UploadError::NotFound);
        }
        Ok(Attachment {
            attachment_id: id.clone(),
            file_name: promise.name,
            content_type: promise.content_type,
            size_bytes: promise.size,
        })
    }
}

/// S3 has checked all of it against the signed request; a compatible storage may not have.
fn is_as_promised(stored: &Stored, promise: &Promise) -> bool {
    stored.size_bytes == promise.size
        && stored.content_type == promise.content_type
        && stored.sha256.as_deref() == promise.checksum().as_deref()
}
