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

impl Rooms {
    /// Moves a mark forward, and returns both marks as they are then.
    pub async fn mark(&self, person: &Person, room: &RoomId, kind: MarkKind, seq: Seq) -> Result<Marks, RoomError> {
        let kind = match kind {
            MarkKind::Read => "r",
            MarkKind::Delivered => "d",
        };
        let reply = self.as_member(&scripts::MARK, room, person, &[kind, &seq.to_string()]).await?;
        Ok(Marks { read_seq: reply.seq(1)?, delivered_seq: reply.seq(2)? })
    }
}
