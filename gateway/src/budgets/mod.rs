//! Budgets: what the calls of a user may cost, over all nodes together.
//!
//! A budget is a token bucket, kept as the moment when it would be full again. Each node has its own view of a user's
//! buckets, so that a call waits for nobody. Once a user has spent an eighth of a burst since the last report, the node
//! reports that to Redis, beside the call, and learns what they have spent everywhere. So Redis gets a small script for
//! every few calls of a busy user, and for the others one when they connect; a user on several nodes exceeds a budget only
//! by what was not reported yet, and pays it back: views may be in debt. Where a node knows that there are others, it gives
//! no more than its share of a burst between two reports; a user's next node gives less at first, until the others can know of it.
//!
//! | who fails | what a user may spend |
//! |---|---|
//! | Redis | a whole budget on each node; what was spent is reported later |
//! | Redis, without its data | one burst more |
//! | a node | what it had not reported, at most an eighth of a burst or so |
//! | the reports of a node, because there are too many | a budget on that node |

mod account;
mod report;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rts_common::ids::Person;
use rts_common::limits;
use rts_common::redis::Redis;
use tokio::sync::mpsc;

use self::account::Account;
use crate::lifecycle::Lifecycle;
use crate::metrics::Limit;

/// Accounts above which those with whole budgets are removed, at most once a second; about 300 bytes each.
const SWEEP_ABOVE: usize = 10_000;
/// The time between two such sweeps.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);
/// Users that may wait for their report; beyond it, they are reported with a later call. A hundred bytes each.
const REPORTS_MAX: usize = 4096;

/// What a call is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// New messages, edits, deletions and reactions.
    Messages,
    /// Marks and signs of typing.
    Marks,
    /// Reads of rooms and histories, by what they read.
    Reads,
    /// Rooms made or looked for.
    Rooms,
    /// Other changes of rooms.
    RoomChanges,
    /// People put into rooms.
    Members,
    /// Uploads begun.
    Uploads,
    /// URLs of files.
    Files,
    /// Searches in messages.
    Searches,
    /// Calls about other users.
    People,
    /// Connections begun.
    Connects,
}

impl Budget {
    /// Every budget.
    pub const ALL: [Self; 11] = [
        Self::Messages,
        Self::Marks,
        Self::Reads,
        Self::Rooms,
        Self::RoomChanges,
        Self::Members,
        Self::Uploads,
        Self::Files,
        Self::Searches,
        Self::People,
        Self::Connects,
    ];

    /// Returns the label of its refusals in metrics, which is also its name in Redis.
    pub const fn limit(self) -> Limit {
        match self {
            Self::Messages => Limit::Messages,
            Self::Marks => Limit::Marks,
            Self::Reads => Limit::Reads,
            Self::Rooms => Limit::Rooms,
            Self::RoomChanges => Limit::RoomChanges,
            Self::Members => Limit::Members,
            Self::Uploads => Limit::Uploads,
            Self::Files => Limit::Files,
            Self::Searches => Limit::Searches,
            Self::People => Limit::People,
            Self::Connects => Limit::Connects,
        }
    }

    /// Returns the names of the variables of its rate and its burst.
    pub const fn variables(self) -> (&'static str, &'static str) {
        match self {
            Self::Messages => ("RTS_LIMIT_SEND_RATE", "RTS_LIMIT_SEND_BURST"),
            Self::Marks => ("RTS_LIMIT_MARK_RATE", "RTS_LIMIT_MARK_BURST"),
            Self::Reads => ("RTS_LIMIT_READ_RATE", "RTS_LIMIT_READ_BURST"),
            Self::Rooms => ("RTS_LIMIT_ROOM_RATE", "RTS_LIMIT_ROOM_BURST"),
            Self::RoomChanges => ("RTS_LIMIT_ROOM_CHANGE_RATE", "RTS_LIMIT_ROOM_CHANGE_BURST"),
            Self::Members => ("RTS_LIMIT_MEMBER_RATE", "RTS_LIMIT_MEMBER_BURST"),
            Self::Uploads => ("RTS_LIMIT_UPLOAD_RATE", "RTS_LIMIT_UPLOAD_BURST"),
            Self::Files => ("RTS_LIMIT_FILE_RATE", "RTS_LIMIT_FILE_BURST"),
            Self::Searches => ("RTS_LIMIT_SEARCH_RATE", "RTS_LIMIT_SEARCH_BURST"),
            Self::People => ("RTS_LIMIT_PEOPLE_RATE", "RTS_LIMIT_PEOPLE_BURST"),
            Self::Connects => ("RTS_LIMIT_CONNECT_RATE", "RTS_LIMIT_CONNECT_BURST"),
        }
    }

