//! The bucket: requests of our own, and the URLs of others' requests.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use aws_config::SdkConfig;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rts_common::seq::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::credentials::HeldCredentials;
use super::promise::{self, Promise};
use super::signer::{sign_request, sign_url};
use super::{SignedUrl, URL_LIFE, UploadError};
use crate::metrics;

/// For a request, its turn and its second attempt: somebody waits for it.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Connection errors and 5xx are common enough with S3 to ask once more.
const ATTEMPTS: usize = 2;
/// Requests at once; the others wait for their turn.
const AT_ONCE: usize = 64;
/// An unused connection is closed before S3 does it.
const IDLE: Duration = Duration::from_secs(4);
/// More than ten tags or an error's text are.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// The tag of what no message has. The bucket's lifecycle rule names it.
pub(super) const UNCLAIMED: &str = "rts-unclaimed=true";
const UNCLAIMED_KEY: &str = "<Key>rts-unclaimed</Key>";
const UNCLAIMED_SET: &str = "<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag>\
    <Key>rts-unclaimed</Key><Value>true</Value></Tag></TagSet></Tagging>";

/// An object, as S3 describes it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) size_bytes: u64,
    pub(super) content_type: String,
    /// In base64.
    pub(super) sha256: Option<String>,
    promise: Option<String>,
}

impl Stored {
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Some(Self {
            size_bytes: text(header::CONTENT_LENGTH.as_str())?.parse().ok()?,
            content_type: text(header::CONTENT_TYPE.as_str())?,
            sha256: text("x-amz-checksum-sha256"),
            promise: text(promise::HEADER),
        })
    }

    /// What was promised, unless the object was put by other means.
    pub(super) fn promise(&self) -> Option<Promise> {
        self.promise.as_deref().and_then(Promise::decode)
    }
}

/// A request of our own.
struct Ask {
    /// What it is called in metrics.
    call: &'static str,
    method: Method,
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
}

pub(super) struct Storage {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    credentials: HeldCredentials,
    region: String,
    /// All of a URL before the key's `/`.
    base: String,
    turns: Semaphore,
}

