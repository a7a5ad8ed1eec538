//! Typing: told to those who listen, kept nowhere.

use rts_common::ids::{Person, RoomId};
use rts_common::redis::scripts;

use super::{RoomError, Rooms};

impl Rooms {
    /// Tells the room's nodes that a member types, or has stopped; or looks only whether they might.
    pub async fn typing(&self, person: &Person, room: &RoomId, typing: bool, tell: bool) -> Result<(), RoomError> {
        let word = |flag| if flag { "1" } else { "0" };
        self.as_member(&scripts::TYPING, room, person, &[word(typing), word(tell)]).await?;
        Ok(())
    }
}
