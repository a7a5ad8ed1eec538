//! Every swap, interrupted at every step, and continued or undone.

use std::sync::Mutex;

use super::machine::{Health, Node, Seen, Weights};
use super::*;
use crate::side::Side;

const TIMES: SwapTimes = SwapTimes {
    look: Duration::ZERO,
    hold: Duration::ZERO,
    patience: Duration::from_secs(5),
    call: Duration::from_secs(5),
};
/// More deeds than any swap has.
const DEEDS_MAX: usize = 40;

/// What the tests' world knows.
#[derive(Clone, Debug)]
struct State {
    seen: Seen,
    /// The deeds left until the one that fails; whether it has its effect nevertheless.
    interrupted: Option<(usize, bool)>,
    fails_smoke: bool,
    fails_hold: bool,
    tested: Vec<&'static str>,
}

struct Fake(Mutex<State>);

fn node(side: Side, number: usize, health: Health) -> Node {
    Node { id: format!("{side}-{number}"), side, health }
}

impl Fake {
    /// Blue serves with some nodes, green is beside it and not ready yet.
    fn new() -> Self {
        let blue = (1..=5).map(|number| node(Side::Blue, number, Health::Ready));
        let green = (1..=2).map(|number| node(Side::Green, number, Health::Unready));
        let nodes = blue.chain(green).collect();
        let seen = Seen { weights: Weights::to(Side::Blue, 100), sides: vec![Side::Blue, Side::Green], nodes };
        let state = State { seen, interrupted: None, fails_smoke: false, fails_hold: false, tested: Vec::new() };
        Self(Mutex::new(state))
    }

    fn with(change: impl FnOnce(&mut State)) -> Self {
        let fake = Self::new();
        change(&mut fake.0.lock().unwrap());
        fake
    }

    /// Carries a deed out, unless it is the one that fails; then checks that no client is lost by it.
    fn act(&self, deed: impl FnOnce(&mut State)) -> anyhow::Result<()> {
        let mut state = self.0.lock().unwrap();
        let interrupted = match &mut state.interrupted {
            Some((0, has_effect)) => Some(*has_effect),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if interrupted != Some(false) {
            deed(&mut state);
            check(&state.seen);
        }
        match interrupted {
            Some(_) => bail!("interrupted"),
            None => Ok(()),
        }
    }

    fn set(seen: &mut Seen, wanted: &Node, health: Health) {
        for node in seen.nodes.iter_mut().filter(|node| node.id == wanted.id) {
            node.health = health;
        }
    }

    fn seen(&self) -> Seen {
        self.0.lock().unwrap().seen.clone()
    }
}

/// Nobody is sent to a side that is not ready, and no node is taken out of one that gets clients.
fn check(seen: &Seen) {
    assert_eq!(seen.weights.blue + seen.weights.green, 100);
    for side in [Side::Blue, Side::Green] {
        if seen.weights.of(side) > 0 {
            assert!(seen.sides.contains(&side), "{seen:?}");
            let mut nodes = seen.nodes.iter().filter(|node| node.side == side);
            assert!(nodes.all(|node| node.health == Health::Ready), "{seen:?}");
        }
        if !seen.sides.contains(&side) {
            let mut nodes = seen.nodes.iter().filter(|node| node.side == side);
            assert!(nodes.all(|node| node.health == Health::Out), "it was ended with clients: {seen:?}");
        }
    }
}

impl World for Fake {
    async fn see(&self) -> anyhow::Result<Seen> {
        let mut state = self.0.lock().unwrap();
        let seen = state.seen.clone();
        // Time does the rest.
        for node in &mut state.seen.nodes {
            node.health = match node.health {
                Health::Unready => Health::Ready,
                Health::Draining => Health::Out,
                other => other,
            };
        }
        Ok(seen)
    }

    async fn set_weights(&self, weights: Weights) -> anyhow::Result<()> {
        self.act(|state| state.seen.weights = weights)
    }

    async fn take_out(&self, node: &Node) -> anyhow::Result<()> {
        self.act(|state| Self::set(&mut state.seen, node, Health::Draining))
    }

    async fn put_back(&self, node: &Node) -> anyhow::Result<()> {
        self.act(|state| Self::set(&mut state.seen, node, Health::Unready))
    }

    async fn smoke(&self, _: Side) -> anyhow::Result<()> {
        if self.0.lock().unwrap().fails_smoke {
            bail!("it does not work");
        }
        self.act(|state| state.tested.push("smoke"))
    }

    async fn hold(&self, _: Side, _: Duration) -> anyhow::Result<()> {
        let state = self.0.lock().unwrap().clone();
        assert_eq!(state.seen.weights, Weights::to(Side::Green, 10), "watched with a tenth");
        if state.fails_hold {
            bail!("it does not do well");
        }
        self.act(|state| state.tested.push("hold"))
    }

