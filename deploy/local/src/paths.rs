//! Where things lie. Everything of a run is under `.local/` in the repository, which git ignores.

use std::path::PathBuf;

/// The repository this was built from.
pub(crate) fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(&here).to_owned()
}

/// `.local/`: everything that may be thrown away.
pub(crate) fn local() -> PathBuf {
    repository().join(".local")
}

/// The directory of the one cluster that `up` runs.
pub(crate) fn up_directory() -> PathBuf {
    local().join("cluster")
}

/// The parent of the directories of test clusters.
pub(crate) fn fixtures_directory() -> PathBuf {
    local().join("fixtures")
}

/// The web app.
pub(crate) fn web_directory() -> PathBuf {
    repository().join("gateway/web")
}

/// The data template, the same as in production.
pub(crate) fn data_template() -> PathBuf {
    repository().join("deploy/cloudformation/data.yaml")
}
