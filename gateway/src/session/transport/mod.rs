//! What carries a session's bytes. WebSockets only, so far; Server-Sent Events and long polling will
//! stand beside them.

mod frame;
mod websocket;

pub use self::websocket::WebSocket;
pub(super) use self::websocket::{Incoming, TransportError};
