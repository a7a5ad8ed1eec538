//! One subscriber connection: it carries out the operations of the subscriptions on its server, passes incoming
//! publications to the shards, and reconnects whenever it breaks.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::connection::{Connection, ConnectionError, Server};
use super::resp::Frame;
use super::subscriptions::{LinkId, Operation, Subscriptions, partition_of};

/// Interval at which the server is asked for its role, which also shows that it is there.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// The longest silence of the server.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Channels of one command; all are of one partition, that is one slot.
const CHANNELS_PER_COMMAND: usize = 256;
/// Channels whose confirmation is awaited: about 1 MiB of replies in the server's buffer.
const CHANNELS_IN_FLIGHT: usize = 8192;
/// Pause after a refusal or a lost slot, which keeps the load low on a cluster that is moving slots.
const REFUSED_PAUSE: Duration = Duration::from_millis(200);
const RECONNECT_FIRST: Duration = Duration::from_millis(50);
const RECONNECT_CEILING: Duration = Duration::from_secs(2);
/// Time after which a connection that breaks is made again at once.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// A confirmation or a publication for a shard.
#[derive(Debug)]
pub(in crate::fanout) enum Incoming {
    /// From here on all publications on the channel arrive. Repeated after every loss: publications may have been
    /// missed in between.
    Subscribed(Bytes),
    /// A publication.
    Published {
        /// Its channel.
        channel: Bytes,
        /// Its payload.
        payload: Bytes,
    },
}

/// An incoming item, with the time of its arrival.
#[derive(Debug)]
pub(in crate::fanout) struct Arrived {
    pub(in crate::fanout) incoming: Incoming,
    pub(in crate::fanout) at: Instant,
}

/// A subscriber connection that reconnects.
pub(in crate::fanout) struct Link {
    pub(in crate::fanout) id: LinkId,
    pub(in crate::fanout) server: Server,
    pub(in crate::fanout) subscriptions: Arc<Subscriptions>,
    /// Wakes it when it has operations.
    pub(in crate::fanout) wake: Arc<Notify>,
    /// The shards' inboxes; a partition's channels all go to one.
    pub(in crate::fanout) shards: Arc<[mpsc::Sender<Arrived>]>,
    /// Notified when the server does not seem to own its partitions any more.
    pub(in crate::fanout) stale: Arc<Notify>,
    /// Called whenever it came up or went down.
    pub(in crate::fanout) on_change: fn(&Subscriptions),
}

impl Link {
    /// Runs until it is cancelled.
    pub(in crate::fanout) async fn run(self) {
        let mut pause = RECONNECT_FIRST;
        loop {
            let error = match Connection::open(&self.server).await {
                Ok(connection) => {
                    tracing::info!(host = %self.server.host, port = self.server.port, "subscriber connected");
                    let since = Instant::now();
                    let has_channels = self.subscriptions.begin(self.id);
                    let Err(error) = Served::new(&self, connection).serve(has_channels).await;
                    // One that breaks soon again, as that of a node that is too slow does, is not made at once.
                    if since.elapsed() > STABLE_AFTER {
                        pause = RECONNECT_FIRST;
                    }
                    self.subscriptions.disconnected(self.id);
                    (self.on_change)(&self.subscriptions);
                    error
                }
                Err(error) => error,
            };
            self.stale.notify_one();
            tracing::warn!(host = %self.server.host, port = self.server.port, %error, "subscriber disconnected");
            sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(RECONNECT_CEILING);
        }
    }
}

/// A command that the server has not answered yet.
enum Awaited {
    Role,
    Subscription { subscribe: bool, channels: HashSet<Arc<str>> },
}

/// A connection while it is served.
struct Served<'a> {
    link: &'a Link,
    connection: Connection,
    awaited: VecDeque<Awaited>,
    in_flight: usize,
    has_more: bool,
    paused_until: Instant,
    last_heard: Instant,
    /// The server has given it a channel, or there is none to give.
    is_up: bool,
}

impl<'a> Served<'a> {
    fn new(link: &'a Link, connection: Connection) -> Self {
        Self {
            link,
            connection,
            awaited: VecDeque::new(),
            in_flight: 0,
            has_more: true,
            paused_until: Instant::now(),
            last_heard: Instant::now(),
            is_up: false,
        }
    }

    fn up(&mut self) {
        if !std::mem::replace(&mut self.is_up, true) {
            self.link.subscriptions.connected(self.link.id);
            (self.link.on_change)(&self.link.subscriptions);
        }
    }

