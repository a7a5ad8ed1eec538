//! Typing: published to subscribers, stored nowhere.

use rts_common::ids::{Person, RoomId};
use rts_common::redis::scripts;

use super::{RoomError, Rooms};

impl Rooms {
    /// Publishes to the room's nodes that a member types, or has stopped; without `tell`, only checks that they may.
    pub async fn typing(&self, person: &Person, room: &RoomId, typing: bool, tell: bool) -> Result<(), RoomError> {
        let word = |flag| if flag { "1" } else { "0" };
        self.as_member(&scripts::TYPING, room, person, &[word(typing), word(tell)]).await?;
        Ok(())
    }
}
