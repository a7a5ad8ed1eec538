//! Records as MessagePack arrays.
//!
//! Values are written by `rmp-serde`, structs as maps. They are read by a deserializer of our own
//! ([`value`]) over a bounded reader: `rmp-serde` takes arrays for structs, has no text for a
//! timestamp, and would need a second walk anyway to find where an undecoded value ends.

mod decode;
mod encode;
mod length;
mod reader;
mod timestamp;
mod value;

pub(super) use decode::{call_head, decode, element, is_map};
pub(super) use encode::{
    PING, ack, cancel, close, completion_error, completion_value, completion_void, invocation, sequence, stream_item,
};
pub(super) use length::LengthPrefix;
pub(super) use value::{decode_object, decode_value};
