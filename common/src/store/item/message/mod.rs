//! A message as an item of `chat-messages`.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Fields, Item, ItemBuilder, id, list, number, seq, text, timestamp};
use crate::ids::{OrgId, RoomId, UserId};
use crate::message::{Attachment, MessageContent, MessageState, Reaction};
use crate::redis::scripts;
use crate::seq::Seq;
use crate::store::StoreError;
use crate::store::schema::messages as names;

/// Makes the item of a message, with its keys.
pub(in crate::store) fn message_to_item(org: &OrgId, message: &MessageState, expires_at: Option<u64>) -> Item {
    let content = &message.content;
    let attachments = content.attachments.iter().map(attachment_to_value).collect();
    let reactions = content.reactions.iter().map(reaction_to_value).collect();
    ItemBuilder::default()
        .text(names::ROOM_MONTH, names::room_month(&message.room_id, message.seq.month()))
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
        .optional_number(names::REPLY_TO, content.reply_to.map(Seq::get))
        .optional_value(names::MENTIONS, Some(users(&content.mentions)).filter(|_| !content.mentions.is_empty()))
        .optional_number(names::EXPIRES_AT, expires_at)
        .build()
}

/// Makes the item of a fence, which nobody waits for any more after a day.
pub(in crate::store) fn fence_to_item(room: &RoomId, number: Seq) -> Item {
    ItemBuilder::default()
        .text(names::ROOM_MONTH, names::fences(room))
        .number(names::SEQ, number.get())
        .number(names::EXPIRES_AT, (Seq::now().get() + scripts::DAY_MICROS) / 1_000_000)
        .build()
}

/// Reads the message of a room's item.
pub(in crate::store) fn message_from_item(room: &RoomId, item: Item) -> Result<MessageState, StoreError> {
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
            mentions: fields.optional(names::MENTIONS, user_ids)?.unwrap_or_default(),
            edited_at: fields.optional(names::EDITED_AT, timestamp)?,
            deleted: fields.optional(names::DELETED, |value| value.as_bool().ok().copied())?.unwrap_or(false),
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
    let map = ItemBuilder::default()
        .text(names::EMOJI, reaction.emoji.as_str())
        .value(names::USER_IDS, users(&reaction.user_ids));
    AttributeValue::M(map.build())
}

fn reaction_from_fields(mut fields: Fields) -> Result<Reaction, StoreError> {
    Ok(Reaction { emoji: fields.required(names::EMOJI, text)?, user_ids: fields.required(names::USER_IDS, user_ids)? })
}

fn users(users: &[UserId]) -> AttributeValue {
    AttributeValue::L(users.iter().map(|user| AttributeValue::S(user.to_string())).collect())
}

fn user_ids(value: AttributeValue) -> Option<Vec<UserId>> {
    list(value)?.into_iter().map(id).collect()
}

#[cfg(test)]
mod tests;
