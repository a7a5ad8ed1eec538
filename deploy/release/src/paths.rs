//! The files of the repository that deployments need.

use std::path::{Path, PathBuf};

/// Returns the repository's directory.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().unwrap_or(here)
}

/// Returns the directory of this file in the repository.
pub fn of(path: &str) -> PathBuf {
    repository().join(path)
}
