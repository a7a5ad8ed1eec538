use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use axum::Router;
use axum::extract::State;
use http::StatusCode;
use rts_common::ids::{OrgId, UserId};

use super::storage::CREDENTIALS_LEFT_MIN;

/// A source of credentials that counts how often it is asked, and how long what it gives is good.
#[derive(Clone, Debug, Default)]
struct Source {
    asked: Arc<AtomicUsize>,
    life: Option<Duration>,
    is_away: bool,
}

impl ProvideCredentials for Source {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_away {
            return future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("away")));
        }
        let end = self.life.map(|life| SystemTime::now() + life);
        let token = Some("token/+".to_owned());
        future::ProvideCredentials::ready(Ok(Credentials::new("AKID", "secret", token, end, "test")))
    }
}

fn aws(region: &'static str, source: &Source) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(region))
        .credentials_provider(SharedCredentialsProvider::new(source.clone()))
        .build()
}

fn at(endpoint: &str) -> SdkConfig {
    aws("us-east-1", &Source::default()).into_builder().endpoint_url(endpoint).build()
}

async fn uploads(aws: SdkConfig) -> Uploads {
    let rules = FileRules { size_bytes_max: 100, types: AllowedTypes::default() };
    Uploads::new(&aws, "files", rules).await.unwrap()
}

fn ann() -> Person {
    Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse("ann").unwrap() }
}

async fn try_begin(uploads: &Uploads) -> Result<UploadTicket, UploadError> {
    let facts = FileFacts::check(uploads.rules(), "a", "text/plain", 7, &"00".repeat(32)).unwrap();
    uploads.begin(&ann(), &RoomId::new_group(), &facts).await
}

async fn begin(uploads: &Uploads) -> UploadTicket {
    try_begin(uploads).await.unwrap()
}

/// Returns a query's parameter, as it stands there.
fn parameter<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[tokio::test]
async fn the_bucket_is_where_aws_or_an_endpoint_has_it() {
    let source = Source::default();
    let fips = aws("us-gov-west-1", &source).into_builder().use_fips(true).build();
    let dual_stack = aws("cn-north-1", &source).into_builder().use_dual_stack(true).build();
    for (aws, origin, path) in [
        (aws("eu-west-1", &source), "https://files.s3.eu-west-1.amazonaws.com", ""),
        (aws("us-east-1", &source), "https://files.s3.us-east-1.amazonaws.com", ""),
        (fips, "https://files.s3-fips.us-gov-west-1.amazonaws.com", ""),
        (dual_stack, "https://files.s3.dualstack.cn-north-1.amazonaws.com.cn", ""),
        (at("http://127.0.0.1:4566/"), "http://127.0.0.1:4566", "/files"),
        (at("https://s3.example.org"), "https://s3.example.org", "/files"),
    ] {
        let uploads = uploads(aws).await;
        assert_eq!(uploads.origin(), origin);
        let url = begin(&uploads).await.url;
        assert!(url.starts_with(&format!("{origin}{path}/attachments/acme/")), "{url}");
    }
    let nowhere = SdkConfig::builder().credentials_provider(SharedCredentialsProvider::new(source)).build();
    let rules = FileRules { size_bytes_max: 1, types: AllowedTypes::default() };
    assert!(Uploads::new(&nowhere, "files", rules).await.is_err());
}

