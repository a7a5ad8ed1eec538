//! Sessions: one task each, from the WebSocket's upgrade to its end.

pub mod close;
pub mod handle;
pub mod outbox;

pub use self::close::CloseReason;
pub use self::handle::{ConnectionId, SessionHandle};
pub use self::outbox::Outbox;
