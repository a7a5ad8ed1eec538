//! The doctor: finds everything that the cluster needs, and installs missing parts if it may.

mod apt;
pub(crate) mod build;
pub(crate) mod node;
pub(crate) mod venv;
pub(crate) mod web;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::parts::aws;

/// Debian's directories of programs that are not always on a user's PATH.
const MORE_DIRECTORIES: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];
/// The first version of Redis with sharded publish and subscribe.
const REDIS_VERSION_MIN: u32 = 7;

/// The programs that the cluster needs.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) redis_server: PathBuf,
    pub(crate) redis_cli: PathBuf,
    pub(crate) nginx: PathBuf,
    /// Optional: the cluster runs without it.
    pub(crate) prometheus: Option<PathBuf>,
    /// The directory of the stand-in's Python environment, if requested.
    pub(crate) stand_in: Option<PathBuf>,
}

/// The reason why something needed is missing.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// Packages are missing that this user cannot install.
    #[error("these are needed but missing: {0}. Install them:\n    sudo apt-get install {1}")]
    Packages(String, String),
    /// apt failed.
    #[error("apt-get could not install {0}: {1}")]
    Apt(String, String),
    /// A version is too old.
    #[error("{0}")]
    TooOld(String),
    /// A Python environment could not be made.
    #[error("the Python environment for {0} could not be made: {1}")]
    Venv(String, String),
    /// Node.js could not be installed.
    #[error("Node.js could not be installed: {0}")]
    Node(String),
    /// The build failed.
    #[error("the build failed: {0}")]
    Build(String),
}

/// Returns the directory of every binary that tests run: given by `RTS_BIN_DIR`, or built.
pub fn binaries() -> Result<PathBuf, Missing> {
    build::binaries(build::Build::Test, &|text| eprintln!("{text}"))
}

/// A program, and the Debian package that contains it.
#[derive(Clone, Copy)]
struct Wanted {
    program: &'static str,
    package: &'static str,
    /// True if the cluster runs without it.
    is_optional: bool,
}

const WANTED: [Wanted; 6] = [
    // The build of the gateway's allocator needs it.
    wanted("make", "make"),
    wanted("redis-server", "redis-server"),
    wanted("redis-cli", "redis-tools"),
    wanted("nginx", "nginx"),
    wanted("python3", "python3-venv"),
    Wanted { is_optional: true, ..wanted("prometheus", "prometheus") },
];

const fn wanted(program: &'static str, package: &'static str) -> Wanted {
    Wanted { program, package, is_optional: false }
}

/// Finds everything, installing missing parts; calls `say` before slow steps.
pub(crate) fn tools(with_stand_in: bool, say: &dyn Fn(&str)) -> Result<Tools, Missing> {
    install_missing(&WANTED, say)?;
    let stand_in = with_stand_in.then(|| venv::ensure(aws::PACKAGE, &aws::SERVER, say)).transpose()?;
    let redis_server = program("redis-server");
    check_redis(&redis_server)?;
    Ok(Tools {
        redis_server,
        redis_cli: program("redis-cli"),
        nginx: program("nginx"),
        prometheus: find("prometheus"),
        stand_in,
    })
}

fn install_missing(wanted: &[Wanted], say: &dyn Fn(&str)) -> Result<(), Missing> {
    let lacking = |wanted: &&Wanted| find(wanted.program).is_none();
    let missing: Vec<_> = wanted.iter().filter(lacking).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = |missing: &[Wanted]| {
        let names: Vec<_> = missing.iter().map(|wanted| wanted.package).collect();
        names.join(" ")
    };
    let needed: Vec<_> = missing.iter().filter(|wanted| !wanted.is_optional).copied().collect();
    if apt::is_usable() {
        say(&format!("installing {}", packages(&missing)));
        let names: Vec<_> = missing.iter().map(|wanted| wanted.package).collect();
        if let Err(error) = apt::install(&names) {
            // Once more without the optional ones.
            let names: Vec<_> = needed.iter().map(|wanted| wanted.package).collect();
            if names.is_empty() || apt::install(&names).is_err() {
                let is_fatal = needed.iter().any(|wanted| find(wanted.program).is_none());
                if is_fatal {
                    return Err(Missing::Apt(packages(&missing), error));
                }
            }
        }
    }
    let needed: Vec<_> = needed.iter().filter(lacking).copied().collect();
    if needed.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = needed.iter().map(|wanted| wanted.program).collect();
    Err(Missing::Packages(programs.join(", "), packages(&needed)))
}

fn check_redis(server: &Path) -> Result<(), Missing> {
    let output = Command::new(server).arg("--version").output();
    let text =
        output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).into_owned());
    match redis_version(&text) {
        Some(version) if version >= REDIS_VERSION_MIN => Ok(()),
        _ => Err(Missing::TooOld(format!(
            "Redis {REDIS_VERSION_MIN} or later is needed (Debian 12 has it); {} says: {}",
            server.display(),
            text.trim()
        ))),
    }
}

/// Reads the major version in the output of `redis-server --version`.
fn redis_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("v=")?;
    rest.split('.').next()?.parse().ok()
}

/// Returns the path of a program, or its bare name.
fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| PathBuf::from(name))
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(MORE_DIRECTORIES.map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_redis_is_read() {
        let text = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(redis_version(text), Some(7));
        assert_eq!(redis_version("Redis server v=10.1.0"), Some(10));
        assert_eq!(redis_version("command not found"), None);
    }

    #[test]
    fn programs_are_found() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-at-all"), None);
    }
}
