//! Names as the search of users matches them: in any case, with or without accents, in Korean also while the last
//! syllable is still being typed.
//!
//! A text is folded to the sequence of keys that type it. The text typed so far is then a prefix of the whole, whatever
//! syllable block or letter form an input method shows at that moment.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization as _;

use crate::ids::UserId;

/// Bytes of a folded text that is stored as a key: 28 syllables of Korean, and a DynamoDB key has room for it.
const KEY_BYTES_MAX: usize = 256;
/// Words of a name, from the second on, that a search can match.
const LATER_WORDS_MAX: usize = 7;

const INITIALS: u32 = 0x1100;
const VOWELS: u32 = 0x1161;
const FINALS: u32 = 0x11A8;
/// Final consonants by the initial consonants that type them.
const FINAL_KEYS: [&[u8]; 27] = [
    &[0],
    &[1],
    &[0, 9],
    &[2],
    &[2, 12],
    &[2, 18],
    &[3],
    &[5],
    &[5, 0],
    &[5, 6],
    &[5, 7],
    &[5, 9],
    &[5, 16],
    &[5, 17],
    &[5, 18],
    &[6],
    &[7],
    &[7, 9],
    &[9],
    &[10],
    &[11],
    &[12],
    &[14],
    &[15],
    &[16],
    &[17],
    &[18],
];
/// Vowels that two keys type.
const VOWEL_KEYS: [(u32, [u8; 2]); 7] =
    [(9, [8, 0]), (10, [8, 1]), (11, [8, 20]), (14, [13, 4]), (15, [13, 5]), (16, [13, 20]), (19, [18, 20])];

/// Folds a text for the search. A prefix of a text folds to a prefix of the folded text.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkd().flat_map(char::to_lowercase) {
        if letter.is_whitespace() || letter.is_control() {
            if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
            }
        } else if !('\u{300}'..='\u{36F}').contains(&letter) {
            push_keys(&mut folded, letter);
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// Appends the keys that type a Korean letter; appends anything else unchanged.
fn push_keys(folded: &mut String, letter: char) {
    let code = u32::from(letter);
    let mut push =
        |base: u32, keys: &[u8]| folded.extend(keys.iter().filter_map(|key| char::from_u32(base + u32::from(*key))));
    let final_keys = code.checked_sub(FINALS).and_then(|place| FINAL_KEYS.get(usize::try_from(place).ok()?));
    let vowel_keys = VOWEL_KEYS.iter().find(|(place, _)| VOWELS + place == code);
    match (final_keys, vowel_keys) {
        (Some(keys), _) => push(INITIALS, keys),
        (None, Some((_, keys))) => push(VOWELS, keys),
        (None, None) => folded.push(letter),
    }
}

/// Returns the texts under which a user is found: the name, its rest from each later word on, and the id.
pub fn keys(name: &str, user: &UserId) -> BTreeSet<String> {
    let (whole, others) = texts(name, user);
    others.into_iter().chain([whole]).filter(|text| !text.is_empty()).map(|text| key(&text).to_owned()).collect()
}

/// Returns the one of [`keys`] by which a folded query finds a user: the name if it starts with the query, else the
/// first of the others that does. `None` if the query does not find the user.
pub fn key_found(query: &str, name: &str, user: &UserId) -> Option<String> {
    let (whole, others) = texts(name, user);
    if !whole.is_empty() && whole.starts_with(query) {
        return Some(key(&whole).to_owned());
    }
    others.into_iter().filter(|text| text.starts_with(query)).min().map(|text| key(&text).to_owned())
}

/// Returns a folded text as a key, or as the prefix of one: cut to the length of keys.
pub fn key(folded: &str) -> &str {
    &folded[..folded.floor_char_boundary(KEY_BYTES_MAX)]
}

fn texts(name: &str, user: &UserId) -> (String, Vec<String>) {
    let whole = fold(name);
    let mut others = vec![fold(user.as_str())];
    let mut was_letter = true;
    for (at, letter) in whole.char_indices() {
        if letter.is_alphanumeric() && !was_letter && others.len() <= LATER_WORDS_MAX {
            others.push(whole[at..].to_owned());
        }
        was_letter = letter.is_alphanumeric();
    }
    (whole, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn is_found(query: &str, name: &str, id: &str) -> bool {
        key_found(&fold(query), name, &user(id)).is_some()
    }

    #[test]
    fn names_are_found_by_the_beginning_of_any_word_and_by_id() {
        for query in ["Ann", "ann", "ANN LEE", "lee-", "  lee", "o'h", "hara", "u-7", "José", "jose", ""] {
            assert!(is_found(query, "Ann Lee-O'Hara JOSÉ", "U-7"), "{query}");
        }
        for query in ["nn", "ee", "7", "ann  x", "lee ann"] {
            assert!(!is_found(query, "Ann Lee-O'Hara JOSÉ", "U-7"), "{query}");
        }
    }

    #[test]
    fn korean_is_found_at_every_key_that_is_typed() {
        // As an input method shows it, key by key.
        for query in ["ㄱ", "기", "김", "김ㅁ", "김미", "김민", "김밊", "김민ㅅ", "김민수"] {
            let shown = query != "김밊";
            assert_eq!(is_found(query, "김민수", "u"), shown, "{query}");
        }
        for query in ["고", "과", "곽", "ㅈ", "저", "정", "정훈"] {
            assert!(is_found(query, "곽 정훈", "u"), "{query}");
        }
        // The consonant that starts the next syllable is shown at the end of this one until its vowel comes.
        assert!(is_found("밋", "미수", "u") && is_found("닭", "달기", "u"));
        // Decomposed, as macOS writes file names.
        assert!(is_found("\u{1100}\u{1175}\u{11B7}", "김민수", "u"));
        assert!(!is_found("민수", "김민수", "u"));
    }

    #[test]
    fn a_person_is_found_once_by_the_name_first() {
        assert_eq!(key_found("kim", "Kim Kimberly", &user("kim7")).as_deref(), Some("kim kimberly"));
        assert_eq!(key_found("kim", "Zoe Kimberly Kim", &user("kim7")).as_deref(), Some("kim"));
        let keys = keys("Kim Kimberly", &user("kim7"));
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), ["kim kimberly", "kim7", "kimberly"]);
    }

    #[test]
    fn keys_are_short_and_few() {
        let long = "김".repeat(120);
        assert!(keys(&long, &user("u")).iter().all(|key| key.len() <= KEY_BYTES_MAX));
        assert!(is_found(&"김".repeat(100), &long, "u"));
        assert_eq!(keys(&"ab ".repeat(40), &user("u")).len(), LATER_WORDS_MAX + 2);
        assert_eq!(keys("\u{301}", &user("u")).into_iter().collect::<Vec<_>>(), ["u"]);
    }

    proptest::proptest! {
        #[test]
        fn the_folding_of_a_beginning_is_the_beginning_of_the_folding(text in "[ -~가-힣À-ÿㄱ-ㅣ ]{0,20}", at in 0..20_usize) {
            let beginning: String = text.chars().take(at).collect();
            proptest::prop_assert!(fold(&text).starts_with(&fold(&beginning)), "{:?}", (fold(&text), fold(&beginning)));
        }
    }
}
