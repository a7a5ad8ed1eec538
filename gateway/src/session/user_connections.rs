//! How many connections each user has on this node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rts_common::ids::Person;

/// Counts the connections of each user, up to a limit.
#[derive(Debug)]
pub struct UserConnections {
    most: usize,
    counts: Mutex<HashMap<Person, usize>>,
}

/// One counted connection, until dropped.
#[derive(Debug)]
pub struct UserConnection {
    among: Arc<UserConnections>,
    person: Person,
}

impl UserConnections {
    /// At most so many of one user.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// Counts one more; `None` if the user has as many as are allowed.
    pub fn open(self: &Arc<Self>, person: &Person) -> Option<UserConnection> {
        let mut counts = self.lock();
        let count = counts.entry(person.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(UserConnection { among: Arc::clone(self), person: person.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Person, usize>> {
        self.counts.lock().expect("no holder of this lock panics")
    }
}

impl Drop for UserConnection {
    fn drop(&mut self) {
        let mut counts = self.among.lock();
        if let Some(count) = counts.get_mut(&self.person) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rts_common::ids::{OrgId, UserId};

    #[test]
    fn each_user_has_so_many_and_what_ends_makes_room() {
        let connections = UserConnections::new(2);
        let person = |org: &str| Person { org: OrgId::parse(org).unwrap(), user: UserId::parse("ann").unwrap() };
        let held = [connections.open(&person("acme")), connections.open(&person("acme"))];
        assert!(held.iter().all(Option::is_some));
        assert!(connections.open(&person("acme")).is_none());
        assert!(connections.open(&person("other")).is_some(), "the same id elsewhere is another user");
        drop(held);
        assert!(connections.open(&person("acme")).is_some());
        assert!(connections.lock().is_empty(), "nobody is remembered who is gone");
    }
}
