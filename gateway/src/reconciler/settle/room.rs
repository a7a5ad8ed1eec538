//! Settles the changes of a room itself: its facts and its members.

use rts_common::ids::RoomId;
use rts_common::record::{FORMAT, RoomChange, RoomRecord};
use rts_common::redis::journaled::{Journaled, room_member};
use rts_common::redis::keys::Partition;
use rts_common::redis::stored;
use rts_common::room::{Marks, Membership};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::StoredRoom;

use super::{Broken, Reconciler, Results, Settled, Unsettled, Unstored};

impl Reconciler {
    /// Settles versions of a room itself: all of its state is journaled under the highest one. After that, the others
    /// have nothing to add and are only removed.
    pub(super) async fn settle_room(
        &self,
        room: &RoomId,
        due: &[(Seq, Option<Journaled>)],
        results: &mut Results,
    ) -> Result<(), Unsettled> {
        let Some((highest, _)) = due.iter().max_by_key(|(version, _)| *version).copied() else { return Ok(()) };
        let entry = |version: Seq| Unstored::Room { room: room.clone(), version };
        let Some((org, whole)) = self.parts.rooms.whole_change(room, highest).await? else {
            let members: Vec<_> = due.iter().map(|(version, _)| entry(*version).member()).collect();
            let stored = self.parts.store.room(room).await?;
            let is_stored = |version| stored.as_ref().is_some_and(|stored| has_part_of(stored, version));
            self.index.remove(Partition::of_room(room), &members).await.map_err(Broken::from)?;
            for (version, _) in due {
                if !is_stored(*version) {
                    tracing::error!(room = %room, %version, "a change of a room is neither in Redis nor known to be in DynamoDB: it is lost");
                }
                let settled = if is_stored(*version) { Settled::Stored } else { Settled::Lost };
                results.push((entry(*version), settled));
            }
            return Ok(());
        };
        let mark_off = |version| RoomChange::Room {
            room_id: room.clone(),
            version,
            facts: None,
            members: Vec::new(),
            closing: None,
        };
        let others = due.iter().map(|(version, _)| *version).filter(|version| *version != highest);
        let records = std::iter::once(whole).chain(others.map(mark_off));
        let records: Vec<_> = records.map(|change| RoomRecord { v: FORMAT, org: org.clone(), change }).collect();
        let note = due.iter().find_map(|(_, note)| *note);
        let settled = match note {
            Some(note) => self.journal_room(room, due, &records, note).await?.then_some(Settled::Journaled),
            None if self.parts.store.room(room).await?.is_some_and(|stored| has_all(&stored, &records[0].change)) => {
                for record in &records {
                    stored::room(&self.parts.redis, record).await.map_err(Broken::from)?;
                }
                Some(Settled::Stored)
            }
            None => None,
        };
        results.extend(settled.into_iter().flat_map(|settled| due.iter().map(move |due| (entry(due.0), settled))));
        Ok(())
    }

    /// Journals changes of a room; false if that must wait, or has no result yet.
    async fn journal_room(
        &self,
        room: &RoomId,
        due: &[(Seq, Option<Journaled>)],
        records: &[RoomRecord],
        note: Journaled,
    ) -> Result<bool, Unsettled> {
        let journal = &self.parts.room_journal;
        if !self.may_journal(journal, records.len())? {
            return Ok(false);
        }
        let members: Vec<_> = due.iter().map(|(version, _)| room_member(room, *version)).collect();
        self.note(room, &members, note).await?;
        for record in records {
            if journal.reserve()?.room_again(record).await.is_err() {
                return Ok(false);
            }
        }
        self.note(room, &members, Journaled { at: Timestamp::now(), requests: 0, accepted: true, ..note }).await?;
        Ok(true)
    }
}

/// True if DynamoDB has a part of a room of just this version: the best that is known of a change that Redis has lost. A
/// part of a later one says nothing about it.
fn has_part_of(stored: &StoredRoom, version: Seq) -> bool {
    let members = stored.members.iter().map(|(member, _)| member.version);
    members.chain([stored.facts.version]).any(|known| known == version)
}

/// True if DynamoDB has every part of a whole room that is not newer than its version, each as new as here: a later
/// change that is stored says nothing about an earlier one. Newer parts have entries of their own.
fn has_all(stored: &StoredRoom, whole: &RoomChange) -> bool {
    let RoomChange::Room { version, facts, members, .. } = whole else { return false };
    let has_member = |member: &Membership| {
        let is_it = |(known, _): &&(Membership, Marks)| known.user_id == member.user_id;
        stored.members.iter().find(is_it).is_some_and(|(known, _)| known.version >= member.version)
    };
    facts.iter().all(|facts| facts.version > *version || stored.facts.version >= facts.version)
        && members.iter().all(|member| member.version > *version || has_member(member))
}

#[cfg(test)]
mod tests {
    use rts_common::ids::{OrgId, UserId};
    use rts_common::room::{Role, RoomFacts, RoomKind};

    use super::*;

    fn facts(version: u64) -> RoomFacts {
        RoomFacts {
            kind: RoomKind::Group,
            name: None,
            case_id: None,
            created_by: UserId::parse("ann").unwrap(),
            created_at: Timestamp::now(),
            archived_at: None,
            version: Seq::new(version).unwrap(),
        }
    }

    fn member(name: &str, version: u64, is_in: bool) -> Membership {
        Membership {
            user_id: UserId::parse(name).unwrap(),
            display_name: name.to_owned(),
            role: is_in.then_some(Role::Member),
            version: Seq::new(version).unwrap(),
            joined_seq: Seq::default(),
        }
    }

    #[test]
    fn a_lost_change_is_stored_only_if_a_part_of_it_is() {
        let stored = StoredRoom {
            org: OrgId::parse("acme").unwrap(),
            facts: facts(6),
            members: vec![(member("ann", 1, true), Marks::default()), (member("bob", 9, true), Marks::default())],
        };
        for (version, is_stored) in [(1, true), (5, false), (6, true), (7, false), (9, true), (10, false)] {
            assert_eq!(has_part_of(&stored, Seq::new(version).unwrap()), is_stored, "{version}");
        }
    }

    #[test]
    fn a_later_change_does_not_vouch_for_an_earlier_one() {
        let whole = |version| RoomChange::Room {
            room_id: RoomId::new_group(),
            version: Seq::new(version).unwrap(),
            facts: Some(facts(6)),
            members: vec![member("ann", 1, true), member("bob", 5, false), member("cho", 7, true)],
            closing: None,
        };
        let stored = |facts_version, bob: Membership| StoredRoom {
            org: OrgId::parse("acme").unwrap(),
            facts: facts(facts_version),
            members: vec![(member("ann", 1, true), Marks::default()), (bob, Marks::default())],
        };
        // Bob's removal (5) is not stored, but the rename after it (6) is.
        for version in [5, 6] {
            assert!(!has_all(&stored(6, member("bob", 1, true)), &whole(version)), "{version}");
        }
        assert!(has_all(&stored(6, member("bob", 5, false)), &whole(6)), "the addition of cho (7) has its own entry");
        assert!(!has_all(&stored(6, member("bob", 5, false)), &whole(7)));
        assert!(has_all(&stored(1, member("bob", 5, false)), &whole(5)), "the rename has its own entry");
        assert!(!has_all(&stored(1, member("bob", 5, false)), &whole(6)));
    }
}
