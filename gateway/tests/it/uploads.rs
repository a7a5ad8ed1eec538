//! Files on the AWS stand-in, which checks signatures with every signed header as S3 does.

use std::collections::BTreeMap;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rts_common::ids::{AttachmentId, OrgId, Person, RoomId, UserId};
use rts_common::message::Attachment;
use rts_common::seq::{Seq, Timestamp};
use rts_gateway::uploads::{AllowedTypes, FileFacts, FileRules, SignedUrl, UploadError, UploadTicket, Uploads};
use rts_local::{ACCESS_KEY_ID, Cluster, ClusterOptions, REGION, SECRET_ACCESS_KEY};
use sha2::{Digest as _, Sha256};

const CONTENT: &[u8] = b"every byte of it";
const NAME: &str = "보고서 \"1\".pdf";

struct World {
    cluster: Cluster,
    uploads: Uploads,
    client: Client<HttpConnector, Body>,
    room: RoomId,
}

impl World {
    async fn start() -> Self {
        let cluster = Cluster::start(ClusterOptions::without_gateways()).await.unwrap();
        let uploads = uploads(&cluster.aws_endpoint(), &cluster.outputs().attachments_bucket_name).await;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { cluster, uploads, client, room: RoomId::new_group() }
    }

    async fn begin(&self, who: &Person) -> UploadTicket {
        let hash = format!("{:x}", Sha256::digest(CONTENT));
        let size = CONTENT.len() as u64;
        let facts = FileFacts::check(self.uploads.rules(), NAME, "application/pdf", size, &hash).unwrap();
        self.uploads.begin(who, &self.room, &facts).await.unwrap()
    }

