//! The code that the parts of RTS share: identities, messages and rooms, the journal's records, the Redis model with
//! its scripts, the DynamoDB store, configuration and telemetry start-up, and the SignalR codec. It contains no sockets
//! and none of the hub's chat logic.

pub mod config;
pub mod display_name;
pub mod emoji;
pub mod files;
pub mod ids;
pub mod limits;
pub mod message;
pub mod names;
pub mod record;
pub mod redis;
pub mod retention;
pub mod room;
#[cfg(feature = "testing")]
mod schema;
pub mod seq;
pub mod signalr;
pub mod store;
pub mod telemetry;
pub mod tls;
