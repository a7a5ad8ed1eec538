//! AWS by its command line, with a deadline for every call.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

/// Deadline of a call that only reads or begins something.
const CALL: Duration = Duration::from_mins(1);

/// The command line of AWS. Credentials, region and profile are its own.
#[derive(Clone, Debug)]
pub struct Aws {
    program: PathBuf,
    /// Interval of looks at what AWS is doing.
    pub(crate) look: Duration,
}

/// The reason why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// AWS refused, or the program failed.
    #[error("aws {call}: {said}")]
    Failed {
        /// The service and the action.
        call: String,
        /// Its error output.
        said: String,
    },
    /// No answer came.
    #[error("aws {0}: no answer in time")]
    Deadline(String),
}

impl Default for Aws {
    fn default() -> Self {
        Self { program: "aws".into(), look: Duration::from_secs(5) }
    }
}

impl Aws {
    /// Uses a program of a test, which does everything at once.
    pub fn stub(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), look: Duration::from_millis(1) }
    }

    /// Makes a call, and returns its answer; null if it has none.
    pub async fn call(&self, arguments: &[&str]) -> Result<Value, AwsError> {
        self.call_within(CALL, arguments).await
    }

    /// The same with another deadline, for one that waits or uploads.
    pub async fn call_within(&self, deadline: Duration, arguments: &[&str]) -> Result<Value, AwsError> {
        let name = arguments.iter().take(2).copied().collect::<Vec<_>>().join(" ");
        let mut command = Command::new(&self.program);
        command.args(arguments).args(["--output", "json", "--no-cli-pager"]).kill_on_drop(true);
        // What it says about a missing thing has to be in English.
        command.env("LC_ALL", "C.UTF-8").env("AWS_PAGER", OsString::new());
        let failed = |said: String| AwsError::Failed { call: name.clone(), said };
        let output = match timeout(deadline, command.output()).await {
            Ok(output) => output.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(AwsError::Deadline(name)),
        };
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if !output.status.success() {
            let is_missing = ["does not exist", "NotFound", "Not Found", "No Environment found"];
            let is_missing = is_missing.iter().any(|text| said.contains(text));
            return Err(if is_missing { AwsError::Missing(said) } else { failed(said) });
        }
        if output.stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
    }
}

/// Returns nothing instead of an error where the thing does not exist.
pub fn existing<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(AwsError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the texts of a field in each element of a list.
pub fn texts(list: &Value, field: &str) -> Vec<String> {
    let elements = list.as_array().map(Vec::as_slice).unwrap_or_default();
    elements.iter().filter_map(|element| Some(element.get(field)?.as_str()?.to_owned())).collect()
}
