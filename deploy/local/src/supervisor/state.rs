//! The states of a part, as a pure table.

use serde::Serialize;

/// The state of a part, as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// The process runs and is not ready yet.
    Starting,
    /// The part is ready.
    Running,
    /// The part was told to end.
    Stopping,
    /// The part was told to end, and to start again after that.
    Cycling,
    /// The process crashed and starts again shortly.
    Restarting,
    /// The part is down, and stays down.
    Stopped,
}

/// An event in the life of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// A start was requested.
    StartAsked,
    /// A graceful stop was requested.
    StopAsked,
    /// A kill was requested.
    KillAsked,
    /// The part answers.
    Ready,
    /// The part runs and will never be ready.
    Unusable,
    /// The process has ended.
    Ended,
    /// The process could not be started.
    NotSpawned,
    /// The pause before a restart, or the grace for ending, is over.
    TimeOver,
}

/// The reaction to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Nothing,
    /// Start the process.
    Spawn,
    /// Send SIGTERM, and allow a grace period.
    Terminate,
    /// Send SIGKILL.
    Kill,
    /// Wait for a moment, then [`Happening::TimeOver`].
    Pause,
}

impl State {
    /// Returns the next state, and the reaction.
    pub(super) fn on(self, happening: Happening) -> (Self, Deed) {
        use Happening as H;
        match (self, happening) {
            (Self::Stopped | Self::Restarting, H::StartAsked) | (Self::Restarting, H::TimeOver) => {
                (Self::Starting, Deed::Spawn)
            }
            (Self::Starting, H::Ready) => (Self::Running, Deed::Nothing),
            (Self::Starting, H::Unusable) => (Self::Starting, Deed::Kill),
            (Self::Starting | Self::Running, H::StopAsked) => (Self::Stopping, Deed::Terminate),
            (Self::Starting | Self::Running | Self::Cycling, H::KillAsked)
            | (Self::Stopping, H::KillAsked | H::TimeOver) => (Self::Stopping, Deed::Kill),
            (Self::Starting | Self::Running, H::Ended) | (Self::Starting, H::NotSpawned) => {
                (Self::Restarting, Deed::Pause)
            }
            (Self::Stopping, H::StartAsked) => (Self::Cycling, Deed::Nothing),
            (Self::Cycling, H::StopAsked) => (Self::Stopping, Deed::Nothing),
            (Self::Cycling, H::TimeOver) => (Self::Cycling, Deed::Kill),
            (Self::Restarting, H::StopAsked | H::KillAsked) | (Self::Stopping, H::Ended) => {
                (Self::Stopped, Deed::Nothing)
            }
            (Self::Cycling, H::Ended) => (Self::Starting, Deed::Spawn),
            (state, _) => (state, Deed::Nothing),
        }
    }

    /// True if a process belongs to the state.
    #[cfg(test)]
    fn has_process(self) -> bool {
        !matches!(self, Self::Stopped | Self::Restarting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Happening::{Ended, KillAsked, NotSpawned, Ready, StartAsked, StopAsked, TimeOver, Unusable};

    fn run(happenings: &[Happening]) -> (State, Vec<Deed>) {
        let mut state = State::Stopped;
        let mut deeds = Vec::new();
        for happening in happenings {
            let (next, deed) = state.on(*happening);
            state = next;
            if deed != Deed::Nothing {
                deeds.push(deed);
            }
        }
        (state, deeds)
    }

    #[test]
    fn a_part_that_dies_is_started_again_after_a_pause() {
        let (state, deeds) = run(&[StartAsked, Ready, Ended, TimeOver, Ready]);
        assert_eq!(state, State::Running);
        assert_eq!(deeds, [Deed::Spawn, Deed::Pause, Deed::Spawn]);
        let (state, deeds) = run(&[StartAsked, Ended, TimeOver, NotSpawned]);
        assert_eq!(state, State::Restarting);
        assert_eq!(deeds, [Deed::Spawn, Deed::Pause, Deed::Spawn, Deed::Pause]);
    }

    #[test]
    fn a_part_that_is_stopped_or_killed_on_purpose_stays_down() {
        for asked in [StopAsked, KillAsked] {
            assert_eq!(run(&[StartAsked, Ready, asked, Ended]).0, State::Stopped);
            assert_eq!(run(&[StartAsked, Ready, Ended, asked]).0, State::Stopped);
        }
        let (state, deeds) = run(&[StartAsked, Ready, StopAsked, TimeOver, Ended, StartAsked]);
        assert_eq!(state, State::Starting);
        assert_eq!(deeds, [Deed::Spawn, Deed::Terminate, Deed::Kill, Deed::Spawn]);
    }

    #[test]
    fn a_start_while_it_stops_waits_for_its_end() {
        let (state, deeds) = run(&[StartAsked, Ready, StopAsked, StartAsked, Ended]);
        assert_eq!(state, State::Starting);
        assert_eq!(deeds, [Deed::Spawn, Deed::Terminate, Deed::Spawn]);
        assert_eq!(run(&[StartAsked, Ready, StopAsked, StartAsked, StopAsked, Ended]).0, State::Stopped);
    }

    #[test]
    fn a_part_that_cannot_be_used_is_made_anew() {
        let (state, deeds) = run(&[StartAsked, Unusable, Ended, TimeOver]);
        assert_eq!(state, State::Starting);
        assert_eq!(deeds, [Deed::Spawn, Deed::Kill, Deed::Pause, Deed::Spawn]);
    }

    #[test]
    fn no_second_process_is_spawned_beside_the_first() {
        let states = [State::Starting, State::Running, State::Stopping, State::Cycling];
        for state in states {
            assert!(state.has_process());
            for happening in [StartAsked, StopAsked, KillAsked, Ready, Unusable, TimeOver] {
                let (next, deed) = state.on(happening);
                assert_ne!(deed, Deed::Spawn, "{state:?} {happening:?}");
                assert!(next.has_process(), "{state:?} {happening:?}");
            }
        }
    }
}