    async fn end(&self, side: Side) -> anyhow::Result<()> {
        self.act(|state| state.seen.sides.retain(|known| *known != side))
    }
}

const fn order(to: Side, is_back: bool) -> Order {
    Order { to, is_back, ends_other: !is_back }
}

async fn swap(fake: &Fake, order: Order) -> anyhow::Result<()> {
    run(fake, order, TIMES, &|_| {}).await
}

fn is_over(seen: &Seen, side: Side, is_ended: bool) -> bool {
    let others = seen.nodes.iter().filter(|node| node.side != side);
    seen.weights == Weights::to(side, 100)
        && others.into_iter().all(|node| node.health == Health::Out)
        && seen.sides.contains(&side.other()) != is_ended
}

#[tokio::test]
async fn everybody_goes_to_the_new_side_and_the_old_one_ends() {
    let fake = Fake::new();
    swap(&fake, order(Side::Green, false)).await.unwrap();
    assert!(is_over(&fake.seen(), Side::Green, true), "{:?}", fake.seen());
    assert_eq!(fake.0.lock().unwrap().tested, ["smoke", "hold"]);
    let refused = swap(&fake, order(Side::Blue, true)).await.unwrap_err().to_string();
    assert!(refused.contains("blue does not exist"), "{refused}");
}

#[tokio::test]
async fn a_swap_that_is_interrupted_anywhere_is_continued_by_the_same_command() {
    let mut interruptions = 0;
    for at in 0..DEEDS_MAX {
        for has_effect in [false, true] {
            let fake = Fake::with(|state| state.interrupted = Some((at, has_effect)));
            if swap(&fake, order(Side::Green, false)).await.is_err() {
                interruptions += 1;
                // A watch that fails goes back by itself; what failed then was an interruption again.
                fake.0.lock().unwrap().interrupted = None;
            }
            swap(&fake, order(Side::Green, false)).await.unwrap();
            assert!(is_over(&fake.seen(), Side::Green, true), "at {at}: {:?}", fake.seen());
        }
    }
    // The smoke test, a tenth, the watch, all, five drains, the end.
    assert_eq!(interruptions, 2 * 10);
}

#[tokio::test]
async fn a_swap_is_undone_from_every_step_until_the_old_side_is_ended() {
    let mut refusals = 0;
    for at in 0..DEEDS_MAX {
        for has_effect in [false, true] {
            let fake = Fake::with(|state| state.interrupted = Some((at, has_effect)));
            let _interrupted = swap(&fake, order(Side::Green, false)).await;
            fake.0.lock().unwrap().interrupted = None;
            let was_ended = !fake.seen().sides.contains(&Side::Blue);
            match swap(&fake, order(Side::Blue, true)).await {
                Ok(()) => assert!(is_over(&fake.seen(), Side::Blue, false), "at {at}: {:?}", fake.seen()),
                Err(_) => refusals += usize::from(was_ended),
            }
            assert_eq!(fake.seen().weights.of(Side::Green) > 0, was_ended, "at {at}");
        }
    }
    assert!(refusals > 0);
}

#[tokio::test]
async fn a_way_back_that_is_interrupted_is_continued() {
    for at in 0..DEEDS_MAX {
        let fake = Fake::with(|state| state.interrupted = Some((6, true)));
        assert!(swap(&fake, order(Side::Green, false)).await.is_err(), "two of blue are out");
        fake.0.lock().unwrap().interrupted = Some((at, false));
        let _interrupted = swap(&fake, order(Side::Blue, true)).await;
        fake.0.lock().unwrap().interrupted = None;
        swap(&fake, order(Side::Blue, true)).await.unwrap();
        assert!(is_over(&fake.seen(), Side::Blue, false), "at {at}: {:?}", fake.seen());
    }
}

#[tokio::test]
async fn a_side_that_fails_its_test_gets_nobody_and_one_that_fails_its_watch_loses_them() {
    let fake = Fake::with(|state| state.fails_smoke = true);
    assert!(swap(&fake, order(Side::Green, false)).await.is_err());
    assert_eq!(fake.seen().weights, Weights::to(Side::Blue, 100));
    let fake = Fake::with(|state| state.fails_hold = true);
    let error = swap(&fake, order(Side::Green, false)).await.unwrap_err().to_string();
    assert!(error.contains("everybody is on blue again"), "{error}");
    assert_eq!(fake.seen().weights, Weights::to(Side::Blue, 100));
}

#[test]
fn at_most_a_quarter_of_the_old_side_drains_at_once() {
    let mut seen = Fake::new().seen();
    seen.weights = Weights::to(Side::Green, 100);
    for node in seen.nodes.iter_mut().filter(|node| node.side == Side::Green) {
        node.health = Health::Ready;
    }
    let swap = machine::Swap::new(order(Side::Green, false));
    let Step::Drain(nodes) = swap.next(&seen) else { panic!("blue is to be drained") };
    assert_eq!(nodes.len(), 2);
    for node in &nodes {
        Fake::set(&mut seen, node, Health::Draining);
    }
    assert_eq!(swap.next(&seen), Step::AwaitEmpty(Side::Blue));
    Fake::set(&mut seen, &nodes[0], Health::Out);
    assert!(matches!(swap.next(&seen), Step::Drain(nodes) if nodes.len() == 1));
}
