//! The users and rooms of a run.

use rand::seq::index::sample;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::file::{Scenario, Shape};
use crate::checker::Slot;

/// The users and rooms of a run. The same scenario and seed give the same world.
#[derive(Clone, Debug)]
pub struct World {
    /// Every room.
    pub rooms: Vec<RoomPlan>,
    /// Each user's rooms, ordered by room.
    pub memberships: Vec<Vec<Membership>>,
}

/// One room.
#[derive(Clone, Debug)]
pub struct RoomPlan {
    /// Its members; the first one creates it. A member's index here is its [`Slot`].
    pub members: Vec<u32>,
    /// True for a direct room, which creating twice does not double.
    pub direct: bool,
    /// The relative frequency with which it is chosen for a message.
    pub weight: f64,
}

/// One room of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The room's number.
    pub room: u32,
    /// The user's slot in it.
    pub slot: Slot,
}

impl World {
    /// Makes the rooms of a scenario.
    pub fn new(scenario: &Scenario, seed: u64) -> anyhow::Result<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let users = scenario.users;
        let members = match scenario.rooms.shape {
            Shape::Pairs => pairs(users, scenario.rooms.count, &mut rng)?,
            Shape::Groups => groups(users, scenario.rooms.size, scenario.rooms.count, &mut rng)?,
            Shape::One => {
                anyhow::ensure!(users <= 1000, "one room has at most 1000 members");
                vec![(0..narrow(users)).collect()]
            }
        };
        let rooms: Vec<_> = members
            .into_iter()
            .enumerate()
            .map(|(rank, members)| RoomPlan {
                members,
                direct: scenario.rooms.shape == Shape::Pairs,
                weight: ((rank + 1) as f64).powf(-scenario.rooms.zipf),
            })
            .collect();
        let mut memberships = vec![Vec::new(); users];
        for (room, plan) in (0_u32..).zip(&rooms) {
            for (slot, &user) in (0_u32..).zip(&plan.members) {
                memberships[user as usize].push(Membership { room, slot });
            }
        }
        Ok(Self { rooms, memberships })
    }

    /// Returns the index of a room among a user's memberships.
    pub fn place(&self, user: usize, room: u32) -> Option<usize> {
        self.memberships[user].binary_search_by_key(&room, |membership| membership.room).ok()
    }

    /// Returns a user's slot in a room.
    pub fn slot(&self, user: usize, room: u32) -> Option<Slot> {
        self.place(user, room).map(|place| self.memberships[user][place].slot)
    }
}

/// Returns pairs of neighbours, and random ones if more pairs are requested than users have neighbours.
fn pairs(users: usize, count: usize, rng: &mut StdRng) -> anyhow::Result<Vec<Vec<u32>>> {
    anyhow::ensure!(users >= 2, "a pair needs two users");
    let count = if count == 0 { users / 2 } else { count };
    anyhow::ensure!(count <= users * (users - 1) / 2, "{users} users make fewer than {count} pairs");
    let mut seen = std::collections::BTreeSet::new();
    for pair in 0..count.min(users / 2) {
        seen.insert((narrow(2 * pair), narrow(2 * pair + 1)));
    }
    while seen.len() < count {
        let (a, b) = (rng.random_range(0..narrow(users)), rng.random_range(0..narrow(users)));
        if a != b {
            seen.insert((a.min(b), a.max(b)));
        }
    }
    Ok(seen.into_iter().map(|(a, b)| vec![a, b]).collect())
}

/// Returns groups of consecutive users, each user in one; or of random members if a number of groups is given.
fn groups(users: usize, size: usize, count: usize, rng: &mut StdRng) -> anyhow::Result<Vec<Vec<u32>>> {
    anyhow::ensure!(size <= users, "a group of {size} needs as many users, but there are {users}");
    if count == 0 {
        let all: Vec<u32> = (0..narrow(users)).collect();
        return Ok(all.chunks(size).map(<[u32]>::to_vec).collect());
    }
    let group = |_| sample(rng, users, size).into_iter().map(narrow).collect();
    Ok((0..count).map(group).collect())
}

fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than four billion users")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(text: &str) -> World {
        World::new(&Scenario::parse(&format!("name = \"x\"\n{text}")).unwrap(), 7).unwrap()
    }

    #[test]
    fn every_shape_has_its_rooms() {
        let pairs = world("users = 10\nrooms.shape = \"pairs\"\nrooms.count = 12");
        assert_eq!(pairs.rooms.len(), 12);
        assert!(pairs.rooms.iter().all(|room| room.direct && room.members.len() == 2));
        let groups = world("users = 50\nrooms.size = 20");
        let sizes: Vec<_> = groups.rooms.iter().map(|room| room.members.len()).collect();
        assert_eq!(sizes, [20, 20, 10]);
        let one = world("users = 50\nrooms.shape = \"one\"");
        assert_eq!(one.rooms[0].members.len(), 50);
    }

    #[test]
    fn members_know_their_places_and_popular_rooms_come_first() {
        let world = world("users = 100\nrooms.size = 20\nrooms.count = 30\nrooms.zipf = 1.0");
        for (room, plan) in (0..).zip(&world.rooms) {
            for (slot, &user) in (0..).zip(&plan.members) {
                assert_eq!(world.slot(user as usize, room), Some(slot));
            }
        }
        assert!((world.rooms[0].weight / world.rooms[9].weight - 10.0).abs() < 1e-9);
    }
}