#[tokio::test]
async fn all_that_binds_an_upload_is_in_its_signature_and_no_secret_is_in_its_url() {
    let uploads = uploads(aws("eu-west-1", &Source::default())).await;
    let UploadTicket { url, method, headers, expires_at, .. } = begin(&uploads).await;
    let signed = "content-length%3Bcontent-type%3Bhost%3Bif-none-match%3Bx-amz-checksum-sha256%3B\
                  x-amz-meta-rts-file%3Bx-amz-tagging";
    assert_eq!((method, parameter(&url, "X-Amz-SignedHeaders")), ("PUT", Some(signed)), "{url}");
    assert_eq!(parameter(&url, "X-Amz-Expires"), Some("300"), "{url}");
    assert_eq!(parameter(&url, "X-Amz-Security-Token"), Some("token%2F%2B"), "{url}");
    assert!(url.contains("%2Feu-west-1%2Fs3%2Faws4_request") && !url.contains("secret"), "{url}");
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (_, promise) = headers.remove(3);
    assert_eq!(Promise::decode(promise).unwrap().user, "ann");
    let rest = [
        ("content-type", "text/plain"),
        ("if-none-match", "*"),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("x-amz-tagging", "rts-unclaimed=true"),
    ];
    assert_eq!(headers, rest);
    let left = expires_at.millis().saturating_sub(Timestamp::now().millis());
    assert!((290_000..=300_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_url_that_gets_a_file_needs_no_headers() {
    let uploads = uploads(aws("eu-west-1", &Source::default())).await;
    let disposition = disposition::attachment("한 +.txt");
    let url = uploads.storage.url_to_get("attachments/a/b/c", &disposition, "text/plain").await.unwrap().url;
    assert_eq!(parameter(&url, "X-Amz-SignedHeaders"), Some("host"), "{url}");
    assert_eq!(parameter(&url, "response-content-type"), Some("text%2Fplain"), "{url}");
    let named =
        "attachment%3B%20filename%3D%22_%20%2B.txt%22%3B%20filename%2A%3DUTF-8%27%27%25ED%2595%259C%2520%2B.txt";
    assert_eq!(parameter(&url, "response-content-disposition"), Some(named), "{url}");
}

#[tokio::test]
async fn credentials_are_asked_for_again_before_they_end() {
    for (life, asked) in [(None, 1), (Some(CREDENTIALS_LEFT_MIN * 3), 1), (Some(CREDENTIALS_LEFT_MIN / 2), 3)] {
        let source = Source { life, ..Source::default() };
        let uploads = uploads(aws("eu-west-1", &source)).await;
        for _ in 0..3 {
            begin(&uploads).await;
        }
        assert_eq!(source.asked.load(Ordering::Relaxed), asked, "{life:?}");
    }
}

#[tokio::test]
async fn a_url_ends_with_its_credentials() {
    let source = Source { life: Some(CREDENTIALS_LEFT_MIN * 3), ..Source::default() };
    let uploads = uploads(aws("eu-west-1", &source)).await;
    // The first does not know them yet.
    for _ in 0..2 {
        let ticket = begin(&uploads).await;
        let left = ticket.expires_at.millis().saturating_sub(Timestamp::now().millis());
        assert!((170_000..=180_000).contains(&left), "{left}");
    }
    let life = begin(&uploads).await.url;
    let life: u64 = parameter(&life, "X-Amz-Expires").unwrap().parse().unwrap();
    assert!((170..=180).contains(&life), "{life}");
}

#[tokio::test]
async fn without_credentials_the_storage_is_away() {
    let source = Source { is_away: true, ..Source::default() };
    let uploads = uploads(aws("eu-west-1", &source)).await;
    let refused = try_begin(&uploads).await;
    assert!(matches!(&refused, Err(UploadError::Unavailable(cause)) if cause.contains("away")), "{refused:?}");
    let refused = uploads.storage.head(&ann(), "attachments/a/b/c").await;
    assert!(matches!(refused, Err(UploadError::Unavailable(_))), "{refused:?}");
}

/// S3 that answers every request with a status, and how often it was asked.
async fn answering(status: StatusCode) -> (String, Arc<AtomicUsize>) {
    async fn answer(State((status, asked)): State<(StatusCode, Arc<AtomicUsize>)>) -> StatusCode {
        asked.fetch_add(1, Ordering::Relaxed);
        status
    }
    let asked: Arc<AtomicUsize> = Arc::default();
    let router = Router::new().fallback(answer).with_state((status, Arc::clone(&asked)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (endpoint, asked)
}

#[tokio::test]
async fn what_s3_answers_is_told_apart_and_asked_for_again_where_that_may_help() {
    for (status, outcome, attempts) in [
        (StatusCode::NO_CONTENT, "kept", 1),
        (StatusCode::NOT_FOUND, "absent", 1),
        (StatusCode::FORBIDDEN, "fault", 1),
        (StatusCode::MOVED_PERMANENTLY, "fault", 1),
        (StatusCode::TOO_MANY_REQUESTS, "unavailable", 1),
        (StatusCode::INTERNAL_SERVER_ERROR, "unavailable", 2),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable", 2),
    ] {
        let (endpoint, asked) = answering(status).await;
        let uploads = uploads(at(&endpoint)).await;
        let found = match uploads.storage.keep(&ann(), "attachments/a/b/c").await {
            Ok(true) => "kept",
            Ok(false) => "absent",
            Err(UploadError::Unavailable(_)) => "unavailable",
            Err(UploadError::Fault(_)) => "fault",
            Err(UploadError::NotFound) => "not found",
        };
        assert_eq!((found, asked.load(Ordering::Relaxed)), (outcome, attempts), "{status}");
    }
}

#[tokio::test]
async fn an_object_that_is_not_described_is_a_fault() {
    let (endpoint, _) = answering(StatusCode::OK).await;
    let uploads = uploads(at(&endpoint)).await;
    let found = uploads.storage.head(&ann(), "attachments/a/b/c").await;
    assert!(matches!(found, Err(UploadError::Fault(_))), "{found:?}");
}
