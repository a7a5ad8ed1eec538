//! `loadtest run` against a server that refuses for a while, or for good, and with faults.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use rts_loadtest::report::Report;

use crate::support::{FakeServer, Refusals};

const GROUPS: [&str; 14] = [
    "run",
    "groups",
    "--users",
    "20",
    "--size",
    "5",
    "--rate",
    "50",
    "--ramp",
    "200ms",
    "--connect-over",
    "100ms",
    "--metrics",
    "none",
];

fn out(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn loadtest(name: &str, server: &FakeServer, args: &[&str], local: Option<&PathBuf>) -> (Output, String) {
    let _none_before = std::fs::remove_dir_all(out(name));
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(GROUPS)
        .args(["--target", &server.url(), "--seed", "1", "--out", out(name).to_str().unwrap()])
        .args(args)
        .env("LOADTEST_LOCAL_DIRECTORY", local.unwrap_or(&out("no-cluster")))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    (output, text)
}

fn report(name: &str) -> Report {
    Report::read(&out(name)).unwrap()
}

#[test]
fn refused_sends_are_tried_again_with_waits_and_all_are_acknowledged() {
    let sends = Some(Duration::from_secs(1)..Duration::from_secs(3));
    let server = FakeServer::refusing(Refusals { sends, histories: 3 });
    let args = ["--for", "5s", "--require", "unacked=0,refused_told_p99<1s,reads_unavailable=3"];
    let (output, text) = loadtest("refused", &server, &args, None);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let measures = report("refused").measures;
    assert!(measures["unavailable"] > 10.0 && measures["longest_ack_gap"] > 1.5, "{text}");
    // Twenty users who each try one message every 200 ms or more, for two seconds.
    assert!(measures["resent"] <= 20.0 * 11.0, "{text}");
    assert!((server.send_calls() as f64) < measures["sent"] + 20.0 * 11.0 + 1.0, "{text}");
    for line in ["longest stretch without an ack", "ack p99 of the first minute", "3 of them unavailable"] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_run_whose_sends_are_never_acknowledged_has_failed_without_any_threshold() {
    let sends = Some(Duration::from_secs(1)..Duration::MAX);
    let server = FakeServer::refusing(Refusals { sends, histories: 0 });
    let args = ["--for", "4s", "--settle", "2s", "--ack-gap-max", "2s"];
    let (output, text) = loadtest("never-acked", &server, &args, None);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let report = report("never-acked");
    assert_eq!(report.failures.len(), 2, "{text}");
    assert!(report.failures[0].contains("sends were never acknowledged") && text.contains(&report.failures[0]));
    assert!(report.failures[1].contains("nothing was acknowledged for"), "{text}");
    assert!(report.violation_counts.is_empty(), "{text}");
    let lost = report.measures["sent"] - report.measures["acked"];
    assert!((report.measures["unacked"] - lost).abs() < 0.5 && lost > 50.0, "{text}");
}

#[test]
fn faults_are_for_the_local_cluster_only_and_must_have_a_time_and_an_end() {
    let server = FakeServer::start();
    for (fault, said) in [
        ("kill-node@1s", "--fault is for the local cluster"),
        ("functions-off@1s", "needs to know for how long"),
        ("melt@1s", "none of kill-node"),
    ] {
        let (output, text) = loadtest("no-fault", &server, &["--for", "2s", "--fault", fault], None);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(said), "{text}");
    }
    let cluster = FakeCluster::start("elsewhere", "http://127.0.0.1:1", 1);
    let args = ["--for", "2s", "--fault", "sqs-refuse@1s+1s"];
    let (output, text) = loadtest("no-fault", &server, &args, Some(&cluster.directory));
    assert_eq!((output.status.code(), text.lines().count()), (Some(2), 1), "{text}");
    assert!(text.contains("is not part of it"), "{text}");
    let cluster = FakeCluster::start("late", &server.url(), 1);
    let args = ["--for", "2s", "--fault", "sqs-refuse@1m+1s"];
    let (output, text) = loadtest("no-fault", &server, &args, Some(&cluster.directory));
    assert!(output.status.code() == Some(2) && text.contains("comes too late"), "{text}");
    assert_eq!(server.connections_seen(), 0, "nothing was connected");
}

#[test]
fn a_fault_is_begun_and_ended_by_the_control_socket_and_one_that_failed_fails_the_run() {
    let server = FakeServer::start();
    let cluster = FakeCluster::start("faults", &server.url(), 9);
    let args = ["--for", "3s", "--fault", "sqs-slow@500ms+1s", "--fault", "dynamodb-throttle@1s+200ms"];
    let (output, text) = loadtest("faults", &server, &args, Some(&cluster.directory));
    assert_eq!(output.status.code(), Some(1), "{text}");
    let asked = cluster.end();
    let commands: Vec<_> = asked.iter().filter(|line| *line != "status").map(String::as_str).collect();
    let expected = ["fault sqs slow 5", "fault dynamodb throttle", "fault dynamodb none", "fault sqs none"];
    assert_eq!(commands, expected, "{text}");
    let report = report("faults");
    let named = "the fault dynamodb-throttle@1s+200ms failed: not in this cluster";
    assert_eq!(report.failures, [named], "{text}");
    assert!(text.contains(named) && text.contains("fault sqs-slow@500ms+1s: from"), "{text}");
}

#[test]
fn what_the_gateways_say_of_the_way_into_storage_is_in_the_report() {
    let server = FakeServer::start();
    let admin = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", admin.local_addr().unwrap());
    std::thread::spawn(move || {
        // Two are journaled again with each scrape up to the fifth; then nothing is left.
        for (number, stream) in (0_u32..).zip(admin.incoming()) {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut request).unwrap() > 2 {}
            let (journaled, left) = (10 + 2 * number.min(5), if number < 5 { 7 } else { 0 });
            let body = format!(
                "rts_reconciled_total{{outcome=\"journaled\"}} {journaled}\nrts_reconciled_total{{outcome=\"stored\"}} 99\n\
                 rts_unstored_messages {left}\n"
            );
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    let cluster = FakeCluster::with_gateway("queue", &server.url(), &url, 1);
    let args = ["--for", "2s", "--local", "--require", "journaled_again=10,unstored_left=0,drained<20s"];
    let (output, text) = loadtest("queue", &server, &args, Some(&cluster.directory));
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("journaled again 10") && text.contains("nothing left to store"), "{text}");
}

/// A control socket that records its commands.
struct FakeCluster {
    directory: PathBuf,
    served: std::thread::JoinHandle<Vec<String>>,
}

impl FakeCluster {
    /// Answers this many lines, as a cluster whose balancer is at `url`, where DynamoDB cannot be throttled.
    fn start(name: &str, url: &str, lines: usize) -> Self {
        Self::with_parts(name, &part("balancer", "url", url), lines)
    }

    /// Does the same with a gateway, which serves its metrics at `admin`.
    fn with_gateway(name: &str, url: &str, admin: &str, lines: usize) -> Self {
        let parts = format!("{},{}", part("balancer", "url", url), part("gateway-1", "admin", admin));
        Self::with_parts(name, &parts, lines)
    }

    fn with_parts(name: &str, parts: &str, lines: usize) -> Self {
        let directory = std::env::temp_dir().join(format!("rts-fake-{name}-{}", std::process::id()));
        let _none_before = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let listener = UnixListener::bind(directory.join("control.sock")).unwrap();
        let parts = format!(r#"{{"ok":true,"parts":[{parts}]}}"#);
        let served = std::thread::spawn(move || {
            let mut asked = Vec::new();
            while asked.len() < lines {
                let (stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let answer = match line.trim() {
                    "status" => parts.as_str(),
                    "fault dynamodb throttle" => r#"{"ok":false,"error":"not in this cluster"}"#,
                    _ => r#"{"ok":true}"#,
                };
                writeln!(&stream, "{answer}").unwrap();
                asked.push(line.trim().to_owned());
            }
            asked
        });
        Self { directory, served }
    }

    fn end(self) -> Vec<String> {
        self.served.join().unwrap()
    }
}

fn part(name: &str, field: &str, url: &str) -> String {
    let pid = std::process::id();
    format!(r#"{{"name":"{name}","state":"running","pid":{pid},"{field}":"{url}"}}"#)
}
