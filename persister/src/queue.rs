//! The queues that the functions read.

/// The queue that a function reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// `chat-message-queue.fifo`, read by `chat-message-to-db`.
    Messages,
    /// `chat-room-queue`, read by `chat-room-to-db`.
    Rooms,
}

impl Queue {
    /// Returns a short name, for logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Rooms => "rooms",
        }
    }
}
