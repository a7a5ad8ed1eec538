//! Names of people and rooms as others see them: what is shown is what is there. A name has no characters that turn
//! the direction of the text around it, none without a width, by which two names that look alike would be two, and
//! something to see.

use unicode_normalization::char::is_combining_mark;

use crate::emoji;
use crate::ids::UserId;

/// Joins emoji to one; between letters it only hides.
const ZWJ: char = '\u{200D}';

/// Begins what a person is called whose name is not known, and no name.
const UNSEEN: char = '@';

/// The name of a person: the one given, without what must not be in a name; their id, if there is nothing to see in it.
pub fn of_person(name: &str, chars_max: usize, user: &UserId) -> String {
    let cleaned = cleaned(name.trim_start_matches(|first: char| first == UNSEEN || first.is_whitespace()), chars_max);
    if has_visible(&cleaned) {
        return cleaned;
    }
    let id = self::cleaned(user.as_str(), usize::MAX);
    if has_visible(&id) { id } else { user.to_string() }
}

/// Returns the name shown for a person who has never been here, and whom therefore nobody knows: their id, marked as no
/// name of anybody is.
pub fn of_unseen(chars_max: usize, user: &UserId) -> String {
    let id: String = of_person("", chars_max, user).chars().take(chars_max.saturating_sub(1)).collect();
    format!("{UNSEEN}{id}")
}

/// Returns true if a text may be a name as it stands.
pub fn is_good(name: &str) -> bool {
    has_visible(name) && judged(name).all(|(_, may_stay)| may_stay)
}

/// Returns true if a character turns the direction of text.
pub fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn cleaned(name: &str, chars_max: usize) -> String {
    let kept: String =
        judged(name).filter(|(_, may_stay)| *may_stay).map(|(character, _)| character).take(chars_max).collect();
    // A cut may part a joiner from the emoji that it joins.
    kept.trim_start().trim_end_matches(|character: char| character == ZWJ || character.is_whitespace()).to_owned()
}

/// The characters of a name, and whether each may be in one.
fn judged(name: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = None;
    let mut characters = name.chars().peekable();
    std::iter::from_fn(move || {
        let character = characters.next()?;
        let joins_emoji = character == ZWJ
            && before.is_some_and(|before| before == emoji::VARIATION || before >= '\u{1F000}')
            && characters.peek().is_some_and(|after| emoji::is_base(*after));
        before = Some(character);
        Some((character, joins_emoji || !is_hidden(character)))
    })
}

/// Controls, and what has no width. Variation selectors and accents change the character before them, and may stay.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || is_bidi_control(character)
        || matches!(
            character,
            '\u{AD}' | '\u{34F}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}' | '\u{200B}'..='\u{200D}' | '\u{2028}' | '\u{2029}'
            | '\u{2060}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E007F}'
        )
}

fn has_visible(name: &str) -> bool {
    // Fillers of Hangul and the empty pattern of Braille are blanks that do not count as white space.
    let is_blank = |character: char| {
        character.is_whitespace() || matches!(character, '\u{115F}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{FFA0}')
    };
    name.chars().any(|character| !is_hidden(character) && !is_blank(character) && !is_combining_mark(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_are_good() {
        for name in [
            "Ann",
            "김민수",
            "\u{1100}\u{1175}\u{11B7}",
            "José",
            "Jose\u{301}",
            "محمد",
            "שלום",
            "นภา",
            "क्षत्रिय",
            "A",
            "1",
            "!",
            "👍",
            "❤️ Team",
            "👨‍👩‍👧 가족",
            "👩🏿‍❤️‍💋‍👩🏿",
            "🏳️‍🌈",
            "a  b",
        ] {
            assert!(is_good(name), "{name:?}");
        }
    }

    #[test]
    fn what_hides_or_turns_text_is_not() {
        for hidden in [
            '\u{0}',
            '\n',
            '\u{7F}',
            '\u{AD}',
            '\u{61C}',
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{200E}',
            '\u{202A}',
            '\u{202E}',
            '\u{2028}',
            '\u{2060}',
            '\u{2064}',
            '\u{2066}',
            '\u{2069}',
            '\u{FEFF}',
            '\u{E0041}',
        ] {
            for name in [format!("a{hidden}b"), format!("{hidden}a"), format!("a{hidden}"), format!("👍{hidden}a")] {
                assert!(!is_good(&name), "{name:?}");
            }
        }
        for empty in ["", " ", "\u{A0}\u{3000}", "\u{3164}", "\u{115F}\u{1160}", "\u{2800}", "\u{301}", "\u{FE0F}"] {
            assert!(!is_good(empty), "{empty:?}");
        }
    }

    #[test]
    fn a_persons_name_is_cleaned_or_their_id() {
        let user = UserId::parse("ann\u{202E}7").unwrap();
        let name = |name: &str| of_person(name, 5, &user);
        assert_eq!(name("\u{202E} An\u{200B}n\u{0} "), "Ann");
        assert_eq!(name("Ann Lee"), "Ann L");
        assert_eq!(name("👨\u{200D}👩\u{200D}"), "👨\u{200D}👩");
        assert_eq!(name("abc👨\u{200D}👩"), "abc👨", "cut behind the joiner");
        for empty in ["", " \u{200B}", "\u{3164}", "\u{202E}"] {
            assert_eq!(name(empty), "ann7", "{empty:?}");
        }
        assert_eq!(name("@@ @Ann"), "Ann", "only who was never here is marked");
        let hidden = UserId::parse("\u{200B}").unwrap();
        assert_eq!(of_person("", 5, &hidden), "\u{200B}", "there is nothing else to call them");
    }

    #[test]
    fn who_was_never_here_is_not_called_like_anybody() {
        let named = |id: &str| of_unseen(8, &UserId::parse(id).unwrap());
        assert_eq!(named("bob"), "@bob");
        assert_eq!(named("CEO Kim (verified)"), "@CEO Kim");
        assert_eq!(named("bob\u{200B}"), "@bob");
        assert_ne!(named("bob"), of_person("@bob", 8, &UserId::parse("x").unwrap()), "nobody can take the mark");
    }
}
