//! The client's side of WebSocket framing, sans-IO: RFC 6455 without extensions.
//!
//! Message payloads are passed on in the pieces in which they arrive, so a connection holds no buffer; their reader
//! must not depend on where a frame ends, and the SignalR decoder does not.

mod frame;
mod upgrade;

pub(crate) use frame::{Chunk, FrameError, FrameReader, Opcode, write_frame};
pub(crate) use upgrade::{accept_key, upgrade_request};
