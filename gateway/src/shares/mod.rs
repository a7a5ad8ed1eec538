//! Shares of what a node has for everyone: nobody takes more than a tenth of it, and no organization more than half, while
//! others want it. What nobody else wants is anyone's.

mod own;
mod turns;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

use rts_common::ids::{OrgId, Person};

pub use self::own::{OwnTurn, OwnTurns};
pub use self::turns::{FairTurns, Turn};

/// The part of it that one user may hold while others want it.
const USERS: usize = 10;
/// The part of it that one organization may hold while others want it.
const ORGS: usize = 2;

/// Who holds how much. Users and organizations that hold nothing are not in it.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    people: HashMap<Person, usize>,
    orgs: HashMap<OrgId, usize>,
}

impl Holders {
    /// True if with this much more, a user and their organization hold no more than their shares of `whole`. One piece is
    /// within any share.
    pub(crate) fn has_room(&self, person: &Person, more: usize, whole: usize) -> bool {
        self.excess(person, more, whole) == (false, false)
    }

    /// Returns whether a user, and whether their organization, would hold more than their shares.
    fn excess(&self, person: &Person, more: usize, whole: usize) -> (bool, bool) {
        let exceeds = |held: Option<&usize>, part: usize| {
            let held = held.copied().unwrap_or(0);
            held > 0 && held + more > whole / part
        };
        (exceeds(self.people.get(person), USERS), exceeds(self.orgs.get(&person.org), ORGS))
    }

    /// True if another user holds some of it.
    pub(crate) fn has_others(&self, person: &Person) -> bool {
        self.people.len() > usize::from(self.people.contains_key(person))
    }

    pub(crate) fn add(&mut self, person: &Person, more: usize) {
        *self.people.entry(person.clone()).or_default() += more;
        *self.orgs.entry(person.org.clone()).or_default() += more;
    }

    pub(crate) fn remove(&mut self, person: &Person, less: usize) {
        subtract(&mut self.people, person.clone(), less);
        subtract(&mut self.orgs, person.org.clone(), less);
    }
}

fn subtract<K: Eq + Hash>(held: &mut HashMap<K, usize>, key: K, less: usize) {
    if let Entry::Occupied(mut entry) = held.entry(key) {
        *entry.get_mut() = entry.get().saturating_sub(less);
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rts_common::ids::UserId;

    use super::*;

    pub(crate) fn person(org: &str, user: &str) -> Person {
        Person { org: OrgId::parse(org).unwrap(), user: UserId::parse(user).unwrap() }
    }

    #[test]
    fn a_user_has_a_tenth_and_an_organization_half() {
        let mut holders = Holders::default();
        let ann = person("one", "ann");
        holders.add(&ann, 10);
        assert!(!holders.has_room(&ann, 1, 100) && !holders.has_others(&ann));
        for user in 0..4 {
            assert!(holders.has_room(&person("one", &user.to_string()), 10, 100));
            holders.add(&person("one", &user.to_string()), 10);
        }
        assert!(!holders.has_room(&person("one", "next"), 1, 100), "it has half of it");
        assert!(holders.has_room(&person("two", "ann"), 1, 100), "another organization");
        assert!(holders.has_others(&ann));
        holders.remove(&ann, 10);
        assert!(holders.has_room(&person("one", "next"), 10, 100));
        for user in 0..4 {
            holders.remove(&person("one", &user.to_string()), 10);
        }
        assert!(holders.people.is_empty() && holders.orgs.is_empty());
    }
}
