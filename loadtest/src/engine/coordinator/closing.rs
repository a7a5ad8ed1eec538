//! The end of a run: events not received by now are lost, pending comparisons are made, and everything is reported.

use std::time::Duration;

use super::Conductor;
use crate::checker::RoomTotals;
use crate::engine::acks::Unacked;
use crate::engine::outcome::{Judged, Outcome, ProcessUse};
use crate::engine::plan::StorePlan;
use crate::engine::queue::QueueReport;
use crate::engine::store::{self, Comparison};
use crate::procfs::ProcessSample;

/// The most time that the last look into DynamoDB may take.
const STORE_GRACE: Duration = Duration::from_secs(30);

/// The watched processes at the beginning and at the end of the load, the number of connections, and the numbers of
/// missing users and answers at the end.
pub(super) struct Loaded {
    pub(super) begun: Vec<ProcessSample>,
    pub(super) ended: Vec<ProcessSample>,
    pub(super) connections: u64,
    pub(super) absent: u64,
    pub(super) unanswered: u64,
    pub(super) all_stored: Option<Duration>,
    pub(super) longest_gap: (u64, u64),
    pub(super) ack_p99: [Option<f64>; 2],
    pub(super) queue: Option<QueueReport>,
}

impl Conductor<'_> {
    /// Compares DynamoDB, if requested; returns the time when everything was there.
    pub(super) async fn compare_store(&mut self, plan: Option<StorePlan>, since_us: u64) -> Option<Duration> {
        let plan = plan?;
        self.watcher.stage("comparing DynamoDB");
        let comparison = Comparison {
            shared: self.shared.clone(),
            store: plan.store,
            since_us,
            within: plan.within,
            queue: self.queue.clone(),
        };
        let comparing = tokio::spawn(comparison.run());
        if self.until(store::longest(plan.within) + STORE_GRACE, |_| comparing.is_finished()).await {
            return comparing.await.unwrap_or_else(|error| {
                self.shared.unverified(0, None, &format!("the comparison with DynamoDB broke: {error}"));
                None
            });
        }
        comparing.abort();
        self.shared.unverified(0, None, "the comparison with DynamoDB was not finished in time");
        None
    }

    /// Waits until the gateways report that nothing is left to be stored; returns their report, if they are known.
    pub(super) async fn drain(&mut self, within: Duration, loaded_us: u64) -> Option<QueueReport> {
        let queue = self.queue.clone()?;
        self.watcher.stage("waiting until everything is stored");
        let shared = self.shared.clone();
        self.until(within, |_| queue.is_empty(shared.now_us())).await;
        Some(queue.report(loaded_us, shared.now_us()))
    }

    /// Ends all waiting: informs the checker, and returns the number of absent users.
    pub(super) fn finish(&mut self) -> u64 {
        let now_us = self.shared.now_us();
        let present: Vec<_> = (0..self.shared.scenario.users).map(|user| self.shared.is_online(user)).collect();
        self.shared.set_present(present);
        let absent = self.shared.absent();
        for &user in &absent {
            for membership in &self.shared.world.memberships[user as usize] {
                self.shared.check(membership.room, |check, _| check.absent(membership.slot));
                self.shared.unverified(membership.room, Some(membership.slot), "not connected at the end");
            }
        }
        for room in (0_u32..).take(self.shared.world.rooms.len()) {
            self.shared.check(room, |check, found| check.finish(now_us, found));
        }
        absent.len() as u64
    }

    /// Reports comparisons that were due and not made.
    pub(super) fn close(&mut self) {
        let now_us = self.shared.now_us();
        for room in (0_u32..).take(self.shared.world.rooms.len()) {
            if self.shared.check(room, |check, found| check.close(now_us, found)).is_none() {
                self.shared.unverified(room, None, "the room could not be created");
            }
        }
    }

    pub(super) fn outcome(&mut self, loaded: Loaded) -> Outcome {
        self.gather(false);
        let shared = &self.shared;
        let mut rooms = RoomTotals::default();
        let mut room_ids = Vec::new();
        for room in (0_u32..).take(shared.world.rooms.len()) {
            rooms += shared.check(room, |check, _| check.totals()).unwrap_or_default();
            room_ids.push(shared.room(room).map(|state| state.id.clone()));
        }
        let loads = loaded.begun.into_iter().zip(loaded.ended);
        let processes = self.watched.iter().zip(&self.before).zip(loads);
        Outcome {
            scenario: shared.scenario.clone(),
            run: String::new(),
            targets: shared.dialer.targets.iter().map(|target| target.authority.clone()).collect(),
            started_ms: shared.wall_us(0) / 1000,
            seconds: shared.now_us() as f64 / 1e6,
            world: shared.world.clone(),
            user_ids: (0..shared.scenario.users).map(|user| shared.user_id(user).to_owned()).collect(),
            room_ids,
            total: std::mem::take(&mut self.total),
            spans: std::mem::take(&mut self.spans),
            series: std::mem::take(&mut self.series),
            violations: shared.violations().clone(),
            rooms,
            absent: loaded.absent,
            unacked: Unacked { count: shared.unacked().count.max(loaded.unanswered), ..shared.unacked() },
            longest_gap: loaded.longest_gap,
            ack_p99: loaded.ack_p99,
            queue: loaded.queue,
            faults: Vec::new(),
            judged: Judged::default(),
            all_stored: loaded.all_stored,
            ends: shared.ends(),
            processes: processes
                .map(|((watched, before), loaded)| ProcessUse { watched: watched.clone(), before: *before, loaded })
                .collect(),
            connections: loaded.connections,
            machines: self.crew.machines.iter().map(|machine| machine.report()).collect(),
        }
    }
}
