//! Replies of the room scripts: a status word, then values.

use redis::Value;
use rts_common::redis::RedisFailure;
use rts_common::seq::Seq;

/// A script's reply.
pub(super) struct Reply {
    values: Vec<Value>,
}

impl Reply {
    pub(super) fn new(value: Value) -> Result<Self, RedisFailure> {
        match value {
            Value::Array(values) => Ok(Self { values }),
            other => Err(unexpected(&other)),
        }
    }

    /// Returns its first word.
    pub(super) fn status(&self) -> Result<&str, RedisFailure> {
        self.text(0)
    }

    pub(super) fn text(&self, index: usize) -> Result<&str, RedisFailure> {
        match self.values.get(index) {
            Some(Value::BulkString(bytes)) => {
                std::str::from_utf8(bytes).map_err(|_| RedisFailure::Unexpected("no UTF-8".to_owned()))
            }
            Some(Value::SimpleString(text)) => Ok(text),
            Some(other) => Err(unexpected(other)),
            None => Err(RedisFailure::Unexpected(format!("no value {index} in a reply"))),
        }
    }

    pub(super) fn seq(&self, index: usize) -> Result<Seq, RedisFailure> {
        let text = self.text(index)?;
        Seq::parse(text).ok_or_else(|| RedisFailure::Unexpected(format!("no seq: {text}")))
    }

    pub(super) fn number(&self, index: usize) -> Result<u64, RedisFailure> {
        let text = self.text(index)?;
        text.parse().map_err(|_| RedisFailure::Unexpected(format!("no number: {text}")))
    }

    /// True if there is a value, and it is not nil.
    pub(super) fn has(&self, index: usize) -> bool {
        !matches!(self.values.get(index), None | Some(Value::Nil | Value::Boolean(false)))
    }

    /// Returns a list of texts; a map (RESP3) is a flat list of its keys and values.
    pub(super) fn texts(&self, index: usize) -> Result<Vec<String>, RedisFailure> {
        match self.values.get(index) {
            Some(Value::Map(pairs)) => pairs
                .iter()
                .flat_map(|(key, value)| [key, value])
                .map(|value| rts_common::redis::read(value.clone()))
                .collect(),
            Some(value) => rts_common::redis::read(value.clone()),
            None => Err(RedisFailure::Unexpected(format!("no value {index} in a reply"))),
        }
    }

    /// Returns a nested list, as a reply.
    pub(super) fn list(&self, index: usize) -> Result<Self, RedisFailure> {
        match self.values.get(index) {
            Some(Value::Array(values)) => Ok(Self { values: values.clone() }),
            Some(other) => Err(unexpected(other)),
            None => Err(RedisFailure::Unexpected(format!("no value {index} in a reply"))),
        }
    }

    /// Returns the lists in a list.
    pub(super) fn into_lists(self) -> Result<Vec<Self>, RedisFailure> {
        self.values.into_iter().map(Self::new).collect()
    }
}

fn unexpected(value: &Value) -> RedisFailure {
    // The value itself may hold users' texts: only its kind is logged.
    let kind = match value {
        Value::Nil => "nil",
        Value::Int(_) => "integer",
        Value::Array(_) => "array",
        Value::Map(_) => "map",
        Value::ServerError(_) => "error",
        _ => "other kind",
    };
    RedisFailure::Unexpected(format!("a {kind} where another value was due"))
}
