//! The users with a session on this node, and the rooms that their sessions listen to.

mod attach;
pub(super) mod jobs;
pub(super) mod local_user;
mod settle;
