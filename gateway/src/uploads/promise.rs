//! The promise of a file's properties, made when its URL was signed: one piece of metadata of the object. The signature
//! covers it, so that an object that has it was put by a signed URL.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rts_common::ids::UserId;
use rts_common::seq::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::FileFacts;

/// A promise; sent in base64url of JSON: names are of any script, and S3 accepts 2 KB in total.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Promise {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) content_type: String,
    pub(super) size: u64,
    sha256: String,
    /// The user who uploads it.
    pub(super) user: String,
    /// The time when the URL was signed, in milliseconds.
    pub(super) at: u64,
}

impl Promise {
    pub(super) fn new(user: &UserId, facts: &FileFacts, now: Timestamp) -> Self {
        Self {
            name: facts.file_name.clone(),
            content_type: facts.content_type.to_string(),
            size: facts.size_bytes,
            sha256: URL_SAFE_NO_PAD.encode(facts.sha256),
            user: user.to_string(),
            at: now.millis(),
        }
    }

    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("texts and numbers are JSON"))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// Returns the hash in S3's form.
    pub(super) fn checksum(&self) -> Option<String> {
        Some(STANDARD.encode(URL_SAFE_NO_PAD.decode(&self.sha256).ok()?))
    }

    pub(super) fn is_older_than(&self, age: Duration, now: Timestamp) -> bool {
        u128::from(now.millis().saturating_sub(self.at)) > age.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use rts_common::files::METADATA;

    use super::super::{AllowedTypes, FileRules};
    use super::*;

    #[test]
    fn the_longest_promise_fits_into_an_objects_metadata() {
        let rules = FileRules { size_bytes_max: u64::MAX, types: AllowedTypes::parse(&["*".to_owned()]).unwrap() };
        let content_type = format!("application/{}", "x".repeat(115));
        let facts = FileFacts::check(&rules, &"한".repeat(255), &content_type, u64::MAX, &"ab".repeat(32)).unwrap();
        let user = UserId::parse(&"\"".repeat(128)).unwrap();
        let promise = Promise::new(&user, &facts, Timestamp::now());
        let encoded = promise.encode();
        assert!(encoded.len() + METADATA.len() <= 2048, "{}", encoded.len());
        assert_eq!(Promise::decode(&encoded).as_ref(), Some(&promise));
        assert_eq!(promise.checksum(), Some(STANDARD.encode([0xab; 32])));
        for garbage in ["", "e30", "!!", &encoded[1..]] {
            assert_eq!(Promise::decode(garbage), None);
        }
    }

    #[test]
    fn a_promise_ages() {
        let rules = FileRules { size_bytes_max: 1, types: AllowedTypes::default() };
        let facts = FileFacts::check(&rules, "a", "text/plain", 1, &"00".repeat(32)).unwrap();
        let promise = Promise::new(&UserId::parse("u").unwrap(), &facts, Timestamp::from_millis(1000));
        let is_old = |millis| promise.is_older_than(Duration::from_secs(1), Timestamp::from_millis(millis));
        assert!(!is_old(0) && !is_old(2000) && is_old(2001));
    }
}
