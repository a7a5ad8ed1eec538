//! Decodes a MessagePack body to a record. Arrays may be longer than the known elements: the rest is skipped.

use bytes::Bytes;

use super::reader::{Invalid, Reader, Token};
use crate::signalr::oversized::Call;
use crate::signalr::record::kind;
use crate::signalr::{ArgumentError, Arguments, CompletionResult, Payload, Protocol, ProtocolError, Record};

/// Kinds of a completion.
pub(super) const ERROR_RESULT: u8 = 1;
pub(super) const VOID_RESULT: u8 = 2;
pub(super) const VALUE_RESULT: u8 = 3;

/// Reads the record of a body without its length; `None` for an unknown type.
pub(in crate::signalr) fn decode(body: &Bytes) -> Result<Option<Record>, ProtocolError> {
    let mut fields = Fields::open(body)?;
    let Some(kind) = fields.kind()? else {
        return Ok(None);
    };
    if (kind::INVOCATION..=kind::CANCEL_INVOCATION).contains(&kind) {
        fields.check_headers()?;
    }
    let record = match kind {
        kind::INVOCATION => Record::Invocation {
            invocation_id: fields.invocation_id()?,
            target: fields.text(ProtocolError::Target)?,
            arguments: fields.arguments()?,
            stream_ids: fields.stream_ids()?,
        },
        kind::STREAM_INVOCATION => Record::StreamInvocation {
            invocation_id: fields.required_id()?,
            target: fields.text(ProtocolError::Target)?,
            arguments: fields.arguments()?,
            stream_ids: fields.stream_ids()?,
        },
        kind::STREAM_ITEM => {
            Record::StreamItem { invocation_id: fields.required_id()?, item: fields.payload(ProtocolError::Item)? }
        }
        kind::COMPLETION => Record::Completion { invocation_id: fields.required_id()?, result: fields.completion()? },
        kind::CANCEL_INVOCATION => Record::CancelInvocation { invocation_id: fields.required_id()? },
        kind::PING => Record::Ping,
        kind::CLOSE => fields.close()?,
        kind::ACK => Record::Ack(fields.sequence_id()?),
        kind::SEQUENCE => Record::Sequence(fields.sequence_id()?),
        _ => return Ok(None),
    };
    fields.finish()?;
    Ok(Some(record))
}

/// The invocation id and the target of a call, from the first bytes of its body.
pub(in crate::signalr) fn call_head(head: &Bytes) -> Option<Call> {
    let mut fields = Fields::open(head).ok()?;
    if !matches!(fields.kind().ok()??, kind::INVOCATION | kind::STREAM_INVOCATION) {
        return None;
    }
    fields.check_headers().ok()?;
    let invocation_id = fields.required_id().ok()?;
    Some((invocation_id, fields.text(ProtocolError::Target).unwrap_or_default()))
}

/// The bytes of the element at `index` of a row of values.
pub(in crate::signalr) fn element(values: &[u8], index: usize) -> Result<&[u8], ArgumentError> {
    let mut reader = Reader::new(values);
    for _ in 0..index {
        reader.value()?;
    }
    Ok(reader.value()?)
}

/// True if a value is a map.
pub(in crate::signalr) fn is_map(value: &[u8]) -> bool {
    matches!(Reader::new(value).token(), Ok(Token::Map(_)))
}

impl From<Invalid> for ProtocolError {
    fn from(_: Invalid) -> Self {
        Self::Malformed
    }
}

/// The elements of a record, in order.
struct Fields<'a> {
    body: &'a Bytes,
    reader: Reader<'a>,
    left: u32,
}

impl<'a> Fields<'a> {
    fn open(body: &'a Bytes) -> Result<Self, ProtocolError> {
        let mut reader = Reader::new(body);
        match reader.token()? {
            Token::Array(left) => Ok(Self { body, reader, left }),
            _ => Err(ProtocolError::Malformed),
        }
    }

