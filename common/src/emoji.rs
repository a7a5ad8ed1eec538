//! An emoji: what a reaction may be.

use serde::{Deserialize, Deserializer};

use crate::limits;

/// One emoji, of the form that UTS #51 calls a possible emoji: a flag, a keycap, or emoji characters with their
/// modifiers, joined by ZWJ. The form is checked and not a list of what exists, so next year's are taken too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emoji(String);

/// Joins emoji to one.
const ZWJ: char = '\u{200D}';
/// Asks for the coloured form.
const VARIATION: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';

impl Emoji {
    /// `None` for anything else than one emoji.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() <= limits::EMOJI_BYTES && (is_keycap(text) || is_flag(text) || is_sequence(text));
        is_one.then(|| Self(text.to_owned()))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Emoji {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no emoji"))
    }
}

/// `1` with the variation selector and the enclosing keycap.
fn is_keycap(text: &str) -> bool {
    let enclosed = text.strip_suffix(KEYCAP);
    let key = enclosed.map(|key| key.strip_suffix(VARIATION).unwrap_or(key));
    key.is_some_and(|key| matches!(key.as_bytes(), [b'0'..=b'9' | b'#' | b'*']))
}

/// Two regional indicators.
fn is_flag(text: &str) -> bool {
    text.chars().count() == 2 && text.chars().all(|letter| matches!(letter, '\u{1F1E6}'..='\u{1F1FF}'))
}

fn is_sequence(text: &str) -> bool {
    text.split(ZWJ).all(is_element)
}

/// A character, then at most a skin tone, or a variation selector, or tags with their end.
fn is_element(text: &str) -> bool {
    let mut rest = text.chars();
    if !rest.next().is_some_and(is_base) {
        return false;
    }
    match rest.as_str().chars().collect::<Vec<_>>().as_slice() {
        [] | [VARIATION | '\u{1F3FB}'..='\u{1F3FF}'] => true,
        [tags @ .., '\u{E007F}'] => !tags.is_empty() && tags.iter().all(|tag| matches!(tag, '\u{E0020}'..='\u{E007E}')),
        _ => false,
    }
}

/// The blocks that emoji lie in; of Latin, Korean or Japanese letters none.
fn is_base(character: char) -> bool {
    matches!(
        character,
        '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2190}'..='\u{2BFF}'
        | '\u{3030}' | '\u{303D}' | '\u{3297}' | '\u{3299}'
        | '\u{1F000}'..='\u{1F1E5}' | '\u{1F200}'..='\u{1FAFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_of_every_form_are_taken() {
        for emoji in [
            "👍",
            "❤️",
            "❤",
            "🎉",
            "😂",
            "👍🏿",
            "🇰🇷",
            "1️⃣",
            "#⃣",
            "©️",
            "ℹ️",
            "🅰️",
            "㊗️",
            "☑",
            "🫠",
            "👩‍💻",
            "👨‍👩‍👧‍👦",
            "👩🏿‍❤️‍💋‍👩🏿",
            "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "🏳️‍🌈",
        ] {
            assert!(Emoji::parse(emoji).is_some(), "{emoji}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for text in [
            "",
            " ",
            "a",
            "1",
            "ok",
            "가",
            "é",
            "👍👍",
            "👍 ",
            " 👍",
            "👍a",
            "\n",
            "\u{0}",
            "👍\u{200D}",
            "\u{200D}👍",
            "\u{FE0F}",
            "\u{200B}",
            "\u{202E}",
            "🇰",
            "🇰🇷🇰",
            "👍🏿🏿",
            "👍\u{E0067}",
            "<b>",
            "👍\u{301}",
            ":+1:",
        ] {
            assert_eq!(Emoji::parse(text), None, "{text:?}");
        }
        let long = ["👩"; 7].join("\u{200D}");
        assert!(long.len() > limits::EMOJI_BYTES && Emoji::parse(&long).is_none());
    }
}
