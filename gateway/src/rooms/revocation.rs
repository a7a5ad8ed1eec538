//! Ends the sessions of a user: those that there are, by a publication to their nodes, and those that a token from before
//! that moment would begin, by a note. The note comes first, and a session looks for it once it hears publications, so
//! that none slips through.
//!
//! Kept in Redis only: if Redis loses its data within the time of the note, the issuer has to have stopped giving tokens
//! to the user, and those that they have are good until they expire.

use std::time::Duration;

use rts_common::ids::Person;
use rts_common::redis::{keys, read, scripts};

use super::{RoomError, Rooms};

/// Time for which tokens from before a revocation begin no session: longer than tokens live.
const NOTED_FOR: Duration = Duration::from_hours(30 * 24);

impl Rooms {
    /// Ends the sessions of a user on all nodes.
    pub async fn revoke(&self, person: &Person) -> Result<(), RoomError> {
        let seconds = NOTED_FOR.as_secs().to_string();
        self.redis.run(&scripts::REVOKE, &keys::person_revoked(person), &[&seconds]).await?;
        Ok(())
    }

    /// True if a user's sessions were ended after their token was issued, as far as that is known. A token that does not
    /// say when it was issued counts as older.
    pub async fn is_revoked(&self, person: &Person, issued_at: Option<u64>) -> Result<bool, RoomError> {
        let mut command = redis::cmd("GET");
        command.arg(keys::person_revoked(person));
        let revoked: Option<u64> = read(self.redis.command("is_revoked", &command).await?)?;
        Ok(revoked.is_some_and(|at| issued_at.is_none_or(|issued| issued <= at)))
    }
}
