//! The channels that this node wants, and the server of each.
//!
//! Shards set the channels that they want and never wait; links take their operations. Wanting a channel again
//! subscribes again, which Redis confirms again: the shard gets the confirmation.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use rts_common::redis::keys::{self, PARTITIONS};
use tokio::sync::Notify;

/// Returns the partition that a channel of the fan-out belongs to.
pub(in crate::fanout) fn partition_of(channel: &str) -> usize {
    // A partition's tag hashes into its own neighbouring slots.
    usize::from(keys::slot_of(channel)) * PARTITIONS / 16_384
}

/// One link to a server.
pub(in crate::fanout) type LinkId = u64;

/// An operation of a link: subscribe to a channel, or drop it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fanout) struct Operation {
    pub(in crate::fanout) partition: usize,
    pub(in crate::fanout) channel: Arc<str>,
    pub(in crate::fanout) subscribe: bool,
}

/// The channels wanted, by partition, and the operations of the links. Memory: about 150 bytes a channel.
#[derive(Default)]
pub(in crate::fanout) struct Subscriptions {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wanted: HashMap<usize, HashSet<Arc<str>>>,
    routes: HashMap<usize, LinkId>,
    links: HashMap<LinkId, Link>,
    links_made: LinkId,
}

#[derive(Default)]
struct Link {
    to_do: BTreeMap<(usize, Arc<str>), bool>,
    wake: Arc<Notify>,
    is_connected: bool,
}

impl Link {
    fn put(&mut self, partition: usize, channel: Arc<str>, subscribe: bool) {
        self.to_do.insert((partition, channel), subscribe);
        self.wake.notify_one();
    }
}

impl Subscriptions {
    /// Subscribes to a channel, also if it is subscribed already.
    pub(in crate::fanout) fn want(&self, channel: &Arc<str>) {
        let partition = partition_of(channel);
        let mut state = self.state();
        state.wanted.entry(partition).or_default().insert(Arc::clone(channel));
        state.put(partition, channel, true);
    }

    pub(in crate::fanout) fn drop_channel(&self, channel: &Arc<str>) {
        let partition = partition_of(channel);
        let mut state = self.state();
        if let Some(wanted) = state.wanted.get_mut(&partition) {
            wanted.remove(channel);
        }
        state.put(partition, channel, false);
    }

    /// Subscribes again to those of `channels` that are still wanted, at their current servers.
    pub(in crate::fanout) fn want_again(&self, channels: impl IntoIterator<Item = Arc<str>>) {
        let mut state = self.state();
        for channel in channels {
            let partition = partition_of(&channel);
            if state.is_wanted(partition, &channel) {
                state.put(partition, &channel, true);
            }
        }
    }

    /// True if a channel is wanted.
    pub(in crate::fanout) fn is_wanted(&self, channel: &str) -> bool {
        self.state().is_wanted(partition_of(channel), channel)
    }

    /// Adds a link; returns its id and its waker.
    pub(in crate::fanout) fn add_link(&self) -> (LinkId, Arc<Notify>) {
        let mut state = self.state();
        state.links_made += 1;
        let id = state.links_made;
        let link = Link::default();
        let wake = Arc::clone(&link.wake);
        state.links.insert(id, link);
        (id, wake)
    }

    pub(in crate::fanout) fn remove_link(&self, id: LinkId) {
        let mut state = self.state();
        state.links.remove(&id);
        state.routes.retain(|_, link| *link != id);
    }

