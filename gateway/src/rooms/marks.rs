//! Marks: the seqs up to which a member has read and received.

use rts_common::ids::{Person, RoomId};
use rts_common::redis::scripts;
use rts_common::room::Marks;
use rts_common::seq::Seq;

use super::{RoomError, Rooms};

/// The mark that is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// The read mark; it moves the delivered mark too.
    Read,
    /// The delivered mark.
    Delivered,
}

/// A member's marks after one was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Both marks as they are now.
    pub marks: Marks,
    /// True if they have to be journaled: one has moved, or they have not been stored for minutes.
    pub is_owed: bool,
}

impl Rooms {
    /// Moves a mark forward.
    pub async fn mark(&self, person: &Person, room: &RoomId, kind: MarkKind, seq: Seq) -> Result<Marked, RoomError> {
        let kind = match kind {
            MarkKind::Read => "r",
            MarkKind::Delivered => "d",
        };
        let reply = self.as_member(&scripts::MARK, room, person, &[kind, &seq.to_string()]).await?;
        let marks = Marks { read_seq: reply.seq(1)?, delivered_seq: reply.seq(2)? };
        Ok(Marked { marks, is_owed: reply.text(3)? == "1" })
    }
}