    async fn request(
        &self,
        method: &str,
        url: &str,
        headers: &BTreeMap<String, String>,
        content: &'static [u8],
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = self.client.request(request.body(Body::from(content)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, to_bytes(Body::new(body), 1 << 20).await.unwrap().to_vec())
    }

    async fn put(&self, ticket: &UploadTicket, content: &'static [u8]) -> StatusCode {
        self.request(ticket.method, &ticket.url, &ticket.headers, content).await.0
    }

    async fn uploaded(&self, who: &Person) -> AttachmentId {
        let ticket = self.begin(who).await;
        assert_eq!(self.put(&ticket, CONTENT).await, StatusCode::OK);
        ticket.attachment_id
    }

    async fn read(&self, person: &Person, id: &AttachmentId) -> Result<SignedUrl, UploadError> {
        self.uploads.read(person, &self.room, id, Timestamp::from_millis(0)).await.map(|(signed, _)| signed)
    }

    async fn claim(&self, who: &Person, room: &RoomId, id: &AttachmentId) -> Result<Vec<Attachment>, UploadError> {
        self.uploads.claim(who, room, std::slice::from_ref(id)).await
    }
}

async fn uploads(endpoint: &str, bucket: &str) -> Uploads {
    let keys = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build();
    let rules = FileRules { size_bytes_max: 1 << 20, types: AllowedTypes::default() };
    Uploads::new(&config, bucket, rules).await.unwrap()
}

fn person(org: &str, user: &str) -> Person {
    Person { org: OrgId::parse(org).unwrap(), user: UserId::parse(user).unwrap() }
}

#[tokio::test]
async fn a_file_is_uploaded_claimed_served_and_released() {
    let world = World::start().await;
    // Ids of organizations may have any characters.
    let (ann, bob) = (person("아크메/%2F..", "ann/1"), person("아크메/%2F..", "bob"));
    let id = world.uploaded(&ann).await;
    // Until a message claims it, it is not served.
    assert_eq!(world.read(&ann, &id).await.unwrap_err(), UploadError::NotFound);
    for _ in 0..2 {
        // The second is a resend after the gateway died.
        let taken = world.claim(&ann, &world.room, &id).await.unwrap();
        let [file] = taken.as_slice() else { panic!("{taken:?}") };
        assert_eq!((&file.attachment_id, file.file_name.as_str()), (&id, NAME));
        assert_eq!((file.content_type.as_str(), file.size_bytes), ("application/pdf", CONTENT.len() as u64));
    }
    let signed = world.read(&ann, &id).await.unwrap();
    let (status, headers, content) = world.request("GET", &signed.url, &BTreeMap::new(), b"").await;
    assert_eq!((status, content.as_slice()), (StatusCode::OK, CONTENT));
    assert_eq!(headers["content-type"], "application/pdf");
    let disposition = headers["content-disposition"].to_str().unwrap();
    assert!(
        disposition.starts_with("attachment; filename=\"___ _1_.pdf\"; filename*=UTF-8''%EB%B3%B4"),
        "{disposition}"
    );
    // Its time may be over before the bucket deletes it.
    let later = Timestamp::from_millis(Timestamp::now().millis() + 1000);
    assert_eq!(world.uploads.read(&ann, &world.room, &id, later).await.unwrap_err(), UploadError::NotFound);
    // Neither another user's nor of another room.
    assert_eq!(world.claim(&bob, &world.room, &id).await, Err(UploadError::NotFound));
    assert_eq!(world.claim(&ann, &RoomId::new_group(), &id).await, Err(UploadError::NotFound));
    assert_eq!(world.claim(&person("other", "ann/1"), &world.room, &id).await, Err(UploadError::NotFound));
    assert_eq!(world.claim(&ann, &world.room, &AttachmentId::random()).await, Err(UploadError::NotFound));

    let taken = world.claim(&ann, &world.room, &id).await.unwrap();
    // A message that is being deleted decides about its files.
    let seq = Seq::now();
    world.uploads.note_delete(&ann, &world.room, &taken, seq).await.unwrap();
    let (signed, deleting) = world.uploads.read(&ann, &world.room, &id, Timestamp::from_millis(0)).await.unwrap();
    assert_eq!(deleting, Some(seq));
    let (status, ..) = world.request("GET", &signed.url, &BTreeMap::new(), b"").await;
    assert_eq!(status, StatusCode::OK);
    // One that never existed can be released too.
    world.uploads.release(&ann, &world.room, &[id.clone(), AttachmentId::random()]).await.unwrap();
    assert_eq!(world.read(&ann, &id).await.unwrap_err(), UploadError::NotFound);
}

#[tokio::test]
async fn a_signed_url_puts_its_file_once_and_no_other() {
    let world = World::start().await;
    let ann = person("acme", "ann");
    let ticket = world.begin(&ann).await;
    let with = |name: &str, value: Option<&str>| {
        let mut changed = ticket.clone();
        match value {
            Some(value) => changed.headers.insert(name.to_owned(), value.to_owned()),
            None => changed.headers.remove(name),
        };
        changed
    };
    let elsewhere = |from: &str, to: &str| UploadTicket { url: ticket.url.replace(from, to), ..ticket.clone() };
    for (what, changed, content) in [
        ("size", ticket.clone(), &b"every byte of it and more"[..]),
        ("hash", ticket.clone(), b"every bit? of it"),
        ("type", with("content-type", Some("text/html")), CONTENT),
        ("no type", with("content-type", None), CONTENT),
        ("another hash", with("x-amz-checksum-sha256", Some("AAAA")), CONTENT),
        ("no hash", with("x-amz-checksum-sha256", None), CONTENT),
        ("overwriting", with("if-none-match", None), CONTENT),
        ("another promise", with("x-amz-meta-rts-file", Some("e30")), CONTENT),
        ("no tag", with("x-amz-tagging", None), CONTENT),
        ("key", elsewhere(ticket.attachment_id.as_str(), AttachmentId::random().as_str()), CONTENT),
        ("organization", elsewhere("/acme/", "/other/"), CONTENT),
        ("expiry", elsewhere("X-Amz-Expires=300", "X-Amz-Expires=3000"), CONTENT),
    ] {
        let status = world.put(&changed, content).await;
        assert!(status.is_client_error(), "{what}: {status}");
        assert_eq!(world.claim(&ann, &world.room, &ticket.attachment_id).await, Err(UploadError::NotFound), "{what}");
    }
    assert_eq!(world.put(&ticket, CONTENT).await, StatusCode::OK);
    assert_eq!(world.put(&ticket, CONTENT).await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(world.claim(&ann, &world.room, &ticket.attachment_id).await.map(|taken| taken.len()), Ok(1));
}

#[tokio::test]
async fn a_failing_storage_is_distinguished_from_an_absent_file() {
    let world = World::start().await;
    let ann = person("acme", "ann");
    let away = uploads("http://127.0.0.1:9", "bucket").await;
    let id = AttachmentId::random();
    let refused = away.claim(&ann, &world.room, std::slice::from_ref(&id)).await;
    assert!(matches!(refused, Err(UploadError::Unavailable(_))), "{refused:?}");
    // A URL needs no storage to be signed.
    let facts = FileFacts::check(away.rules(), "a", "text/plain", 1, &"00".repeat(32)).unwrap();
    assert_eq!(away.origin(), "http://127.0.0.1:9");
    assert!(away.begin(&ann, &world.room, &facts).await.is_ok());
    assert_eq!(world.claim(&ann, &world.room, &id).await, Err(UploadError::NotFound));
    drop(world.cluster);
}
