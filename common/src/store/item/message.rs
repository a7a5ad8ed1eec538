//! A message as an item of `chat-messages`.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Fields, Item, ItemBuilder, id, list, number, seq, text, timestamp};
use crate::ids::{OrgId, RoomId};
use crate::message::{Attachment, MessageContent, MessageState, Reaction};
use crate::store::StoreError;
use crate::store::schema::messages as names;

/// The item of a message, with its keys.
pub(in crate::store) fn message_to_item(org: &OrgId, message: &MessageState) -> Item {
    let content = &message.content;
    let attachments = content
        .attachments
        .iter()
        .map(attachment_to_value)
        .collect();
    let reactions = content.reactions.iter().map(reaction_to_value).collect();
    ItemBuilder::default()
        .text(
            names::ROOM_MONTH,
            names::room_month(&message.room_id, message.seq.month()),
        )
        .number(names::SEQ, message.seq.get())
        .number(names::VERSION, message.version.get())
        .text(names::ORG, org.as_str())
        .text(names::SENT_AT, message.seq.timestamp().to_string())
        .number(names::ORDINAL, message.ordinal)
        .text(names::SENDER_ID, content.sender_id.as_str())
        .text(names::CLIENT_ID, content.client_id.as_str())
        .text(names::BODY, content.body.as_str())
        .value(names::DELETED, AttributeValue::Bool(content.deleted))
        .optional_text(names::EDITED_AT, content.edited_at)
        .value(names::ATTACHMENTS, AttributeValue::L(attachments))
        .value(names::REACTIONS, AttributeValue::L(reactions))
        .optional_number(names::REPLY_TO, content.reply_to.map(crate::seq::Seq::get))
        .build()
}

/// The message of a room's item.
pub(in crate::store) fn message_from_item(
    room: &RoomId,
    item: Item,
) -> Result<MessageState, StoreError> {
    let mut fields = Fields(item);
    Ok(MessageState {
        room_id: room.clone(),
        seq: fields.required(names::SEQ, seq)?,
        version: fields.required(names::VERSION, seq)?,
        ordinal: fields.required(names::ORDINAL, number)?,
        content: MessageContent {
            sender_id: fields.required(names::SENDER_ID, id)?,
            client_id: fields.required(names::CLIENT_ID, id)?,
            body: fields.required(names::BODY, text)?,
            attachments: fields.maps(names::ATTACHMENTS, attachment_from_fields)?,
            reply_to: fields.optional(names::REPLY_TO, seq)?,
            edited_at: fields.optional(names::EDITED_AT, timestamp)?,
            deleted: fields
                .optional(names::DELETED, |value| value.as_bool().ok().copied())?
                .unwrap_or(false),
            reactions: fields.maps(names::REACTIONS, reaction_from_fields)?,
        },
    })
}

fn attachment_to_value(attachment: &Attachment) -> AttributeValue {
    let map = ItemBuilder::default()
        .text(names::ATTACHMENT_ID, attachment.attachment_id.as_str())
        .text(names::FILE_NAME, attachment.file_name.as_str())
        .text(names::CONTENT_TYPE, attachment.content_type.as_str())
        .number(names::SIZE_BYTES, attachment.size_bytes);
    AttributeValue::M(map.build())
}

fn attachment_from_fields(mut fields: Fields) -> Result<Attachment, StoreError> {
    Ok(Attachment {
        attachment_id: fields.required(names::ATTACHMENT_ID, id)?,
        file_name: fields.required(names::FILE_NAME, text)?,
        content_type: fields.required(names::CONTENT_TYPE, text)?,
        size_bytes: fields.required(names::SIZE_BYTES, number)?,
    })
}

fn reaction_to_value(reaction: &Reaction) -> AttributeValue {
    let users = reaction
        .user_ids
        .iter()
        .map(|user| AttributeValue::S(user.to_string()))
        .collect();
    let map = ItemBuilder::default()
        .text(names::EMOJI, reaction.emoji.as_str())
        .value(names::USER_IDS, AttributeValue::L(users));
    AttributeValue::M(map.build())
}

fn reaction_from_fields(mut fields: Fields) -> Result<Reaction, StoreError> {
    Ok(Reaction {
        emoji: fields.required(names::EMOJI, text)?,
        user_ids: fields.required(names::USER_IDS, |value| {
            list(value)?.into_iter().map(id).collect()
        })?,
    })
}

#[cfg(test)]
mod tests {
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
        message.content.edited_at = Some(Timestamp::from_millis(1_767_225_601_000));
        let item = message_to_item(&org(), &message);
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
        ];
        assert_eq!(
            item,
            expected
                .map(|(name, value)| (name.to_owned(), value))
                .into()
        );
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
            (
                "reactions",
                AttributeValue::L(vec![AttributeValue::Bool(true)]),
            ),
        ] {
            let mut item = message_to_item(&org(), &message);
            item.insert(name.to_owned(), value);
            assert_eq!(
                message_from_item(&message.room_id, item),
                Err(StoreError::Malformed(name))
            );
        }
    }

    fn contents() -> impl Strategy<Value = MessageContent> {
        let attachment = ("\\PC{0,40}", "[a-z]{1,8}/[a-z]{1,8}", any::<u64>()).prop_map(
            |(file_name, content_type, size_bytes)| Attachment {
                attachment_id: AttachmentId::parse("AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
                file_name,
                content_type,
                size_bytes,
            },
        );
        let user = "\\PC{1,20}".prop_map(|text| UserId::parse(&text).unwrap());
        let reaction = ("\\PC{1,4}", prop::collection::vec(user, 0..4))
            .prop_map(|(emoji, user_ids)| Reaction { emoji, user_ids });
        (
            "\\PC{0,200}",
            prop::collection::vec(attachment, 0..3),
            prop::option::of(0..crate::seq::SEQ_MAX),
            prop::option::of(0..4_000_000_000_000_u64),
            any::<bool>(),
            prop::collection::vec(reaction, 0..3),
        )
            .prop_map(
                |(body, attachments, reply_to, edited_at, deleted, reactions)| MessageContent {
                    body,
                    attachments,
                    reply_to: reply_to.and_then(Seq::new),
                    edited_at: edited_at.map(Timestamp::from_millis),
                    deleted,
                    reactions,
                    ..plain().content
                },
            )
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
            let item = message_to_item(&org(), &message);
            prop_assert_eq!(message_from_item(&message.room_id, item), Ok(message));
        }
    }
}
