//! Decodes a JSON body to a record. The type may be anywhere in the object (the JavaScript client writes it last), so
//! every field is first taken as raw text, then read as its type requires.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::limits::RECORD_DEPTH;
use crate::signalr::any_case::AnyCase;
use crate::signalr::explain;
use crate::signalr::oversized::Call;
use crate::signalr::record::kind;
use crate::signalr::{ArgumentError, Arguments, CompletionResult, Fault, Payload, Protocol, ProtocolError, Record};

/// Reads the record of a body without its separator; `None` for an unknown type.
pub(in crate::signalr) fn decode(body: &Bytes) -> Result<Option<Record>, ProtocolError> {
    let text = std::str::from_utf8(body).map_err(|_| ProtocolError::Malformed)?;
    // A derived struct would also accept an array.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(ProtocolError::Malformed);
    }
    // The record itself and its arguments are two of them.
    if depth(body) > RECORD_DEPTH + 2 {
        return Err(ProtocolError::Malformed);
    }
    let fields: Fields = serde_json::from_str(text).map_err(|_| ProtocolError::Malformed)?;
    let Ok(kind) = u8::try_from(fields.kind()?) else {
        return Ok(None);
    };
    if !(kind::INVOCATION..=kind::SEQUENCE).contains(&kind) {
        return Ok(None);
    }
    fields.check_headers()?;
    let invocation_id = fields.invocation_id()?;
    let required_id = |id: Option<String>| id.ok_or(ProtocolError::InvocationId);
    Ok(Some(match kind {
        kind::INVOCATION => Record::Invocation {
            invocation_id,
            target: fields.target()?,
            arguments: fields.arguments(body)?,
            stream_ids: fields.stream_ids()?,
        },
        kind::STREAM_INVOCATION => Record::StreamInvocation {
            invocation_id: required_id(invocation_id)?,
            target: fields.target()?,
            arguments: fields.arguments(body)?,
            stream_ids: fields.stream_ids()?,
        },
        kind::STREAM_ITEM => Record::StreamItem {
            invocation_id: required_id(invocation_id)?,
            item: payload(body, fields.item.ok_or(ProtocolError::Item)?),
        },
        kind::COMPLETION => {
            Record::Completion { invocation_id: required_id(invocation_id)?, result: fields.completion(body)? }
        }
        kind::CANCEL_INVOCATION => Record::CancelInvocation { invocation_id: required_id(invocation_id)? },
        kind::PING => Record::Ping,
        kind::CLOSE => fields.close()?,
        kind::ACK => Record::Ack(fields.sequence_id()?),
        _ => Record::Sequence(fields.sequence_id()?),
    }))
}

/// The invocation id and the target of a call, from its object without what its arguments hold.
pub(in crate::signalr) fn call_head(object: &[u8]) -> Option<Call> {
    let fields: Fields = serde_json::from_slice(object).ok()?;
    let is_call = [kind::INVOCATION, kind::STREAM_INVOCATION].map(i64::from).contains(&fields.kind().ok()?);
    let invocation_id = fields.invocation_id().ok()??;
    is_call.then(|| (invocation_id, fields.target().unwrap_or_default()))
}

