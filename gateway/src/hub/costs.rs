//! What calls cost: the least by the table of methods, and more for what they name or return.

use std::time::Duration;

use rts_common::ids::Person;
use rts_common::limits;

use super::{Caller, Hub, Method};
use crate::budgets::Budget;
use crate::error::HubError;
use crate::session::Outcome;
use crate::shares::OwnTurn;

impl Hub {
    /// Learns what a user who connects here has spent on other nodes.
    pub async fn learn_spent(&self, person: &Person) {
        self.parts.budgets.learn(person).await;
    }

    /// Takes what a call of this method costs at least.
    pub(super) fn pay(&self, method: Method, caller: &Caller) -> Result<(), HubError> {
        match method.cost() {
            // A new message takes its place later: a duplicate is none. To ask costs like a read.
            (Budget::Messages, _) if method == Method::SendMessage => self.pay_for(caller, Budget::Reads, 1),
            (budget, weight) => self.pay_for(caller, budget, weight),
        }
    }

    /// Takes from a budget of the caller.
    pub(super) fn pay_for(&self, caller: &Caller, budget: Budget, weight: usize) -> Result<(), HubError> {
        let taken = self.parts.budgets.take(&caller.person, budget, weight);
        taken.map_err(|wait| HubError::rate_limited(budget.limit(), wait))
    }

    /// Takes for a page of a stream, or returns the time to wait: a stream is slowed down, and not refused.
    pub(super) fn pay_for_page(&self, caller: &Caller, method: Method) -> Result<(), Duration> {
        let (budget, weight) = method.cost();
        self.parts.budgets.take(&caller.person, budget, weight)
    }

    /// Charges a read for the bytes of its answer. Bytes are what a read costs everyone: Redis, DynamoDB, this node.
    pub(super) fn pay_for_answer(&self, method: Method, caller: &Caller, outcome: &Outcome) {
        if let (true, Outcome::Now(Some(answer))) = (method.only_reads(), outcome) {
            self.pay_for_bytes(caller, answer.len());
        }
    }

    /// Waits for a turn to read: a user's reads share a few, on whatever connections, or they would fill the memory.
    pub(super) async fn turn_to_read(&self, method: Method, caller: &Caller) -> Option<OwnTurn> {
        // Searches have turns of their own.
        let is_read = method.cost().0 == Budget::Reads;
        if is_read { Some(self.parts.reads.acquire(&caller.person).await) } else { None }
    }

    /// Charges a reader for what was found out one by one.
    pub(super) fn pay_for_each(&self, caller: &Caller, number: usize, at_a_time: usize) {
        self.parts.budgets.charge(&caller.person, Budget::Reads, number / at_a_time);
    }

    /// Charges a reader for bytes.
    pub(super) fn pay_for_bytes(&self, caller: &Caller, bytes: usize) {
        self.parts.budgets.charge(&caller.person, Budget::Reads, bytes / limits::READ_BYTES);
    }
}
