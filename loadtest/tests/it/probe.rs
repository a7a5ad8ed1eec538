//! `loadtest probe` as a user runs it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{FakeServer, Fault, Proxy, Refusals, TlsProxy, get};

fn probe(url: &str) -> Command {
    probe_at(url, "none")
}

fn probe_at(url: &str, metrics: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(["probe", "--target", url, "--every", "100ms", "--metrics", metrics]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn outcome(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("the binary runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code().unwrap_or(-1), text)
}

#[test]
fn two_users_write_to_each_other_in_both_protocols() {
    let server = FakeServer::start();
    for protocol in ["json", "messagepack"] {
        let (code, text) = outcome(probe(&server.url()).args(["--for", "1s", "--protocol", protocol]));
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("failed 0") && text.contains("lost=0"), "{text}");
    }
    assert_eq!(server.connections_seen(), 4);
}

#[test]
fn over_tls_only_the_server_of_that_name_is_believed() {
    let server = FakeServer::start();
    let proxy = TlsProxy::start(&server.url());
    let authority = proxy.authority();
    let trust = ["--ca-file", authority.to_str().unwrap()];
    for protocol in ["json", "messagepack"] {
        let (code, text) = outcome(probe(&proxy.url()).args(["--for", "1s", "--protocol", protocol]).args(trust));
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("failed 0") && text.contains("lost=0"), "{text}");
    }
    assert_eq!(server.connections_seen(), 4);
    // Another name, and an authority that nobody named: not even a token goes there.
    let (code, text) =
        outcome(probe(&proxy.url_of_another_name()).args(["--for", "1s", "--lost-after", "2s"]).args(trust));
    assert!(code == 1 && text.contains("failed=0: BROKEN"), "{text}");
    let (code, text) = outcome(probe(&proxy.url()).args(["--for", "1s", "--lost-after", "2s"]));
    assert!(code == 1 && text.contains("failed=0: BROKEN"), "{text}");
    assert_eq!(server.connections_seen(), 4);
}

#[test]
fn what_users_do_not_get_fails_it() {
    // A server that is not there, one that refuses, one that acknowledges and does not deliver.
    let short = ["--for", "1s", "--lost-after", "2s"];
    let (code, text) = outcome(probe("http://127.0.0.1:9").args(short));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("failed=0: BROKEN"), "{text}");

    let refusals = Refusals { sends: Some(Duration::ZERO..Duration::from_mins(1)), ..Refusals::default() };
    let server = FakeServer::refusing(refusals);
    let (code, text) = outcome(probe(&server.url()).args(short));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("failed=0: BROKEN") && text.contains("unavailable"), "{text}");

    let server = FakeServer::start();
    let proxy = Proxy::start(&server.url(), Fault::Drop);
    let (code, text) = outcome(probe(&proxy.url()).args(short));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("lost=0: BROKEN"), "{text}");
}

#[test]
fn a_refusal_that_ends_costs_time_and_no_message() {
    let refusals = Refusals { sends: Some(Duration::ZERO..Duration::from_millis(500)), ..Refusals::default() };
    let server = FakeServer::refusing(refusals);
    let (code, text) = outcome(probe(&server.url()).args(["--for", "2s", "--require", "lost=0,failed=0,errors>0"]));
    assert_eq!(code, 0, "{text}");
    let (code, text) = outcome(probe(&server.url()).args(["--require", "p42<1s"]));
    assert_eq!(code, 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_until_a_signal_and_is_scraped_meanwhile() {
    let server = FakeServer::start();
    let address = free_address();
    let mut child: Child = probe_at(&server.url(), &address).spawn().unwrap();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(20), "it delivers nothing");
        tokio::time::sleep(Duration::from_millis(100)).await;
        if tokio::net::TcpStream::connect(&address).await.is_err() {
            continue;
        }
        let text = get(&address, "/metrics").await;
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        if value("rts_probe_delivered_total") > 3.0 {
            assert!(value("rts_probe_last_success_timestamp_seconds") > 1.7e9);
            assert!((value("rts_probe_connected") - 2.0).abs() < f64::EPSILON);
            break;
        }
    }
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    let lines: Vec<_> = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
    assert_eq!(status.code(), Some(0), "{lines:?}");
    assert!(lines[0].contains("lost 0"), "{lines:?}");
}

/// Returns an address that was free a moment ago.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
