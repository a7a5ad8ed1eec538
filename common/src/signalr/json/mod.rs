//! Records as JSON objects.

mod decode;
mod encode;

pub(super) use decode::{call_head, decode, decode_object, decode_value, element, explain, only_element};
pub(super) use encode::{
    ack, cancel, close, completion_error, completion_value, completion_void, invocation, record, sequence, stream_item,
};
