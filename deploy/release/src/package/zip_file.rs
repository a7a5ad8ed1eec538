//! A zip of which the same entries always make the same bytes.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::Artifact;

/// Digits of the hash in a file's name.
const NAME_DIGITS: usize = 16;

/// A file in a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) is_program: bool,
}

/// Writes entries into a file that is named after what it is and after its content.
pub(super) fn write(directory: &Path, what: &str, entries: Vec<Entry>) -> anyhow::Result<Artifact> {
    let bytes = bytes(entries)?;
    let sha256 = hex(&Sha256::digest(&bytes));
    let file = format!("{what}-{}.zip", &sha256[..NAME_DIGITS]);
    fs::write(directory.join(&file), bytes)?;
    Ok(Artifact { file, sha256 })
}

fn bytes(mut entries: Vec<Entry>) -> anyhow::Result<Vec<u8>> {
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // The first moment that a zip can name, and modes that no checkout decides.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(DateTime::default());
    for entry in entries {
        zip.start_file(entry.name, options.unix_permissions(if entry.is_program { 0o755 } else { 0o644 }))?;
        zip.write_all(&entry.bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_entries_changes_nothing() {
        let entry =
            |name: &str| Entry { name: name.to_owned(), bytes: name.repeat(99).into(), is_program: name == "b" };
        let one = bytes(vec![entry("a"), entry("b"), entry("c/d")]).unwrap();
        assert_eq!(one, bytes(vec![entry("c/d"), entry("b"), entry("a")]).unwrap());
        let mut read = zip::ZipArchive::new(Cursor::new(one)).unwrap();
        let mode = |name: &str, read: &mut zip::ZipArchive<_>| read.by_name(name).unwrap().unix_mode().unwrap() & 0o777;
        assert_eq!((mode("a", &mut read), mode("b", &mut read)), (0o644, 0o755));
    }
}
