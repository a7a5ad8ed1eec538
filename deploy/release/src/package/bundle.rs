//! What a version of the gateways consists of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::zip_file::Entry;
use crate::paths;

/// The files and folders of `deploy/beanstalk` that belong in a bundle.
const PARTS: [&str; 4] = ["Procfile", ".platform", ".ebextensions", "metrics"];

/// Returns everything in a bundle.
pub(super) fn entries(gateway: Vec<u8>, web: Option<&Path>, bill: Option<&Path>) -> anyhow::Result<Vec<Entry>> {
    let root = paths::of("deploy/beanstalk");
    let mut entries = vec![Entry { name: "bin/rts-gateway".to_owned(), bytes: gateway, is_program: true }];
    for part in PARTS {
        add(&mut entries, &root, &root.join(part), "")?;
    }
    if let Some(bill) = bill {
        let bytes = fs::read(bill).with_context(|| format!("{} cannot be read", bill.display()))?;
        entries.push(Entry { name: "sbom.cdx.json".to_owned(), bytes, is_program: false });
    }
    if let Some(web) = web {
        if !web.join("index.html").is_file() {
            bail!("{} has no index.html: it is not the built web app", web.display());
        }
        add(&mut entries, web, web, "web/")?;
    }
    Ok(entries)
}

/// Adds a file, or all files below a folder, named by their paths from the root.
fn add(entries: &mut Vec<Entry>, root: &Path, path: &Path, prefix: &str) -> anyhow::Result<()> {
    for file in files(path)? {
        let name = file.strip_prefix(root)?.to_str().context("a file's name is no text")?;
        // Decided by the name, because a checkout may lose modes.
        let is_program = prefix.is_empty() && file.extension().is_some_and(|extension| extension == "sh");
        entries.push(Entry { name: format!("{prefix}{name}"), bytes: fs::read(&file)?, is_program });
    }
    Ok(())
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))? {
        found.extend(files(&entry?.path())?);
    }
    Ok(found)
}
