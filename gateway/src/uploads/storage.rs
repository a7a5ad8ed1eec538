//! The bucket: the gateway's requests, and the signed URLs for clients' requests.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, IdentityCache};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use aws_sdk_s3::types::{ChecksumMode, Tag, Tagging};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Uri, header};
use rts_common::files::METADATA;
use rts_common::ids::Person;
use rts_common::seq::{Seq, Timestamp};

use super::credentials::NotedCredentials;
use super::facts::FileFacts;
use super::promise::Promise;
use super::{SignedUrl, URL_LIFE, UploadError};
use crate::metrics;
use crate::shares::FairTurns;

/// Time for a request, with its turn and its second attempt: a caller waits for it.
const TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Connection errors and 5xx are common enough with S3 to ask once more.
const ATTEMPTS: u32 = 2;
/// Before the second attempt, at most.
const PAUSE: Duration = Duration::from_millis(50);
/// Requests at once; the others wait for their turn.
const AT_ONCE: usize = 64;
/// The least time that credentials are still valid for. A signed URL ends with its credentials, at the latest.
pub(super) const CREDENTIALS_LEFT_MIN: Duration = Duration::from_mins(1);
/// The deadline of a source of credentials.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(3);

/// The tag of what no message has. The bucket's lifecycle rule names it.
const UNCLAIMED: (&str, &str) = ("rts-unclaimed", "true");
/// The tag of what a message has that may be deleted; its value is the message's seq.
const DELETING: &str = "rts-deleting";

/// The relation of a file to messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// It does not, or not any more.
    Unclaimed,
    /// It does.
    Claimed,
    /// It does as long as this message is not deleted.
    Deleting(Seq),
}

/// The metadata of an object.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) size_bytes: u64,
    pub(super) content_type: String,
    /// In base64.
    pub(super) sha256: Option<String>,
    promise: Option<String>,
}

impl Stored {
    fn new(head: HeadObjectOutput) -> Option<Self> {
        Some(Self {
            size_bytes: head.content_length?.try_into().ok()?,
            content_type: head.content_type?,
            sha256: head.checksum_sha256,
            promise: head.metadata.and_then(|mut metadata| metadata.remove(METADATA)),
        })
    }

    /// Returns the promise, unless the object was put by other means.
    pub(super) fn promise(&self) -> Option<Promise> {
        self.promise.as_deref().and_then(Promise::decode)
    }
}

pub(super) struct Storage {
    client: Client,
    credentials: NotedCredentials,
    bucket: String,
    origin: String,
    turns: FairTurns,
}

impl Storage {
    /// Connects with the first request.
    pub(super) async fn new(aws: &SdkConfig, bucket: &str) -> anyhow::Result<Self> {
        let provider = aws.credentials_provider().context("there is no source of AWS credentials")?;
        let credentials = NotedCredentials::new(provider);
        // That of S3 alone, which the SDK's clients prefer too, or that of all services.
        let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().or_else(|| aws.endpoint_url().map(str::to_owned));
        let origin = origin(aws, bucket, endpoint.clone()).await?;
        let identities = IdentityCache::lazy()
            // The SDK takes up to half of it away again, at random.
            .buffer_time(2 * CREDENTIALS_LEFT_MIN)
            .load_timeout(CREDENTIALS_TIMEOUT)
            .build();
        let retries =
            RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(PAUSE).with_max_backoff(PAUSE);
        let mut config = Builder::from(aws)
            .credentials_provider(credentials.clone())
            .identity_cache(identities)
            .force_path_style(is_path_style(endpoint.as_deref()))
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            .retry_config(retries);
        config.set_endpoint_url(endpoint);
        Ok(Self {
            client: Client::from_conf(config.build()),
            credentials,
            bucket: bucket.to_owned(),
            origin,
            turns: FairTurns::new(AT_ONCE),
        })
    }

