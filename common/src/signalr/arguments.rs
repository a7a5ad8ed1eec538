//! Values that stay undecoded until they are read as a type.

use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Fault, Protocol, json, msgpack};

/// The arguments of an invocation. Shares the record's bytes; its [`Debug`](fmt::Debug) shows no content, which may be
/// a user's message.
#[derive(Clone, PartialEq, Eq)]
pub struct Arguments {
    protocol: Protocol,
    /// JSON: the array's text. MessagePack: its elements, without the array's head.
    bytes: Bytes,
    count: usize,
}

/// One value: a stream's item or an invocation's result. Shares the record's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    protocol: Protocol,
    bytes: Bytes,
}

/// The reason why a value could not be decoded. It fails the invocation; the connection stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// There is no argument at this index.
    #[error("the argument is missing")]
    Missing,
    /// The value has a form other than the requested type.
    #[error("the argument has the wrong type")]
    Mistyped,
    /// The value is an object without this field.
    #[error("the argument lacks a field")]
    Lacks(&'static str),
    /// The value is none of these.
    #[error("the argument is none of the expected")]
    NotOneOf(&'static [&'static str]),
}

impl Arguments {
    /// Wraps bytes that were checked to hold `count` values of `protocol`.
    pub(super) fn new(protocol: Protocol, bytes: Bytes, count: usize) -> Self {
        Self { protocol, bytes, count }
    }

    /// Returns the number of arguments.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns their size.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Decodes the argument at `index`, counted from 0.
    ///
    /// MessagePack integers may have any width, `bin` is read as bytes, and a timestamp as the ISO-8601 text that a
    /// JavaScript `Date` has in JSON, so that a type reads the same from both protocols.
    pub fn decode<T: DeserializeOwned>(&self, index: usize) -> Result<T, ArgumentError> {
        decode_value(self.protocol, self.element(index)?)
    }

    /// Decodes the argument at `index`, which must be an object; names of fields count in any letter case.
    /// [`Self::decode`] alone would take a JSON array for a struct, its elements for the fields in order.
    pub fn decode_object<T: DeserializeOwned>(&self, index: usize) -> Result<T, ArgumentError> {
        let element = self.element(index)?;
        let is_object = match self.protocol {
            Protocol::Json => element.first() == Some(&b'{'),
            Protocol::MessagePack => msgpack::is_map(element),
        };
        match self.protocol {
            _ if !is_object => Err(ArgumentError::Mistyped),
            Protocol::Json => json::decode_object(element),
            Protocol::MessagePack => msgpack::decode_object(element),
        }
    }

    /// Returns the fault of an argument for which [`Self::decode_object`] fails.
    pub fn explain<T: DeserializeOwned>(&self, index: usize) -> Fault {
        let element = self.element(index).unwrap_or_default();
        let fault = match self.protocol {
            Protocol::Json if element.first() == Some(&b'{') => json::explain::<T>(element),
            Protocol::MessagePack if msgpack::is_map(element) => msgpack::explain::<T>(element),
            Protocol::Json | Protocol::MessagePack => None,
        };
        fault.unwrap_or(Fault::NoObject)
    }

    /// Returns the bytes of the argument at `index`.
    fn element(&self, index: usize) -> Result<&[u8], ArgumentError> {
        if index >= self.count {
            return Err(ArgumentError::Missing);
        }
        match self.protocol {
            Protocol::Json if self.count == 1 => json::only_element(&self.bytes),
            Protocol::Json => json::element(&self.bytes, index),
            Protocol::MessagePack => msgpack::element(&self.bytes, index),
        }
    }
}

impl Payload {
    /// Wraps bytes that were checked to hold one value of `protocol`.
    pub(super) fn new(protocol: Protocol, bytes: Bytes) -> Self {
        Self { protocol, bytes }
    }

    /// Decodes the value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ArgumentError> {
        decode_value(self.protocol, &self.bytes)
    }
}

fn decode_value<T: DeserializeOwned>(protocol: Protocol, value: &[u8]) -> Result<T, ArgumentError> {
    match protocol {
        Protocol::Json => json::decode_value(value),
        Protocol::MessagePack => msgpack::decode_value(value),
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments")
            .field("protocol", &self.protocol)
            .field("count", &self.count)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("protocol", &self.protocol).field("bytes", &self.bytes.len()).finish()
    }
}
