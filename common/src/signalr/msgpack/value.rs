//! Presents a MessagePack value to serde, so that a request type reads the same as from JSON: structs by name only, a
//! timestamp as ISO-8601 text, integers of any width.
//!
//! [`Reader::value`] has checked every value before it gets here: lengths are true and nesting is bounded.

use serde::Deserializer;
use serde::de::value::{SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::reader::{Invalid, Reader, Token};
use super::timestamp::{TIMESTAMP, iso_8601};
use crate::signalr::any_case::AnyCase;
use crate::signalr::explain::{self, Cause};
use crate::signalr::{ArgumentError, Fault};

/// Decodes one value.
pub(in crate::signalr) fn decode_value<T: DeserializeOwned>(value: &[u8]) -> Result<T, ArgumentError> {
    let mut reader = Reader::new(value);
    T::deserialize(Value(&mut reader))
}

/// Decodes one object, whose fields may be named in any letter case.
pub(in crate::signalr) fn decode_object<T: DeserializeOwned>(value: &[u8]) -> Result<T, ArgumentError> {
    let mut reader = Reader::new(value);
    T::deserialize(AnyCase(Value(&mut reader)))
}

/// Finds the fault of an object that cannot be decoded.
pub(in crate::signalr) fn explain<T: DeserializeOwned>(value: &[u8]) -> Option<Fault> {
    let mut reader = Reader::new(value);
    explain::explain::<T, _>(AnyCase(Value(&mut reader)), |error| match error {
        ArgumentError::Lacks(field) => Cause::Lacks((*field).to_owned()),
        ArgumentError::NotOneOf(values) => Cause::NotOneOf(explain::listed(values)),
        ArgumentError::Missing | ArgumentError::Mistyped => Cause::Other,
    })
}

impl serde::de::Error for ArgumentError {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self::Mistyped
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Lacks(field)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::NotOneOf(expected)
    }
}

impl From<Invalid> for ArgumentError {
    fn from(_: Invalid) -> Self {
        Self::Mistyped
    }
}

/// The next value of a reader.
struct Value<'r, 'de>(&'r mut Reader<'de>);

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = ArgumentError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        match self.0.token()? {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            Token::F32(value) => visitor.visit_f32(value),
            Token::F64(value) => visitor.visit_f64(value),
            Token::Str(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            Token::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::Ext(TIMESTAMP, data) => visitor.visit_string(iso_8601(data).ok_or(ArgumentError::Mistyped)?),
            Token::Ext(..) => Err(ArgumentError::Mistyped),
            Token::Array(left) => {
                let mut elements = Elements { reader: self.0, left };
                let value = visitor.visit_seq(&mut elements)?;
                elements.finish().map(|()| value)
            }
            Token::Map(left) => {
                let mut pairs = Elements { reader: self.0, left };
                let value = visitor.visit_map(&mut pairs)?;
                pairs.finish().map(|()| value)
            }
        }
    }

    /// `bin` is no text: serde would take its bytes for one.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        match self.0.peek()? {
            Token::Bin(_) => Err(ArgumentError::Mistyped),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        if self.0.peek()? == Token::Nil {
            self.0.token()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        match self.0.peek()? {
            Token::Map(_) => self.deserialize_any(visitor),
            _ => Err(ArgumentError::Mistyped),
        }
    }

    /// `bin` is also readable as a sequence of bytes, so that `Vec<u8>` accepts it.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        match self.0.peek()? {
            Token::Bin(bytes) => {
                self.0.token()?;
                visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        match self.0.token()? {
            Token::Str(bytes) => {
                let variant: StrDeserializer<'_, ArgumentError> = text(bytes)?.into_deserializer();
                visitor.visit_enum(variant)
            }
            Token::Map(1) => visitor.visit_enum(self),
            _ => Err(ArgumentError::Mistyped),
        }
    }

    /// Names are text: serde would take a number for a field's index in its struct.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        match self.0.token()? {
            Token::Str(bytes) => visitor.visit_borrowed_str(text(bytes)?),
            _ => Err(ArgumentError::Mistyped),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ArgumentError> {
        self.0.value()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit
        unit_struct tuple tuple_struct map
    }
}

/// The elements of an array, or the pairs of a map.
struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: u32,
}

impl<'de> Elements<'_, 'de> {
    fn next<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgumentError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(Value(self.reader)).map(Some)
    }

    /// Fails unless all elements were taken.
    fn finish(self) -> Result<(), ArgumentError> {
        match self.left {
            0 => Ok(()),
            _ => Err(ArgumentError::Mistyped),
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = ArgumentError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ArgumentError> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        // Exact, since the elements were checked: each takes at least a byte.
        usize::try_from(self.left).ok()
    }
}

impl<'de> MapAccess<'de> for Elements<'_, 'de> {
    type Error = ArgumentError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ArgumentError> {
        self.next(seed)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ArgumentError> {
        seed.deserialize(Value(self.reader))
    }
}

/// A variant with content: a map of one pair, the variant's name first.
impl<'de> EnumAccess<'de> for Value<'_, 'de> {
    type Error = ArgumentError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ArgumentError> {
        let variant = seed.deserialize(Value(self.0))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Value<'_, 'de> {
    type Error = ArgumentError;

    fn unit_variant(self) -> Result<(), ArgumentError> {
        match self.0.token()? {
            Token::Nil => Ok(()),
            _ => Err(ArgumentError::Mistyped),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ArgumentError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ArgumentError> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ArgumentError> {
        self.deserialize_struct("", fields, visitor)
    }
}

fn text(bytes: &[u8]) -> Result<&str, ArgumentError> {
    std::str::from_utf8(bytes).map_err(|_| ArgumentError::Mistyped)
}
