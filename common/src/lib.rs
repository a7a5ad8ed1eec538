//! What the parts of RTS share: identities, messages and rooms, the journal's records, the Redis
//! model with its scripts, the DynamoDB store, configuration and telemetry start-up, and the
//! SignalR codec. No sockets and no chat logic of the hub live here.

pub mod config;
pub mod display_name;
pub mod emoji;
pub mod ids;
pub mod limits;
pub mod message;
pub mod names;
pub mod record;
pub mod redis;
pub mod retention;
pub mod room;
pub mod seq;
pub mod signalr;
pub mod store;
pub mod telemetry;
