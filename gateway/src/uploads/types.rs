//! MIME types: those that may be uploaded, and those under which files are served.

use std::fmt;

const LENGTH_MAX: usize = 127;

/// The types that are accepted where the deployment says nothing: pictures, audio, video, documents, text, archives.
/// Nothing that a browser would run: no HTML, no SVG, no scripts.
const DEFAULT: [&str; 71] = [
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/pjpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/jxl",
    "image/heic",
    "image/heic-sequence",
    "image/heif",
    "image/heif-sequence",
    "image/bmp",
    "image/x-ms-bmp",
    "image/tiff",
    "image/x-icon",
    "image/vnd.microsoft.icon",
    "image/vnd.adobe.photoshop",
    "image/x-photoshop",
    "application/x-photoshop",
    "application/photoshop",
    "audio/*",
    "video/*",
    "text/plain",
    "text/csv",
    "text/tab-separated-values",
    "text/markdown",
    "text/x-markdown",
    "text/rtf",
    "text/calendar",
    "text/vcard",
    "text/x-vcard",
    "text/directory",
    "message/rfc822",
    "application/json",
    "application/pdf",
    "application/rtf",
    "application/epub+zip",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    // With macros, and binary ones.
    "application/vnd.ms-word.*",
    "application/vnd.ms-excel.*",
    "application/vnd.ms-powerpoint.*",
    "application/vnd.ms-outlook",
    "application/vnd.ms-project",
    "application/vnd.ms-visio.*",
    "application/vnd.visio",
    "application/onenote",
    "application/vnd.openxmlformats-officedocument.*",
    "application/vnd.oasis.opendocument.*",
    "application/vnd.apple.*",
    // Of Hancom Office.
    "application/x-hwp",
    "application/x-hwp-v5",
    "application/hwp",
    "application/hwp+zip",
    "application/haansoft*",
    "application/vnd.hancom.*",
    "application/zip",
    "application/x-zip",
    "application/x-zip-compressed",
    "application/gzip",
    "application/x-gzip",
    "application/x-bzip2",
    "application/x-xz",
    "application/x-tar",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/x-rar",
    "application/x-rar-compressed",
    // What browsers call a file whose type they do not know.
    "application/octet-stream",
];

/// A MIME type in lower case, without parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType(String);

impl ContentType {
    /// Parses a type. Parameters are dropped: storage and message carry the type only.
    pub fn parse(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let (kind, sub) = essence.split_once('/')?;
        let is_good = is_token(kind) && is_token(sub) && essence.len() <= LENGTH_MAX;
        is_good.then_some(Self(essence))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
}

/// The types that may be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedTypes(Vec<String>);

impl Default for AllowedTypes {
    fn default() -> Self {
        Self(DEFAULT.map(str::to_owned).into())
    }
}

impl AllowedTypes {
    /// Parses types like `image/png`, prefixes of them like `audio/*`, or `*` for all. `None` if one is neither.
    pub fn parse(list: &[String]) -> Option<Self> {
        let parsed = list.iter().map(|item| {
            let item = item.to_ascii_lowercase();
            let beginning = item.strip_suffix('*').unwrap_or(&item);
            let is_all = item == "*";
            let (kind, sub) = beginning.split_once('/').unwrap_or_default();
            let is_type = is_token(kind) && (is_token(sub) || sub.is_empty() && beginning.len() < item.len());
            (is_all || is_type).then_some(item)
        });
        parsed.collect::<Option<_>>().map(Self)
    }

    /// True if a type is one of them.
    pub fn allow(&self, content_type: &ContentType) -> bool {
        self.0.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(beginning) => content_type.0.starts_with(beginning),
            None => content_type.0 == *allowed,
        })
    }
}

/// Returns the type of a download: a file that a browser might run is served as bytes, even if a deployment accepts it.
pub(super) fn served_as(content_type: &str) -> &str {
    let is_active = content_type.ends_with("xml")
        || ["html", "svg", "script", "wasm", "multipart", "rfc822"].iter().any(|part| content_type.contains(part));
    if is_active { "application/octet-stream" } else { content_type }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> ContentType {
        ContentType::parse(text).unwrap()
    }

    #[test]
    fn the_default_accepts_documents_and_nothing_that_runs() {
        let allowed = AllowedTypes::default();
        for good in [
            "image/PNG",
            "audio/mpeg",
            "video/mp4",
            "text/plain; charset=utf-8",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.hancom.hwpx",
            "application/hwp+zip",
            "application/haansofthwpx",
            "application/haansofthwp",
            "application/vnd.ms-excel.sheet.macroEnabled.12",
            "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
            "application/vnd.ms-word.document.macroEnabled.12",
            "application/vnd.ms-powerpoint.presentation.macroEnabled.12",
            "text/calendar",
            "message/rfc822",
            "text/vcard",
            "text/tab-separated-values",
            "image/vnd.adobe.photoshop",
            "image/jpg",
            "application/vnd.rar",
            "application/x-rar-compressed",
            "application/x-rar",
            "application/octet-stream",
        ] {
            assert!(allowed.allow(&parsed(good)), "{good}");
        }
        for bad in
            ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "application/x-msdownload"]
        {
            assert!(!allowed.allow(&parsed(bad)), "{bad}");
        }
        assert_eq!(AllowedTypes::parse(&DEFAULT.map(str::to_owned)), Some(allowed));
    }

    #[test]
    fn malformed_types_are_refused() {
        for bad in ["", "image", "image/", "/png", "image/p ng", "image/png\r\nx: y", "이미지/png", "a/b/c"] {
            assert_eq!(ContentType::parse(bad), None, "{bad}");
        }
        assert_eq!(ContentType::parse(&format!("image/{}", "x".repeat(122))), None);
        for bad in ["*/*", "image", "im*", "image/**", "", "a b/c"] {
            assert_eq!(AllowedTypes::parse(&[bad.to_owned()]), None, "{bad}");
        }
        let all = AllowedTypes::parse(&["*".to_owned()]).unwrap();
        assert!(all.allow(&parsed("text/html")));
        let some = AllowedTypes::parse(&["Image/*".to_owned(), "text/plain".to_owned()]).unwrap();
        assert!(some.allow(&parsed("image/png")) && !some.allow(&parsed("text/plainer")));
    }

    #[test]
    fn what_may_run_is_served_as_bytes() {
        for active in [
            "text/html",
            "image/svg+xml",
            "application/xml",
            "text/xml",
            "text/javascript",
            "application/wasm",
            "message/rfc822",
        ] {
            assert_eq!(served_as(active), "application/octet-stream");
        }
        let document = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for passive in ["image/png", "application/pdf", document] {
            assert_eq!(served_as(passive), passive);
        }
    }
}
