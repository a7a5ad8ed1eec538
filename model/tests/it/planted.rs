//! The faults of today, each found by a search of the present mechanism.

use rts_model::Promise::*;
use rts_model::{Budget, Mechanism, Promise, Scenario};

use super::{NEW, breaks, holds};

/// The scripts and the gateway of today, with one promise to look at, once all has come to rest.
fn present(promises: &'static [Promise], budget: Budget) -> Scenario {
    Scenario { promises, ..Scenario::new(Mechanism::PRESENT, budget) }
}

#[test]
fn as_long_as_redis_keeps_what_it_has_the_present_mechanism_holds() {
    let budget = Budget {
        sends: [2, 0],
        edits: 1,
        removals: 1,
        resumes: 1,
        gateway_deaths: 1,
        redeliveries: 1,
        reconciliations: 1,
        ..Budget::NONE
    };
    let scenario = Scenario { always: true, ..Scenario::new(Mechanism::PRESENT, budget) };
    let outcome = super::search(&scenario);
    assert!(outcome.is_exhausted && outcome.broken.is_none(), "{:?}", outcome.broken);
}

#[test]
fn a1_a_redis_that_comes_back_older_loses_an_acked_message() {
    breaks(&present(&[AckedIsThere], Budget { sends: [1, 0], rollbacks: 1, ..Budget::NONE }), AckedIsThere, 6);
}

#[test]
fn a1_a_deleted_message_comes_back() {
    let budget = Budget { sends: [1, 0], deletions: 1, rollbacks: 1, ..Budget::NONE };
    breaks(&present(&[DeletedStaysDeleted], budget), DeletedStaysDeleted, 11);
}

#[test]
fn a1_a_reaction_to_an_older_state_undoes_an_acked_edit() {
    let budget = Budget { sends: [1, 0], edits: 1, reactions: 1, rollbacks: 1, ..Budget::NONE };
    breaks(&present(&[ChangesStay], budget), ChangesStay, 11);
}

#[test]
fn a1_a_resend_of_an_acked_message_is_a_second_one() {
    breaks(&present(&[SentOnce], Budget { sends: [2, 0], rollbacks: 1, ..Budget::NONE }), SentOnce, 10);
}

#[test]
fn a1_who_was_removed_is_in_again() {
    let budget = Budget { removals: 1, rollbacks: 1, ..Budget::NONE };
    breaks(&present(&[RemovedStayOut], budget), RemovedStayOut, 6);
}

#[test]
fn a1_half_of_the_keys_lost_is_not_noticed_either() {
    let budget = Budget { sends: [1, 0], half_losses: 1, ..Budget::NONE };
    breaks(&present(&[AckedIsThere], budget), AckedIsThere, 5);
}

#[test]
fn b1_a_direct_room_made_again_hides_its_acked_messages() {
    let budget = Budget { creations: 2, sends: [1, 0], total_losses: 1, ..Budget::NONE };
    breaks(&present(&[AckedIsThere], budget), AckedIsThere, 15);
}

#[test]
fn b2_after_a_total_loss_a_change_undoes_a_deletion_that_is_still_in_the_queue() {
    let budget = Budget { sends: [1, 0], deletions: 1, reactions: 1, total_losses: 1, ..Budget::NONE };
    breaks(&present(&[DeletedStaysDeleted], budget), DeletedStaysDeleted, 17);
}

#[test]
fn b2_after_a_total_loss_a_change_undoes_an_edit_that_is_still_in_the_queue() {
    let budget = Budget { sends: [1, 0], edits: 1, reactions: 1, total_losses: 1, ..Budget::NONE };
    breaks(&present(&[ChangesStay], budget), ChangesStay, 17);
}

#[test]
fn b3_a_resume_is_called_whole_and_what_is_stored_later_is_told_to_nobody() {
    let budget = Budget { sends: [1, 0], resumes: 1, total_losses: 1, ..Budget::NONE };
    let found = breaks(&present(&[NoSilentGap], budget), NoSilentGap, 8);
    assert_eq!(found.to_string(), include_str!("b3.txt"));
}

/// Not in the findings: the dedup index of a rebuild cannot know what is still in the queue.
#[test]
fn after_a_total_loss_a_resend_of_what_is_still_in_the_queue_is_a_second_one() {
    breaks(&present(&[SentOnce], Budget { sends: [2, 0], total_losses: 1, ..Budget::NONE }), SentOnce, 11);
}

/// Not in the findings: the same of a removal, until its record comes out of the queue.
#[test]
fn after_a_total_loss_who_was_removed_is_in_until_the_queue_says_otherwise() {
    let budget = Budget { removals: 1, total_losses: 1, ..Budget::NONE };
    let scenario = Scenario { always: true, ..present(&[RemovedStayOut], budget) };
    breaks(&scenario, RemovedStayOut, 5);
}

/// With all else of the new mechanism: the window has one place, and the message sent last is the one to be known.
#[test]
fn b5_a_dedup_window_that_keeps_the_oldest_doubles_the_newest() {
    let budget = Budget { sends: [1, 2], total_losses: 1, ..Budget::NONE };
    let new = Scenario { dedup_max: 1, in_order: true, ..Scenario::new(NEW, budget) };
    let oldest_first = Mechanism { newest_first: false, ..NEW };
    breaks(&Scenario { mechanism: oldest_first, ..new.clone() }, SentOnce, 13);
    holds(&new, 500);
}
