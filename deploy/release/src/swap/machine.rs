//! What a swap does next, as a function of what is seen. It asks nobody, waits for nothing, and remembers only what cannot be
//! seen: that the new side was tested, and that a tenth of the clients was watched. Whoever starts again repeats these two.

use std::fmt;

use crate::side::Side;

/// The share of new connections that the new side gets first, of a hundred.
const FIRST: u32 = 10;
/// One of so many nodes of the old side drains at the same time: the others still carry the rest.
const DRAINED_AT_ONCE: usize = 4;

/// The shares of new connections, of a hundred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// That of blue.
    pub blue: u32,
    /// That of green.
    pub green: u32,
}

impl Weights {
    /// Gives a side so much of a hundred, and the other one the rest.
    pub fn to(side: Side, share: u32) -> Self {
        match side {
            Side::Blue => Self { blue: share, green: 100 - share },
            Side::Green => Self { blue: 100 - share, green: share },
        }
    }

    /// Returns the share of a side.
    pub fn of(self, side: Side) -> u32 {
        match side {
            Side::Blue => self.blue,
            Side::Green => self.green,
        }
    }

    /// True if a side gets all new connections.
    fn is_all(self, side: Side) -> bool {
        self.of(side) > 0 && self.of(side.other()) == 0
    }
}

/// The state of a node behind the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is registered and takes clients.
    Ready,
    /// It is registered and not ready, or not yet.
    Unready,
    /// It was taken out and still has clients.
    Draining,
    /// It was taken out and has no clients.
    Out,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The balancer's name for it.
    pub id: String,
    /// Its environment.
    pub side: Side,
    /// Its state.
    pub health: Health,
}

/// What is seen of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The shares of new connections.
    pub weights: Weights,
    /// The environments that exist.
    pub sides: Vec<Side>,
    /// All their nodes.
    pub nodes: Vec<Node>,
}

impl Seen {
    fn nodes_of(&self, side: Side) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.side == side)
    }
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where all clients shall be.
    pub to: Side,
    /// True to undo a swap: at once, without a test and without a tenth.
    pub is_back: bool,
    /// True to end the environment that nobody is on any more.
    pub ends_other: bool,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing can be done.
    Refuse(String),
    /// A node that was taken out is registered again.
    Return(Node),
    /// All nodes of a side become ready.
    AwaitReady(Side),
    /// The new side is tested before it gets clients.
    Smoke(Side),
    /// The balancer gets other weights.
    SetWeights(Weights),
    /// The new side is watched with a few clients.
    Hold(Side),
    /// Nodes are taken out, and drain.
    Drain(Vec<Node>),
    /// Nodes that drain have no clients any more.
    AwaitEmpty(Side),
    /// An environment is ended.
    End(Side),
    /// All clients are where they shall be.
    Done,
    /// The new side failed while it was watched, and everybody is back on this one.
    Stopped(Side),
}

impl Step {
    /// True if time is all that it takes.
    pub fn is_wait(&self) -> bool {
        matches!(self, Self::AwaitReady(_) | Self::AwaitEmpty(_))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse(reason) => f.write_str(reason),
            Self::Return(node) => write!(f, "{} of {} is registered again", node.id, node.side),
            Self::AwaitReady(side) => write!(f, "waiting until {side} is ready"),
            Self::Smoke(side) => write!(f, "testing {side}"),
            Self::SetWeights(Weights { blue, green }) => write!(f, "new clients: blue {blue} %, green {green} %"),
            Self::Hold(side) => write!(f, "watching {side}"),
            Self::Drain(nodes) => {
                let ids: Vec<_> = nodes.iter().map(|node| node.id.as_str()).collect();
                write!(f, "draining {}", ids.join(", "))
            }
            Self::AwaitEmpty(side) => write!(f, "waiting until they have no sockets: {side}"),
            Self::End(side) => write!(f, "ending {side}"),
            Self::Done => f.write_str("done"),
            Self::Stopped(side) => write!(f, "everybody is on {side}"),
        }
    }
}

/// A swap under way.
#[derive(Clone, Debug)]
pub struct Swap {
    order: Order,
    is_smoked: bool,
    is_held: bool,
    has_given_up: bool,
}

impl Swap {
    /// Begins a swap, or continues one.
    pub fn new(order: Order) -> Self {
        Self { order, is_smoked: order.is_back, is_held: order.is_back, has_given_up: false }
    }

    /// Notes that the new side passed its test.
    pub fn smoked(&mut self) {
        self.is_smoked = true;
    }

    /// Notes that the new side did well with a few clients.
    pub fn held(&mut self) {
        self.is_held = true;
    }

    /// Notes that it did not: nobody stays on it.
    pub fn give_up(&mut self) {
        self.has_given_up = true;
    }

    /// Returns what to do now.
    pub fn next(&self, seen: &Seen) -> Step {
        let (to, from) = (self.order.to, self.order.to.other());
        if self.has_given_up {
            return if seen.weights.is_all(from) {
                Step::Stopped(from)
            } else {
                Step::SetWeights(Weights::to(from, 100))
            };
        }
        if !seen.sides.contains(&to) || seen.nodes_of(to).next().is_none() {
            return Step::Refuse(format!("{to} does not exist, or has no nodes: deploy it first"));
        }
        // Nodes that a swap in the other direction took out serve again, before anybody is sent to them.
        let is_out = |node: &&Node| matches!(node.health, Health::Draining | Health::Out);
        if let Some(node) = seen.nodes_of(to).find(is_out) {
            return Step::Return(node.clone());
        }
        if seen.nodes_of(to).any(|node| node.health != Health::Ready) {
            return Step::AwaitReady(to);
        }
        if seen.weights.is_all(to) {
            return self.empty(seen, from);
        }
        if !self.is_smoked {
            return Step::Smoke(to);
        }
        // Where nobody serves yet there is nothing to be careful about.
        if self.is_held || seen.weights.of(from) == 0 {
            return Step::SetWeights(Weights::to(to, 100));
        }
        if seen.weights.of(to) == 0 {
            return Step::SetWeights(Weights::to(to, FIRST));
        }
        Step::Hold(to)
    }

    /// Takes the rest of the old side's clients away.
    fn empty(&self, seen: &Seen, from: Side) -> Step {
        let of =
            |wanted: &[Health]| seen.nodes_of(from).filter(|node| wanted.contains(&node.health)).cloned().collect();
        let (registered, draining): (Vec<_>, Vec<_>) = (of(&[Health::Ready, Health::Unready]), of(&[Health::Draining]));
        let at_once = seen.nodes_of(from).count().div_ceil(DRAINED_AT_ONCE);
        let free = at_once.saturating_sub(draining.len());
        if free > 0 && !registered.is_empty() {
            return Step::Drain(registered.into_iter().take(free).collect());
        }
        if !draining.is_empty() {
            return Step::AwaitEmpty(from);
        }
        if self.order.ends_other && seen.sides.contains(&from) { Step::End(from) } else { Step::Done }
    }
}
