//! AWS: a stand-in on this machine with the same data template as in production, deployed each time the stand-in
//! starts. Everything specific to this stand-in is in this folder.
//!
//! Its functions are the real binaries. Their code packages contain only a launcher, so that a package is made, stored
//! and unpacked quickly.

mod faults;
mod site;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(crate) use self::faults::Faults;
pub use self::faults::{DynamodbFault, Fault, SqsFault};
use super::{NeverReady, Part, Probe, variables};
use crate::{http, paths};

/// The package and version of the stand-in for which `site/` was written.
pub(crate) const PACKAGE: (&str, &str) = ("ministack", "1.5.33");
/// The HTTP server that it runs on.
pub(crate) const SERVER: [(&str, &str); 3] = [("uvicorn", "0.54.0"), ("httptools", "0.9.0"), ("uvloop", "0.23.0")];
/// The region that it emulates.
pub const REGION: &str = "us-east-1";
/// The access key that it accepts as the account's own. It listens on loopback only.
pub const ACCESS_KEY_ID: &str = "rts-local";
/// The secret of [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "rts-local-secret";

const DEPLOY_SCRIPT: &str = include_str!("deploy.py");
const CODE_BUCKET: &str = "rts-local-code";
const STACK: &str = "rts-data";

/// The stack's outputs: the created resources, by their names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all(deserialize = "PascalCase", serialize = "camelCase"))]
#[expect(missing_docs, reason = "named and described in the template")]
pub struct Outputs {
    pub region: String,
    pub message_queue_url: String,
    pub room_queue_url: String,
    pub message_dead_letter_queue_url: String,
    pub room_dead_letter_queue_url: String,
    pub rooms_table_name: String,
    pub messages_table_name: String,
    pub archive_table_name: String,
    pub attachments_bucket_name: String,
    pub message_function_name: String,
    pub room_function_name: String,
}

/// The fault injected into the functions, for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionFault {
    /// The interval between failing invocations of one instance, starting with the first.
    pub every: u32,
    /// The time of the failure: before or after the function's work.
    pub when: FaultTime,
}

/// The time at which an invocation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FaultTime {
    /// Before the function sees the event.
    Before,
    /// After it has done its work: its answer becomes an error.
    After,
}

/// The deployment on the stand-in.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) python: PathBuf,
    pub(crate) port: u16,
    /// The directory of the functions' binaries.
    pub(crate) binaries: PathBuf,
    pub(crate) redis_url: String,
    /// The origins whose pages may put and get files.
    pub(crate) allowed_origins: Vec<String>,
    /// The time for which a failed batch is invisible; on AWS, six times a function's timeout.
    pub(crate) visibility_seconds: u64,
    /// The number of days after which messages expire; 0 keeps all.
    pub(crate) retention_days: f64,
    /// The value of `RTS_LOG` for the functions.
    pub(crate) log_filter: String,
    pub(crate) fault: Option<FunctionFault>,
    /// True if the queues feed the functions.
    pub(crate) feeds_functions: Mutex<bool>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) outputs: Mutex<Option<Outputs>>,
}

