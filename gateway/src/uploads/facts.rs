//! A client's description of a file, checked.

use rts_common::display_name::is_bidi_control;

use super::types::{AllowedTypes, ContentType};

/// The longest name of a file: the limit of file systems.
const NAME_CHARS_MAX: usize = 255;
/// The most bytes of a name: enough for most scripts, and as much as the metadata of an object has room for.
const NAME_BYTES_MAX: usize = 3 * NAME_CHARS_MAX;

/// The rules of a deployment for files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRules {
    /// Bytes of a file.
    pub size_bytes_max: u64,
    /// Its types.
    pub types: AllowedTypes,
}

/// A file that may be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// The name that users see.
    pub file_name: String,
    /// Its type.
    pub content_type: ContentType,
    /// Its size, at least 1.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// The reason why a file may not be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unacceptable {
    /// Its name is empty, too long, or has forbidden characters.
    Name,
    /// Its type is malformed.
    ContentType,
    /// Its type is not accepted by this deployment.
    Kind,
    /// It is empty.
    Empty,
    /// It is larger than the limit.
    TooLarge,
    /// Its hash is malformed.
    Sha256,
}

impl FileFacts {
    /// Checks a client's description; the hash is lower-case hex.
    pub fn check(
        rules: &FileRules,
        file_name: &str,
        content_type: &str,
        size_bytes: u64,
        sha256: &str,
    ) -> Result<Self, Unacceptable> {
        if size_bytes == 0 {
            return Err(Unacceptable::Empty);
        }
        if !is_name(file_name) {
            return Err(Unacceptable::Name);
        }
        let content_type = ContentType::parse(content_type).ok_or(Unacceptable::ContentType)?;
        let sha256 = hash(sha256).ok_or(Unacceptable::Sha256)?;
        if size_bytes > rules.size_bytes_max {
            return Err(Unacceptable::TooLarge);
        }
        if !rules.types.allow(&content_type) {
            return Err(Unacceptable::Kind);
        }
        Ok(Self { file_name: file_name.to_owned(), content_type, size_bytes, sha256 })
    }
}

/// True if the name has no path, no control characters, and none that change the direction of text: `exe.gpj` must not
/// look like `jpg.exe`.
fn is_name(name: &str) -> bool {
    let is_odd = |c: char| c.is_control() || is_bidi_control(c) || matches!(c, '/' | '\\');
    let is_short = name.len() <= NAME_BYTES_MAX && name.chars().count() <= NAME_CHARS_MAX;
    !name.trim().is_empty() && is_short && !name.chars().any(is_odd)
}

fn hash(hex: &str) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let bytes: Vec<u8> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<_>>()?;
    if rest.is_empty() { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00ff000000000000000000000000000000000000000000000000000000000a0b";

    #[test]
    fn each_error_is_distinguished() {
        let rules = FileRules { size_bytes_max: 100, types: AllowedTypes::default() };
        let check = |name: &str, kind: &str, size: u64, hex: &str| FileFacts::check(&rules, name, kind, size, hex);
        let good = check("보고서 (1).pdf", "application/pdf", 100, HEX).unwrap();
        assert_eq!((good.sha256[1], good.sha256[31]), (0xff, 0x0b));
        for name in [
            "",
            "  ",
            "a/b",
            "a\\b",
            "a\nb",
            "photo\u{202E}gpj.exe",
            "a\u{61C}b",
            &"x".repeat(256),
            &"\u{1F600}".repeat(192),
        ] {
            assert_eq!(check(name, "application/pdf", 1, HEX), Err(Unacceptable::Name), "{name:?}");
        }
        assert!(check(&"한".repeat(255), "application/pdf", 1, HEX).is_ok());
        assert_eq!(check("a", "pdf", 1, HEX), Err(Unacceptable::ContentType));
        assert_eq!(check("a", "text/html", 1, HEX), Err(Unacceptable::Kind));
        assert_eq!(check("a", "text/plain", 0, HEX), Err(Unacceptable::Empty));
        assert_eq!(check("a", "text/plain", 101, HEX), Err(Unacceptable::TooLarge));
        for hex in ["", &HEX.to_uppercase(), &HEX[1..], &format!("{HEX}0"), &HEX.replace('b', "g"), &"한".repeat(21)] {
            assert_eq!(check("a", "text/plain", 1, hex), Err(Unacceptable::Sha256), "{hex}");
        }
    }
}
