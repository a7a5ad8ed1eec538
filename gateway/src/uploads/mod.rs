//! Files: clients put them straight into S3 by URLs that are signed here, and get them the same way.
//!
//! The gateway keeps nothing about a file. What it was promised to be (room, sender, name, type, size, hash)
//! is bound to the object itself: the room and the organization by the key, the rest by a piece of
//! metadata that the URL's signature covers. Whoever asks later reads it from the object.
//!
//! An upload begins with a tag by which the bucket's lifecycle rule deletes it. A message that takes the file
//! has the tag removed first; a deleted message puts it back first, and what carries it is given to
//! nobody. So, when a party dies:
//! - client, before or while it puts: an URL that ends, or an object that the rule deletes;
//! - gateway, before the tag is gone: the same; the resend begins anew;
//! - gateway, after the tag is gone, before the message is in its room: the resend finds the object as its
//!   sender's still, and takes it; without a resend the object stays, known to nobody;
//! - gateway, after a delete put the tag back, before the tombstone: the file is gone, the text is not; the
//!   delete was never answered, and is sent again;
//! - Redis, without its data: nothing, files are not in it;
//! - S3: sending, deleting and getting files answer `unavailable`; messages without files do not notice.

mod credentials;
mod disposition;
mod facts;
mod object_key;
mod promise;
mod storage;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use futures_util::future::try_join_all;
use rts_common::ids::{AttachmentId, OrgId, Person, RoomId};
use rts_common::message::Attachment;
use rts_common::seq::Timestamp;

pub use self::facts::{FileFacts, FileRules, Unacceptable};
pub use self::types::{AllowedTypes, ContentType};

use self::object_key::object_key;
use self::promise::Promise;
use self::storage::{Storage, Stored};

/// How long a signed URL can be used, and used again, to begin a transfer.
pub const URL_LIFE: Duration = Duration::from_mins(5);
/// How long after its beginning an upload may be taken by a message: less than the shortest time, a day, after
/// which the bucket deletes what nobody took.
const CLAIM_WINDOW: Duration = Duration::from_hours(24);

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// No such file, or not the caller's to have.
    #[error("no such file")]
    NotFound,
    /// S3, or the source of credentials, did not answer.
    #[error("storage is not reachable: {0}")]
    Unavailable(String),
    /// S3 refused, or something is not as it should be.
    #[error("storage: {0}")]
    Fault(String),
}

/// What a client puts its file with.
#[derive(Clone, Debug)]
pub struct UploadTicket {
    /// By which a message names the file.
    pub attachment_id: AttachmentId,
    /// Where to put it.
    pub url: String,
    /// How.
    pub method: &'static str,
    /// All that the signature covers and HTTP clients do not set by themselves, as they do the length.
    pub headers: BTreeMap<String, String>,
    /// Until when the URL is good.
    pub expires_at: Timestamp,
}

/// Where a client gets a file.
#[derive(Clone, Debug)]
pub struct SignedUrl {
    /// The whole of it.
    pub url: String,
    /// Until when it is good.
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

    /// The origin of all signed URLs.
    pub fn origin(&self) -> String {
        self.storage.origin().to_owned()
    }

    /// What is accepted.
    pub fn rules(&self) -> &FileRules {
        &self.rules
    }

    /// A URL that puts this file, once, and no other. Whether the person may is the caller's business.
    pub async fn begin(&self, person: &Person, room: &RoomId, facts: &FileFacts) -> Result<UploadTicket, UploadError> {
        let attachment_id = AttachmentId::random();
        let key = object_key(&person.org, room, &attachment_id);
        let promise = Promise::new(&person.user, facts, Timestamp::now());
        let (SignedUrl { url, expires_at }, headers) = self.storage.url_to_put(&key, facts, &promise).await?;
        Ok(UploadTicket { attachment_id, url, method: "PUT", headers, expires_at })
    }

    /// Takes uploads of a person for a message: each is looked at, and from now on kept. All or an error.
    pub async fn claim(
        &self,
        person: &Person,
        room: &RoomId,
        ids: &[AttachmentId],
    ) -> Result<Vec<Attachment>, UploadError> {
        let found = try_join_all(ids.iter().map(|id| self.verify(person, room, id))).await?;
        // None is kept before all were found good.
        try_join_all(ids.iter().map(async |id| {
            let is_there = self.storage.keep(&object_key(&person.org, room, id)).await?;
            is_there.then_some(()).ok_or(UploadError::NotFound)
        }))
        .await?;
        Ok(found)
    }

    /// Gives files of a message up: nobody gets them any more, and the bucket deletes them.
    pub async fn release(&self, org: &OrgId, room: &RoomId, files: &[Attachment]) -> Result<(), UploadError> {
        let released = files.iter().map(|file| async {
            let key = object_key(org, room, &file.attachment_id);
            // One that is not there any more is as good as released.
            self.storage.release(&key).await.map(drop)
        });
        try_join_all(released).await.map(drop)
    }

    /// A URL that gets a file which a message of the room has, and which was not uploaded before its time was over.
    /// Whether the person is a member of the room is the caller's business.
    pub async fn read(
        &self,
        org: &OrgId,
        room: &RoomId,
        id: &AttachmentId,
        expired: Timestamp,
    ) -> Result<SignedUrl, UploadError> {
        let key = object_key(org, room, id);
        let (stored, is_unclaimed) = tokio::try_join!(self.storage.head(&key), self.storage.is_unclaimed(&key))?;
        let (Some(stored), Some(false)) = (stored, is_unclaimed) else { return Err(UploadError::NotFound) };
        let promise = stored.promise().filter(|promise| promise.at >= expired.millis()).ok_or(UploadError::NotFound)?;
        let disposition = disposition::attachment(&promise.name);
        self.storage.url_to_get(&key, &disposition, types::served_as(&promise.content_type)).await
    }

    async fn verify(&self, person: &Person, room: &RoomId, id: &AttachmentId) -> Result<Attachment, UploadError> {
        let stored = self.storage.head(&object_key(&person.org, room, id)).await?.ok_or(UploadError::NotFound)?;
        let promise = stored.promise().ok_or(UploadError::NotFound)?;
        if promise.user != person.user.as_str() || promise.is_older_than(CLAIM_WINDOW, Timestamp::now()) {
            return Err(UploadError::NotFound);
        }
        if !is_as_promised(&stored, &promise) {
            tracing::warn!(room = %room, attachment = %id, "an upload is not what was promised");
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

/// S3 has checked all of it against the signed request; a storage that only resembles it may not have.
fn is_as_promised(stored: &Stored, promise: &Promise) -> bool {
    stored.size_bytes == promise.size
        && stored.content_type == promise.content_type
        && stored.sha256.as_deref() == promise.checksum().as_deref()
}
