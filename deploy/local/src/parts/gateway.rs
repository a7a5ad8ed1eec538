//! A gateway: the real binary with the configuration of a small production, on loopback.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::Rng;
use serde::Serialize;

use super::aws::{ACCESS_KEY_ID, Outputs, SECRET_ACCESS_KEY};
use super::{Part, Probe, variables};

/// The same at every start, so that rooms are found again; no deployment takes it.
const ID_SECRET: &str = "the id secret of every local cluster that everybody may know";

/// The settings by which tokens of a local cluster are signed (HS256) and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Jwt {
    /// The key.
    pub secret: String,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`.
    pub audience: String,
}

impl Jwt {
    /// Makes settings with a new random secret.
    pub(crate) fn generate() -> Self {
        Self { secret: random_secret(), issuer: "rts-local".to_owned(), audience: "rts".to_owned() }
    }
}

/// Returns 32 random bytes in hexadecimal.
pub(crate) fn random_secret() -> String {
    use std::fmt::Write;
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The settings of one gateway.
pub(crate) struct Gateway<'a> {
    /// The number of the gateway, from 1.
    pub(crate) number: usize,
    pub(crate) program: PathBuf,
    pub(crate) port: u16,
    pub(crate) admin_port: u16,
    pub(crate) redis_url: String,
    /// The address of every AWS service.
    pub(crate) aws_endpoint: String,
    /// The address of SQS alone, if a proxy is in between.
    pub(crate) sqs_endpoint: Option<String>,
    pub(crate) outputs: &'a Outputs,
    pub(crate) jwt: &'a Jwt,
    pub(crate) connection_secret: &'a str,
    pub(crate) allowed_origins: &'a [String],
    pub(crate) retention_days: f64,
    /// The directory of the web app, if it is served.
    pub(crate) web_root: Option<&'a Path>,
}

/// Budgets that a load test or a suite does not exhaust, whose few users make many rooms and read whole histories.
/// Changes of messages, uploads and searches keep their defaults.
fn generous() -> BTreeMap<String, String> {
    let budgets = ["MARK", "READ", "ROOM", "ROOM_CHANGE", "MEMBER", "FILE", "CONNECT"];
    let variables = budgets.iter().flat_map(|budget| {
        [
            (format!("RTS_LIMIT_{budget}_RATE"), "2000".to_owned()),
            (format!("RTS_LIMIT_{budget}_BURST"), "40000".to_owned()),
        ]
    });
    variables.collect()
}

/// Returns the name of the gateway with a number from 1.
pub(crate) fn name(number: usize) -> String {
    format!("gateway-{number}")
}

/// Returns a gateway as a part.
pub(crate) fn part(run: &Path, gateway: &Gateway) -> io::Result<Part> {
    let name = name(gateway.number);
    let directory = run.join(&name);
    std::fs::create_dir_all(&directory)?;
    let url = format!("http://127.0.0.1:{}", gateway.port);
    let outputs = gateway.outputs;
    // No RTS_NODE_ID: a node gets a new one at every start.
    let mut environment = variables([
        ("RTS_LISTEN", format!("127.0.0.1:{}", gateway.port)),
        ("RTS_ADMIN_LISTEN", format!("127.0.0.1:{}", gateway.admin_port)),
        ("RTS_REDIS_URL", gateway.redis_url.clone()),
        ("RTS_ROOM_QUEUE_URL", outputs.room_queue_url.clone()),
        ("RTS_MESSAGE_QUEUE_URL", outputs.message_queue_url.clone()),
        ("RTS_ROOMS_TABLE", outputs.rooms_table_name.clone()),
        ("RTS_MESSAGES_TABLE", outputs.messages_table_name.clone()),
        ("RTS_ARCHIVE_TABLE", outputs.archive_table_name.clone()),
        ("RTS_FILES_BUCKET", outputs.attachments_bucket_name.clone()),
        ("RTS_JWT_SECRET", gateway.jwt.secret.clone()),
        ("RTS_JWT_ISSUER", gateway.jwt.issuer.clone()),
        ("RTS_JWT_AUDIENCE", gateway.jwt.audience.clone()),
        ("RTS_CONNECTION_SECRET", gateway.connection_secret.to_owned()),
        ("RTS_ID_SECRET", ID_SECRET.to_owned()),
        // Tests and load tests add whom they like, and nobody here has a token of a service.
        ("RTS_MEMBERS", "any".to_owned()),
        ("RTS_CASES", "members".to_owned()),
        ("RTS_LIMIT_ROOMS_MADE", "1000000".to_owned()),
        ("RTS_DEV_LOGIN", "true".to_owned()),
        ("RTS_ALLOWED_ORIGINS", gateway.allowed_origins.join(",")),
        ("RTS_RETENTION_DAYS", gateway.retention_days.to_string()),
        ("RTS_LOG", "info".to_owned()),
        ("RTS_LOG_FORMAT", "text".to_owned()),
        // The balancer here does not check readiness, so it needs no notice.
        ("RTS_DRAIN_NOTICE_SECONDS", "0".to_owned()),
        ("RTS_DRAIN_SECONDS", "2".to_owned()),
        ("AWS_ENDPOINT_URL", gateway.aws_endpoint.clone()),
        ("AWS_REGION", outputs.region.clone()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
    ]);
    environment.extend(generous());
    if let Some(endpoint) = &gateway.sqs_endpoint {
        environment.insert("AWS_ENDPOINT_URL_SQS".to_owned(), endpoint.clone());
    }
    if let Some(root) = gateway.web_root {
        environment.insert("RTS_WEB_ROOT".to_owned(), root.display().to_string());
    }
    Ok(Part {
        name,
        program: gateway.program.clone(),
        arguments: Vec::new(),
        environment,
        directory,
        probe: Probe::Http(format!("{url}/readyz")),
        url: Some(url),
        grace: Duration::from_secs(30),
    })
}
