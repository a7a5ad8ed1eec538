//! `loadtest idle` as a user runs it.

use std::process::Command;

use crate::support::FakeServer;

fn idle(server: &FakeServer, more: &[&str]) -> (i32, String) {
    let pid = std::process::id().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["idle", "--connections", "60", "--target", &server.url()])
        .args(["--pid", &pid, "--hold", "100ms"])
        .args(more)
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), text + &errors)
}

#[test]
fn idle_connections_are_opened_and_weighed() {
    let server = FakeServer::start();
    let (code, text) = idle(&server, &["--require", "failed=0,dropped=0,rss<50MB"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("60 of 60 connections open"), "{text}");
    assert!(text.contains("kB per connection"), "{text}");
    assert_eq!(server.connections_seen(), 60);
}

#[test]
fn a_broken_threshold_and_a_wrong_one_set_the_exit_code() {
    let server = FakeServer::start();
    let (code, text) = idle(&server, &["--protocol", "messagepack", "--require", "rss<1B,failed=0"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("rss<1B: BROKEN"), "{text}");
    let (code, text) = idle(&server, &["--require", "p99<1s"]);
    assert_eq!(code, 2, "{text}");
}

#[test]
fn a_server_that_refuses_is_a_failure() {
    let server = FakeServer::start();
    let (code, text) = idle(&server, &["--jwt-secret", "of another cluster"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("negotiate: status 401"), "{text}");
}
