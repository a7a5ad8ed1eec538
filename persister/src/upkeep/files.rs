//! The files of messages, in the bucket.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rts_common::files::METADATA;
use serde::{Deserialize, Serialize};

/// Deadline of a request, with the SDK's own repetitions.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The bucket of files.
pub struct Files {
    client: Client,
    bucket: String,
}

/// What an object tells of its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    /// The user who uploaded it.
    #[serde(rename(deserialize = "user"))]
    pub uploaded_by: String,
    /// Its name.
    #[serde(rename(serialize = "fileName"))]
    pub name: String,
    /// Its type.
    #[serde(rename(deserialize = "type", serialize = "contentType"))]
    pub content_type: String,
    /// Its size.
    #[serde(rename(deserialize = "size", serialize = "sizeBytes"))]
    pub size_bytes: u64,
    /// Its SHA-256, in base64url.
    pub sha256: String,
}

impl Files {
    /// In a bucket; region, credentials and endpoint are those of the other services.
    pub fn new(aws: &SdkConfig, bucket: &str) -> Self {
        let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().or_else(|| aws.endpoint_url().map(str::to_owned));
        let timeouts = TimeoutConfig::builder().operation_timeout(TIMEOUT).build();
        // Names of buckets are no host names at an endpoint of one's own.
        let mut config = Builder::from(aws).force_path_style(endpoint.is_some()).timeout_config(timeouts);
        config.set_endpoint_url(endpoint);
        Self { client: Client::from_conf(config.build()), bucket: bucket.to_owned() }
    }

    /// Returns the keys that begin with a prefix.
    pub(super) async fn list(&self, prefix: &str) -> anyhow::Result<Vec<String>> {
        let (mut keys, mut start) = (Vec::new(), None);
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).set_continuation_token(start);
            let page = list.send().await.with_context(|| format!("cannot list the files of {}", self.bucket))?;
            keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
            start = page.next_continuation_token;
            if start.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Reads what an object tells of its file; `None` if it is gone, or was put by other means.
    pub(super) async fn note(&self, key: &str) -> anyhow::Result<Option<FileNote>> {
        let head = match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(head) => head,
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => return Ok(None),
            Err(error) => return Err(error).context("cannot ask for a file"),
        };
        let promise = head.metadata.and_then(|mut metadata| metadata.remove(METADATA));
        Ok(promise.and_then(|promise| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(promise).ok()?).ok()))
    }

    /// Deletes an object, if it is there.
    pub(super) async fn delete(&self, key: &str) -> anyhow::Result<()> {
        let delete = self.client.delete_object().bucket(&self.bucket).key(key).send();
        delete.await.context("cannot delete a file").map(drop)
    }
}