    /// Returns its rate if the deployment says nothing.
    pub const fn default_rate(self) -> Rate {
        let (per_second, burst) = match self {
            Self::Messages => (limits::SEND_RATE, limits::SEND_BURST),
            Self::Marks => (limits::MARK_RATE, limits::MARK_BURST),
            Self::Reads => (limits::READ_RATE, limits::READ_BURST),
            Self::Rooms => (limits::ROOM_RATE, limits::ROOM_BURST),
            Self::RoomChanges => (limits::ROOM_CHANGE_RATE, limits::ROOM_CHANGE_BURST),
            Self::Members => (limits::MEMBER_RATE, limits::MEMBER_BURST),
            Self::Uploads => (limits::UPLOAD_RATE, limits::UPLOAD_BURST),
            Self::Files => (limits::FILE_RATE, limits::FILE_BURST),
            Self::Searches => (limits::SEARCH_RATE, limits::SEARCH_BURST),
            Self::People => (limits::PEOPLE_RATE, limits::PEOPLE_BURST),
            Self::Connects => (limits::CONNECT_RATE, limits::CONNECT_BURST),
        };
        Rate { per_second, burst }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What a budget gains each second, and the most that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What it gains each second; at least 1.
    pub per_second: u32,
    /// The most that it holds; at least 1.
    pub burst: u32,
}

impl Rate {
    /// Returns the time in which the budget gains this much.
    fn time_of(self, weight: u32) -> Duration {
        Duration::from_secs(1) * weight / self.per_second
    }
}

/// The rates of all budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates([Rate; Budget::ALL.len()]);

impl Rates {
    /// Returns the rates that this function gives.
    pub fn of(rate: impl FnMut(Budget) -> Rate) -> Self {
        Self(Budget::ALL.map(rate))
    }

    /// Returns the rate of a budget.
    pub fn get(&self, budget: Budget) -> Rate {
        self.0[budget.index()]
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self::of(Budget::default_rate)
    }
}

/// The budgets of all users, as this node sees them.
pub struct Budgets {
    rates: Rates,
    accounts: Mutex<Accounts>,
    /// Those whose account is to be reported.
    reports: Option<mpsc::Sender<Person>>,
    redis: Option<Arc<Redis>>,
}

#[derive(Default)]
struct Accounts {
    of: HashMap<Person, Account>,
    swept_at: Option<Instant>,
}

impl Budgets {
    /// Returns budgets that are shared with the other nodes through Redis.
    pub fn start(rates: Rates, redis: &Arc<Redis>, lifecycle: &Lifecycle) -> Arc<Self> {
        let (sender, receiver) = mpsc::channel(REPORTS_MAX);
        let redis = Some(Arc::clone(redis));
        let budgets = Arc::new(Self { rates, accounts: Mutex::default(), reports: Some(sender), redis });
        let reporting = report::run(Arc::clone(&budgets), receiver);
        lifecycle.spawn_critical("budgets", reporting);
        budgets
    }

    /// Returns budgets of this node alone.
    pub fn alone(rates: Rates) -> Arc<Self> {
        Arc::new(Self { rates, accounts: Mutex::default(), reports: None, redis: None })
    }

    /// Takes from a budget, or returns the time until it has as much. What is more than it can ever hold takes all.
    pub fn take(&self, person: &Person, budget: Budget, weight: usize) -> Result<(), Duration> {
        self.take_at(person, budget, weight, Instant::now())
    }