impl Storage {
    pub(super) fn new(aws: &SdkConfig, bucket: &str) -> anyhow::Result<Self> {
        let region = aws.region().context("no AWS region is set")?.to_string();
        let provider = aws.credentials_provider().context("there is no source of AWS credentials")?;
        // That of S3 alone, which the SDK's clients prefer too, or that of all services.
        let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").ok().or_else(|| aws.endpoint_url().map(str::to_owned));
        let variant = match (aws.use_fips(), aws.use_dual_stack()) {
            (Some(true), Some(true)) => "-fips.dualstack",
            (Some(true), _) => "-fips",
            (_, Some(true)) => ".dualstack",
            _ => "",
        };
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self {
            client,
            credentials: HeldCredentials::new(provider),
            base: base(endpoint.as_deref(), bucket, &region, variant),
            region,
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// Scheme, host and port of all URLs.
    pub(super) fn origin(&self) -> &str {
        let host = self.base.find("://").map_or(0, |at| at + 3);
        self.base[host..].find('/').map_or(&*self.base, |end| &self.base[..host + end])
    }

    /// A URL for somebody else's request; all of `headers` have to come with it.
    pub(super) async fn url(
        &self,
        method: &'static str,
        key: &str,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<SignedUrl, UploadError> {
        let mut request = Request::builder().method(method).uri(self.uri(key, query));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).map_err(|error| UploadError::Fault(error.to_string()))?;
        let credentials = self.credentials.get().await?;
        let ends = credentials.expiry();
        // S3 counts from the second in the signature.
        let now = SystemTime::now();
        sign_url(&mut request, credentials, &self.region, URL_LIFE)?;
        let expires = ends.map_or(now + URL_LIFE, |ends| ends.min(now + URL_LIFE));
        let since = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(SignedUrl { url: request.uri().to_string(), expires_at: Timestamp::from_millis(since * 1000) })
    }

    /// Describes an object; `None` if there is none.
    pub(super) async fn head(&self, key: &str) -> Result<Option<Stored>, UploadError> {
        // The checksum is told only to whoever asks for it.
        let headers = vec![("x-amz-checksum-mode", "ENABLED".to_owned())];
        let ask = Ask { call: "head", method: Method::HEAD, uri: self.uri(key, ""), headers, body: "" };
        let Some(response) = self.request(&ask).await? else { return Ok(None) };
        let stored = Stored::from_headers(response.headers());
        stored.map(Some).ok_or_else(|| UploadError::Fault("an object without size or type".to_owned()))
    }

    /// Whether an object is tagged as nobody's.
    pub(super) async fn is_unclaimed(&self, key: &str) -> Result<Option<bool>, UploadError> {
        let response = self.request(&self.of_tags("tags", Method::GET, key)).await?;
        Ok(response.map(|response| String::from_utf8_lossy(response.body()).contains(UNCLAIMED_KEY)))
    }

    /// Takes the tag off an object; false if there is none.
    pub(super) async fn keep(&self, key: &str) -> Result<bool, UploadError> {
        Ok(self.request(&self.of_tags("keep", Method::DELETE, key)).await?.is_some())
    }

    /// Puts the tag on an object; false if there is none.
    pub(super) async fn release(&self, key: &str) -> Result<bool, UploadError> {
        let headers = vec![
            ("content-type", "application/xml".to_owned()),
            // S3 does not change tags without one.
            ("x-amz-checksum-sha256", STANDARD.encode(Sha256::digest(UNCLAIMED_SET))),
        ];
        let ask = Ask { headers, body: UNCLAIMED_SET, ..self.of_tags("release", Method::PUT, key) };
        Ok(self.request(&ask).await?.is_some())
    }

    fn of_tags(&self, call: &'static str, method: Method, key: &str) -> Ask {
        Ask { call, method, uri: self.uri(key, "tagging="), headers: Vec::new(), body: "" }
    }

    fn uri(&self, key: &str, query: &str) -> String {
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}/{key}{mark}{query}", self.base)
    }

    /// One request of our own, within a deadline; `None` where S3 says that there is no such object.
    async fn request(&self, ask: &Ask) -> Result<Option<Response<Bytes>>, UploadError> {
        let begun = Instant::now();
        let result = tokio::time::timeout(TIMEOUT, async {
            let _turn = self.turns.acquire().await;
            let mut attempt = 1;
            loop {
                match self.attempt(ask).await {
                    Err(UploadError::Unavailable(_)) if attempt < ATTEMPTS => attempt += 1,
                    result => return result,
                }
            }
        });
        let late = |_| Err(UploadError::Unavailable("no answer in time".to_owned()));
        let result = result.await.unwrap_or_else(late);
        let outcome = match &result {
            Ok(Some(_)) => "ok",
            Ok(None) | Err(UploadError::NotFound) => "notFound",
            Err(UploadError::Unavailable(_)) => "unavailable",
            Err(UploadError::Fault(_)) => "fault",
        };
        metrics::storage_call(ask.call, outcome, begun.elapsed());
        result
    }

    async fn attempt(&self, ask: &Ask) -> Result<Option<Response<Bytes>>, UploadError> {
        let mut request = Request::builder().method(&ask.method).uri(&ask.uri);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let mut request = request.body(()).map_err(|error| UploadError::Fault(error.to_string()))?;
        sign_request(&mut request, ask.body.as_bytes(), self.credentials.get().await?, &self.region)?;
        let sent = self.client.request(request.map(|()| Body::from(ask.body))).await;
        let (parts, body) = sent.map_err(|error| UploadError::Unavailable(error.to_string()))?.into_parts();
        let body = to_bytes(Body::new(body), BODY_BYTES_MAX).await;
        let body = body.map_err(|error| UploadError::Unavailable(error.to_string()))?;
        match parts.status {
            status if status.is_success() => Ok(Some(Response::from_parts(parts, body))),
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(UploadError::Unavailable(format!("status {status}")))
            }
            status => Err(UploadError::Fault(format!("status {status}"))),
        }
    }
}

/// On AWS the bucket is part of the host's name; at another endpoint, part of the path.
fn base(endpoint: Option<&str>, bucket: &str, region: &str, variant: &str) -> String {
    if let Some(endpoint) = endpoint {
        return format!("{}/{bucket}", endpoint.trim_end_matches('/'));
    }
    let china = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{bucket}.s3{variant}.{region}.amazonaws.com{china}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_where_aws_or_an_endpoint_has_it() {
        assert_eq!(base(None, "b", "eu-west-1", ""), "https://b.s3.eu-west-1.amazonaws.com");
        assert_eq!(base(None, "b", "us-gov-west-1", "-fips"), "https://b.s3-fips.us-gov-west-1.amazonaws.com");
        assert_eq!(base(None, "b", "cn-north-1", ".dualstack"), "https://b.s3.dualstack.cn-north-1.amazonaws.com.cn");
        assert_eq!(base(Some("http://127.0.0.1:4566/"), "b", "us-east-1", ""), "http://127.0.0.1:4566/b");
    }
}
