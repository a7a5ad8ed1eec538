//! The reference of the API for machines: a JSON Schema and TypeScript, made from the types that the hub decodes and
//! encodes. Both are files of `docs/api`, and a test holds them equal to what is made here: with `RTS_WRITE_DOCS=1` it
//! writes them. The client suites validate what they receive against the schema.

mod events;
mod limits;
mod reference;
mod signatures;
mod typescript;

use std::sync::Arc;

use futures_util::stream::BoxStream;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::error::HubError;
use crate::hub::{self, Answer, Caller, Hub};

/// Collects the types of methods and events.
pub(crate) struct Describe {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
    methods: Map<String, Value>,
    events: Map<String, Value>,
    types: Map<String, Value>,
}

impl Describe {
    fn new() -> Self {
        let settings = || SchemaSettings::draft2020_12();
        Self {
            requests: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
            methods: Map::new(),
            events: Map::new(),
            types: Map::new(),
        }
    }

    fn add<Request: JsonSchema, Output: JsonSchema>(&mut self, name: &str, output: &str) {
        let request = Request::json_schema(&mut self.requests);
        let request = self.named(&format!("{name}Request"), request.to_value());
        let answer = self.answers.subschema_for::<Output>().to_value();
        let is_shared = answer["$ref"].as_str().is_some_and(|reference| reference.ends_with("/Message"));
        let answer = if is_shared {
            answer
        } else {
            let whole = Output::json_schema(&mut self.answers).to_value();
            self.named(&format!("{name}Answer"), whole)
        };
        self.methods.insert(name.to_owned(), json!({ "request": request, output: answer }));
    }

    fn event<Event: JsonSchema>(&mut self, name: &str) {
        let payload = self.answers.subschema_for::<Event>().to_value();
        self.events.insert(name.to_owned(), payload);
    }

    fn named(&mut self, name: &str, schema: Value) -> Value {
        self.types.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    /// Returns the whole schema: types that nothing refers to are left out.
    fn document(mut self) -> Value {
        for generator in [&mut self.requests, &mut self.answers] {
            for (name, schema) in generator.take_definitions(false) {
                self.types.entry(name).or_insert(schema);
            }
        }
        let mut document = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "RTS, the hub /hubs/chat",
            "methods": self.methods,
            "events": self.events,
            "$defs": self.types,
        });
        tidy(&mut document);
        loop {
            let text = document.to_string();
            let types = document["$defs"].as_object_mut().expect("it is an object");
            let before = types.len();
            types.retain(|name, _| text.contains(&format!("#/$defs/{name}\"")));
            if types.len() == before {
                return document;
            }
        }
    }
}

impl hub::Describe for Describe {
    fn method<Request: JsonSchema, Value: JsonSchema, Verb>(
        &mut self,
        name: &str,
        _: impl FnOnce(&'static Arc<Hub>, &'static Caller) -> Verb,
    ) where
        Verb: AsyncFnOnce(Request) -> Result<Answer<Value>, HubError>,
    {
        self.add::<Request, Value>(name, "answer");
    }

    fn stream<Request: JsonSchema, Item: JsonSchema, Verb>(
        &mut self,
        name: &str,
        _: impl FnOnce(&'static Arc<Hub>, &'static Arc<Caller>) -> Verb,
    ) where
        Verb: FnOnce(Request) -> Result<BoxStream<'static, Result<Item, HubError>>, HubError>,
    {
        self.add::<Request, Item>(name, "item");
    }
}

/// Removes what says nothing to a client: absent fields are left out and never null, and numbers have no widths.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("default");
            if fields.get("format").and_then(Value::as_str).is_some_and(|format| format != "date-time") {
                fields.remove("format");
            }
            if fields.get("title").is_some_and(|title| title != "RTS, the hub /hubs/chat") {
                fields.remove("title");
            }
            if let Some(Value::Array(kinds)) = fields.get("type") {
                let kind = kinds.iter().find(|kind| *kind != "null").cloned().expect("one is not null");
                fields.insert("type".to_owned(), kind);
            }
            let alternatives = fields.get_mut("anyOf").and_then(Value::as_array_mut);
            if let Some(alternatives) = alternatives {
                alternatives.retain(|schema| schema["type"] != "null");
                if let [Value::Object(only)] = alternatives.as_slice() {
                    let only = only.clone();
                    fields.remove("anyOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Returns the schema of every method and event.
fn schema() -> Value {
    let mut describe = Describe::new();
    hub::describe(&mut describe);
    events::describe(&mut describe);
    describe.document()
}
