//! The scripts by name. Each file documents its arguments and answers.

use std::sync::LazyLock;

use redis::Script;

use crate::ids::ROOM_ID_CHARS;
use crate::limits;

use super::{journaled, keys};

/// A script and the name under which its calls are measured.
pub struct NamedScript {
    /// The label in metrics.
    pub name: &'static str,
    script: LazyLock<Script>,
    keys: Keys,
}

/// Says which keys the callers of a script name.
enum Keys {
    /// Its keys.
    Each,
    /// The base keys of rooms.
    Rooms,
}

impl NamedScript {
    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    /// Returns the keys to call it with: of rooms, their `meta`, and behind these, on a cluster, all that exist as long as
    /// they do.
    pub(super) fn keys(&self, named: &[impl AsRef<str>], is_cluster: bool) -> Vec<String> {
        match self.keys {
            Keys::Each => named.iter().map(|key| key.as_ref().to_owned()).collect(),
            Keys::Rooms => {
                let mut found: Vec<_> = named.iter().map(|room| keys::meta_of(room.as_ref())).collect();
                if is_cluster {
                    found.extend(keys::standing_of(named));
                }
                found
            }
        }
    }
}

const SERVER: &str = include_str!("scripts/server.lua");
const ROOM: &str = include_str!("scripts/room.lua");
const PRELUDE: &str = include_str!("scripts/prelude.lua");

const PRESENCE: &str = include_str!("scripts/presence.lua");

/// Microseconds of a day: the clientIds of a room are kept by the day of their messages.
pub const DAY_MICROS: u64 = 86_400_000_000;

/// Returns the limits of [`limits`] as Lua constants for the scripts.
fn constants() -> String {
    let dedup = limits::DEDUP_WINDOW.as_micros();
    format!(
        "local STREAM_EVENTS, STREAM_BYTES, UNREAD_CAP, ROOM_MEMBERS_INLINE = {}, {}, {}, {}\n\
         local DAY_MICROS, DEDUP_MICROS, ROOM_ID_CHARS, UNSTORED_END = {DAY_MICROS}, {dedup}, {}, '{}'\n\
         local SET_ASIDE, SET_ASIDE_STEPS = {}, {}",
        limits::STREAM_EVENTS,
        limits::STREAM_BYTES,
        limits::UNREAD_CAP,
        limits::ROOM_MEMBERS_INLINE,
        ROOM_ID_CHARS,
        keys::UNSTORED_END,
        journaled::SET_ASIDE,
        journaled::SET_ASIDE_STEPS,
    )
}

/// Builds a script of a partition's unstored index.
fn of_index(source: &str) -> Script {
    Script::new(&format!("{}\n{source}", constants()))
}

fn of_room(source: &str) -> Script {
    Script::new(&format!("{}\n{SERVER}\n{ROOM}\n{PRELUDE}\n{source}", constants()))
}

/// Builds a script that enters its rooms itself. Redis executes the shared part before a script again in each call, so
/// it stays short.
fn of_rooms(source: &str) -> Script {
    Script::new(&format!("{}\n{SERVER}\n{ROOM}\n{source}", constants()))
}

fn of_list(source: &str) -> Script {
    Script::new(&format!("{SERVER}\n{source}"))
}

fn of_presence(source: &str) -> Script {
    Script::new(&format!("{PRESENCE}\n{source}"))
}

