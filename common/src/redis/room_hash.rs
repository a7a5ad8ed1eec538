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
    /// Who made it.
    pub const CREATED_BY: &str = "by";
    /// When it was made, in milliseconds.
    pub const CREATED_AT: &str = "at";
    /// When it was archived, in milliseconds; `0` if it is not.
    pub const ARCHIVED_AT: &str = "archived";
    /// The version of the facts.
    pub const VERSION: &str = "v";
    /// The seq of the newest event.
    pub const SEQ: &str = "seq";
    /// The seq of the newest message.
    pub const LAST: &str = "last";
    /// How many messages it has had.
    pub const COUNT: &str = "count";
    /// How many members it has.
    pub const MEMBERS: &str = "members";
    /// The newest message that was stored after the room was rebuilt.
    pub const LATE: &str = "late";
}

/// The field of a room's `marks` hash that holds what a user has read.
pub fn read_mark(user: &str) -> String {
    format!("r:{user}")
}

/// The field of a room's `marks` hash that holds what a user's devices have.
pub fn delivered_mark(user: &str) -> String {
    format!("d:{user}")
}
