//! The schemas of values whose JSON is not that of their fields.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::emoji::Emoji;
use crate::ids::Id;
use crate::seq::{SEQ_MAX, Seq, Timestamp};

macro_rules! inline {
    ($(($($generic:ident)?) $type:ty = $name:literal, $schema:expr;)*) => {
        $(impl$(<$generic>)? JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })*
    };
}

inline! {
    (K) Id<K> = "Id", json_schema!({ "type": "string" });
    () Emoji = "Emoji", json_schema!({ "type": "string" });
    () Seq = "Seq", json_schema!({ "type": "integer", "minimum": 0, "maximum": SEQ_MAX });
    () Timestamp = "Timestamp", json_schema!({ "type": "string", "format": "date-time" });
}
