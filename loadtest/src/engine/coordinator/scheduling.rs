//! The load: phase after phase, step after step.

use std::time::Duration;

use super::{Conductor, NOTICE};
use crate::checker::Kind;
use crate::engine::context::Load;
use crate::engine::outcome::{Span, measures_of};
use crate::scenario::{Phase, PhaseKind};

/// The pause between two steps, for messages in flight.
const STEP_PAUSE: Duration = Duration::from_secs(2);

impl Conductor<'_> {
    /// Goes through the phases of the scenario.
    pub(super) async fn phases(&mut self) {
        for phase in self.shared.scenario.phases.clone() {
            if self.is_cut_short() {
                return;
            }
            match phase.kind {
                PhaseKind::Ramp => self.span("ramp".to_owned(), phase.time, 0.0, 1.0).await,
                PhaseKind::Hold => self.span("hold".to_owned(), phase.time, 1.0, 1.0).await,
                PhaseKind::Step => self.steps(&phase).await,
            }
        }
    }

    /// Applies one rate after another until the limit breaks.
    async fn steps(&mut self, phase: &Phase) {
        let mut multiple = phase.from;
        for step in 1..=phase.steps {
            let lost_before = self.violation_counts();
            let rate = multiple * self.shared.scenario.rates.messages;
            self.span(format!("step {step}: {rate:.0}/s"), phase.time, multiple, multiple).await;
            let lost_after = self.violation_counts();
            let Some(span) = self.spans.last_mut() else { return };
            let mut measures = measures_of(&span.stats, span.seconds.1 - span.seconds.0);
            for ((kind, before), after) in Kind::ALL.into_iter().zip(lost_before).zip(lost_after) {
                measures.insert(kind.name(), (after - before) as f64);
            }
            span.verdicts = phase.limit.judge(&measures);
            let broken = span.verdicts.iter().any(|verdict| !verdict.holds);
            if broken || self.is_cut_short() {
                return;
            }
            multiple *= phase.factor;
        }
    }

    pub(super) fn violation_counts(&self) -> Vec<u64> {
        let violations = self.shared.violations();
        Kind::ALL.into_iter().map(|kind| violations.count(kind)).collect()
    }

    /// Applies a load between two multiples of the scenario's rates for some time.
    async fn span(&mut self, name: String, time: Duration, from: f64, to: f64) {
        self.watcher.stage(&name);
        self.gather(false);
        self.span.clear();
        // Other machines must be told beforehand, so that all begin at once.
        let notice = if self.crew.machines.is_empty() { Duration::ZERO } else { NOTICE };
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2);
        let start_us = self.shared.now_us() + micros(notice);
        let end_us = start_us.saturating_add(micros(time));
        self.shared.set_load(Load { from, to, start_us, end_us });
        self.pause(notice + time).await;
        self.shared.set_load(Load::default());
        let ended_us = self.shared.now_us();
        if name.starts_with("step") {
            self.pause(STEP_PAUSE).await;
        }
        self.gather(false);
        let stats = std::mem::take(&mut self.span);
        let seconds = (start_us as f64 / 1e6, ended_us as f64 / 1e6);
        let rate = to * self.shared.scenario.rates.messages;
        self.spans.push(Span { name, seconds, rate, stats, verdicts: Vec::new() });
    }
}
