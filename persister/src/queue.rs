//! The queues that the functions read.

/// Which queue a function reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// `chat-message-queue.fifo`, by `chat-message-to-db`.
    Messages,
    /// `chat-room-queue`, by `chat-room-to-db`.
    Rooms,
}

impl Queue {
    /// A short name, for logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Rooms => "rooms",
        }
    }
}
