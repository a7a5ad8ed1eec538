//! `content-disposition` of a download: a name of any script, and never anything but a download.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the `attr-char` of RFC 5987.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Returns the header that saves a file under this name, by RFC 6266 and RFC 5987. Browsers still show pictures, audio
/// and video that a page embeds; nothing opens as a page of the bucket's origin.
pub(super) fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || " !#$&+-.^_`|~()[]{}@,='".contains(c) { c } else { '_' })
        .collect();
    let encoded = utf8_percent_encode(name, ENCODED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_carried_whole_and_break_nothing() {
        assert_eq!(attachment("a b.pdf"), "attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf");
        assert_eq!(
            attachment("보고\"; filename=x.exe"),
            "attachment; filename=\"____ filename=x.exe\"; filename*=UTF-8''%EB%B3%B4%EA%B3%A0%22%3B%20filename%3Dx.exe"
        );
        let plain = "!#$&+-.^_`|~";
        assert!(attachment(plain).ends_with(&format!("''{plain}")));
        assert!(attachment("a\\b%41*'").ends_with("''a%5Cb%2541%2A%27"));
    }
}
