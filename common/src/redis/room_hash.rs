//! The fields of a room's hashes, as the scripts write them.

/// Fields of a room's `meta` hash.
pub mod meta {
    /// The organization.
    pub const ORG: &str = "org";
    /// `direct` or `group`.
    pub const KIND: &str = "kind";
    /// The name; empty or absent if it has none.
    pub const NAME: &str = "name";
    /// The case it belongs to.
    pub const CASE: &str = "case";
    /// The user who created it.
    pub const CREATED_BY: &str = "by";
    /// The time of its creation, in milliseconds.
    pub const CREATED_AT: &str = "at";
    /// The time since when it is archived, in milliseconds; `0` if it is not.
    pub const ARCHIVED_AT: &str = "archived";
    /// The version of the facts.
    pub const VERSION: &str = "v";
    /// The seq of the newest event.
    pub const SEQ: &str = "seq";
    /// The seq of the newest message.
    pub const LAST: &str = "last";
    /// The number of messages it has had.
    pub const COUNT: &str = "count";
    /// The number of members.
    pub const MEMBERS: &str = "members";
    /// The moment when it was last rebuilt, in microseconds; absent if it never was.
    pub const REBUILT: &str = "rebuilt";
    /// The newest message that was stored after the room was rebuilt.
    pub const LATE: &str = "late";
}

/// Returns the field of a room's `marks` hash that holds the seq up to which a user has read.
pub fn read_mark(user: &str) -> String {
    format!("r:{user}")
}

/// Returns the field of a room's `marks` hash that holds the seq up to which a user's devices have received.
pub fn delivered_mark(user: &str) -> String {
    format!("d:{user}")
}
