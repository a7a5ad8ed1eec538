//! What was found or done, in numbers.

use std::fmt;

/// The outcome of an erasure. Without one, what it would erase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Rooms that were looked at.
    pub rooms: u64,
    /// Messages that became tombstones without a sender, or that are gone.
    pub messages: u64,
    /// Messages of others from which reactions and mentions were removed.
    pub touched: u64,
    /// Memberships and marks; of an organization, facts of rooms too.
    pub memberships: u64,
    /// Rooms that got a new owner, because no other was left.
    pub inherited: u64,
    /// Items of the directory: profiles, and the texts by which they are found.
    pub directory: u64,
    /// Entries of the archive index.
    pub archived: u64,
    /// Files.
    pub files: u64,
    /// Keys of Redis.
    pub redis_keys: u64,
    /// Entries that are not known to be stored, which are waited for.
    pub unstored: u64,
}

impl Erased {
    /// True if nothing was there to erase.
    pub fn is_nothing(&self) -> bool {
        let Self {
            rooms: _,
            messages,
            touched,
            memberships,
            inherited,
            directory,
            archived,
            files,
            redis_keys,
            unstored,
        } = self;
        [messages, touched, memberships, inherited, directory, archived, files, redis_keys, unstored]
            .iter()
            .all(|count| **count == 0)
    }

    /// Adds what another pass did.
    pub(super) fn add(&mut self, other: &Self) {
        self.rooms = self.rooms.max(other.rooms);
        self.messages += other.messages;
        self.touched += other.touched;
        self.memberships += other.memberships;
        self.inherited += other.inherited;
        self.directory += other.directory;
        self.archived += other.archived;
        self.files += other.files;
        self.redis_keys += other.redis_keys;
        self.unstored += other.unstored;
    }
}

impl fmt::Display for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            (self.rooms, "rooms looked through"),
            (self.messages, "messages"),
            (self.touched, "reactions to, and mentions in, messages of others"),
            (self.memberships, "items of rooms: members, marks, facts"),
            (self.inherited, "rooms with a new owner"),
            (self.directory, "items of the directory"),
            (self.archived, "entries of the archive index"),
            (self.files, "files"),
            (self.redis_keys, "keys of Redis"),
        ];
        for (count, what) in lines {
            writeln!(f, "{count:>10}  {what}")?;
        }
        Ok(())
    }
}

/// What an export holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Lines of profiles.
    pub profiles: u64,
    /// Lines of rooms.
    pub rooms: u64,
    /// Lines of messages, tombstones included.
    pub messages: u64,
    /// Lines of reactions to messages of others.
    pub reactions: u64,
    /// Lines of messages of others that mention the person.
    pub mentions: u64,
    /// Lines of files.
    pub files: u64,
    /// Entries of these rooms that were not known to be stored yet: they are not in the export.
    pub unstored: u64,
}
