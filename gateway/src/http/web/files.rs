//! Reads the built app from its directory.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::{ASK_AGAIN, FOREVER, Form, Page};

/// The most files of an app: a built one has some ten files and half a megabyte.
const FILES_MAX: usize = 1_000;
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Compressed forms by the extension of their files, best first.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gz", "gzip")];

/// The reason why the web app cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// A file that cannot be read.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// The directory has too many files for an app.
    #[error("{0} holds more than a web app: at most {FILES_MAX} files and {BYTES_MAX} bytes")]
    TooMuch(PathBuf),
    /// An origin cannot be part of a header.
    #[error("the content security policy cannot be sent: {0}")]
    Policy(String),
}

/// Reads all files below a directory, by their paths; documents get a policy.
pub(super) fn read(root: &Path, policy: &HeaderValue) -> Result<HashMap<String, Page>, SiteError> {
    let root = root.canonicalize().map_err(|error| SiteError::File(root.to_owned(), error))?;
    let mut files = HashMap::new();
    let mut bytes = 0;
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        let failed = |error| SiteError::File(directory.clone(), error);
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let failed = |error| SiteError::File(path.clone(), error);
            // A link that leads outside is not served, nor are hidden files.
            if !path.canonicalize().map_err(failed)?.starts_with(&root) || is_hidden(&path) {
                continue;
            }
            if path.is_dir() {
                // A link to a directory could form a cycle.
                if !path.is_symlink() {
                    directories.push(path);
                }
                continue;
            }
            let Some(name) = path.strip_prefix(&root).ok().and_then(Path::to_str) else { continue };
            let body = fs::read(&path).map_err(failed)?;
            bytes += body.len();
            files.insert(format!("/{name}"), Bytes::from(body));
            if files.len() > FILES_MAX || bytes > BYTES_MAX {
                return Err(SiteError::TooMuch(root));
            }
        }
    }
    Ok(pages(&files, policy))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn pages(files: &HashMap<String, Bytes>, policy: &HeaderValue) -> HashMap<String, Page> {
    let is_form = |path: &str| {
        path.rsplit_once('.').is_some_and(|(file, ending)| {
            ENCODINGS.iter().any(|(known, _)| *known == ending) && files.contains_key(file)
        })
    };
    let own = files.iter().filter(|(path, _)| !is_form(path));
    own.map(|(path, body)| {
        let mut page = Page::new(content_type(path), has_hash(path), body.clone());
        let compressed = ENCODINGS.iter().filter_map(|(ending, encoding)| {
            let smaller = files.get(&format!("{path}.{ending}")).filter(|form| form.len() < body.len())?;
            Some(Form::new(Some(encoding), smaller.clone()))
        });
        page.forms.splice(0..0, compressed);
        page.policy = ends_with(path, "html").then(|| policy.clone());
        (path.clone(), page)
    })
    .collect()
}

impl Page {
    /// Returns a file without compressed forms.
    pub(super) fn new(content_type: &'static str, is_forever: bool, body: Bytes) -> Self {
        Self {
            content_type: HeaderValue::from_static(content_type),
            cache: if is_forever { FOREVER } else { ASK_AGAIN },
            policy: None,
            forms: vec![Form::new(None, body)],
        }
    }
}

impl Form {
    fn new(encoding: Option<&'static str>, body: Bytes) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..15]);
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).expect("base64 fits a header");
        Self { encoding, etag, body }
    }
}

fn ends_with(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(ending))
}

/// True if a name carries the hash of the file's content, as `main-B36OSIK6.js` does.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let hash = name.split('.').next().and_then(|stem| stem.rsplit_once('-')).map(|(_, hash)| hash);
    hash.is_some_and(|hash| hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()))
}

fn content_type(path: &str) -> &'static str {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
