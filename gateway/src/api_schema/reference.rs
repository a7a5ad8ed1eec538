//! The pages of `docs/api`, held to the code: what is in one is in the other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{schema, typescript};
use crate::close_reason::CloseReason;
use crate::error::ErrorKind;
use crate::metrics::TokenFault;

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api").join(name)
}

pub(super) fn read(name: &str) -> String {
    std::fs::read_to_string(docs(name)).unwrap_or_else(|error| panic!("docs/api/{name}: {error}"))
}

/// Returns the names in the headings of a page at this level.
fn headings(page: &str, level: &str) -> BTreeSet<String> {
    let start = format!("{level} `");
    let lines = read(page);
    lines.lines().filter_map(|line| Some(line.strip_prefix(&start)?.split_once('`')?.0.to_owned())).collect()
}

fn names(part: &Value) -> BTreeSet<String> {
    part.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_files_for_machines_are_what_the_types_give() {
    let schema = schema();
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let files = [("schema.json", text), ("rts.d.ts", typescript::declarations(&schema))];
    for (name, expected) in files {
        if std::env::var_os("RTS_WRITE_DOCS").is_some() {
            std::fs::write(docs(name), &expected).unwrap();
        }
        assert!(read(name) == expected, "docs/api/{name} is out of date: RTS_WRITE_DOCS=1 writes it");
    }
}

#[test]
fn every_method_and_event_has_its_heading_and_no_other() {
    let schema = schema();
    assert_eq!(headings("methods.md", "##"), names(&schema["methods"]));
    assert_eq!(headings("events.md", "##"), names(&schema["events"]));
}

#[test]
fn every_address_of_the_routers_is_in_the_reference_and_no_other() {
    let source = include_str!("../http/router.rs").split("mod tests").next().unwrap();
    let routed: BTreeSet<_> = source.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/')).collect();
    let page = read("protocol.md");
    let tables = page.split_once("## HTTP endpoints").unwrap().1;
    let rows = tables.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let requests = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter_map(|code| code.split_once(" /"));
    let told: BTreeSet<_> = requests
        .filter(|(method, _)| ["GET", "POST", "DELETE"].contains(method))
        .map(|(_, rest)| format!("/{}", rest.split('?').next().unwrap()))
        .collect();
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), routed);
}

#[test]
fn every_error_code_close_reason_and_refusal_of_a_token_is_in_the_reference() {
    let page = read("errors.md");
    let codes: BTreeSet<_> = ErrorKind::ALL.iter().map(|kind| kind.code().to_owned()).collect();
    assert_eq!(headings("errors.md", "###"), codes);
    let cells = |start: &str| -> BTreeSet<String> {
        let table = page.split_once(start).unwrap_or_else(|| panic!("no table {start}")).1;
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.filter_map(|row| Some(row.split('`').nth(1)?.to_owned())).collect()
    };
    let reasons: BTreeSet<_> = CloseReason::LABELS.iter().map(|label| (*label).to_owned()).collect();
    assert_eq!(cells("| reason |"), reasons);
    for reason in CloseReason::ALL {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", reason.label()))).unwrap();
        assert!(row.contains(reason.text().unwrap_or("*no Close record*")), "{row}");
        let may = if reason.allows_reconnect() { "| yes |" } else { "| no |" };
        assert!(row.contains(may), "{row}");
    }
    let faults: BTreeSet<_> = TokenFault::LABELS.iter().map(|label| (*label).to_owned()).collect();
    assert_eq!(cells("| refused token |"), faults);
}