    /// Returns scheme, host and port of all URLs.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// A URL that puts a file where none is, and the headers that have to come with it: all that the signature covers
    /// and HTTP clients do not set by themselves.
    pub(super) async fn url_to_put(
        &self,
        key: &str,
        facts: &FileFacts,
        promise: &Promise,
    ) -> Result<(SignedUrl, BTreeMap<String, String>), UploadError> {
        let length = i64::try_from(facts.size_bytes);
        let length = length.map_err(|_| UploadError::Fault("a file is larger than any".to_owned()))?;
        let (tag, value) = UNCLAIMED;
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_length(length)
            .content_type(facts.content_type.as_str())
            .checksum_sha256(STANDARD.encode(facts.sha256))
            // An object that is there is not overwritten.
            .if_none_match("*")
            .metadata(METADATA, promise.encode())
            .tagging(format!("{tag}={value}"));
        let (request, signed) = self.sign(|config| put.presigned(config)).await?;
        let headers = request.headers().filter(|(name, _)| *name != header::CONTENT_LENGTH.as_str());
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok((signed, headers))
    }

    /// A URL that gets an object, with what the answer says of it.
    pub(super) async fn url_to_get(
        &self,
        key: &str,
        content_disposition: &str,
        content_type: &str,
    ) -> Result<SignedUrl, UploadError> {
        let get = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .response_content_disposition(content_disposition)
            .response_content_type(content_type);
        Ok(self.sign(|config| get.presigned(config)).await?.1)
    }

    /// Signs somebody else's request, which is good for some minutes.
    async fn sign<E, F>(
        &self,
        presign: impl FnOnce(PresigningConfig) -> F,
    ) -> Result<(PresignedRequest, SignedUrl), UploadError>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<PresignedRequest, SdkError<E>>>,
    {
        let now = SystemTime::now();
        let left = self.credentials.end().and_then(|end| end.duration_since(now).ok());
        // Those with less are about to be replaced.
        let life = left.map_or(URL_LIFE, |left| left.clamp(CREDENTIALS_LEFT_MIN, URL_LIFE)).as_secs();
        let config = PresigningConfig::builder()
            .start_time(now)
            .expires_in(Duration::from_secs(life))
            .build()
            .expect("minutes are less than a week");
        let request = Box::pin(presign(config)).await.map_err(|error| failure(&error))?;
        // S3 counts from the second in the signature.
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let expires = since(now) + life;
        let expires = self.credentials.end().map_or(expires, |end| expires.min(since(end)));
        let signed = SignedUrl { url: request.uri().to_owned(), expires_at: Timestamp::from_millis(expires * 1000) };
        Ok((request, signed))
    }

    /// Describes an object; `None` if there is none.
    pub(super) async fn head(&self, person: &Person, key: &str) -> Result<Option<Stored>, UploadError> {
        // The checksum is told only to whoever asks for it.
        let head = self.client.head_object().bucket(&self.bucket).key(key).checksum_mode(ChecksumMode::Enabled);
        let Some(found) = self.call(person, "head", head.send()).await? else { return Ok(None) };
        let stored = Stored::new(found);
        stored.map(Some).ok_or_else(|| UploadError::Fault("an object without size or type".to_owned()))
    }