/// Creates messages in one room or several.
pub static SEND: NamedScript = NamedScript {
    name: "send",
    script: LazyLock::new(|| of_rooms(include_str!("scripts/send.lua"))),
    keys: Keys::Rooms,
};
/// Changes a message.
pub static CHANGE_MESSAGE: NamedScript = NamedScript {
    name: "change_message",
    script: LazyLock::new(|| of_room(include_str!("scripts/change_message.lua"))),
    keys: Keys::Rooms,
};
/// Reads a message.
pub static MESSAGE: NamedScript = NamedScript {
    name: "message",
    script: LazyLock::new(|| of_room(include_str!("scripts/message.lua"))),
    keys: Keys::Rooms,
};
/// Moves a mark.
pub static MARK: NamedScript = NamedScript {
    name: "mark",
    script: LazyLock::new(|| of_room(include_str!("scripts/mark.lua"))),
    keys: Keys::Rooms,
};
/// Reads a room as a member sees it.
pub static VIEW: NamedScript = NamedScript {
    name: "view",
    script: LazyLock::new(|| of_room(include_str!("scripts/view.lua"))),
    keys: Keys::Rooms,
};
/// Reads whether a room is archived.
pub static ACCESS: NamedScript = NamedScript {
    name: "access",
    script: LazyLock::new(|| of_room(include_str!("scripts/access.lua"))),
    keys: Keys::Rooms,
};
/// Reads messages from the stream.
pub static HISTORY: NamedScript = NamedScript {
    name: "history",
    script: LazyLock::new(|| of_room(include_str!("scripts/history.lua"))),
    keys: Keys::Rooms,
};
/// Reads newer states of messages.
pub static OVERLAY: NamedScript = NamedScript {
    name: "overlay",
    script: LazyLock::new(|| of_room(include_str!("scripts/overlay.lua"))),
    keys: Keys::Rooms,
};
/// Reads events after a seq.
pub static EVENTS: NamedScript = NamedScript {
    name: "events",
    script: LazyLock::new(|| of_room(include_str!("scripts/events.lua"))),
    keys: Keys::Rooms,
};
/// Creates a room.
pub static CREATE_ROOM: NamedScript = NamedScript {
    name: "create_room",
    script: LazyLock::new(|| of_room(include_str!("scripts/create_room.lua"))),
    keys: Keys::Rooms,
};
/// Changes a room.
pub static CHANGE_ROOM: NamedScript = NamedScript {
    name: "change_room",
    script: LazyLock::new(|| of_room(include_str!("scripts/change_room.lua"))),
    keys: Keys::Rooms,
};
/// Opens a rebuilt room.
pub static INSTALL_ROOM: NamedScript = NamedScript {
    name: "install_room",
    script: LazyLock::new(|| of_room(include_str!("scripts/install_room.lua"))),
    keys: Keys::Rooms,
};
/// Begins a rebuild.
pub static REBUILD_BEGIN: NamedScript = NamedScript {
    name: "rebuild_begin",
    script: LazyLock::new(|| of_room(include_str!("scripts/rebuild_begin.lua"))),
    keys: Keys::Rooms,
};
/// Installs a part of the dedup window of a room that is being rebuilt.
pub static INSTALL_SENT: NamedScript = NamedScript {
    name: "install_sent",
    script: LazyLock::new(|| of_rooms(include_str!("scripts/install_sent.lua"))),
    keys: Keys::Rooms,
};
/// Finds the members among some texts.
pub static MENTIONED: NamedScript = NamedScript {
    name: "mentioned",
    script: LazyLock::new(|| of_room(include_str!("scripts/mentioned.lua"))),
    keys: Keys::Rooms,
};
/// Stores an unread count.
pub static SET_UNREAD: NamedScript = NamedScript {
    name: "set_unread",
    script: LazyLock::new(|| of_room(include_str!("scripts/set_unread.lua"))),
    keys: Keys::Rooms,
};
/// Clears stored messages.
pub static STORED_MESSAGES: NamedScript = NamedScript {
    name: "stored_messages",
    script: LazyLock::new(|| of_room(include_str!("scripts/stored_messages.lua"))),
    keys: Keys::Rooms,
};
/// Clears a stored change of a room.
pub static STORED_ROOM: NamedScript = NamedScript {
    name: "stored_room",
    script: LazyLock::new(|| of_room(include_str!("scripts/stored_room.lua"))),
    keys: Keys::Rooms,
};
/// Deletes a room, which is then rebuilt from DynamoDB.
pub static FORGET_ROOM: NamedScript = NamedScript {
    name: "forget_room",
    script: LazyLock::new(|| of_room(include_str!("scripts/forget_room.lua"))),
    keys: Keys::Rooms,
};
/// Merges a user's rooms.
pub static USER_ROOMS: NamedScript = NamedScript {
    name: "user_rooms",
    script: LazyLock::new(|| of_list(include_str!("scripts/user_rooms.lua"))),
    keys: Keys::Each,
};
/// Reads a user's rooms.
pub static USER_LIST: NamedScript = NamedScript {
    name: "rooms_of",
    script: LazyLock::new(|| of_list(include_str!("scripts/user_list.lua"))),
    keys: Keys::Each,
};
/// Reads what adding a user to a room depends on.
pub static INVITEE: NamedScript = NamedScript {
    name: "invitee",
    script: LazyLock::new(|| Script::new(include_str!("scripts/invitee.lua"))),
    keys: Keys::Each,
};
/// Counts what a user or an organization makes on a day.
pub static COUNT_MADE: NamedScript = NamedScript {
    name: "count_made",
    script: LazyLock::new(|| Script::new(include_str!("scripts/count_made.lua"))),
    keys: Keys::Each,
};
/// Ends a user's sessions.
pub static REVOKE: NamedScript = NamedScript {
    name: "revoke",
    script: LazyLock::new(|| Script::new(include_str!("scripts/revoke.lua"))),
    keys: Keys::Each,
};
/// Notes a user's name.
pub static NAME: NamedScript = NamedScript {
    name: "name",
    script: LazyLock::new(|| Script::new(include_str!("scripts/name.lua"))),
    keys: Keys::Each,
};
/// Notes a member's name in a room.
pub static NAME_MEMBER: NamedScript = NamedScript {
    name: "name_member",
    script: LazyLock::new(|| of_room(include_str!("scripts/name_member.lua"))),
    keys: Keys::Rooms,
};
/// Announces that a member is typing.
pub static TYPING: NamedScript = NamedScript {
    name: "typing",
    script: LazyLock::new(|| of_room(include_str!("scripts/typing.lua"))),
    keys: Keys::Rooms,
};
/// Sets a node's connections of a user to those that the node reports.
pub static PRESENCE_SYNC: NamedScript = NamedScript {
    name: "presence_sync",
    script: LazyLock::new(|| of_presence(include_str!("scripts/presence_sync.lua"))),
    keys: Keys::Each,
};
/// Renews a node's lease, and ends the presence of users on dead nodes.
pub static PRESENCE_RENEW: NamedScript = NamedScript {
    name: "presence_renew",
    script: LazyLock::new(|| of_presence(include_str!("scripts/presence_renew.lua"))),
    keys: Keys::Each,
};
/// Notes what a user has spent of their budgets.
pub static SPEND: NamedScript = NamedScript {
    name: "spend",
    script: LazyLock::new(|| Script::new(include_str!("scripts/spend.lua"))),
    keys: Keys::Each,
};
/// Renews what a node says of its format, and reads what all say.
pub static FORMATS: NamedScript = NamedScript {
    name: "formats",
    script: LazyLock::new(|| Script::new(include_str!("scripts/formats.lua"))),
    keys: Keys::Each,
};
/// Takes or renews a lease.
pub static LEASE: NamedScript = NamedScript {
    name: "lease",
    script: LazyLock::new(|| Script::new(include_str!("scripts/lease.lua"))),
    keys: Keys::Each,
};
/// Reads a page of the unstored index.
pub static UNSTORED_PAGE: NamedScript = NamedScript {
    name: "unstored_page",
    script: LazyLock::new(|| Script::new(include_str!("scripts/unstored_page.lua"))),
    keys: Keys::Each,
};
/// Notes that unstored entries were journaled.
pub static NOTE_JOURNALED: NamedScript = NamedScript {
    name: "note_journaled",
    script: LazyLock::new(|| of_index(include_str!("scripts/note_journaled.lua"))),
    keys: Keys::Each,
};
/// Counts the unstored entries of a partition.
pub static UNSTORED_BACKLOG: NamedScript = NamedScript {
    name: "unstored_backlog",
    script: LazyLock::new(|| of_index(include_str!("scripts/unstored_backlog.lua"))),
    keys: Keys::Each,
};
