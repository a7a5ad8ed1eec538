//! The ids of rooms that belong to a pair or a case: derived from it, so that two nodes which create one at the same time
//! create the same one, and with a secret of the deployment, so that nobody else can name a room they were not told of.
//!
//! A secret is replaced in two steps: `old,new` on all nodes, then `new,old`. The first makes the ids of new rooms, and a
//! room that exists under any of them keeps its id.

use hmac::{Hmac, Mac as _};
use rts_common::config::Secret;
use rts_common::ids::{CaseId, OrgId, RoomId, UserId};
use sha2::Sha256;

/// A source of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdSecret {
    /// Ids that only this deployment can derive.
    Keyed(Secret),
    /// Ids that anyone can derive, as they were before deployments had a secret: only to find older rooms.
    Unkeyed,
}

/// Derives ids of rooms.
pub struct RoomIds {
    sources: Vec<Source>,
}

enum Source {
    Keyed(Hmac<Sha256>),
    Unkeyed,
}

impl RoomIds {
    /// Derives ids with these secrets. All nodes need the same.
    pub fn new(secrets: &[IdSecret]) -> Self {
        let source = |secret: &IdSecret| match secret {
            IdSecret::Keyed(secret) => {
                Source::Keyed(Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length"))
            }
            IdSecret::Unkeyed => Source::Unkeyed,
        };
        Self { sources: secrets.iter().map(source).collect() }
    }

    /// Returns the ids that a pair's direct room may have: of a new one the first. The same for both users.
    pub fn direct(&self, org: &OrgId, one: &UserId, other: &UserId) -> Vec<RoomId> {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        self.ids(|source| match source {
            Source::Keyed(mac) => {
                RoomId::derived('d', &digest(mac, &["direct", org.as_str(), first.as_str(), second.as_str()]))
            }
            Source::Unkeyed => RoomId::direct(org, one, other),
        })
    }

    /// Returns the ids that a case's room in an organization may have: of a new one the first.
    pub fn case(&self, org: &OrgId, case: &CaseId) -> Vec<RoomId> {
        self.ids(|source| match source {
            Source::Keyed(mac) => RoomId::derived('c', &digest(mac, &["case", org.as_str(), case.as_str()])),
            Source::Unkeyed => RoomId::case(org, case),
        })
    }

    fn ids(&self, id: impl Fn(&Source) -> RoomId) -> Vec<RoomId> {
        self.sources.iter().map(id).collect()
    }
}

/// Hashes parts, each with its length before it, so that no two different lists hash alike.
fn digest(mac: &Hmac<Sha256>, parts: &[&str]) -> [u8; 16] {
    let mut mac = mac.clone();
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    let mut short = [0; 16];
    short.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(text: &str) -> IdSecret {
        IdSecret::Keyed(Secret::new(text))
    }

    #[test]
    fn ids_are_of_the_deployment_the_organization_and_the_pair_or_case() {
        let ids = RoomIds::new(&[keyed("one")]);
        let (acme, other) = (OrgId::parse("acme").unwrap(), OrgId::parse("other").unwrap());
        let user = |text| UserId::parse(text).unwrap();
        let case = CaseId::parse("CASE-7").unwrap();
        let room = ids.direct(&acme, &user("ann"), &user("bob"));
        assert_eq!(room, ids.direct(&acme, &user("bob"), &user("ann")), "the same from both sides");
        assert_ne!(room, ids.direct(&other, &user("ann"), &user("bob")));
        assert_ne!(ids.direct(&acme, &user("a"), &user("bc")), ids.direct(&acme, &user("ab"), &user("c")));
        assert_ne!(ids.case(&acme, &case), ids.case(&other, &case));
        for id in [&room[0], &ids.case(&acme, &case)[0]] {
            assert_eq!(RoomId::parse(id.as_str()).as_ref(), Ok(id));
        }
        assert_ne!(room[0], RoomId::direct(&acme, &user("ann"), &user("bob")), "who has no secret cannot derive it");
        assert_ne!(ids.case(&acme, &case)[0], RoomId::case(&acme, &case));
        assert_ne!(room, RoomIds::new(&[keyed("two")]).direct(&acme, &user("ann"), &user("bob")));
    }

    #[test]
    fn ids_of_older_secrets_are_known() {
        let (acme, case) = (OrgId::parse("acme").unwrap(), CaseId::parse("CASE-7").unwrap());
        let [old, new] = ["old", "new"].map(|secret| RoomIds::new(&[keyed(secret)]).case(&acme, &case).remove(0));
        let rotated = RoomIds::new(&[keyed("new"), keyed("old"), IdSecret::Unkeyed]);
        assert_eq!(rotated.case(&acme, &case), [new, old, RoomId::case(&acme, &case)]);
    }
}
