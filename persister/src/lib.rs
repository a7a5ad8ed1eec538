//! The two Lambda functions that write what the gateways journal into DynamoDB:
//! `chat-message-to-db` on the FIFO queue of messages, `chat-room-to-db` on the queue of rooms.
//!
//! Both take the same way through a batch ([`Persister::handle`]):
//! parse each record ([`record`]) → keep the highest version of each item ([`plan`]) → write them
//! conditionally, with retries until shortly before the invocation's deadline (`execute`) → tell
//! Redis what is stored (`notify`, best effort) → report what failed ([`batch`]).
//!
//! Records carry full state and versions, so writing one twice, late or out of order changes
//! nothing. No chat logic lives here, and nothing but this crate writes to DynamoDB.

pub mod batch;
mod execute;
mod handler;
pub mod lambda;
mod notify;
pub mod plan;
mod queue;
pub mod record;

pub use self::handler::Persister;
pub use self::notify::Notifier;
pub use self::queue::Queue;
