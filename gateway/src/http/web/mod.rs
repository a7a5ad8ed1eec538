//! The web app at `/`: the files of a built app, read into memory once at the start.
//!
//! So no request reaches the disk and none can name a path outside: a path that is not in the table does not exist,
//! however it is written. The page and its scripts always belong to one build; a new build is served after a restart,
//! as is a new gateway. Compressed forms are those that the build wrote beside the files (`.br`, `.gz`). `config.json`
//! is made from the gateway's own configuration, and never read from the directory.
//!
//! Absent: ranges, listings, and `index.html` for unknown paths, because the app's routes are after `#`.

mod files;
mod policy;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::App;
use crate::config::{IdentityConfig, WebConfig};

pub use self::files::SiteError;

const NO_SNIFFING: (HeaderName, HeaderValue) = (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
const NO_REFERRER: (HeaderName, HeaderValue) = (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
/// For files whose names change with their content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// For all other files: revalidated each time, and answered 304.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The web app, ready to be served.
pub struct Site {
    /// Pages by path, which begins with `/`.
    pages: HashMap<String, Page>,
}

/// One file.
#[derive(Clone)]
struct Page {
    content_type: HeaderValue,
    cache: HeaderValue,
    /// The content security policy of a document.
    policy: Option<HeaderValue>,
    /// The smallest first; the last is the uncompressed file.
    forms: Vec<Form>,
}

/// A file as it is sent.
#[derive(Clone)]
struct Form {
    encoding: Option<&'static str>,
    etag: HeaderValue,
    body: Bytes,
}

impl Site {
    /// Reads the app; `None` if no directory is configured. `files` is the origin of the file storage.
    pub fn load(web: &WebConfig, identity: &IdentityConfig, files: Option<&str>) -> Result<Option<Self>, SiteError> {
        let Some(root) = &web.root else { return Ok(None) };
        let mut pages = files::read(root, &policy::policy(web, files)?)?;
        let config = Page::new("application/json", false, Bytes::from(settings::settings(web, identity)));
        pages.insert("/config.json".to_owned(), config);
        if let Some(index) = pages.get("/index.html") {
            let index = index.clone();
            pages.insert("/".to_owned(), index);
        }
        Ok(Some(Self { pages }))
    }
}

/// Answers with a file of the app, or 404, also for other paths of the hub: the app does not shadow them.
pub(super) async fn serve(State(app): State<Arc<App>>, request: Request) -> Response {
    let page = app.site.as_ref().and_then(|site| site.pages.get(request.uri().path()));
    let Some(page) = page else { return StatusCode::NOT_FOUND.into_response() };
    match *request.method() {
        Method::GET => page.answer(request.headers(), true),
        Method::HEAD => page.answer(request.headers(), false),
        _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response(),
    }
}

impl Page {
    fn answer(&self, asked: &HeaderMap, with_body: bool) -> Response {
        let accepted = |form: &&Form| form.encoding.is_none_or(|encoding| accepts(asked, encoding));
        let Some(form) = self.forms.iter().find(accepted) else { return StatusCode::NOT_FOUND.into_response() };
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.extend([NO_SNIFFING, NO_REFERRER]);
        headers.insert(header::CACHE_CONTROL, self.cache.clone());
        headers.insert(header::ETAG, form.etag.clone());
        if self.forms.len() > 1 {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        if let Some(policy) = &self.policy {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        if is_known(asked, &form.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.body.len()));
        if let Some(encoding) = form.encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        if with_body {
            *response.body_mut() = Body::from(form.body.clone());
        }
        response
    }
}

/// True if a client accepts an encoding: it is named, and not with a quality of zero.
fn accepts(asked: &HeaderMap, encoding: &str) -> bool {
    let values = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let (name, quality) = item.split_once(';').unwrap_or((item, ""));
        let refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.parse().is_ok_and(|q: f32| q <= 0.0));
        name.trim().eq_ignore_ascii_case(encoding) && !refused
    })
}

/// True if the client has this form already.
fn is_known(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|known| {
        // A proxy may have weakened the tag.
        known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == etag.as_bytes()
    })
}
