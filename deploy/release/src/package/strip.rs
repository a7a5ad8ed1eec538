//! Takes the debug information out of a binary, and keeps it beside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::build::carry_out;
use super::elf::Architecture;

/// Returns a binary without its debug information, which is left in `debug/` of the directory: the stripped binary names it.
pub(super) fn apart(binary: &Path, out: &Path, architecture: Architecture) -> anyhow::Result<Vec<u8>> {
    let name = binary.file_name().context("a binary has a name")?;
    if !binary.is_file() {
        bail!("there is no {}", binary.display());
    }
    let debug_directory = out.join("debug");
    fs::create_dir_all(&debug_directory)?;
    let debug = debug_directory.join(name).with_added_extension("debug");
    let stripped = debug_directory.join(name);
    let objcopy = objcopy(architecture)?;
    carry_out(Command::new(&objcopy).arg("--only-keep-debug").args([binary, &debug]))?;
    let link = format!("--add-gnu-debuglink={}", debug.display());
    carry_out(Command::new(&objcopy).args(["--strip-debug", &link]).args([binary, &stripped]))?;
    let bytes = fs::read(&stripped)?;
    fs::remove_file(stripped)?;
    Ok(bytes)
}

/// Returns the program that edits binaries of an architecture.
fn objcopy(architecture: Architecture) -> anyhow::Result<PathBuf> {
    let own = format!("{}-linux-gnu-objcopy", architecture.target().split('-').next().unwrap_or_default());
    let mut candidates = vec![own.as_str(), "llvm-objcopy"];
    if architecture.is_here() {
        candidates.insert(0, "objcopy");
    }
    let runs =
        |program: &&str| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let found = candidates.iter().copied().find(|program| runs(program));
    found.map(PathBuf::from).with_context(|| format!("none of {} is installed (binutils)", candidates.join(", ")))
}
