//! `package`: the bundle of the gateways and the zips of both functions.
//!
//! The same files give the same bytes, whatever their times and whoever checked them out, so that the key of a zip says what is
//! in it: the stack of a function changes when its code does. A binary that Amazon Linux 2023 cannot start is refused, and so is
//! a gateway that would give tokens to anybody.

mod build;
mod bundle;
mod elf;
mod strip;
mod zip_file;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

pub use self::elf::Architecture;
use crate::paths;

/// The binaries that are deployed.
const GATEWAY: &str = "rts-gateway";
const MESSAGES: &str = "chat-message-to-db";
const ROOMS: &str = "chat-room-to-db";
/// The bytes of an unzipped function that Lambda takes.
const FUNCTION_BYTES_MAX: usize = 250 * 1024 * 1024;
/// The path of the development login, which stands in a gateway that has it.
const DEV_LOGIN: &[u8] = b"/dev/token";
/// The file that says what was packaged.
const MANIFEST: &str = "package.json";

/// What is packaged, from where and to where.
#[derive(Clone, Debug)]
pub struct PackageOptions {
    /// The directory for the results.
    pub out: PathBuf,
    /// The processors of the nodes and functions.
    pub architecture: Architecture,
    /// The directory of ready-made binaries; without one they are built.
    pub binaries: Option<PathBuf>,
    /// The directory of the built web app, if the gateways serve it.
    pub web: Option<PathBuf>,
    /// The bill of materials.
    pub bill: Option<PathBuf>,
    /// True to accept a gateway with the development login, which no deployment may have: for tests.
    pub allows_dev_login: bool,
}

/// Everything that a deployment uploads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// The processors it is for.
    pub architecture: Architecture,
    /// The source bundle of a version of the gateways.
    pub bundle: Artifact,
    /// The function of the message queue.
    pub messages: Artifact,
    /// The function of the room queue.
    pub rooms: Artifact,
}

/// A zip, named after its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its file's name, which ends with the beginning of its hash.
    pub file: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Package {
    /// Reads what was packaged into a directory.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(MANIFEST);
        let text = fs::read(&path).with_context(|| format!("{} cannot be read: run package first", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not what package writes", path.display()))
    }
}

/// Packages everything.
pub fn run(options: &PackageOptions) -> anyhow::Result<Package> {
    let binaries = match &options.binaries {
        Some(directory) => directory.clone(),
        None => build::binaries(options.architecture)?,
    };
    fs::create_dir_all(&options.out).with_context(|| format!("{} cannot be made", options.out.display()))?;
    let stripped = |name: &str| -> anyhow::Result<Vec<u8>> {
        let binary = strip::apart(&binaries.join(name), &options.out, options.architecture)?;
        elf::check(&binary, options.architecture).with_context(|| format!("{name} would not start"))?;
        Ok(binary)
    };
    let gateway = stripped(GATEWAY)?;
    if !options.allows_dev_login && contains(&gateway, DEV_LOGIN) {
        bail!("the gateway has the development login: build it with --no-default-features");
    }
    let entries = bundle::entries(gateway, options.web.as_deref(), options.bill.as_deref())?;
    let package = Package {
        architecture: options.architecture,
        bundle: zip_file::write(&options.out, "gateway", entries)?,
        messages: zip_file::write(&options.out, "messages", function(stripped(MESSAGES)?)?)?,
        rooms: zip_file::write(&options.out, "rooms", function(stripped(ROOMS)?)?)?,
    };
    fs::write(options.out.join(MANIFEST), serde_json::to_vec_pretty(&package)?)?;
    Ok(package)
}

/// Makes the bill of materials of the sources as they are.
pub fn bill_of_materials(out: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(out)?;
    let path = out.join("sbom.cdx.json");
    let script = paths::of("deploy/sbom.py");
    build::carry_out(std::process::Command::new("python3").arg(script).arg(&path))?;
    Ok(path)
}

/// Returns the content of a function's zip.
fn function(binary: Vec<u8>) -> anyhow::Result<Vec<zip_file::Entry>> {
    if binary.len() > FUNCTION_BYTES_MAX {
        bail!("a function of {} bytes is larger than Lambda takes", binary.len());
    }
    Ok(vec![zip_file::Entry { name: "bootstrap".to_owned(), bytes: binary, is_program: true }])
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
