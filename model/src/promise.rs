//! The promises.

use std::fmt;

/// A promise of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// An acked message is in the history.
    AckedIsThere,
    /// Sent twice with one client id, it is there once.
    SentOnce,
    /// A message whose deletion was acked is not shown again.
    DeletedStaysDeleted,
    /// An acked change of a message is in its state.
    ChangesStay,
    /// A member whose removal was acked cannot come in.
    RemovedStayOut,
    /// Events have one order: each names the one before it.
    OneOrder,
    /// A client that was told that it has everything has it, and nothing else.
    NoSilentGap,
    /// A rebuild drops nothing that Redis still had, whether it was acked or not.
    SeenIsKept,
    /// The room answers again once nothing fails any more.
    ComesBack,
}

impl Promise {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::AckedIsThere,
        Self::SentOnce,
        Self::DeletedStaysDeleted,
        Self::ChangesStay,
        Self::RemovedStayOut,
        Self::OneOrder,
        Self::NoSilentGap,
        Self::SeenIsKept,
        Self::ComesBack,
    ];
}

impl fmt::Display for Promise {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::AckedIsThere => "what was acked is in the history",
            Self::SentOnce => "what is sent twice with one client id is there once",
            Self::DeletedStaysDeleted => "what was deleted stays deleted",
            Self::ChangesStay => "an acked change stays",
            Self::RemovedStayOut => "who was removed stays out",
            Self::OneOrder => "events have one order",
            Self::NoSilentGap => "no silent gap",
            Self::SeenIsKept => "a rebuild drops nothing that Redis still had",
            Self::ComesBack => "the room answers again",
        })
    }
}