    /// Returns the next element's token; `missing` if there is none.
    fn token(&mut self, missing: ProtocolError) -> Result<Token<'a>, ProtocolError> {
        self.left = self.left.checked_sub(1).ok_or(missing)?;
        Ok(self.reader.token()?)
    }

    fn token_or_nil(&mut self) -> Result<Token<'a>, ProtocolError> {
        if self.left == 0 {
            return Ok(Token::Nil);
        }
        self.token(ProtocolError::Malformed)
    }

    /// Returns the type, an integer of any width; `None` beyond all known types.
    fn kind(&mut self) -> Result<Option<u8>, ProtocolError> {
        match self.token(ProtocolError::Type)? {
            Token::Unsigned(kind) => Ok(u8::try_from(kind).ok()),
            Token::Negative(_) => Ok(None),
            _ => Err(ProtocolError::Type),
        }
    }

    fn check_headers(&mut self) -> Result<(), ProtocolError> {
        let Token::Map(length) = self.token(ProtocolError::Headers)? else {
            return Err(ProtocolError::Headers);
        };
        for _ in 0..2 * u64::from(length) {
            as_text(&self.reader.token()?).ok_or(ProtocolError::Headers)?;
        }
        Ok(())
    }

    /// Returns an id; `None` if it is nil or empty.
    fn invocation_id(&mut self) -> Result<Option<String>, ProtocolError> {
        match self.token(ProtocolError::InvocationId)? {
            Token::Nil | Token::Str([]) => Ok(None),
            token => as_text(&token).map(|id| Some(id.to_owned())).ok_or(ProtocolError::InvocationId),
        }
    }

    fn required_id(&mut self) -> Result<String, ProtocolError> {
        self.invocation_id()?.ok_or(ProtocolError::InvocationId)
    }

    fn text(&mut self, error: ProtocolError) -> Result<String, ProtocolError> {
        let token = self.token(error)?;
        as_text(&token).map(str::to_owned).ok_or(error)
    }

    fn arguments(&mut self) -> Result<Arguments, ProtocolError> {
        let Token::Array(length) = self.token(ProtocolError::Arguments)? else {
            return Err(ProtocolError::Arguments);
        };
        let start = self.reader.rest();
        for _ in 0..length {
            self.reader.value()?;
        }
        let bytes = &start[..start.len() - self.reader.rest().len()];
        let count = usize::try_from(length).map_err(|_| ProtocolError::Arguments)?;
        Ok(Arguments::new(Protocol::MessagePack, self.body.slice_ref(bytes), count))
    }

    /// Absent from the JavaScript client's invocations unless there are some.
    fn stream_ids(&mut self) -> Result<Vec<String>, ProtocolError> {
        if self.left == 0 {
            return Ok(Vec::new());
        }
        let Token::Array(length) = self.token(ProtocolError::StreamIds)? else {
            return Err(ProtocolError::StreamIds);
        };
        // Not allocated by an announced length: the vector grows with the elements that are there.
        let mut ids = Vec::new();
        for _ in 0..length {
            let token = self.reader.token()?;
            ids.push(as_text(&token).ok_or(ProtocolError::StreamIds)?.to_owned());
        }
        Ok(ids)
    }

    fn payload(&mut self, missing: ProtocolError) -> Result<Payload, ProtocolError> {
        self.left = self.left.checked_sub(1).ok_or(missing)?;
        let value = self.body.slice_ref(self.reader.value()?);
        Ok(Payload::new(Protocol::MessagePack, value))
    }

    fn completion(&mut self) -> Result<CompletionResult, ProtocolError> {
        let Token::Unsigned(kind) = self.token(ProtocolError::Completion)? else {
            return Err(ProtocolError::Completion);
        };
        match u8::try_from(kind) {
            Ok(ERROR_RESULT) => self.text(ProtocolError::Completion).map(CompletionResult::Error),
            Ok(VOID_RESULT) => Ok(CompletionResult::Void),
            Ok(VALUE_RESULT) => self.payload(ProtocolError::Completion).map(CompletionResult::Value),
            _ => Err(ProtocolError::Completion),
        }
    }

    /// The JavaScript client leaves out the flag; a bare `[7]` is accepted, too.
    fn close(&mut self) -> Result<Record, ProtocolError> {
        let error = match self.token_or_nil()? {
            Token::Nil => None,
            token => Some(as_text(&token).ok_or(ProtocolError::Close)?.to_owned()),
        };
        let allow_reconnect = match self.token_or_nil()? {
            Token::Nil => false,
            Token::Bool(allow) => allow,
            _ => return Err(ProtocolError::Close),
        };
        Ok(Record::Close { error, allow_reconnect })
    }

    fn sequence_id(&mut self) -> Result<u64, ProtocolError> {
        match self.token(ProtocolError::SequenceId)? {
            Token::Unsigned(id) => Ok(id),
            _ => Err(ProtocolError::SequenceId),
        }
    }

    /// Skips elements beyond the known ones; nothing may follow the array.
    fn finish(mut self) -> Result<(), ProtocolError> {
        for _ in 0..self.left {
            self.reader.value()?;
        }
        if self.reader.rest().is_empty() { Ok(()) } else { Err(ProtocolError::Malformed) }
    }
}

/// Returns the text of a string token that is UTF-8.
fn as_text<'a>(token: &Token<'a>) -> Option<&'a str> {
    match token {
        Token::Str(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
