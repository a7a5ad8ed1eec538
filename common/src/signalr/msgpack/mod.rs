//! Records as MessagePack arrays.
//!
//! `rmp-serde` writes values, structs as maps. Our own deserializer ([`value`]) over a bounded reader reads them:
//! `rmp-serde` accepts arrays for structs, has no text for a timestamp, and would need a second pass anyway to find the
//! end of an undecoded value.

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
pub(super) use value::{decode_object, decode_value, explain};
