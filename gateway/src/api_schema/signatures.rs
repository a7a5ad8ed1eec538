//! The signatures of `docs/api/methods.md`, held to the schema: the line under each heading, `{ request }` → `{ answer }`, has the
//! fields of both, and says which may be absent. What is inside of a field is compared where the line shows it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::reference::read;
use super::schema;

/// A field as a signature shows it.
struct Shown<'a> {
    name: &'a str,
    is_optional: bool,
    /// What stands in its braces, if it has some.
    inside: Option<&'a str>,
}

/// Splits what stands in braces into its fields.
fn fields(inside: &str) -> Vec<Shown<'_>> {
    let mut depth = 0;
    let parts = inside.split(|char: char| {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        char == ',' && depth == 0
    });
    let shown = parts.map(str::trim).filter(|part| !part.is_empty()).map(|part| {
        let (name, kind) = part.split_once(':').unwrap_or((part, ""));
        let inside = kind.find('{').zip(kind.rfind('}')).map(|(from, to)| &kind[from + 1..to]);
        let optional = name.strip_suffix('?');
        Shown { name: optional.unwrap_or(name), is_optional: optional.is_some(), inside }
    });
    shown.collect()
}

/// Returns the object that a schema refers to, is, or is a list of.
fn object<'a>(schema: &'a Value, of: &'a Value) -> &'a Value {
    match (of["$ref"].as_str(), of["type"].as_str()) {
        (Some(reference), _) => object(schema, &schema["$defs"][reference.rsplit('/').next().unwrap()]),
        (None, Some("array")) => object(schema, &of["items"]),
        _ => of,
    }
}

fn compare(schema: &Value, of: &Value, inside: &str, at: &str) {
    let (of, none) = (object(schema, of), Map::new());
    let known = of["properties"].as_object().unwrap_or(&none);
    let shown = fields(inside);
    let names: BTreeSet<_> = shown.iter().map(|field| field.name).collect();
    assert_eq!(names, known.keys().map(String::as_str).collect(), "{at}");
    for Shown { name, is_optional, inside } in shown {
        let is_required = of["required"].as_array().is_some_and(|required| required.iter().any(|other| other == name));
        assert_eq!(is_optional, !is_required, "{at}: {name}");
        if let Some(inside) = inside {
            compare(schema, &known[name], inside, &format!("{at}: {name}"));
        }
    }
}

#[test]
fn the_signature_of_each_method_has_the_fields_of_its_request_and_its_answer() {
    let (schema, page) = (schema(), read("methods.md"));
    for (name, method) in schema["methods"].as_object().unwrap() {
        let line = page.split_once(&format!("## `{name}`\n")).and_then(|(_, rest)| rest.lines().next()).unwrap();
        let (request, answer) = line.split_once(" → ").unwrap_or_else(|| panic!("{name} has no signature: {line}"));
        let inside = |text: &str| {
            let inside = text.strip_prefix("`{").and_then(|text| text.strip_suffix("}`"));
            inside.unwrap_or_else(|| panic!("{name}: {text}")).to_owned()
        };
        compare(&schema, &method["request"], &inside(request), &format!("the request of {name}"));
        match method.get("answer") {
            Some(of) => compare(&schema, of, &inside(answer), &format!("the answer of {name}")),
            None => assert_eq!(answer, "a stream of messages", "{name}"),
        }
    }
}
