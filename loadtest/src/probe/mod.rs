//! A probe: two users who write to each other, one message at a time, as people outside would, for as long as one likes.
//!
//! | metric | what |
//! |---|---|
//! | `rts_probe_sent_total`, `…acked_total`, `…delivered_total`, `…late_total`, `…lost_total`, `…failed_total`, `…doubled_total` | messages |
//! | `rts_probe_connects_total`, `…connect_failures_total`, `…disconnects_total`, `…errors_total` | connections, calls answered with an error |
//! | `rts_probe_connected` | how many of the two are connected |
//! | `rts_probe_last_success_timestamp_seconds` | when a message was last received in time |
//! | `rts_probe_latency_seconds{kind}` | histogram of `ack` and `delivery`, from the intended time |
//!
//! Both connect, the first makes or finds their direct room, and from then on one message is due at each interval, from
//! one and the other in turn. A message that is not acknowledged is sent again with the same `clientId`; a connection
//! that ends is opened again, and resumes. So a rollout of new nodes costs a probe nothing but a little time, and what
//! it counts as lost or failed is what users lose.

mod figures;
mod ledger;
mod person;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rts_common::signalr::Protocol;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep};

use self::figures::{Count, Figures};
use self::ledger::{Deadlines, Ledger, PEOPLE, Receipt};
use self::person::{Person, wait_for};
use crate::connection::{Dialer, Tokens};
use crate::metrics;
use crate::require::Measures;
use crate::sync::lock;
use crate::wire::CreatedRoom;

/// The longest wait for the first connections. Then messages are due, connected or not.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// The interval between looks at what is open.
const STEP: Duration = Duration::from_millis(100);
/// Lines that are printed about what went wrong, in ten seconds.
const LINES_MAX: u32 = 10;
const LINES_EVERY: Duration = Duration::from_secs(10);

/// What a probe does.
#[derive(Debug)]
pub struct Orders {
    /// Opens its connections.
    pub dialer: Dialer,
    /// Its two users.
    pub tokens: Tokens,
    /// The hub protocol.
    pub protocol: Protocol,
    /// The interval between messages.
    pub every: Duration,
    /// Its duration; without one it ends on a signal.
    pub hold: Option<Duration>,
    /// The time to the other's receipt after which a message counts as late.
    pub late_after: Duration,
    /// The time after which a message has failed or is lost.
    pub lost_after: Duration,
    /// Serves the metrics.
    pub metrics: Option<TcpListener>,
}

/// True if a threshold may have this name.
pub fn is_measure(name: &str) -> bool {
    Figures::is_measure(name)
}

/// Runs a probe on the current thread, inside a `LocalSet`: until its time is over, or SIGINT or SIGTERM, and then until
/// every message has a verdict. A second signal ends it at once.
pub async fn run(orders: Orders) -> anyhow::Result<Measures> {
    let mut signals = Signals::new()?;
    let Orders { dialer, tokens, protocol, every, hold, late_after, lost_after, metrics } = orders;
    let figures = Arc::new(Mutex::new(Figures::new()));
    if let Some(listener) = metrics {
        let shown = Arc::clone(&figures);
        tokio::spawn(metrics::serve(listener, move || lock(&shown).render()));
    }
    let run = format!("probe-{:016x}", rand::random::<u64>());
    let deadlines = Deadlines { late: late_after, lost: lost_after };
    let shared = Rc::new(Shared {
        dialer,
        tokens,
        figures,
        ledger: RefCell::new(Ledger::new(run, deadlines)),
        people: (0..PEOPLE).map(|index| Rc::new(Person::new(index))).collect(),
        room: OnceCell::new(),
        lines: Cell::new((Instant::now(), 0)),
    });
    for person in &shared.people {
        tokio::task::spawn_local(Rc::clone(person).run(Rc::clone(&shared), protocol));
    }
    let load = async {
        // The time that the first connections take is not that of a message.
        wait_for(lost_after.min(FIRST_WAIT), || shared.people.iter().all(|person| person.is_up.get())).await;
        let begun = Instant::now();
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while hold.is_none_or(|hold| begun.elapsed() < hold) {
            ticks.tick().await;
            shared.due();
        }
    };
    tokio::select! {
        () = load => {}
        () = signals.any() => {}
    }
    let settled = async {
        while !shared.expire() {
            shared.wake();
            sleep(STEP.max(every / 4)).await;
        }
    };
    tokio::select! {
        () = settled => {}
        () = signals.any() => {}
    }
    let measures = lock(&shared.figures).measures();
    Ok(measures)
}

/// What the probe's tasks share.
struct Shared {
    dialer: Dialer,
    tokens: Tokens,
    figures: Arc<Mutex<Figures>>,
    ledger: RefCell<Ledger>,
    people: Vec<Rc<Person>>,
    room: OnceCell<CreatedRoom>,
    /// When lines were last counted from, and how many there were since.
    lines: Cell<(Instant, u32)>,
}

impl Shared {
    fn count(&self, count: Count) {
        lock(&self.figures).add(count);
    }

    fn connected(&self, change: i64) {
        let mut figures = lock(&self.figures);
        figures.connected = figures.connected.saturating_add_signed(change);
        drop(figures);
        self.wake();
    }

    fn are_both_connected(&self) -> bool {
        lock(&self.figures).connected == PEOPLE as u64
    }

    fn room(&self) -> Option<&CreatedRoom> {
        self.room.get()
    }

    fn set_room(&self, room: CreatedRoom) {
        let _made_before = self.room.set(room);
        self.wake();
    }

    fn wake(&self) {
        for person in &self.people {
            person.wake.notify_one();
        }
    }

    /// A message is due; what is open for too long is given up.
    fn due(&self) {
        self.expire();
        self.ledger.borrow_mut().due(Instant::now(), &mut lock(&self.figures));
        self.wake();
    }

    fn expire(&self) -> bool {
        self.ledger.borrow_mut().expire(Instant::now(), &mut lock(&self.figures))
    }

    fn unacked(&self, user: usize) -> Vec<(u64, String)> {
        let ledger = self.ledger.borrow();
        ledger.unacked(user).into_iter().map(|number| (number, ledger.client_id(number))).collect()
    }

    fn acked(&self, number: u64) {
        self.ledger.borrow_mut().acked(number, Instant::now(), &mut lock(&self.figures));
    }

    fn refused(&self, number: u64) {
        self.ledger.borrow_mut().refused(number, &mut lock(&self.figures));
    }

    fn heard(&self, user: usize, client_id: &str, seq: u64) {
        let receipt = Receipt { user, client_id, seq };
        self.ledger.borrow_mut().heard(receipt, Instant::now(), &mut lock(&self.figures));
    }

    /// Prints what went wrong, but not every second of a long outage.
    fn tell(&self, text: &str) {
        let (since, lines) = self.lines.get();
        let (since, lines) = if since.elapsed() > LINES_EVERY { (Instant::now(), 0) } else { (since, lines) };
        if lines < LINES_MAX {
            eprintln!("{text}");
        }
        self.lines.set((since, lines.saturating_add(1)));
    }
}

/// The signals that end a probe.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
