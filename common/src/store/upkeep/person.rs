//! Taking a person out of what stays: messages, facts, memberships, the directory, the archive index.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Keeper, Table, text_of};
use crate::ids::{OrgId, RoomId, UserId};
use crate::message::MessageState;
use crate::room::{Membership, Role};
use crate::store::item::{role_to_text, seq_value};
use crate::store::schema::{archive, messages, rooms};
use crate::store::writer::{Written, conditional};
use crate::store::{StoreError, batch};

impl Keeper {
    /// Makes a message a tombstone that tells neither its sender nor the id that their client gave it.
    pub async fn erase_message(&self, message: &MessageState, alias: &UserId) -> Result<Written, StoreError> {
        let nothing = || AttributeValue::L(Vec::new());
        let sets = [
            ("#sender", messages::SENDER_ID, AttributeValue::S(alias.to_string())),
            // Of this form no client makes one: it is a key of the senders' index, so no two may be the same.
            ("#client", messages::CLIENT_ID, AttributeValue::S(format!("erased-{}", message.seq))),
            ("#body", messages::BODY, AttributeValue::S(String::new())),
            ("#deleted", messages::DELETED, AttributeValue::Bool(true)),
            ("#attachments", messages::ATTACHMENTS, nothing()),
            ("#reactions", messages::REACTIONS, nothing()),
        ];
        let mut update = self.update_message(message).expression_attribute_names("#mentions", messages::MENTIONS);
        let mut expressions = vec!["SET #version = :next".to_owned()];
        for (index, (placeholder, name, value)) in sets.into_iter().enumerate() {
            expressions.push(format!("{placeholder} = :v{index}"));
            update = update
                .expression_attribute_names(placeholder, name)
                .expression_attribute_values(format!(":v{index}"), value);
        }
        conditional(update.update_expression(format!("{} REMOVE #mentions", expressions.join(", "))).send()).await
    }

    /// Removes a user's reactions from a message, and the user from those that it mentions; its text stays.
    pub async fn forget_in_message(&self, message: &MessageState, user: &UserId) -> Result<Written, StoreError> {
        let users = |users: &[UserId]| {
            let others = users.iter().filter(|other| *other != user);
            AttributeValue::L(others.map(|other| AttributeValue::S(other.to_string())).collect())
        };
        let reactions =
            message.content.reactions.iter().filter(|reaction| reaction.user_ids.iter().any(|it| it != user));
        let reactions = reactions.map(|reaction| {
            let emoji = (messages::EMOJI.to_owned(), AttributeValue::S(reaction.emoji.clone()));
            AttributeValue::M([emoji, (messages::USER_IDS.to_owned(), users(&reaction.user_ids))].into())
        });
        let mut update = self
            .update_message(message)
            .expression_attribute_names("#reactions", messages::REACTIONS)
            .expression_attribute_names("#mentions", messages::MENTIONS)
            .expression_attribute_values(":reactions", AttributeValue::L(reactions.collect()));
        let mut expression = "SET #version = :next, #reactions = :reactions".to_owned();
        if message.content.mentions.iter().any(|mentioned| mentioned != user) {
            update = update.expression_attribute_values(":mentions", users(&message.content.mentions));
            expression.push_str(", #mentions = :mentions");
        } else {
            expression.push_str(" REMOVE #mentions");
        }
        conditional(update.update_expression(expression).send()).await
    }

    /// Begins an update of a message that still is at its version, to the next one.
    fn update_message(&self, message: &MessageState) -> UpdateItemFluentBuilder {
        let partition = messages::room_month(&message.room_id, message.seq.month());
        self.store
            .client
            .update_item()
            .table_name(self.name(Table::Messages))
            .key(messages::ROOM_MONTH, AttributeValue::S(partition))
            .key(messages::SEQ, seq_value(message.seq))
            .condition_expression("#version = :known")
            .expression_attribute_names("#version", messages::VERSION)
            .expression_attribute_values(":known", seq_value(message.version))
            .expression_attribute_values(":next", seq_value(message.version.next()))
    }

    /// Names another user as the one who made a room, if it was this one.
    pub async fn replace_creator(&self, room: &RoomId, user: &UserId, alias: &UserId) -> Result<Written, StoreError> {
        let update = self
            .update_part(room, rooms::META.to_owned())
            .update_expression("SET #creator = :alias")
            .condition_expression("#creator = :user")
            .expression_attribute_names("#creator", rooms::CREATED_BY)
            .expression_attribute_values(":alias", AttributeValue::S(alias.to_string()))
            .expression_attribute_values(":user", AttributeValue::S(user.to_string()));
        conditional(update.send()).await
    }

    /// Makes a member the owner of a room, if their membership still is as it was read.
    pub async fn promote(&self, room: &RoomId, member: &Membership) -> Result<Written, StoreError> {
        let update = self
            .update_part(room, rooms::member_sk(&member.user_id))
            .update_expression("SET #role = :owner, #version = :next")
            .condition_expression("#version = :known")
            .expression_attribute_names("#role", rooms::ROLE)
            .expression_attribute_names("#version", rooms::VERSION)
            .expression_attribute_values(":owner", AttributeValue::S(role_to_text(Role::Owner).to_owned()))
            .expression_attribute_values(":known", seq_value(member.version))
            .expression_attribute_values(":next", seq_value(member.version.next()));
        conditional(update.send()).await
    }

