//! Encodes a record's parts as MessagePack, in one buffer. Structs become maps with the names they have in JSON.

use bytes::Bytes;
use rmp::encode::{write_array_len, write_bool, write_map_len, write_nil, write_str, write_uint};
use rmp_serde::encode::Error;
use serde::Serialize;

use super::decode::{ERROR_RESULT, VALUE_RESULT, VOID_RESULT};
use super::length::{LengthPrefix, PREFIX_BYTES_MAX};
use crate::signalr::record::kind;

/// Room for most events, so that a record is rarely copied as it grows.
const CAPACITY: usize = 512;
/// The reason why the writes below are not checked one by one.
const INFALLIBLE: &str = "a vector takes every write";

/// A complete ping.
pub(in crate::signalr) const PING: &[u8] = &[0x02, 0x91, kind::PING];

/// Encodes an invocation or, with that `kind`, a stream invocation. It always has its stream ids: the Python client
/// reads element 5 without checking that it exists.
pub(in crate::signalr) fn invocation<T: Serialize>(
    kind: u8,
    invocation_id: Option<&str>,
    target: &str,
    argument: &T,
) -> Result<Bytes, Error> {
    let mut record = Writer::new(6, kind);
    record.no_headers();
    record.text_or_nil(invocation_id);
    record.text_or_nil(Some(target));
    record.array(1);
    record.value(argument)?;
    record.array(0);
    Ok(record.finish())
}

pub(in crate::signalr) fn stream_item<T: Serialize>(invocation_id: &str, item: &T) -> Result<Bytes, Error> {
    let mut record = Writer::new(4, kind::STREAM_ITEM);
    record.no_headers();
    record.text_or_nil(Some(invocation_id));
    record.value(item)?;
    Ok(record.finish())
}

pub(in crate::signalr) fn completion_value<T: Serialize>(invocation_id: &str, result: &T) -> Result<Bytes, Error> {
    let mut record = Writer::completion(5, invocation_id, VALUE_RESULT);
    record.value(result)?;
    Ok(record.finish())
}

pub(in crate::signalr) fn completion_void(invocation_id: &str) -> Bytes {
    Writer::completion(4, invocation_id, VOID_RESULT).finish()
}

pub(in crate::signalr) fn completion_error(invocation_id: &str, error: &str) -> Bytes {
    let mut record = Writer::completion(5, invocation_id, ERROR_RESULT);
    record.text_or_nil(Some(error));
    record.finish()
}

pub(in crate::signalr) fn cancel(invocation_id: &str) -> Bytes {
    let mut record = Writer::new(3, kind::CANCEL_INVOCATION);
    record.no_headers();
    record.text_or_nil(Some(invocation_id));
    record.finish()
}

pub(in crate::signalr) fn close(error: Option<&str>, allow_reconnect: bool) -> Bytes {
    let mut record = Writer::new(3, kind::CLOSE);
    record.text_or_nil(error);
    write_bool(&mut record.bytes, allow_reconnect).expect(INFALLIBLE);
    record.finish()
}

pub(in crate::signalr) fn ack(sequence_id: u64) -> Bytes {
    numbered(kind::ACK, sequence_id)
}

pub(in crate::signalr) fn sequence(sequence_id: u64) -> Bytes {
    numbered(kind::SEQUENCE, sequence_id)
}

fn numbered(kind: u8, sequence_id: u64) -> Bytes {
    let mut record = Writer::new(2, kind);
    record.number(sequence_id);
    record.finish()
}

/// A record being written, after space for its length.
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts a record of `elements`, the first of which is its type.
    fn new(elements: u32, kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(CAPACITY);
        bytes.extend_from_slice(&[0; PREFIX_BYTES_MAX]);
        let mut record = Self { bytes };
        record.array(elements);
        record.number(kind.into());
        record
    }

    fn completion(elements: u32, invocation_id: &str, result: u8) -> Self {
        let mut record = Self::new(elements, kind::COMPLETION);
        record.no_headers();
        record.text_or_nil(Some(invocation_id));
        record.number(result.into());
        record
    }

    fn array(&mut self, length: u32) {
        write_array_len(&mut self.bytes, length).expect(INFALLIBLE);
    }

    fn number(&mut self, number: u64) {
        write_uint(&mut self.bytes, number).expect(INFALLIBLE);
    }

    fn no_headers(&mut self) {
        write_map_len(&mut self.bytes, 0).expect(INFALLIBLE);
    }

    fn text_or_nil(&mut self, text: Option<&str>) {
        match text {
            Some(text) => write_str(&mut self.bytes, text).expect(INFALLIBLE),
            None => write_nil(&mut self.bytes).expect(INFALLIBLE),
        }
    }

    /// Writes ids and times as the texts they are in JSON, as "human readable" formats do.
    fn value<T: Serialize>(&mut self, value: &T) -> Result<(), Error> {
        let mut serializer = rmp_serde::Serializer::new(&mut self.bytes).with_struct_map().with_human_readable();
        value.serialize(&mut serializer)
    }

    /// Writes the length immediately before the body, and returns both.
    fn finish(mut self) -> Bytes {
        let body_bytes = self.bytes.len() - PREFIX_BYTES_MAX;
        let room = self.bytes.first_chunk_mut().expect("space for the length was reserved first");
        let prefix_bytes = LengthPrefix::write(body_bytes, room);
        Bytes::from(self.bytes).slice(PREFIX_BYTES_MAX - prefix_bytes..)
    }
}