    /// Assigns each partition's channels to its link; those of a partition that moved are dropped at the old link and
    /// subscribed at the new one.
    pub(in crate::fanout) fn route(&self, routes: HashMap<usize, LinkId>) {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.routes, routes);
        for partition in 0..PARTITIONS {
            let (old, new) = (before.get(&partition), state.routes.get(&partition).copied());
            if old.copied() == new {
                continue;
            }
            let channels: Vec<_> = state.wanted.get(&partition).into_iter().flatten().cloned().collect();
            for channel in channels {
                if let Some(link) = old.and_then(|id| state.links.get_mut(id)) {
                    link.put(partition, Arc::clone(&channel), false);
                }
                state.put(partition, &channel, true);
            }
        }
    }

    /// Notes that a link has a new connection: all of its channels have to be subscribed. Returns true if it has any.
    pub(in crate::fanout) fn begin(&self, id: LinkId) -> bool {
        let mut state = self.state();
        let channels: BTreeMap<_, _> = state
            .routes
            .iter()
            .filter(|(_, link)| **link == id)
            .filter_map(|(partition, _)| Some((*partition, state.wanted.get(partition)?)))
            .flat_map(|(partition, wanted)| wanted.iter().map(move |channel| ((partition, Arc::clone(channel)), true)))
            .collect();
        let has_channels = !channels.is_empty();
        if let Some(link) = state.links.get_mut(&id) {
            link.to_do = channels;
        }
        has_channels
    }

    /// Notes that a link came up: its server gives it channels.
    pub(in crate::fanout) fn connected(&self, id: LinkId) {
        if let Some(link) = self.state().links.get_mut(&id) {
            link.is_connected = true;
        }
    }

    /// Notes that a link broke.
    pub(in crate::fanout) fn disconnected(&self, id: LinkId) {
        if let Some(link) = self.state().links.get_mut(&id) {
            link.is_connected = false;
        }
    }

    /// True if every partition has a link that is up.
    pub(in crate::fanout) fn is_connected(&self) -> bool {
        self.connected_partitions() == PARTITIONS
    }

    /// True if at least half of the partitions have a link that is up: without one master, the rooms of the others are
    /// served.
    pub(in crate::fanout) fn is_mostly_connected(&self) -> bool {
        self.connected_partitions() * 2 >= PARTITIONS
    }

    fn connected_partitions(&self) -> usize {
        let state = self.state();
        let link_of = |partition| state.links.get(state.routes.get(&partition)?);
        (0..PARTITIONS).filter_map(link_of).filter(|link| link.is_connected).count()
    }

    /// Takes the next operations of a link, all of one partition.
    pub(in crate::fanout) fn take(&self, id: LinkId, max: usize) -> Vec<Operation> {
        let mut state = self.state();
        let Some(link) = state.links.get_mut(&id) else {
            return Vec::new();
        };
        std::iter::from_fn(|| link.to_do.pop_first())
            .take(max)
            .map(|((partition, channel), subscribe)| Operation { partition, channel, subscribe })
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn put(&mut self, partition: usize, channel: &Arc<str>, subscribe: bool) {
        let link = self.routes.get(&partition).and_then(|id| self.links.get_mut(id));
        // Without a route, the channel is subscribed when there is one.
        if let Some(link) = link {
            link.put(partition, Arc::clone(channel), subscribe);
        }
    }

    fn is_wanted(&self, partition: usize, channel: &str) -> bool {
        self.wanted.get(&partition).is_some_and(|wanted| wanted.contains(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rts_common::ids::RoomId;
    use rts_common::redis::keys::Partition;

    fn channel() -> Arc<str> {
        keys::room_channel(&RoomId::new_group()).into()
    }

    fn everywhere(link: LinkId) -> HashMap<usize, LinkId> {
        (0..PARTITIONS).map(|partition| (partition, link)).collect()
    }

    fn done(subscriptions: &Subscriptions, link: LinkId) -> Vec<(Arc<str>, bool)> {
        let operations = subscriptions.take(link, usize::MAX);
        operations.into_iter().map(|each| (each.channel, each.subscribe)).collect()
    }

    #[test]
    fn a_channel_is_in_its_rooms_partition() {
        for _ in 0..100 {
            let room = RoomId::new_group();
            assert_eq!(partition_of(&keys::room_channel(&room)), Partition::of_room(&room).index());
        }
    }

    #[test]
    fn wanted_channels_wait_for_a_route_and_are_subscribed_on_every_connection() {
        let subscriptions = Subscriptions::default();
        let (one, two) = (channel(), channel());
        subscriptions.want(&one);
        let (link, _) = subscriptions.add_link();
        subscriptions.route(everywhere(link));
        assert_eq!(done(&subscriptions, link), [(Arc::clone(&one), true)]);
        assert!(!subscriptions.is_connected());
        subscriptions.want(&two);
        subscriptions.drop_channel(&one);
        assert!(subscriptions.begin(link));
        subscriptions.connected(link);
        assert_eq!(done(&subscriptions, link), [(two, true)]);
        assert!(subscriptions.is_connected() && !subscriptions.is_wanted(&one));
        subscriptions.disconnected(link);
        assert!(!subscriptions.is_connected());
    }

    #[test]
    fn a_partition_that_moves_takes_its_channels_along() {
        let subscriptions = Subscriptions::default();
        let (old, _) = subscriptions.add_link();
        let (new, _) = subscriptions.add_link();
        subscriptions.route(everywhere(old));
        let (moving, staying) = (channel(), channel());
        subscriptions.want(&moving);
        subscriptions.want(&staying);
        assert_eq!(done(&subscriptions, old).len(), 2);
        let mut routes = everywhere(old);
        routes.insert(partition_of(&moving), new);
        subscriptions.route(routes);
        let moves_both = partition_of(&moving) == partition_of(&staying);
        if !moves_both {
            assert_eq!(done(&subscriptions, old), [(Arc::clone(&moving), false)]);
            assert_eq!(done(&subscriptions, new), [(Arc::clone(&moving), true)]);
        }
        subscriptions.remove_link(new);
        subscriptions.want_again([Arc::clone(&moving)]);
        assert!(done(&subscriptions, new).is_empty());
        subscriptions.route(everywhere(old));
        assert!(done(&subscriptions, old).contains(&(moving, true)));
    }

    #[test]
    fn the_last_operation_of_a_channel_wins() {
        let subscriptions = Subscriptions::default();
        let (link, _) = subscriptions.add_link();
        subscriptions.route(everywhere(link));
        let channel = channel();
        subscriptions.want(&channel);
        subscriptions.drop_channel(&channel);
        subscriptions.want(&channel);
        assert_eq!(done(&subscriptions, link), [(Arc::clone(&channel), true)]);
        subscriptions.want_again([channel]);
        assert_eq!(subscriptions.take(link, 5).len(), 1);
    }
}
