//! Percent-encoding for signatures: all but the unreserved characters.

use std::fmt::Write as _;

/// Encodes every byte except letters, digits and `-._~`.
pub(super) fn encode(text: &str) -> String {
    encode_but(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// Encodes every byte except those that may stay.
pub(super) fn encode_but(text: &str, stands: impl Fn(u8) -> bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if stands(byte) {
            encoded.push(byte.into());
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String never fails");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encode("a b/~한\"+"), "a%20b%2F~%ED%95%9C%22%2B");
    }
}
