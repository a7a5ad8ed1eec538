//! The scripts by name. Each file documents its arguments and answers.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use crate::ids::ROOM_ID_CHARS;
use crate::limits;

/// A script and the name under which its calls are measured.
pub struct NamedScript {
    /// The label in metrics.
    pub name: &'static str,
    script: LazyLock<Script>,
}

impl NamedScript {
    pub(super) fn script(&self) -> &Script {
        &self.script
    }
}

const ROOM: &str = include_str!("scripts/room.lua");
const PRELUDE: &str = include_str!("scripts/prelude.lua");

const PRESENCE: &str = include_str!("scripts/presence.lua");

/// Returns the limits of [`limits`] as Lua constants for the scripts.
fn constants() -> String {
    let (day, dedup) = (Duration::from_hours(24).as_micros(), limits::DEDUP_WINDOW.as_micros());
    format!(
        "local STREAM_EVENTS, UNREAD_CAP, ROOM_MEMBERS_INLINE = {}, {}, {}\n\
         local DAY_MICROS, DEDUP_MICROS, ROOM_ID_CHARS = {day}, {dedup}, {}",
        limits::STREAM_EVENTS,
        limits::UNREAD_CAP,
        limits::ROOM_MEMBERS_INLINE,
        ROOM_ID_CHARS,
    )
}

fn of_room(source: &str) -> Script {
    Script::new(&format!("{}\n{ROOM}\n{PRELUDE}\n{source}", constants()))
}

/// Builds a script that enters its rooms itself. Redis executes the shared part before a script again in each call, so
/// it stays short.
fn of_rooms(source: &str) -> Script {
    Script::new(&format!("{}\n{ROOM}\n{source}", constants()))
}

fn of_presence(source: &str) -> Script {
    Script::new(&format!("{PRESENCE}\n{source}"))
}

/// Creates messages in one room or several.
pub static SEND: NamedScript =
    NamedScript { name: "send", script: LazyLock::new(|| of_rooms(include_str!("scripts/send.lua"))) };
/// Changes a message.
pub static CHANGE_MESSAGE: NamedScript = NamedScript {
    name: "change_message",
    script: LazyLock::new(|| of_room(include_str!("scripts/change_message.lua"))),
};
/// Reads a message.
pub static MESSAGE: NamedScript =
    NamedScript { name: "message", script: LazyLock::new(|| of_room(include_str!("scripts/message.lua"))) };
/// Moves a mark.
pub static MARK: NamedScript =
    NamedScript { name: "mark", script: LazyLock::new(|| of_room(include_str!("scripts/mark.lua"))) };
/// Reads a room as a member sees it.
pub static VIEW: NamedScript =
    NamedScript { name: "view", script: LazyLock::new(|| of_room(include_str!("scripts/view.lua"))) };
/// Reads whether a room is archived.
pub static ACCESS: NamedScript =
    NamedScript { name: "access", script: LazyLock::new(|| of_room(include_str!("scripts/access.lua"))) };
/// Reads messages from the stream.
pub static HISTORY: NamedScript =
    NamedScript { name: "history", script: LazyLock::new(|| of_room(include_str!("scripts/history.lua"))) };
/// Reads newer states of messages.
pub static OVERLAY: NamedScript =
    NamedScript { name: "overlay", script: LazyLock::new(|| of_room(include_str!("scripts/overlay.lua"))) };
/// Reads events after a seq.
pub static EVENTS: NamedScript =
    NamedScript { name: "events", script: LazyLock::new(|| of_room(include_str!("scripts/events.lua"))) };
/// Creates a room.
pub static CREATE_ROOM: NamedScript =
    NamedScript { name: "create_room", script: LazyLock::new(|| of_room(include_str!("scripts/create_room.lua"))) };
/// Changes a room.
pub static CHANGE_ROOM: NamedScript =
    NamedScript { name: "change_room", script: LazyLock::new(|| of_room(include_str!("scripts/change_room.lua"))) };
/// Opens a rebuilt room.
pub static INSTALL_ROOM: NamedScript =
    NamedScript { name: "install_room", script: LazyLock::new(|| of_room(include_str!("scripts/install_room.lua"))) };
/// Finds the members among some texts.
pub static MENTIONED: NamedScript =
    NamedScript { name: "mentioned", script: LazyLock::new(|| of_room(include_str!("scripts/mentioned.lua"))) };
/// Stores an unread count.
pub static SET_UNREAD: NamedScript =
    NamedScript { name: "set_unread", script: LazyLock::new(|| of_room(include_str!("scripts/set_unread.lua"))) };
/// Clears stored messages.
pub static STORED_MESSAGES: NamedScript = NamedScript {
    name: "stored_messages",
    script: LazyLock::new(|| of_room(include_str!("scripts/stored_messages.lua"))),
};
/// Clears a stored change of a room.
pub static STORED_ROOM: NamedScript =
    NamedScript { name: "stored_room", script: LazyLock::new(|| of_room(include_str!("scripts/stored_room.lua"))) };
/// Merges a user's rooms.
pub static USER_ROOMS: NamedScript =
    NamedScript { name: "user_rooms", script: LazyLock::new(|| Script::new(include_str!("scripts/user_rooms.lua"))) };
/// Notes a user's name.
pub static NAME: NamedScript =
    NamedScript { name: "name", script: LazyLock::new(|| Script::new(include_str!("scripts/name.lua"))) };
/// Notes a member's name in a room.
pub static NAME_MEMBER: NamedScript =
    NamedScript { name: "name_member", script: LazyLock::new(|| of_room(include_str!("scripts/name_member.lua"))) };
/// Announces that a member is typing.
pub static TYPING: NamedScript =
    NamedScript { name: "typing", script: LazyLock::new(|| of_room(include_str!("scripts/typing.lua"))) };
/// Sets a node's connections of a user to those that the node reports.
pub static PRESENCE_SYNC: NamedScript = NamedScript {
    name: "presence_sync",
    script: LazyLock::new(|| of_presence(include_str!("scripts/presence_sync.lua"))),
};
/// Renews a node's lease, and ends the presence of users on dead nodes.
pub static PRESENCE_RENEW: NamedScript = NamedScript {
    name: "presence_renew",
    script: LazyLock::new(|| of_presence(include_str!("scripts/presence_renew.lua"))),
};
/// Takes or renews a lease.
pub static LEASE: NamedScript =
    NamedScript { name: "lease", script: LazyLock::new(|| Script::new(include_str!("scripts/lease.lua"))) };
/// Reads a page of the unstored index.
pub static UNSTORED_PAGE: NamedScript = NamedScript {
    name: "unstored_page",
    script: LazyLock::new(|| Script::new(include_str!("scripts/unstored_page.lua"))),
};
/// Notes that unstored entries were journaled.
pub static NOTE_JOURNALED: NamedScript = NamedScript {
    name: "note_journaled",
    script: LazyLock::new(|| Script::new(include_str!("scripts/note_journaled.lua"))),
};
