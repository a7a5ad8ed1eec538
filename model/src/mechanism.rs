//! The mechanisms: what is built today, what is to be built, and the latter without one of its parts.

/// The parties' answer to a Redis that lost, moved or forgot. Each field is one part of the mechanism, so that the
/// search can tell what each is for.
#[expect(clippy::struct_excessive_bools, reason = "each part is there or not, by itself")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanism {
    /// A room names the history of the server in which it was installed, and is distrusted in any other. Without it,
    /// only a room whose facts are gone is known to be lost.
    pub names_history: bool,
    /// A room that is distrusted, or gone while its partition is not known to be drained, is rebuilt only after a
    /// fence has gone through the room's queue.
    pub fences: bool,
    /// The fence waits until no gateway can still have anything of an earlier history under way to SQS.
    pub awaits_quiet: bool,
    /// A fence is written only if all that came before it in its batch is.
    pub fences_come_last: bool,
    /// The part of a distrusted room that nobody has stored goes through the queue ahead of the fence.
    pub flushes: bool,
    /// Changes of the room itself go through the room's queue as well, so that the fence is behind them too.
    pub queues_changes: bool,
    /// A change of a message names the installation of the room, and the end of its stream, that it was made from.
    pub changes_name_epoch: bool,
    /// A rebuild leaves its token in Redis before it reads DynamoDB, and is refused if the token is gone by then: by
    /// another rebuild, or by something that was stored meanwhile.
    pub leaves_token: bool,
    /// A message of a room whose creation is not known to be durable is acked only once that is.
    pub creation_first: bool,
    /// A rebuild after a loss gives the room a new head, so that whoever saw less reads the history anew.
    pub raises_head: bool,
    /// A record that is stored, and was made in another history than the room's, makes the room distrusted anew.
    pub distrusts_late: bool,
    /// A tombstone is written over any version that is none.
    pub tombstones_win: bool,
    /// The dedup window of a rebuild begins with the newest messages.
    pub newest_first: bool,
}

impl Mechanism {
    /// The scripts and the gateway of today.
    pub const PRESENT: Self = Self {
        names_history: false,
        fences: false,
        awaits_quiet: false,
        fences_come_last: false,
        flushes: false,
        queues_changes: false,
        changes_name_epoch: false,
        leaves_token: false,
        creation_first: false,
        raises_head: false,
        distrusts_late: false,
        tombstones_win: false,
        newest_first: false,
    };

    /// The mechanism of `MECHANISM.md`.
    pub const NEW: Self = Self {
        names_history: true,
        fences: true,
        awaits_quiet: true,
        fences_come_last: true,
        flushes: true,
        queues_changes: true,
        changes_name_epoch: true,
        leaves_token: true,
        creation_first: true,
        raises_head: true,
        distrusts_late: true,
        tombstones_win: true,
        newest_first: true,
    };
}
