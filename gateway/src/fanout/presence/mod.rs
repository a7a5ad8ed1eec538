//! The users whose presence sessions of this node watch.

pub(super) mod watch_list;
pub(super) mod watched_user;
pub(super) mod watches;
