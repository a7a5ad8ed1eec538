//! `React`: sets or removes a reaction of the caller to a message.

use rts_common::emoji::Emoji;
use rts_common::limits;
use rts_common::message::{MessageContent, Reaction};
use rts_common::seq::Seq;
use serde::Deserialize;

use super::members::Empty;
use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::{MessageAt, MessageChange, ReactionChange, RoomError};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    seq: Seq,
    emoji: Emoji,
    on: bool,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Empty>, HubError> {
    let room = request.room_id.id()?;
    let place = hub.message_place(&caller.person)?;
    let at = MessageAt { person: &caller.person, room, seq: request.seq };
    let reaction = ReactionChange {
        emoji: request.emoji.as_str().to_owned(),
        user_id: caller.person.user.clone(),
        on: request.on,
    };
    let changed = hub
        .parts
        .rooms
        .change_message(at, |found| {
            if found.room_is_archived {
                return Err(RoomError::Archived);
            }
            if found.state.content.deleted {
                return Err(RoomError::Conflict);
            }
            let changed = with_reaction(&found.state.content, &reaction)?;
            Ok(changed.map(|content| MessageChange::React(content, reaction.clone())))
        })
        .await?;
    Ok(Answer::once(Empty {}, hub.journal_changed(place, &caller.person.org, changed).await?))
}

/// Returns true if a message's emoji is that of a change. Those of earlier builds stand there as they were typed.
fn is_same(standing: &str, changed: &str) -> bool {
    standing == changed || Emoji::parse(standing).is_some_and(|emoji| emoji.as_str() == changed)
}

/// The content with a reaction set or taken back; `None` if that is how it is.
fn with_reaction(content: &MessageContent, change: &ReactionChange) -> Result<Option<MessageContent>, RoomError> {
    let place = content.reactions.iter().position(|reaction| is_same(&reaction.emoji, &change.emoji));
    let is_on = place.is_some_and(|place| content.reactions[place].user_ids.contains(&change.user_id));
    if is_on == change.on {
        return Ok(None);
    }
    let mut content = content.clone();
    match (place, change.on) {
        (Some(place), true) => content.reactions[place].user_ids.push(change.user_id.clone()),
        (None, true) => {
            let (emoji, user_ids) = (change.emoji.clone(), vec![change.user_id.clone()]);
            content.reactions.push(Reaction { emoji, user_ids });
        }
        (Some(place), false) => content.reactions[place].user_ids.retain(|user| *user != change.user_id),
        (None, false) => {}
    }
    content.reactions.retain(|reaction| !reaction.user_ids.is_empty());
    let all: usize = content.reactions.iter().map(|reaction| reaction.user_ids.len()).sum();
    if change.on && (content.reactions.len() > limits::REACTION_EMOJI || all > limits::REACTIONS) {
        return Err(RoomError::TooManyReactions);
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rts_common::ids::{ClientId, UserId};

    fn content() -> MessageContent {
        MessageContent {
            sender_id: UserId::parse("ann").unwrap(),
            client_id: ClientId::parse("c").unwrap(),
            body: "hello".to_owned(),
            attachments: Vec::new(),
            reply_to: None,
            mentions: Vec::new(),
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
        }
    }

    fn change(emoji: &str, user: &str, on: bool) -> ReactionChange {
        ReactionChange { emoji: emoji.to_owned(), user_id: UserId::parse(user).unwrap(), on }
    }

    #[test]
    fn reactions_are_set_and_removed_in_order() {
        let mut content = content();
        for (emoji, user, on) in
            [("👍", "bob", true), ("🎉", "ann", true), ("👍", "ann", true), ("👍", "bob", false), ("🎉", "ann", false)]
        {
            content = with_reaction(&content, &change(emoji, user, on)).unwrap().expect("a change");
            assert_eq!(with_reaction(&content, &change(emoji, user, on)).unwrap(), None);
        }
        let ann = UserId::parse("ann").unwrap();
        assert_eq!(content.reactions, [Reaction { emoji: "👍".to_owned(), user_ids: vec![ann] }]);
    }

    #[test]
    fn a_reaction_that_was_stored_as_it_was_typed_is_found() {
        let mut content = content();
        let bob = UserId::parse("bob").unwrap();
        content.reactions.push(Reaction { emoji: "❤".to_owned(), user_ids: vec![bob] });
        let both = with_reaction(&content, &change("❤\u{FE0F}", "ann", true)).unwrap().unwrap();
        assert_eq!((both.reactions.len(), both.reactions[0].user_ids.len()), (1, 2));
        let none = with_reaction(&content, &change("❤\u{FE0F}", "bob", false)).unwrap().unwrap();
        assert!(none.reactions.is_empty());
    }

    #[test]
    fn their_number_is_bounded_and_taking_back_always_works() {
        let mut full = content();
        for number in 0..limits::REACTION_EMOJI {
            full = with_reaction(&full, &change(&format!("{number}"), "ann", true)).unwrap().unwrap();
        }
        assert_eq!(with_reaction(&full, &change("more", "ann", true)), Err(RoomError::TooManyReactions));
        assert!(with_reaction(&full, &change("0", "bob", true)).is_ok());
        assert!(with_reaction(&full, &change("0", "ann", false)).unwrap().is_some());

        let mut crowded = content();
        for number in 0..limits::REACTIONS {
            crowded = with_reaction(&crowded, &change("👍", &format!("u{number}"), true)).unwrap().unwrap();
        }
        assert_eq!(with_reaction(&crowded, &change("👍", "more", true)), Err(RoomError::TooManyReactions));
        assert!(with_reaction(&crowded, &change("👍", "u5", false)).unwrap().is_some());
    }
}
