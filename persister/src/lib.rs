//! The two Lambda functions that write what the gateways journal into DynamoDB:
//! `chat-message-to-db` on the FIFO queue of messages, `chat-room-to-db` on the queue of rooms.
//!
//! Both process a batch in the same way ([`Persister::handle`]): parse each record ([`record`]) → keep the highest
//! version of each item ([`plan`]) → write them conditionally, with retries until shortly before the invocation's
//! deadline (`execute`) → set aside what DynamoDB refuses (`aside`) → notify Redis of the stored records (`notify`, best effort) → write the fences behind them
//! (`fence`) → report those that failed ([`batch`]).
//!
//! Records carry full state and versions, so writing one twice, late or out of order changes nothing. This crate
//! contains no chat logic, and nothing else writes to DynamoDB but the operator's [`upkeep`] and its command `data`. What a
//! function cannot store ends in its dead-letter queue: [`dead_letters`] and its command `dlq`.

mod aside;
pub mod batch;
pub mod dead_letters;
mod emf;
mod execute;
mod fence;
mod handler;
pub mod lambda;
mod notify;
pub mod plan;
mod queue;
pub mod record;
pub mod upkeep;

pub use self::aside::SideQueue;
pub use self::handler::Persister;
pub use self::notify::Notifier;
pub use self::queue::Queue;