    /// Returns the state of an object by its tags; `None` if there is no object.
    pub(super) async fn state(&self, person: &Person, key: &str) -> Result<Option<FileState>, UploadError> {
        let tags = self.client.get_object_tagging().bucket(&self.bucket).key(key);
        let Some(found) = self.call(person, "tags", tags.send()).await? else { return Ok(None) };
        let value = |key| found.tag_set.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str());
        Ok(Some(match (value(UNCLAIMED.0), value(DELETING).and_then(Seq::parse)) {
            (Some(_), _) => FileState::Unclaimed,
            (None, Some(seq)) => FileState::Deleting(seq),
            (None, None) => FileState::Claimed,
        }))
    }

    /// Removes the tags from an object; false if there is none.
    pub(super) async fn keep(&self, person: &Person, key: &str) -> Result<bool, UploadError> {
        let keep = self.client.delete_object_tagging().bucket(&self.bucket).key(key);
        Ok(self.call(person, "keep", keep.send()).await?.is_some())
    }

    /// Tags an object with its state; false if there is none.
    pub(super) async fn tag(&self, person: &Person, key: &str, state: FileState) -> Result<bool, UploadError> {
        let (tag, value) = match state {
            FileState::Claimed => return self.keep(person, key).await,
            FileState::Unclaimed => (UNCLAIMED.0, UNCLAIMED.1.to_owned()),
            FileState::Deleting(seq) => (DELETING, seq.to_string()),
        };
        let tag = Tag::builder().key(tag).value(value).build().expect("it has both");
        let tags = Tagging::builder().tag_set(tag).build().expect("it has one");
        let tagging = self.client.put_object_tagging().bucket(&self.bucket).key(key).tagging(tags);
        Ok(self.call(person, "tag", tagging.send()).await?.is_some())
    }

    /// One request of our own, within a deadline; `None` where S3 says that there is no such object.
    fn call<T, E>(
        &self,
        person: &Person,
        call: &'static str,
        sent: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> impl Future<Output = Result<Option<T>, UploadError>>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        // What the SDK makes of a request is large.
        let (sent, person) = (Box::pin(sent), person.clone());
        async move {
            let begun = Instant::now();
            let answered = tokio::time::timeout(TIMEOUT, async {
                let _turn = self.turns.acquire(&person).await;
                sent.await
            });
            let (result, outcome) = match answered.await {
                Ok(Ok(answer)) => (Ok(Some(answer)), "ok"),
                Ok(Err(error)) => match failure(&error) {
                    UploadError::NotFound => (Ok(None), "notFound"),
                    failure @ UploadError::Unavailable(_) => (Err(failure), "unavailable"),
                    failure @ UploadError::Fault(_) => (Err(failure), "fault"),
                },
                Err(_) => (Err(UploadError::Unavailable("no answer in time".to_owned())), "unavailable"),
            };
            metrics::storage_call(call, outcome, begun.elapsed());
            result
        }
    }
}

/// Turns an error of the SDK into the caller's.
fn failure<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> UploadError {
    let Some(response) = error.raw_response() else {
        let cause = DisplayErrorContext(error).to_string();
        // What could not be built is ours; the rest found no S3, no credentials, or no answer in time.
        let is_built = !matches!(error, SdkError::ConstructionFailure(_));
        return if is_built { UploadError::Unavailable(cause) } else { UploadError::Fault(cause) };
    };
    let status = response.status().as_u16();
    let cause = format!("status {status}, {}", error.code().unwrap_or("no code"));
    match status {
        404 => UploadError::NotFound,
        // Cut short, too much, or broken over there.
        200..300 | 429 | 500.. => UploadError::Unavailable(cause),
        _ => UploadError::Fault(cause),
    }
}

/// On AWS the bucket is part of the host's name; at another endpoint, part of the path.
fn is_path_style(endpoint: Option<&str>) -> bool {
    endpoint.is_some()
}

/// Scheme, host and port of the bucket's URLs, by the SDK's own rules.
async fn origin(aws: &SdkConfig, bucket: &str, endpoint: Option<String>) -> anyhow::Result<String> {
    let region = aws.region().context("no AWS region is set")?;
    let place = Params::builder()
        .bucket(bucket)
        .region(region.to_string())
        .force_path_style(is_path_style(endpoint.as_deref()))
        .set_use_fips(aws.use_fips())
        .set_use_dual_stack(aws.use_dual_stack())
        .set_endpoint(endpoint)
        .build()?;
    let place = ResolveEndpoint::resolve_endpoint(&DefaultResolver::new(), &place).await;
    let place = place.map_err(|error| anyhow!("the bucket has no endpoint: {error}"))?;
    let url: Uri = place.url().parse().context("the bucket's endpoint is no URL")?;
    let (scheme, authority) = url.scheme_str().zip(url.authority()).context("the bucket's endpoint has no host")?;
    Ok(format!("{scheme}://{authority}"))
}
