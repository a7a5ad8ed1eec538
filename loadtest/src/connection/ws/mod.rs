//! The client's side of WebSocket framing, sans-IO: RFC 6455 without extensions.
//!
//! Message payloads are handed on in the pieces in which they arrive, so a connection holds no buffer;
//! whoever reads them must not care where a frame ends, as the SignalR decoder does not.

mod frame;
mod upgrade;

pub(crate) use frame::{Chunk, FrameError, FrameReader, Opcode, write_frame};
pub(crate) use upgrade::{accept_key, upgrade_request};
