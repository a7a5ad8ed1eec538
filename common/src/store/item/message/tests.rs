//! Unit tests of the mapping of messages.

use proptest::prelude::*;

use super::*;
use crate::ids::{AttachmentId, ClientId, UserId};
use crate::seq::{Seq, Timestamp};

fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

fn plain() -> MessageState {
    MessageState {
        room_id: RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
        seq: Seq::new(1_767_225_600_123_456).unwrap(),
        version: Seq::new(1_767_225_600_123_456).unwrap(),
        ordinal: 7,
        content: MessageContent {
            sender_id: UserId::parse("ann").unwrap(),
            client_id: ClientId::parse("c-1").unwrap(),
            body: "hello".to_owned(),
            attachments: vec![],
            reply_to: None,
            mentions: Vec::new(),
            edited_at: None,
            deleted: false,
            reactions: vec![],
        },
    }
}

#[test]
fn a_message_has_these_attributes_and_types() {
    let mut message = plain();
    message.content.reply_to = Seq::new(5);
    message.content.mentions = vec![UserId::parse("bob").unwrap()];
    message.content.edited_at = Some(Timestamp::from_millis(1_767_225_601_000));
    let item = message_to_item(&org(), &message, Some(1_769_817_600));
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let n = |text: &str| AttributeValue::N(text.to_owned());
    let expected = [
        ("roomMonth", s("g_AAAAAAAAAAAAAAAAAAAAAA#202601")),
        ("seq", n("1767225600123456")),
        ("version", n("1767225600123456")),
        ("org", s("acme")),
        ("sentAt", s("2026-01-01T00:00:00.123Z")),
        ("ordinal", n("7")),
        ("senderId", s("ann")),
        ("clientId", s("c-1")),
        ("body", s("hello")),
        ("deleted", AttributeValue::Bool(false)),
        ("editedAt", s("2026-01-01T00:00:01.000Z")),
        ("replyTo", n("5")),
        ("attachments", AttributeValue::L(vec![])),
        ("reactions", AttributeValue::L(vec![])),
        ("mentions", AttributeValue::L(vec![s("bob")])),
        ("expiresAt", n("1769817600")),
    ];
    assert_eq!(item, expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn a_malformed_item_is_an_error_that_names_the_attribute() {
    let message = plain();
    for (name, value) in [
        ("seq", AttributeValue::S("1".to_owned())),
        ("version", AttributeValue::N("9007199254740992".to_owned())),
        ("ordinal", AttributeValue::N("-1".to_owned())),
        ("senderId", AttributeValue::S(String::new())),
        ("editedAt", AttributeValue::S("yesterday".to_owned())),
        ("reactions", AttributeValue::L(vec![AttributeValue::Bool(true)])),
    ] {
        let mut item = message_to_item(&org(), &message, None);
        item.insert(name.to_owned(), value);
        assert_eq!(message_from_item(&message.room_id, item), Err(StoreError::Malformed(name)));
    }
}

fn contents() -> impl Strategy<Value = MessageContent> {
    let attachment =
        ("\\PC{0,40}", "[a-z]{1,8}/[a-z]{1,8}", any::<u64>()).prop_map(|(file_name, content_type, size_bytes)| {
            Attachment {
                attachment_id: AttachmentId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
                file_name,
                content_type,
                size_bytes,
            }
        });
    let user = "\\PC{1,20}".prop_map(|text| UserId::parse(&text).unwrap());
    let reaction = ("\\PC{1,4}", prop::collection::vec(user.clone(), 0..4))
        .prop_map(|(emoji, user_ids)| Reaction { emoji, user_ids });
    (
        "\\PC{0,200}",
        prop::collection::vec(attachment, 0..3),
        prop::option::of(0..crate::seq::SEQ_MAX),
        prop::option::of(0..4_000_000_000_000_u64),
        any::<bool>(),
        prop::collection::vec(reaction, 0..3),
        prop::collection::vec(user, 0..3),
    )
        .prop_map(|(body, attachments, reply_to, edited_at, deleted, reactions, mentions)| MessageContent {
            body,
            attachments,
            reply_to: reply_to.and_then(Seq::new),
            edited_at: edited_at.map(Timestamp::from_millis),
            deleted,
            reactions,
            mentions,
            ..plain().content
        })
}

proptest! {
    #[test]
    fn every_message_comes_back_as_it_was(
        content in contents(),
        seq in 0..crate::seq::SEQ_MAX,
        later in 0..1_000_000_u64,
        ordinal in any::<u64>(),
    ) {
        let seq = Seq::new(seq).unwrap();
        let version = Seq::new(seq.get() + later).unwrap_or(seq);
        let message = MessageState { seq, version, ordinal, content, ..plain() };
        let item = message_to_item(&org(), &message, None);
        prop_assert_eq!(message_from_item(&message.room_id, item), Ok(message));
    }
}
