//! The emoji that reactions may use.

use serde::{Deserialize, Deserializer};

use crate::limits;

/// One emoji of the form that UTS #51 calls a possible emoji: a flag, a keycap, or emoji characters with their
/// modifiers, joined by ZWJ. Only the form is checked, not a list of existing emoji, so next year's are accepted too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emoji(String);

/// Joins several emoji into one.
const ZWJ: char = '\u{200D}';
/// Asks for the coloured form.
pub(crate) const VARIATION: char = '\u{FE0F}';
/// Asks for the form of text.
const TEXT_VARIATION: char = '\u{FE0E}';
const KEYCAP: char = '\u{20E3}';

impl Emoji {
    /// Parses one emoji; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > limits::EMOJI_BYTES {
            return None;
        }
        let canonical = if is_flag(text) { Some(text.to_owned()) } else { keycap(text).or_else(|| sequence(text)) };
        canonical.filter(|canonical| canonical.len() <= limits::EMOJI_BYTES).map(Self)
    }

    /// Returns its text.
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
fn keycap(text: &str) -> Option<String> {
    let key = text.strip_suffix(KEYCAP)?.trim_end_matches(is_variation);
    let is_key = matches!(key.as_bytes(), [b'0'..=b'9' | b'#' | b'*']);
    is_key.then(|| format!("{key}{VARIATION}{KEYCAP}"))
}

/// True for two regional indicators.
fn is_flag(text: &str) -> bool {
    text.chars().count() == 2 && text.chars().all(|letter| matches!(letter, '\u{1F1E6}'..='\u{1F1FF}'))
}

fn sequence(text: &str) -> Option<String> {
    let elements: Vec<_> = text.split(ZWJ).map(element).collect::<Option<_>>()?;
    Some(elements.join("\u{200D}"))
}

/// A character, then at most a skin tone, or a variation selector, or tags with their end.
fn element(text: &str) -> Option<String> {
    let mut rest = text.chars();
    let base = rest.next().filter(|base| is_base(*base))?;
    match rest.as_str().chars().collect::<Vec<_>>().as_slice() {
        [] => {}
        [one] if is_variation(*one) => {}
        ['\u{1F3FB}'..='\u{1F3FF}'] => return Some(text.to_owned()),
        [tags @ .., '\u{E007F}']
            if !tags.is_empty() && tags.iter().all(|tag| ('\u{E0020}'..='\u{E007E}').contains(tag)) =>
        {
            return Some(text.to_owned());
        }
        _ => return None,
    }
    let mut canonical = base.to_string();
    canonical.extend(is_text_by_itself(base).then_some(VARIATION));
    Some(canonical)
}

fn is_variation(character: char) -> bool {
    matches!(character, VARIATION | TEXT_VARIATION)
}

/// Returns true if a character is shown as text where nothing asks for colours: Unicode's `Emoji_Presentation`.
/// Characters that are newer than this list are shown in colours.
fn is_text_by_itself(base: char) -> bool {
    if base < '\u{1F000}' {
        return !matches!(
            base,
            '\u{231A}' | '\u{231B}' | '\u{23E9}'..='\u{23EC}' | '\u{23F0}' | '\u{23F3}' | '\u{25FD}' | '\u{25FE}'
            | '\u{2614}' | '\u{2615}' | '\u{2648}'..='\u{2653}' | '\u{267F}' | '\u{2693}' | '\u{26A1}' | '\u{26AA}' | '\u{26AB}'
            | '\u{26BD}' | '\u{26BE}' | '\u{26C4}' | '\u{26C5}' | '\u{26CE}' | '\u{26D4}' | '\u{26EA}' | '\u{26F2}' | '\u{26F3}'
            | '\u{26F5}' | '\u{26FA}' | '\u{26FD}' | '\u{2705}' | '\u{270A}' | '\u{270B}' | '\u{2728}' | '\u{274C}' | '\u{274E}'
            | '\u{2753}'..='\u{2755}' | '\u{2757}' | '\u{2795}'..='\u{2797}' | '\u{27B0}' | '\u{27BF}' | '\u{2B1B}' | '\u{2B1C}'
            | '\u{2B50}' | '\u{2B55}'
        );
    }
    matches!(
        base,
        '\u{1F170}' | '\u{1F171}' | '\u{1F17E}' | '\u{1F17F}' | '\u{1F202}' | '\u{1F237}' | '\u{1F321}'
        | '\u{1F324}'..='\u{1F32C}' | '\u{1F336}' | '\u{1F37D}' | '\u{1F396}' | '\u{1F397}' | '\u{1F399}'..='\u{1F39B}'
        | '\u{1F39E}' | '\u{1F39F}' | '\u{1F3CB}'..='\u{1F3CE}' | '\u{1F3D4}'..='\u{1F3DF}' | '\u{1F3F3}' | '\u{1F3F5}'
        | '\u{1F3F7}' | '\u{1F43F}' | '\u{1F441}' | '\u{1F4FD}' | '\u{1F549}' | '\u{1F54A}' | '\u{1F56F}' | '\u{1F570}'
        | '\u{1F573}'..='\u{1F579}' | '\u{1F587}' | '\u{1F58A}'..='\u{1F58D}' | '\u{1F590}' | '\u{1F5A5}' | '\u{1F5A8}'
        | '\u{1F5B1}' | '\u{1F5B2}' | '\u{1F5BC}' | '\u{1F5C2}'..='\u{1F5C4}' | '\u{1F5D1}'..='\u{1F5D3}'
        | '\u{1F5DC}'..='\u{1F5DE}' | '\u{1F5E1}' | '\u{1F5E3}' | '\u{1F5E8}' | '\u{1F5EF}' | '\u{1F5F3}' | '\u{1F5FA}'
        | '\u{1F6CB}' | '\u{1F6CD}'..='\u{1F6CF}' | '\u{1F6E0}'..='\u{1F6E5}' | '\u{1F6E9}' | '\u{1F6F0}' | '\u{1F6F3}'
    )
}

/// The blocks that emoji lie in; of Latin, Korean or Japanese letters none.
pub(crate) fn is_base(character: char) -> bool {
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
    fn one_emoji_has_one_text_however_it_was_typed() {
        for (canonical, others) in [
            ("👍", &["👍\u{FE0F}", "👍\u{FE0E}"][..]),
            ("❤\u{FE0F}", &["❤", "❤\u{FE0E}"]),
            ("1\u{FE0F}\u{20E3}", &["1\u{20E3}"]),
            ("✅", &["✅\u{FE0F}"]),
            ("🏳\u{FE0F}\u{200D}🌈", &["🏳\u{200D}🌈", "🏳\u{200D}🌈\u{FE0F}"]),
            ("👩\u{200D}❤\u{FE0F}\u{200D}👨", &["👩\u{200D}❤\u{200D}👨"]),
            ("👍🏿", &[]),
            ("🇰🇷", &[]),
        ] {
            let emoji = Emoji::parse(canonical).unwrap();
            assert_eq!(emoji.as_str(), canonical);
            for other in others {
                assert_eq!(Emoji::parse(other).as_ref(), Some(&emoji), "{other:?}");
            }
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
            "👍\u{FE0F}\u{FE0F}",
            "1\u{FE0F}",
            ":+1:",
        ] {
            assert_eq!(Emoji::parse(text), None, "{text:?}");
        }
        let long = ["👩"; 7].join("\u{200D}");
        assert!(long.len() > limits::EMOJI_BYTES && Emoji::parse(&long).is_none());
    }
}
