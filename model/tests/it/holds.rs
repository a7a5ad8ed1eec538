//! The new mechanism keeps every promise, in every world of these scenarios, whenever the room answers.

use rts_model::Promise::*;
use rts_model::{Budget, Mechanism, Promise, Scenario};

use super::{NEW, holds};

/// Sends and resends of two messages, seen by somebody who comes and goes, while a gateway dies and the reconciler works.
const SENDS: Budget = Budget {
    sends: [2, 2],
    gateway_deaths: 1,
    reconciliations: 1,
    redeliveries: 1,
    partial_failures: 1,
    resumes: 1,
    ..Budget::NONE
};
/// A message that is edited, reacted to and deleted, while the functions die and do not tell.
const CHANGES: Budget = Budget {
    sends: [2, 0],
    edits: 1,
    reactions: 1,
    deletions: 1,
    resumes: 1,
    partial_failures: 1,
    lost_notices: 1,
    ..Budget::NONE
};
/// A removal between messages.
const REMOVAL: Budget = Budget {
    sends: [2, 0],
    removals: 1,
    resumes: 1,
    gateway_deaths: 1,
    redeliveries: 1,
    reconciliations: 1,
    ..Budget::NONE
};

fn new(budget: Budget) -> Scenario {
    Scenario::new(NEW, budget)
}

fn racing(budget: Budget) -> Scenario {
    Scenario { healers: 2, ..new(Budget { races: 1, gateway_deaths: 1, ..budget }) }
}

#[test]
fn sends_while_redis_comes_back_older() {
    holds(&new(Budget { rollbacks: 1, ..SENDS }), 10_000);
}

#[test]
fn sends_while_redis_loses_everything() {
    holds(&new(Budget { total_losses: 1, ..SENDS }), 10_000);
}

#[test]
fn sends_while_redis_loses_half() {
    holds(&new(Budget { half_losses: 1, ..SENDS }), 10_000);
}

#[test]
fn sends_while_another_redis_takes_over() {
    holds(&new(Budget { moves: 1, ..SENDS }), 10_000);
}

#[test]
fn changes_while_redis_comes_back_older() {
    holds(&new(Budget { rollbacks: 1, ..CHANGES }), 10_000);
}

#[test]
fn changes_while_redis_loses_everything() {
    holds(&new(Budget { total_losses: 1, ..CHANGES }), 10_000);
}

#[test]
fn changes_while_redis_loses_half() {
    holds(&new(Budget { half_losses: 1, ..CHANGES }), 10_000);
}

#[test]
fn changes_while_another_redis_takes_over() {
    holds(&new(Budget { moves: 1, ..CHANGES }), 10_000);
}

#[test]
fn a_stream_that_is_trimmed_while_redis_comes_back_older() {
    let budget = Budget { sends: [2, 1], deletions: 1, trims: 2, resumes: 2, lost_notices: 1, ..Budget::NONE };
    holds(&new(Budget { rollbacks: 1, ..budget }), 10_000);
}

#[test]
fn a_removal_while_redis_comes_back_older() {
    holds(&new(Budget { rollbacks: 1, ..REMOVAL }), 10_000);
}

#[test]
fn a_removal_while_redis_loses_everything() {
    holds(&new(Budget { total_losses: 1, ..REMOVAL }), 100_000);
}

#[test]
fn a_removal_while_redis_loses_half() {
    holds(&new(Budget { half_losses: 1, ..REMOVAL }), 100_000);
}

#[test]
fn a_direct_room_is_made_while_redis_fails() {
    let budget = Budget { creations: 2, sends: [2, 0], gateway_deaths: 1, reconciliations: 1, ..Budget::NONE };
    holds(&new(Budget { total_losses: 1, redeliveries: 1, ..budget }), 100_000);
    holds(&new(Budget { rollbacks: 1, lost_notices: 1, ..budget }), 100_000);
}

#[test]
fn redis_fails_twice() {
    let budget = Budget { sends: [2, 0], deletions: 1, resumes: 2, ..Budget::NONE };
    holds(&new(Budget { rollbacks: 2, ..budget }), 10_000);
    holds(&new(Budget { rollbacks: 1, total_losses: 1, gateway_deaths: 1, ..budget }), 10_000);
    holds(&new(Budget { rollbacks: 1, half_losses: 1, ..budget }), 10_000);
}

#[test]
fn rebuilds_race() {
    let budget = Budget { sends: [2, 0], deletions: 1, resumes: 1, redeliveries: 1, ..Budget::NONE };
    holds(&racing(Budget { rollbacks: 1, ..budget }), 10_000);
    holds(&racing(Budget { total_losses: 1, ..budget }), 10_000);
    holds(&racing(Budget { half_losses: 1, ..budget }), 10_000);
}

#[test]
fn a_room_at_rest_wakes() {
    let budget = Budget { sends: [2, 0], deletions: 1, rests: 2, resumes: 2, lost_notices: 1, ..Budget::NONE };
    holds(&racing(budget), 10_000);
    holds(&new(Budget { rollbacks: 1, ..budget }), 10_000);
    holds(&new(Budget { total_losses: 1, ..budget }), 10_000);
}

/// Wherever the room does not answer, it does again if nobody asks for anything and nothing fails any more.
#[test]
fn the_room_always_comes_back() {
    let driven = |budget| Scenario { drives: true, ..racing(budget) };
    let budget = Budget { sends: [2, 0], removals: 1, lost_notices: 1, ..Budget::NONE };
    holds(&driven(Budget { rollbacks: 1, redeliveries: 1, ..budget }), 10_000);
    holds(&driven(Budget { total_losses: 1, moves: 1, ..budget }), 10_000);
    holds(&driven(Budget { half_losses: 1, redeliveries: 1, ..budget }), 10_000);
    holds(&driven(Budget { rollbacks: 1, rests: 1, ..budget }), 10_000);
}

/// An isolated master, or a gateway that was frozen amid its call to SQS: something of an earlier history is accepted
/// behind the fence. A client that sends the same to both sides makes two messages of it, and what is acked may come
/// late. All else holds, once nothing is under way.
#[test]
fn something_of_before_comes_behind_the_fence() {
    const PROMISES: &[Promise] =
        &[AckedIsThere, DeletedStaysDeleted, RemovedStayOut, OneOrder, NoSilentGap, SeenIsKept, ComesBack];
    let mechanism = Mechanism { awaits_quiet: false, ..NEW };
    let crossing = |budget| Scenario { promises: PROMISES, always: false, ..Scenario::new(mechanism, budget) };
    let budget = Budget { sends: [1, 0], resumes: 2, ..Budget::NONE };
    holds(&crossing(Budget { sends: [1, 1], rollbacks: 1, ..budget }), 2_000);
    holds(&crossing(Budget { deletions: 1, reactions: 1, rollbacks: 1, ..budget }), 10_000);
    holds(&crossing(Budget { removals: 1, rollbacks: 1, ..budget }), 10_000);
    holds(&crossing(Budget { removals: 1, deletions: 1, total_losses: 1, ..budget }), 10_000);
}
