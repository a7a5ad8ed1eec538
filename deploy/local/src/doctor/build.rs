//! The binaries that the cluster runs: optimised ones for `up`, and for the tests those that `cargo test` builds
//! anyway.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::Missing;
use crate::paths;

/// Names a directory with binaries that are run as they are.
pub(crate) const BINARIES_VARIABLE: &str = "RTS_BIN_DIR";

/// The binaries that must exist.
const BINARIES: [&str; 4] = ["rts-gateway", "chat-message-to-db", "chat-room-to-db", "rts-local"];
const PACKAGES: [&str; 3] = ["rts-gateway", "rts-persister", "rts-local"];

/// The kind of build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    /// For use.
    Optimised,
    /// For tests.
    Test,
}

impl Build {
    fn arguments(self) -> Vec<&'static str> {
        match self {
            Self::Optimised => {
                let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
                ["build", "--bins", "--profile", "local"].into_iter().chain(packages).collect()
            }
            // The whole workspace, like the tests, and with the features that its development dependencies ask for, which
            // `--examples` includes although there are none: nothing is built twice.
            Self::Test => vec!["build", "--workspace", "--bins", "--examples"],
        }
    }
}

/// Returns the directory of the binaries: given by `RTS_BIN_DIR`, or else built, once per process.
pub(crate) fn binaries(how: Build, say: &dyn Fn(&str)) -> Result<PathBuf, Missing> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(directory) = std::env::var_os(BINARIES_VARIABLE) {
        let directory = PathBuf::from(directory);
        return check(&directory).map(|()| directory);
    }
    if let Some(directory) = BUILT.get() {
        return Ok(directory.clone());
    }
    let directory = build(how, say)?;
    check(&directory)?;
    Ok(BUILT.get_or_init(|| directory).clone())
}

fn build(how: Build, say: &dyn Fn(&str)) -> Result<PathBuf, Missing> {
    say("building the binaries");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(how.arguments())
        .arg("--message-format=json-render-diagnostics")
        .current_dir(paths::repository())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Missing::Build(error.to_string()))?;
    if !output.status.success() {
        return Err(Missing::Build("see cargo's messages above".to_owned()));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable_directory(&messages).ok_or_else(|| Missing::Build("cargo named no executable".to_owned()))
}

fn check(directory: &Path) -> Result<(), Missing> {
    let lacking = BINARIES.iter().find(|name| !directory.join(name).is_file());
    match lacking {
        None => Ok(()),
        Some(name) => Err(Missing::Build(format!("{} has no {name}", directory.display()))),
    }
}

/// Finds the directory of the executables in cargo's messages.
fn executable_directory(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let executable = PathBuf::from(message.get("executable")?.as_str()?);
        executable.parent().map(Path::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_where_the_executables_are() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","executable":"/t/local/rts-gateway"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        assert_eq!(executable_directory(messages), Some(PathBuf::from("/t/local")));
        assert_eq!(executable_directory("not json"), None);
    }
}