/// Measures how deep arrays and objects lie in one another, before anything is read: whoever reads a value later goes
/// as deep as it does.
fn depth(body: &[u8]) -> usize {
    let (mut deepest, mut open, mut in_text, mut is_escaped) = (0_usize, 0_usize, false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Decodes one value.
pub(in crate::signalr) fn decode_value<T: DeserializeOwned>(value: &[u8]) -> Result<T, ArgumentError> {
    serde_json::from_slice(value).map_err(|_| ArgumentError::Mistyped)
}

/// Decodes one object, whose fields may be named in any letter case.
pub(in crate::signalr) fn decode_object<T: DeserializeOwned>(object: &[u8]) -> Result<T, ArgumentError> {
    let mut reader = serde_json::Deserializer::from_slice(object);
    let decoded = T::deserialize(AnyCase(&mut reader)).map_err(|_| ArgumentError::Mistyped)?;
    reader.end().map_err(|_| ArgumentError::Mistyped)?;
    Ok(decoded)
}

/// Finds the fault of an object that cannot be decoded.
pub(in crate::signalr) fn explain<T: DeserializeOwned>(object: &[u8]) -> Option<Fault> {
    let mut reader = serde_json::Deserializer::from_slice(object);
    explain::explain::<T, _>(AnyCase(&mut reader), |error| explain::cause_of(&error.to_string()))
}

/// The text of the element at `index` of an array.
pub(in crate::signalr) fn element(array: &[u8], index: usize) -> Result<&[u8], ArgumentError> {
    serde_json::Deserializer::from_slice(array)
        .deserialize_seq(Nth(index))
        .map(|element| element.get().as_bytes())
        .map_err(|_| ArgumentError::Missing)
}

/// Returns the text of the element of an array known to have exactly one, without a search.
pub(in crate::signalr) fn only_element(array: &[u8]) -> Result<&[u8], ArgumentError> {
    let inner = array.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    inner.map(<[u8]>::trim_ascii).ok_or(ArgumentError::Missing)
}

/// The fields of every type, each undecoded. `Some` means present, even if null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(rename = "type", borrow, default, deserialize_with = "present")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    invocation_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    target: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    stream_ids: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    item: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    allow_reconnect: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    sequence_id: Option<&'a RawValue>,
}

/// Distinguishes null from absent: a null result is a result, a null id is an error.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl Fields<'_> {
    /// Returns the type, which must be an integer token: neither `"1"` nor `1.0`.
    fn kind(&self) -> Result<i64, ProtocolError> {
        required(self.kind, ProtocolError::Type)
    }

    fn check_headers(&self) -> Result<(), ProtocolError> {
        optional::<BTreeMap<String, String>>(self.headers, ProtocolError::Headers).map(|_| ())
    }

    fn invocation_id(&self) -> Result<Option<String>, ProtocolError> {
        optional::<String>(self.invocation_id, ProtocolError::InvocationId).map(|id| id.filter(|id| !id.is_empty()))
    }

    fn target(&self) -> Result<String, ProtocolError> {
        required(self.target, ProtocolError::Target)
    }

    fn arguments(&self, body: &Bytes) -> Result<Arguments, ProtocolError> {
        let elements: Vec<IgnoredAny> = required(self.arguments, ProtocolError::Arguments)?;
        let array = self.arguments.ok_or(ProtocolError::Arguments)?;
        let bytes = body.slice_ref(array.get().as_bytes());
        Ok(Arguments::new(Protocol::Json, bytes, elements.len()))
    }

    fn stream_ids(&self) -> Result<Vec<String>, ProtocolError> {
        optional(self.stream_ids, ProtocolError::StreamIds).map(Option::unwrap_or_default)
    }

    fn completion(&self, body: &Bytes) -> Result<CompletionResult, ProtocolError> {
        match (self.result, self.error) {
            (None, None) => Ok(CompletionResult::Void),
            (Some(result), None) => Ok(CompletionResult::Value(payload(body, result))),
            (None, error) => required(error, ProtocolError::Completion).map(CompletionResult::Error),
            (Some(_), Some(_)) => Err(ProtocolError::Completion),
        }
    }

    /// Lenient with null: the sender is leaving anyway.
    fn close(&self) -> Result<Record, ProtocolError> {
        let error = optional::<Option<String>>(self.error, ProtocolError::Close)?;
        let allow = optional::<Option<bool>>(self.allow_reconnect, ProtocolError::Close)?;
        Ok(Record::Close { error: error.flatten(), allow_reconnect: allow.flatten().unwrap_or(false) })
    }

    fn sequence_id(&self) -> Result<u64, ProtocolError> {
        required(self.sequence_id, ProtocolError::SequenceId)
    }
}

fn required<'de, T: Deserialize<'de>>(raw: Option<&'de RawValue>, error: ProtocolError) -> Result<T, ProtocolError> {
    optional(raw, error)?.ok_or(error)
}

fn optional<'de, T: Deserialize<'de>>(
    raw: Option<&'de RawValue>,
    error: ProtocolError,
) -> Result<Option<T>, ProtocolError> {
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(|_| error)).transpose()
}

fn payload(body: &Bytes, raw: &RawValue) -> Payload {
    Payload::new(Protocol::Json, body.slice_ref(raw.get().as_bytes()))
}

/// Takes one element of an array and skips the others.
struct Nth(usize);

impl<'de> Visitor<'de> for Nth {
    type Value = &'de RawValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an array of more than {} elements", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        for _ in 0..self.0 {
            array.next_element::<IgnoredAny>()?;
        }
        let missing = || serde::de::Error::invalid_length(self.0, &self);
        let element = array.next_element()?.ok_or_else(missing)?;
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(element)
    }
}
