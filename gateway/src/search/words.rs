//! The words of a query, and how they match a message.

use std::borrow::Cow;

use rts_common::limits;
use rts_common::message::MessageContent;
use unicode_normalization::UnicodeNormalization as _;

/// Pieces of text without blanks, composed and in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(Vec<String>);

impl Words {
    /// Parses a query; `None` if it is blank or too long.
    pub fn parse(query: &str) -> Option<Self> {
        if query.chars().count() > limits::SEARCH_QUERY_CHARS {
            return None;
        }
        let mut words: Vec<String> = fold(query).split_whitespace().map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        (!words.is_empty()).then_some(Self(words))
    }

    /// True if a message, not deleted, has each of them, in its text or in the name of a file.
    pub fn are_in(&self, content: &MessageContent) -> bool {
        if content.deleted {
            return false;
        }
        let body = fold(&content.body);
        let names: Vec<_> = content.attachments.iter().map(|file| fold(&file.file_name)).collect();
        self.0.iter().all(|word| body.contains(word.as_str()) || names.iter().any(|name| name.contains(word.as_str())))
    }

    /// Returns one text for all of them.
    pub(super) fn key(&self) -> String {
        self.0.join(" ")
    }
}

/// Makes texts that look alike equal: composed and in lower case. Lower case may be decomposed again, as that of `İ`
/// is.
fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        let has_upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        return if has_upper { text.to_ascii_lowercase().into() } else { text.into() };
    }
    text.nfc().flat_map(char::to_lowercase).nfc().collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rts_common::ids::{AttachmentId, ClientId, UserId};
    use rts_common::message::Attachment;

    fn content(body: &str) -> MessageContent {
        MessageContent {
            sender_id: UserId::parse("ann").unwrap(),
            client_id: ClientId::parse("c").unwrap(),
            body: body.to_owned(),
            mentions: Vec::new(),
            attachments: Vec::new(),
            reply_to: None,
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
        }
    }

    fn finds(query: &str, body: &str) -> bool {
        Words::parse(query).unwrap().are_in(&content(body))
    }

    #[test]
    fn every_word_is_found_anywhere_in_any_case_and_form() {
        assert!(finds("LUNCH tom", "Tomorrow, lunch?") && !finds("lunch today", "Tomorrow, lunch?"));
        assert!(finds("점심", "내일점심먹자") && finds("안녕 밥", "Bob, 안녕? 밥 먹었어?"));
        // Decomposed Korean, as some systems write it, and composed.
        assert!(finds("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"));
        assert!(finds("\u{1112}\u{1161}\u{11ab}", "한글"));
        assert!(finds("CAFÉ", "cafe\u{301}") && finds("größe", "GRÖSSE Größe"));
        assert!(finds("İstanbul", "i\u{307}stanbul İSTANBUL"));
        assert!(finds("100% .*", "it is 100%, .* is no pattern"));
    }

    #[test]
    fn names_of_files_are_searched_and_tombstones_are_not() {
        let mut message = content("see this");
        message.attachments.push(Attachment {
            attachment_id: AttachmentId::random(),
            file_name: "보고서 Final.PDF".to_owned(),
            content_type: "application/pdf".to_owned(),
            size_bytes: 1,
        });
        assert!(Words::parse("see final.pdf 보고").unwrap().are_in(&message));
        message.deleted = true;
        assert!(!Words::parse("see").unwrap().are_in(&message));
    }

    #[test]
    fn a_query_has_words() {
        assert_eq!(Words::parse(" \u{3000}\t"), None);
        assert_eq!(Words::parse(""), None);
        assert!(Words::parse(&"한".repeat(200)).is_some());
        assert_eq!(Words::parse(&"x".repeat(201)), None);
        assert_eq!(Words::parse("b A b").unwrap().key(), Words::parse("a  B").unwrap().key());
    }
}
