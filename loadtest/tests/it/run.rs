//! `loadtest run` as a user runs it: against a good server, and with a fault planted in between.

use std::path::PathBuf;
use std::process::Command;

use rts_loadtest::report::{NamedViolation, Report};

use crate::support::{FakeServer, Fault, Proxy};

struct Ran {
    code: i32,
    text: String,
    report: Report,
}

fn run(name: &str, target: &str, args: &[&str]) -> Ran {
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", args[0], "--target", target, "--seed", "1", "--settle", "3s", "--out"])
        .arg(&out)
        .args(&args[1..])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let report = Report::read(&out).unwrap_or_else(|error| panic!("{error:#}\n{text}"));
    Ran { code: output.status.code().unwrap_or(-1), text, report }
}

const GROUPS: [&str; 15] = [
    "groups",
    "--users",
    "40",
    "--size",
    "8",
    "--rate",
    "100",
    "--for",
    "2s",
    "--ramp",
    "500ms",
    "--connect-over",
    "200ms",
    "--body-bytes",
    "200",
];

#[test]
fn a_right_server_passes_and_the_report_is_whole() {
    let server = FakeServer::start();
    let args = [&GROUPS[..], &["--require", "lost=0,p99<5s,rate>50,dropped=0,unanswered=0"]].concat();
    let ran = run("right", &server.url(), &args);
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert!(ran.text.contains("every message is right"), "{}", ran.text);
    let measure = |name: &str| ran.report.measures.get(name).copied().unwrap_or_default();
    assert!((measure("delivered") - 8.0 * measure("sent")).abs() < 0.5, "{}", ran.text);
    assert!((measure("acked") - measure("sent")).abs() < 0.5 && measure("sent") > 150.0);
    assert!(ran.report.histograms.contains_key("stored"));
    let page = std::fs::read_to_string(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("right/report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("Delivery latency over time"));
    assert!(!page.contains("<script") && !page.contains("http://www") && !page.contains("https://"));
}

#[test]
fn messagepack_pairs_marks_typing_and_history_pass() {
    let server = FakeServer::start();
    let scenario = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("busy.toml");
    let text = r#"
        name = "busy"
        users = 30
        protocol = "mixed"
        arrivals = "poisson"
        rooms = { shape = "pairs", count = 40, zipf = 0.8 }
        rates = { messages = 80, typing = 40, reads = 60, history = 20 }
        connect.over = "100ms"
        phases = [{ kind = "hold", time = "2s" }]
    "#;
    std::fs::write(&scenario, text).unwrap();
    let ran = run("busy", &server.url(), &[scenario.to_str().unwrap(), "--workers", "2"]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert!(ran.report.measures["calls"] > 100.0, "{}", ran.text);
}

#[test]
fn connections_cut_on_purpose_come_back_without_a_gap() {
    let server = FakeServer::start();
    let scenario = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("storm.toml");
    let text = r#"
        name = "storm"
        users = 40
        rooms = { size = 10 }
        rates = { messages = 100 }
        connect.over = "100ms"
        storm = { every = "700ms", share = 0.5 }
        phases = [{ kind = "hold", time = "3s" }]
    "#;
    std::fs::write(&scenario, text).unwrap();
    let ran = run("storm", &server.url(), &[scenario.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.text);
    assert!(ran.report.measures["cut"] > 20.0, "{}", ran.text);
}

#[test]
fn steps_end_at_the_rate_that_breaks_the_limit() {
    let server = FakeServer::start();
    let args = [&GROUPS[..], &["--steps", "--limit", "sent<300"]].concat();
    let ran = run("steps", &server.url(), &args);
    assert_eq!(ran.code, 0, "{}", ran.text);
    let best = ran.report.measures["highest_rate"];
    assert!((99.0..=151.0).contains(&best), "{best}\n{}", ran.text);
}

/// Returns the violation found for a fault, in both protocols.
fn planted(name: &str, fault: Fault) -> Vec<(Ran, NamedViolation)> {
    let run_with = |protocol: &str| {
        let server = FakeServer::start();
        let proxy = Proxy::start(&server.url(), fault);
        let args = [&GROUPS[..], &["--protocol", protocol]].concat();
        let ran = run(&format!("{name}-{protocol}"), &proxy.url(), &args);
        assert_eq!(ran.code, 1, "{}", ran.text);
        assert!(ran.text.contains("FAILED"), "{}", ran.text);
        let Some(violation) = ran.report.violations.first().cloned() else { panic!("{}", ran.text) };
        assert!(violation.seq.is_some() && violation.user.is_some(), "{violation:?}");
        assert!(violation.room.starts_with("g_"), "{violation:?}");
        (ran, violation)
    };
    ["json", "messagepack"].map(run_with).into()
}

#[test]
fn a_dropped_message_is_named() {
    for (ran, violation) in planted("drop", Fault::Drop) {
        assert_eq!(ran.report.violation_counts.keys().collect::<Vec<_>>(), ["lost"], "{}", ran.text);
        assert_eq!(violation.kind, "lost");
        assert!(violation.client_id.is_some_and(|id| ran.text.contains(&id)), "{}", ran.text);
    }
}

#[test]
fn a_doubled_message_is_named() {
    for (ran, violation) in planted("double", Fault::Double) {
        assert_eq!(violation.kind, "duplicated");
        assert!(violation.client_id.is_some_and(|id| ran.text.contains(&id)), "{}", ran.text);
    }
}

#[test]
fn a_swapped_message_is_named() {
    for (ran, violation) in planted("swap", Fault::Swap) {
        assert_eq!(violation.kind, "out_of_order");
        assert!(violation.client_id.is_some_and(|id| ran.text.contains(&id)), "{}", ran.text);
    }
}

#[test]
fn an_altered_message_was_never_sent() {
    for (_, violation) in planted("alter", Fault::Alter) {
        assert!(["not_sent", "disagreement"].contains(&violation.kind.as_str()), "{violation:?}");
    }
}