    async fn serve(&mut self, has_channels: bool) -> Result<Infallible, ConnectionError> {
        if !has_channels {
            self.up();
        }
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_paused = Instant::now() < self.paused_until;
            if self.has_more && !is_paused && self.in_flight < CHANNELS_IN_FLIGHT {
                self.send_operations().await?;
            }
            tokio::select! {
                biased;
                // Before the frames: there may always be one, and unsubscribing is what makes them fewer.
                () = self.link.wake.notified() => self.has_more = true,
                () = sleep_until(self.paused_until), if self.has_more && is_paused => {}
                _ = ask.tick() => {
                    if self.last_heard.elapsed() > SILENCE_MAX {
                        return Err(ConnectionError::Timeout);
                    }
                    self.awaited.push_back(Awaited::Role);
                    self.connection.put(["INFO", "replication"].into_iter());
                    self.connection.flush().await?;
                }
                frame = self.connection.next() => {
                    self.take_in(frame?).await?;
                    self.last_heard = Instant::now();
                }
            }
        }
    }

    async fn send_operations(&mut self) -> Result<(), ConnectionError> {
        let max = CHANNELS_IN_FLIGHT - self.in_flight;
        let operations = self.link.subscriptions.take(self.link.id, max);
        self.has_more = operations.len() == max;
        self.in_flight += operations.len();
        for subscribe in [true, false] {
            let wanted: Vec<_> = operations.iter().filter(|operation| operation.subscribe == subscribe).collect();
            for group in wanted.chunk_by(|one, other| one.partition == other.partition) {
                group.chunks(CHANNELS_PER_COMMAND).for_each(|channels| self.put(subscribe, channels));
            }
        }
        self.connection.flush().await
    }

    fn put(&mut self, subscribe: bool, operations: &[&Operation]) {
        let mut words = vec![if subscribe { "SSUBSCRIBE" } else { "SUNSUBSCRIBE" }];
        words.extend(operations.iter().map(|operation| &*operation.channel));
        self.connection.put(words.into_iter());
        let channels = operations.iter().map(|operation| Arc::clone(&operation.channel)).collect();
        self.awaited.push_back(Awaited::Subscription { subscribe, channels });
    }

    async fn take_in(&mut self, frame: Frame) -> Result<(), ConnectionError> {
        match frame {
            Frame::Push(items) => self.pushed(items).await,
            // A user who may not ask is not told.
            Frame::Error(_) if matches!(self.awaited.front(), Some(Awaited::Role)) => drop(self.awaited.pop_front()),
            Frame::Error(text) => self.refused(&text)?,
            Frame::Text(text) if matches!(self.awaited.front(), Some(Awaited::Role)) => {
                self.awaited.pop_front();
                if is_replica(&text) {
                    return Err(ConnectionError::Replica);
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn pushed(&mut self, items: Vec<Frame>) {
        let mut items = items.into_iter();
        let (Some(Frame::Text(kind)), Some(Frame::Text(channel))) = (items.next(), items.next()) else {
            return;
        };
        match &*kind {
            b"smessage" => {
                if let Some(Frame::Text(payload)) = items.next() {
                    self.hand_over(Incoming::Published { channel, payload }).await;
                }
            }
            b"ssubscribe" => {
                self.confirmed(true, &channel);
                self.hand_over(Incoming::Subscribed(channel)).await;
            }
            b"sunsubscribe" => {
                self.confirmed(false, &channel);
                self.unsubscribed(&channel);
            }
            _ => {}
        }
    }

    fn confirmed(&mut self, subscribed: bool, channel: &[u8]) {
        self.up();
        let Some(Awaited::Subscription { subscribe, channels }) = self.awaited.front_mut() else {
            return;
        };
        let channel = std::str::from_utf8(channel).unwrap_or_default();
        if *subscribe == subscribed && channels.remove(channel) {
            self.in_flight -= 1;
            if channels.is_empty() {
                self.awaited.pop_front();
            }
        }
    }

    /// Either this node dropped the channel, or its slot moved.
    fn unsubscribed(&mut self, channel: &[u8]) {
        let channel = std::str::from_utf8(channel).unwrap_or_default();
        if self.link.subscriptions.is_wanted(channel) {
            self.again([Arc::from(channel)]);
        }
    }

    /// Channels that the user may not have will not come by asking again: the node is deaf, and not connected.
    fn refused(&mut self, text: &[u8]) -> Result<(), ConnectionError> {
        let text = String::from_utf8_lossy(text);
        if text.starts_with("NOPERM") {
            return Err(ConnectionError::Refused(text.into_owned()));
        }
        tracing::warn!(host = %self.link.server.host, port = self.link.server.port, error = %text, "subscriber refused");
        if let Some(Awaited::Subscription { subscribe, channels }) = self.awaited.pop_front() {
            self.in_flight -= channels.len();
            if subscribe {
                self.again(channels);
            }
        }
        Ok(())
    }

    fn again(&mut self, channels: impl IntoIterator<Item = Arc<str>>) {
        self.paused_until = Instant::now() + REFUSED_PAUSE;
        self.link.stale.notify_one();
        self.link.subscriptions.want_again(channels);
    }

    /// Waits for a shard that is behind; Redis waits too.
    async fn hand_over(&self, incoming: Incoming) {
        let (Incoming::Subscribed(channel) | Incoming::Published { channel, .. }) = &incoming;
        let Ok(channel) = std::str::from_utf8(channel) else {
            return;
        };
        let shard = &self.link.shards[partition_of(channel) % self.link.shards.len()];
        // A shard ends only with the node.
        let _ = shard.send(Arrived { incoming, at: Instant::now() }).await;
    }
}

/// True if a server says that it is a replica: behind one address, a new connection leads to the master.
fn is_replica(replication: &[u8]) -> bool {
    replication.split(|byte| *byte == b'\n').any(|line| line.trim_ascii() == b"role:slave")
}
