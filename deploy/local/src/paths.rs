//! The paths of files. Everything belonging to a run is under `.local/` in the repository, which git ignores.

use std::path::PathBuf;

/// Returns the repository that this was built from.
pub(crate) fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(&here).to_owned()
}

/// Returns `.local/`, which contains everything that may be deleted.
pub(crate) fn local() -> PathBuf {
    repository().join(".local")
}

/// Returns the directory of the one cluster that `up` runs.
pub(crate) fn up_directory() -> PathBuf {
    local().join("cluster")
}

/// Returns the parent of the directories of test clusters.
pub(crate) fn fixtures_directory() -> PathBuf {
    local().join("fixtures")
}

/// Returns the directory of the web app.
pub(crate) fn web_directory() -> PathBuf {
    repository().join("gateway/web")
}

/// Returns the rules that Prometheus evaluates, as a pattern of files.
pub(crate) fn alert_rules() -> PathBuf {
    repository().join("dashboards/alerts/*.yaml")
}

/// Returns the data template, the same as in production.
pub(crate) fn data_template() -> PathBuf {
    repository().join("deploy/cloudformation/data.yaml")
}
