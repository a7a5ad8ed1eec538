//! `content-disposition` of a download: a name of any script, and never anything but a download.

use super::percent;

/// Saved under this name, by RFC 6266 and RFC 5987. Browsers still show pictures, audio and video that a page
/// embeds; nothing opens as a page of the bucket's origin.
pub(super) fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || " !#$&+-.^_`|~()[]{}@,='".contains(c) { c } else { '_' })
        .collect();
    let encoded = percent::encode_but(name, |byte| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte));
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
        assert!(attachment("a\\b%41*'").is_ascii());
    }
}
