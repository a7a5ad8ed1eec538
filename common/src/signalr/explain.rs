//! Tells the fault of an object that could not be decoded: the field, by the names of the requested type alone.

use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment, Track};

/// The fault of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no object.
    NoObject,
    /// It lacks this field.
    Lacks(String),
    /// This field is none of the values listed.
    NotOneOf(String, String),
    /// This field has a wrong type or value.
    Wrong(String),
}

/// The part of an error that a deserializer knows.
pub(super) enum Cause {
    Lacks(String),
    NotOneOf(String),
    Other,
}

/// Decodes an object again, in order to find what was wrong with it; `None` if nothing is.
pub(super) fn explain<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
    cause: impl Fn(&D::Error) -> Cause,
) -> Option<Fault> {
    let mut track = Track::new();
    let failed = T::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track)).err()?;
    let path = track.path();
    Some(match cause(&failed) {
        Cause::Lacks(field) if path.iter().len() == 0 || is_unknown(&path) => Fault::Lacks(field),
        Cause::Lacks(field) => Fault::Lacks(format!("{path}.{field}")),
        Cause::NotOneOf(values) => Fault::NotOneOf(path.to_string(), values),
        Cause::Other if path.iter().len() == 0 || is_unknown(&path) => Fault::NoObject,
        Cause::Other => Fault::Wrong(path.to_string()),
    })
}

fn is_unknown(path: &Path) -> bool {
    path.iter().any(|segment| matches!(segment, Segment::Unknown))
}

/// Reads the cause from the text of serde's own errors. What a client wrote stands before what the type expects, and is
/// left out.
pub(super) fn cause_of(text: &str) -> Cause {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    if let Some(field) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        return Cause::Lacks(field.to_owned());
    }
    match text.rsplit_once(", expected ") {
        Some((start, values)) if start.starts_with("unknown variant `") => {
            let values = values.trim_start_matches("one of ").replace('`', "");
            Cause::NotOneOf(values.replace(", ", " or "))
        }
        _ => Cause::Other,
    }
}

/// Joins values for a sentence.
pub(super) fn listed(values: &[&str]) -> String {
    values.join(" or ")
}
