//! The need for each part of the new mechanism: without it, the search finds this.

use rts_model::Promise::*;
use rts_model::{Budget, Mechanism, Promise, Scenario};

use super::{NEW, breaks};

const ROLLBACK: Budget = Budget { sends: [2, 0], rollbacks: 1, ..Budget::NONE };

fn without(mechanism: Mechanism, promises: &'static [Promise], budget: Budget) -> Scenario {
    Scenario { promises, healers: 2, ..Scenario::new(mechanism, budget) }
}

#[test]
fn names_history() {
    let mechanism = Mechanism { names_history: false, ..NEW };
    breaks(&without(mechanism, &[AckedIsThere], ROLLBACK), AckedIsThere, 4);
}

#[test]
fn fences() {
    let mechanism = Mechanism { fences: false, ..NEW };
    breaks(&without(mechanism, &[AckedIsThere], ROLLBACK), AckedIsThere, 6);
    breaks(&without(mechanism, &[SentOnce], ROLLBACK), SentOnce, 8);
}

#[test]
fn awaits_quiet() {
    let mechanism = Mechanism { awaits_quiet: false, ..NEW };
    breaks(&without(mechanism, &[SentOnce], ROLLBACK), SentOnce, 10);
}

#[test]
fn fences_come_last() {
    let mechanism = Mechanism { fences_come_last: false, ..NEW };
    breaks(&without(mechanism, &[AckedIsThere], Budget { partial_failures: 1, ..ROLLBACK }), AckedIsThere, 8);
    breaks(&without(mechanism, &[SentOnce], Budget { partial_failures: 1, ..ROLLBACK }), SentOnce, 10);
}

#[test]
fn flushes() {
    let mechanism = Mechanism { flushes: false, ..NEW };
    breaks(&without(mechanism, &[SeenIsKept], Budget { gateway_deaths: 1, ..ROLLBACK }), SeenIsKept, 8);
}

#[test]
fn queues_changes() {
    let mechanism = Mechanism { queues_changes: false, ..NEW };
    let budget = Budget { removals: 1, rollbacks: 1, ..Budget::NONE };
    breaks(&without(mechanism, &[RemovedStayOut], budget), RemovedStayOut, 8);
}

#[test]
fn changes_name_epoch() {
    let mechanism = Mechanism { changes_name_epoch: false, ..NEW };
    let budget = Budget { edits: 1, reactions: 1, gateway_deaths: 1, ..ROLLBACK };
    breaks(&without(mechanism, &[ChangesStay], budget), ChangesStay, 12);
}

#[test]
fn raises_head() {
    let mechanism = Mechanism { raises_head: false, ..NEW };
    let budget = Budget { sends: [1, 1], rollbacks: 1, resumes: 2, gateway_deaths: 1, ..Budget::NONE };
    breaks(&without(mechanism, &[NoSilentGap], budget), NoSilentGap, 14);
}

#[test]
fn leaves_token() {
    let mechanism = Mechanism { leaves_token: false, ..NEW };
    let budget = Budget { sends: [2, 0], rests: 2, races: 1, ..Budget::NONE };
    breaks(&without(mechanism, &[SentOnce], budget), SentOnce, 11);
}

#[test]
fn creation_first() {
    let mechanism = Mechanism { creation_first: false, ..NEW };
    let budget = Budget { creations: 2, sends: [1, 0], total_losses: 1, gateway_deaths: 1, ..Budget::NONE };
    breaks(&without(mechanism, &[AckedIsThere], budget), AckedIsThere, 11);
}

/// The mechanism in which something of before comes behind the fence.
const LATE: Mechanism = Mechanism { awaits_quiet: false, ..NEW };

#[test]
fn distrusts_late() {
    let mechanism = Mechanism { distrusts_late: false, ..LATE };
    let budget = Budget { sends: [1, 0], rollbacks: 1, resumes: 2, ..Budget::NONE };
    let scenario = Scenario { always: false, ..without(mechanism, &[NoSilentGap], budget) };
    breaks(&scenario, NoSilentGap, 11);
}

#[test]
fn tombstones_win() {
    let mechanism = Mechanism { tombstones_win: false, ..LATE };
    let budget = Budget { sends: [1, 0], deletions: 1, reactions: 1, rollbacks: 1, ..Budget::NONE };
    let scenario = Scenario { always: false, ..without(mechanism, &[DeletedStaysDeleted], budget) };
    breaks(&scenario, DeletedStaysDeleted, 24);
}
