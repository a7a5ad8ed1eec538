//! TypeScript of the schema.

use std::fmt::Write as _;

use serde_json::{Map, Value};

const HEAD: &str =
    "// The types of the hub /hubs/chat, made from the server's own: see README.md beside this file. Absent fields are
// left out, never null. A seq is an integer below 2^53, a time is ISO-8601 text in UTC.

";

/// Returns the declarations of a schema.
pub(super) fn declarations(schema: &Value) -> String {
    let mut out = HEAD.to_owned();
    for (name, of) in object(&schema["$defs"]) {
        comment(&mut out, "", of);
        let _infallible = if of["type"] == "object" {
            writeln!(out, "export interface {name} {}\n", body(of, ""))
        } else {
            writeln!(out, "export type {name} = {};\n", written(of, ""))
        };
    }
    out.push_str(
        "/** Every method: its request, and its answer; of a stream, the items. */\nexport interface Methods {\n",
    );
    for (name, of) in object(&schema["methods"]) {
        let output = of.get("answer").unwrap_or(&of["item"]);
        let _infallible = writeln!(out, "  {name}: [{}, {}];", written(&of["request"], ""), written(output, ""));
    }
    out.push_str("}\n\n/** Every event: its payload. */\nexport interface Events {\n");
    for (name, of) in object(&schema["events"]) {
        let _infallible = writeln!(out, "  {name}: {};", written(of, ""));
    }
    out.push_str("}\n");
    out
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("this part of the schema is an object")
}

fn comment(out: &mut String, indent: &str, of: &Value) {
    if let Some(text) = of["description"].as_str() {
        let _infallible = writeln!(out, "{indent}/** {} */", text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
}

fn body(of: &Value, indent: &str) -> String {
    let Some(properties) = of["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return "{}".to_owned();
    };
    let required = of["required"].as_array();
    let mut out = "{\n".to_owned();
    let inner = format!("{indent}  ");
    for (name, of) in properties {
        comment(&mut out, &inner, of);
        let is_required = required.is_some_and(|names| names.iter().any(|required| required == name));
        let mark = if is_required { "" } else { "?" };
        let _infallible = writeln!(out, "{inner}{name}{mark}: {};", written(of, &inner));
    }
    out + indent + "}"
}

fn written(of: &Value, indent: &str) -> String {
    if let Some(reference) = of["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(only) = of.get("const") {
        return only.to_string().replace('"', "'");
    }
    if let Some(values) = of["enum"].as_array() {
        return joined(values.iter().map(|value| value.to_string().replace('"', "'")), " | ");
    }
    for (key, between) in [("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")] {
        if let Some(parts) = of[key].as_array() {
            let parts = parts.iter().map(|part| written(part, indent));
            return joined(parts.map(|part| if part.contains(" & ") { format!("({part})") } else { part }), between);
        }
    }
    match of["type"].as_str() {
        Some("string") => "string".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("array") => {
            let item = written(&of["items"], indent);
            if item.contains(' ') { format!("({item})[]") } else { format!("{item}[]") }
        }
        Some("object") if of["additionalProperties"].is_object() => {
            format!("Record<string, {}>", written(&of["additionalProperties"], indent))
        }
        Some("object") => body(of, indent),
        _ => "unknown".to_owned(),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}