    fn update_part(&self, room: &RoomId, sk: String) -> UpdateItemFluentBuilder {
        self.store
            .client
            .update_item()
            .table_name(self.name(Table::Rooms))
            .key(rooms::PK, AttributeValue::S(rooms::room_pk(room)))
            .key(rooms::SK, AttributeValue::S(sk))
    }

    /// Removes a user's membership and marks from a room, without a tombstone: nothing may still be on its way that would
    /// write them again.
    pub async fn remove_member(&self, room: &RoomId, user: &UserId) -> Result<(), StoreError> {
        let key = batch::key(
            (rooms::PK, AttributeValue::S(rooms::room_pk(room))),
            (rooms::SK, AttributeValue::S(rooms::member_sk(user))),
        );
        self.delete(self.name(Table::Rooms), key).await
    }

    /// Counts a user's items in the directory of the organization, and removes them if it is to. It reads the whole
    /// directory: a function that died may have left texts of any earlier name.
    pub async fn directory_items(&self, org: &OrgId, user: &UserId, removes: bool) -> Result<u64, StoreError> {
        let profile = rooms::profile_sk(user);
        let mut count = 0;
        for item in self.partition(Table::Rooms, &rooms::directory_pk(org)).await? {
            let is_profile = text_of(&item, rooms::SK).is_some_and(|sk| sk == profile);
            if is_profile || text_of(&item, rooms::USER_ID).is_some_and(|id| id == user.as_str()) {
                count += 1;
                if removes {
                    self.delete(self.name(Table::Rooms), Table::Rooms.key_of(&item)?).await?;
                }
            }
        }
        Ok(count)
    }

    /// Counts the archived rooms that name a user as a member, and takes the user out if it is to.
    pub async fn archive_entries(&self, org: &OrgId, user: &UserId, removes: bool) -> Result<u64, StoreError> {
        let mut count = 0;
        for item in self.partition(Table::Archive, org.as_str()).await? {
            let members = item.get(archive::MEMBERS).and_then(|value| value.as_l().ok()).cloned().unwrap_or_default();
            let others: Vec<_> =
                members.iter().filter(|it| it.as_s().map(String::as_str) != Ok(user.as_str())).collect();
            if others.len() == members.len() {
                continue;
            }
            count += 1;
            if removes {
                let update = self
                    .store
                    .client
                    .update_item()
                    .table_name(self.name(Table::Archive))
                    .set_key(Some(Table::Archive.key_of(&item)?))
                    .update_expression("SET #members = :others")
                    .condition_expression("#members = :known")
                    .expression_attribute_names("#members", archive::MEMBERS)
                    .expression_attribute_values(":others", AttributeValue::L(others.into_iter().cloned().collect()))
                    .expression_attribute_values(":known", AttributeValue::L(members.clone()));
                conditional(update.send()).await?;
            }
        }
        Ok(count)
    }

    /// Returns the users of an organization's directory.
    pub async fn users_of(&self, org: &OrgId) -> Result<Vec<UserId>, StoreError> {
        let items = self.partition(Table::Rooms, &rooms::directory_pk(org)).await?;
        let sks = items.iter().filter_map(|item| text_of(item, rooms::SK));
        Ok(sks.filter_map(|sk| rooms::profile_of_sk(&sk)).collect())
    }
}

/// The member who is to own a room once one of its owners is gone: the one who has been in it for longest, if no owner is
/// left.
pub fn heir<'a>(members: impl Iterator<Item = &'a Membership> + Clone, gone: &UserId) -> Option<&'a Membership> {
    let others = members.filter(|member| member.user_id != *gone && member.role.is_some());
    if others.clone().any(|member| member.role == Some(Role::Owner)) {
        return None;
    }
    others.min_by_key(|member| (member.joined_seq, member.user_id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seq::Seq;

    fn member(name: &str, role: Option<Role>, joined: u64) -> Membership {
        let seq = |number| Seq::new(number).unwrap();
        let user_id = UserId::parse(name).unwrap();
        Membership { user_id, display_name: String::new(), role, version: seq(9), joined_seq: seq(joined) }
    }

    #[test]
    fn the_longest_standing_member_inherits_a_room_without_an_owner() {
        let gone = UserId::parse("ann").unwrap();
        let all = [
            member("ann", Some(Role::Owner), 1),
            member("left", None, 2),
            member("eve", Some(Role::Member), 4),
            member("bob", Some(Role::Member), 3),
        ];
        assert_eq!(heir(all.iter(), &gone).map(|heir| heir.user_id.as_str()), Some("bob"));
        let with_owner = [all[0].clone(), all[3].clone(), member("zoe", Some(Role::Owner), 5)];
        assert_eq!(heir(with_owner.iter(), &gone), None);
        assert_eq!(heir(all[..2].iter(), &gone), None);
    }
}