    fn take_at(&self, person: &Person, budget: Budget, weight: usize, now: Instant) -> Result<(), Duration> {
        let rate = self.rates.get(budget);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).min(rate.burst);
        self.with(person, now, |account| account.take(budget, rate, weight, now))
    }

    /// Charges a budget for what a call turned out to cost; it may be in debt afterwards.
    pub fn charge(&self, person: &Person, budget: Budget, weight: usize) {
        let now = Instant::now();
        let rate = self.rates.get(budget);
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).min(rate.burst);
        if weight > 0 {
            self.with(person, now, |account| account.charge(budget, rate, weight, now));
        }
    }

    /// Takes one of a budget; it is given back unless it is used.
    pub fn token(self: &Arc<Self>, person: &Person, budget: Budget) -> Result<BudgetToken, Duration> {
        self.take(person, budget, 1)?;
        Ok(BudgetToken { budgets: Arc::clone(self), person: person.clone(), budget, is_used: false })
    }

    fn with<T>(&self, person: &Person, now: Instant, act: impl FnOnce(&mut Account) -> T) -> T {
        let mut accounts = self.lock();
        accounts.sweep(now);
        let account = accounts.of.entry(person.clone()).or_default();
        let done = act(account);
        if let Some(reports) = &self.reports
            && account.is_to_be_reported(&self.rates)
            && reports.try_send(person.clone()).is_ok()
        {
            account.await_report();
        }
        done
    }

    fn give_back(&self, person: &Person, budget: Budget) {
        if let Some(account) = self.lock().of.get_mut(person) {
            account.give_back(budget, self.rates.get(budget).time_of(1));
        }
    }

    /// Returns what a user has spent here since the last report, and begins anew.
    fn begin_report(&self, person: &Person) -> Vec<(Budget, Duration)> {
        self.lock().of.get_mut(person).map(Account::begin_report).unwrap_or_default()
    }

    /// Learns what a user who connects here has spent elsewhere. Best effort, within a deadline: without it, the node
    /// learns that with their first calls.
    pub async fn learn(&self, person: &Person) {
        let Some(redis) = &self.redis else { return };
        let is_mine = {
            let mut accounts = self.lock();
            accounts.sweep(Instant::now());
            let account = accounts.of.entry(person.clone()).or_default();
            account.connects();
            account.await_report()
        };
        if is_mine {
            report::report(self, redis, person).await;
        }
    }

    /// Notes on how many nodes a user is, and what they have spent everywhere: for each budget, how long until it is whole
    /// again.
    fn reported(&self, person: &Person, nodes: u32, spent: &[(Budget, Duration)]) {
        let now = Instant::now();
        if let Some(account) = self.lock().of.get_mut(person) {
            account.reported(nodes, spent, now);
        }
    }

    /// Notes that a report failed: what was spent is part of the next one.
    fn not_reported(&self, person: &Person, spent: &[(Budget, Duration)]) {
        if let Some(account) = self.lock().of.get_mut(person) {
            account.not_reported(spent, &self.rates);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().expect("no holder of this lock panics")
    }
}

impl Accounts {
    fn sweep(&mut self, now: Instant) {
        let is_swept = self.swept_at.is_some_and(|at| now.saturating_duration_since(at) < SWEEP_PAUSE);
        if self.of.len() > SWEEP_ABOVE && !is_swept {
            self.of.retain(|_, account| !account.is_whole(now));
            self.swept_at = Some(now);
        }
    }
}

/// One of a budget; given back when it is dropped unused.
pub struct BudgetToken {
    budgets: Arc<Budgets>,
    person: Person,
    budget: Budget,
    is_used: bool,
}

impl BudgetToken {
    /// Uses it up.
    pub fn spend(mut self) {
        self.is_used = true;
    }
}

impl Drop for BudgetToken {
    fn drop(&mut self) {
        if !self.is_used {
            self.budgets.give_back(&self.person, self.budget);
        }
    }
}

#[cfg(test)]
mod tests;