/// Returns the stand-in as a part.
pub(crate) fn part(run: &Path, keeps_data: bool, deployment: &Arc<Deployment>) -> io::Result<Part> {
    let directory = run.join("aws");
    if !keeps_data && directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let (site, temporary) = (directory.join("site"), directory.join("tmp"));
    for made in [&site, &temporary] {
        std::fs::create_dir_all(made)?;
    }
    site::write(&site)?;
    let shown = |path: &Path| path.display().to_string();
    let environment = variables([
        ("GATEWAY_PORT", deployment.port.to_string()),
        // Otherwise it listens on all addresses, and runs code for anyone.
        ("BIND_HOST", "127.0.0.1".to_owned()),
        ("AUTH", "true".to_owned()),
        ("LOG_LEVEL", "WARNING".to_owned()),
        ("MINISTACK_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
        ("AWS_ENDPOINT_URL", deployment.endpoint()),
        // A separate listener on all addresses.
        ("IOT_MTLS_ENABLED", "0".to_owned()),
        ("PERSIST_STATE", "1".to_owned()),
        ("S3_PERSIST", "1".to_owned()),
        ("STATE_DIR", shown(&directory.join("state"))),
        ("S3_DATA_DIR", shown(&directory.join("s3"))),
        ("TMPDIR", shown(&temporary)),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ]);
    Ok(Part {
        name: "aws".to_owned(),
        program: deployment.python.clone(),
        arguments: vec![shown(&site.join(site::START))],
        environment,
        directory,
        probe: Probe::Deployed(Arc::clone(deployment)),
        url: Some(deployment.endpoint()),
        // Time to save its state, which takes some seconds for each 100,000 messages.
        grace: Duration::from_secs(30),
    })
}

impl Deployment {
    /// Returns the address of every AWS service.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the address at which the stand-in reports its health.
    pub(super) fn health_url(&self) -> String {
        format!("{}/_ministack/health", self.endpoint())
    }

    /// Returns the outputs of the deployment.
    pub(crate) fn outputs(&self) -> Option<Outputs> {
        let outputs = self.outputs.lock();
        outputs.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates or updates the stack.
    pub(crate) async fn deploy(&self) -> Result<(), NeverReady> {
        let failed = |error: &dyn std::fmt::Display| NeverReady(format!("deployment: {error}"));
        let mut script = Command::new(&self.python)
            .args(["-c", DEPLOY_SCRIPT])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;
        if let Some(mut stdin) = script.stdin.take() {
            let order = self.order().to_string();
            stdin.write_all(order.as_bytes()).await.map_err(|error| failed(&error))?;
        }
        let output = script.wait_with_output().await.map_err(|error| failed(&error))?;
        if !output.status.success() {
            return Err(failed(&String::from_utf8_lossy(&output.stderr).trim()));
        }
        let outputs = serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))?;
        *self.outputs.lock().unwrap_or_else(PoisonError::into_inner) = Some(outputs);
        self.switch_faults().await
    }

    /// Tells the stand-in which faults are active.
    pub(crate) async fn switch_faults(&self) -> Result<(), NeverReady> {
        let order = self.faults.lock().unwrap_or_else(PoisonError::into_inner).order();
        let answer = http::post_json(&format!("{}/_rts/faults", self.endpoint()), &order).await;
        match answer {
            Ok(answer) if answer.status() == Some(200) => Ok(()),
            Ok(answer) => Err(NeverReady(format!("faults: {}", String::from_utf8_lossy(&answer.body)))),
            Err(error) => Err(NeverReady(format!("faults: {error}"))),
        }
    }

    /// Returns the input of `deploy.py`.
    fn order(&self) -> serde_json::Value {
        let feeds_functions = *self.feeds_functions.lock().unwrap_or_else(PoisonError::into_inner);
        let architecture = match std::env::consts::ARCH {
            "aarch64" => "arm64",
            other => other,
        };
        json!({
            "endpoint": self.endpoint(),
            "region": REGION,
            "stack": STACK,
            "template": paths::data_template(),
            "codeBucket": CODE_BUCKET,
            "code": {
                "MessageCodeKey": self.code("chat-message-to-db"),
                "RoomCodeKey": self.code("chat-room-to-db"),
            },
            "feedsFunctions": feeds_functions,
            "parameters": {
                "Architecture": architecture,
                "RedisUrl": self.redis_url,
                "AllowedOrigins": self.allowed_origins.join(","),
                "FunctionLogFilter": self.log_filter,
                "FunctionTimeoutSeconds": (self.visibility_seconds / 6).max(3),
                "VisibilityTimeoutSeconds": self.visibility_seconds,
                "RetentionDays": self.retention_days,
                // The stand-in has no batching window, which larger batches need.
                "RoomBatchSize": 10,
                "RoomBatchingWindowSeconds": 0,
                // It listens on loopback, without TLS.
                "RequireTls": "false",
                // More batches at a time only wait for each other where the stand-in has a core.
                "MaximumConcurrency": 8,
            },
        })
    }

    fn code(&self, name: &str) -> serde_json::Value {
        let launcher = launcher(&self.binaries, name, self.fault);
        json!({ "name": name, "files": BTreeMap::from([("bootstrap", launcher)]) })
    }
}

/// Returns the `bootstrap` of a function: it becomes the function's binary, or the program that makes it fail.
fn launcher(binaries: &Path, name: &str, fault: Option<FunctionFault>) -> String {
    let quoted = |file: &str| {
        let path = binaries.join(file).display().to_string();
        format!("'{}'", path.replace('\'', r"'\''"))
    };
    let command = match fault {
        None => quoted(name),
        Some(fault) => format!(
            "{} fault-bootstrap --every {} --when {} {}",
            quoted("rts-local"),
            fault.every,
            match fault.when {
                FaultTime::Before => "before",
                FaultTime::After => "after",
            },
            quoted(name)
        ),
    };
    format!("#!/bin/sh\nexec {command}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launcher_becomes_the_binary() {
        let directory = Path::new("/a b/it's");
        assert_eq!(launcher(directory, "chat-room-to-db", None), "#!/bin/sh\nexec '/a b/it'\\''s/chat-room-to-db'\n");
        let fault = FunctionFault { every: 3, when: FaultTime::After };
        assert_eq!(
            launcher(Path::new("/b"), "x", Some(fault)),
            "#!/bin/sh\nexec '/b/rts-local' fault-bootstrap --every 3 --when after '/b/x'\n"
        );
    }

    #[test]
    fn outputs_are_named_as_in_the_template() {
        let template = std::fs::read_to_string(paths::data_template()).unwrap();
        let (_, outputs) = template.split_once("\nOutputs:\n").unwrap();
        let named: serde_json::Map<_, _> = outputs
            .lines()
            .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
            .map(|line| (line.trim().trim_end_matches(':').to_owned(), json!("x")))
            .collect();
        assert!(serde_json::from_value::<Outputs>(named.into()).is_ok());
    }
}
