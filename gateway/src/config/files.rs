//! Files in messages.

use rts_common::config::Environment;
use rts_common::limits;

use super::limits::number;
use crate::uploads::{AllowedTypes, FileRules};

/// The storage of files, and the rules for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesConfig {
    /// `RTS_FILES_BUCKET`: the S3 bucket of attachments. Without one, messages carry no files.
    pub bucket: Option<String>,
    /// `RTS_LIMIT_ATTACHMENT_BYTES` (default 100 MiB) and `RTS_ATTACHMENT_TYPES`: MIME types with commas, like
    /// `image/png,audio/*`, or `*`. Default: pictures, audio, video, documents, text and archives.
    pub rules: FileRules,
}

impl FilesConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        // The most that S3 accepts in one request.
        const SIZE_BYTES_MAX: usize = 5 * 1024 * 1024 * 1024;
        let (size, types) = ("RTS_LIMIT_ATTACHMENT_BYTES", "RTS_ATTACHMENT_TYPES");
        let size_bytes_max = number(environment, size, limits::ATTACHMENT_BYTES, 1..=SIZE_BYTES_MAX) as u64;
        let list = environment.list(types);
        let types = match AllowedTypes::parse(&list) {
            Some(_) if list.is_empty() => AllowedTypes::default(),
            Some(allowed) => allowed,
            None => {
                environment.problem(types, "holds something that is no MIME type like image/png or audio/*");
                AllowedTypes::default()
            }
        };
        Self { bucket: bucket(environment), rules: FileRules { size_bytes_max, types } }
    }
}

/// Reads the bucket's name. It becomes part of a host's name, which has no dots under a wildcard's certificate.
fn bucket(environment: &mut Environment) -> Option<String> {
    const NAME: &str = "RTS_FILES_BUCKET";
    let bucket = environment.text(NAME)?;
    let is_name = bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_name || !(3..=63).contains(&bucket.len()) {
        environment.problem(NAME, "is not 3 to 63 of a-z 0-9 -");
    }
    Some(bucket)
}
