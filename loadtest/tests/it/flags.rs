//! Wrong flags: each ends the program with 2 and one line, before anything is connected.

use std::path::{Path, PathBuf};
use std::process::Command;

use rts_loadtest::report::Report;

use crate::support::FakeServer;

fn loadtest(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(args)
        .env("LOADTEST_LOCAL_DIRECTORY", "/no/such/directory")
        .env_remove("LOADTEST_JOIN_SECRET")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_wrong_flag_ends_with_two_and_one_line_and_nothing_is_connected() {
    let server = FakeServer::start();
    let url = server.url();
    let run = ["run", "groups", "--metrics", "none", "--target", &url];
    for (wrong, said) in [
        (&["--require", "p99<200"][..], "needs a unit"),
        (&["--require", "foo=1"], "is not measured"),
        (&["--require", "p99"], "is not a threshold"),
        (&["--require", "failed=0"], "only idle does"),
        (&["--limit", "ack_p98<1s"], "ack_p99"),
        (&["--fault", "kill-node@500ms"], "--fault is for the local cluster"),
        (&["--fault", "melt@1s"], "none of kill-node"),
        (&["--local"], "--local is for the local cluster"),
        (&["--target", "ws://127.0.0.1:1"], "a target is http[s]://"),
        (&["--target", "https://127.0.0.1:1", "--ca-file", "/nowhere.pem"], "cannot read /nowhere.pem"),
        (&["--target", "127.0.0.1:1"], "a target is http[s]://"),
        (&["--prices", "/no/prices"], "/no/prices"),
        (&["--tokens", "/no/tokens"], "/no/tokens"),
        (&["--for", "soon"], "is not a time"),
        (&["--users", "many"], "--users"),
        (&["--users", "0"], "users"),
        (&["--protocol", "xml"], "xml"),
        (&["--source", "x"], "invalid value 'x' for '--source <IP>'"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let (code, _, errors) = loadtest(&[&run[..], wrong].concat());
        assert_eq!((code, errors.lines().count()), (Some(2), 1), "{wrong:?}: {errors}");
        assert!(errors.contains(said), "{wrong:?}: {errors}");
    }
    for (wrong, said) in [
        (&["run"][..], "SCENARIO"),
        (&["run", "nothing"], "there is no scenario"),
        (&["lead", "groups", "--threads", "2"], "the lead has no users"),
        (&["lead", "groups", "--source", "127.0.0.1"], "the lead has no users"),
        (&["lead", "groups", "--listen", "0.0.0.0:0"], "needs --join-secret or LOADTEST_JOIN_SECRET"),
        (&["lead", "groups", "--listen", "0.0.0.0:0", "--join-secret", "short"], "at least 16 characters"),
        (&["worker", "--lead", "192.0.2.1:9098"], "needs --join-secret or LOADTEST_JOIN_SECRET"),
        (&["worker", "--threads", "0"], "a worker needs at least one thread"),
        (&["probe", "--require", "foo=1"], "\"foo\" is not measured"),
        (&["probe", "--require", "p99<200"], "needs a unit"),
        (&["probe", "--every", "10ms"], "--every must be at least 100ms"),
        (&["idle", "--require", "p99<1s"], "idle does not measure"),
        (&["idle", "--connections", "0"], "at least 1"),
        (&["compare", "/no/first"], "<SECOND>"),
        (&["compare", "/no/first", "/no/second"], "/no/first"),
        (&["compare", "/no/first", "/no/second", "--fail-over", "much"], "is not a share"),
        (&["wander"], "wander"),
    ] {
        let (code, _, errors) = loadtest(wrong);
        assert_eq!((code, errors.lines().count()), (Some(2), 1), "{wrong:?}: {errors}");
        assert!(errors.contains(said), "{wrong:?}: {errors}");
    }
    assert_eq!(server.connections_seen(), 0, "nothing was connected");
}

#[test]
fn every_measure_is_known_and_two_runs_are_compared() {
    let server = FakeServer::start();
    let out = |name: &str| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (first, second) = (out("compared-1"), out("compared-2"));
    let text = |path: &Path| path.display().to_string();
    let run = ["run", "groups", "--users", "8", "--size", "4", "--rate", "20", "--for", "1s", "--ramp", "100ms"];
    let (code, _, errors) =
        loadtest(&[&run[..], &["--metrics", "none", "--target", &server.url(), "--out", &text(&first)]].concat());
    assert_eq!(code, Some(0), "{errors}");
    let mut report = Report::read(&first).unwrap();
    let unknown: Vec<_> =
        report.measures.keys().filter(|name| rts_loadtest::measures::find_of_run(name).is_none()).collect();
    assert_eq!(unknown, Vec::<&String>::new());

    // The second run is the first with other figures.
    report.scenario = "pairs".to_owned();
    report.measures.insert("p99".to_owned(), report.measures["p99"] * 1.5);
    report.measures.insert("rate".to_owned(), report.measures["rate"] * 2.0);
    report.write(&second).unwrap();
    let compared = |more: &[&str]| loadtest(&[&["compare", &text(&first), &text(&second)], more].concat());
    let (code, said, _) = compared(&[]);
    assert_eq!(code, Some(0), "{said}");
    for line in ["WARNING: the scenarios differ: groups and pairs", "worse by 50 %", "better by 100 %", " ms", "/s"] {
        assert!(said.contains(line), "no {line} in\n{said}");
    }
    assert!(said.contains(&text(&first)), "{said}");
    assert_eq!(compared(&["--fail-over", "60%"]).0, Some(0));
    let (code, said, _) = compared(&["--fail-over", "20%"]);
    assert!(code == Some(1) && said.contains("FAILED: p99 is worse by 50 %, more than 20 %"), "{said}");
}
