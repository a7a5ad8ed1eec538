//! A run on several machines: one lead and two workers, as processes on this one.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rts_loadtest::report::Report;

use crate::support::{FakeServer, Fault, Proxy};

const SECRET: &str = "known to lead and workers only";
const DEADLINE: Duration = Duration::from_secs(90);

/// A lead that waits for its workers.
struct Lead {
    process: Child,
    address: String,
    out: PathBuf,
    errors: Option<BufReader<std::process::ChildStderr>>,
}

impl Lead {
    fn start(name: &str, target: &str, time: &str, args: &[&str]) -> Self {
        let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut process =
            loadtest(&["lead", "groups", "--listen", "127.0.0.1:0", "--machines", "2", "--target", target]);
        let mut process = process
            .args(["--users", "40", "--size", "8", "--rate", "100", "--for", time, "--ramp", "500ms"])
            .args(["--connect-over", "200ms", "--settle", "3s", "--seed", "1", "--metrics", "none", "--out"])
            .arg(&out)
            .args(args)
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { process, address, out, errors: Some(errors) }
    }

    fn worker(&self, target: &str, args: &[&str]) -> Child {
        loadtest(&["worker", "--lead", &self.address, "--target", target]).args(args).spawn().unwrap()
    }

    /// Returns its exit code, its report and its output.
    fn end(mut self) -> (i32, Option<Report>, String) {
        let mut text = String::new();
        let code = wait(&mut self.process);
        self.errors.take().unwrap().read_to_string(&mut text).unwrap();
        self.process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (code, Report::read(&self.out).ok(), text)
    }
}

fn loadtest(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(args).env("LOADTEST_JOIN_SECRET", SECRET).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end of a process, which is killed if it takes too long.
fn wait(process: &mut Child) -> i32 {
    let begun = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if begun.elapsed() > DEADLINE {
            process.kill().unwrap();
            process.wait().unwrap();
            return -2;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(mut worker: Child) -> (i32, String) {
    let code = wait(&mut worker);
    let mut text = String::new();
    worker.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (code, text)
}

#[test]
fn two_workers_share_rooms_and_their_figures_and_checks_are_one() {
    let server = FakeServer::start();
    let lead = Lead::start("crew", &server.url(), "3s", &["--require", "lost=0,rate>50,machines_lost=0"]);
    let workers = [lead.worker(&server.url(), &["--threads", "1"]), lead.worker(&server.url(), &["--threads", "2"])];
    let (code, report, text) = lead.end();
    let report = report.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(code, 0, "{text}");
    let measure = |name: &str| report.measures.get(name).copied().unwrap_or_default();
    // Each message reaches all members, and those of a room are on both machines.
    assert!((measure("delivered") - 8.0 * measure("sent")).abs() < 0.5 && measure("sent") > 200.0, "{text}");
    assert!((measure("acked") - measure("sent")).abs() < 0.5, "{text}");
    let users: Vec<_> = report.machines.iter().map(|machine| machine.users).collect();
    assert_eq!((users.iter().sum::<usize>(), users.len()), (40, 2), "{text}");
    assert!(report.machines.iter().all(|machine| machine.lost.is_none() && machine.clock_error < 0.05), "{text}");
    let delivered: u64 = report.histograms["delivery"].iter().map(|(_, count)| count).sum();
    assert!((measure("delivered") - delivered as f64).abs() < 0.5, "{text}");
    for worker in workers {
        let (code, text) = said(worker);
        assert_eq!(code, 0, "{text}");
    }
}

#[test]
fn a_message_lost_on_its_way_to_another_machine_is_named() {
    let server = FakeServer::start();
    let proxy = Proxy::start(&server.url(), Fault::Drop);
    let lead = Lead::start("crew-drop", &server.url(), "3s", &[]);
    // Everything that is sent to this worker's users goes through the proxy; senders are on both.
    let workers = [lead.worker(&server.url(), &["--threads", "1"]), lead.worker(&proxy.url(), &["--threads", "1"])];
    let (code, report, text) = lead.end();
    let report = report.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(code, 1, "{text}");
    assert_eq!(report.violation_counts.keys().collect::<Vec<_>>(), ["lost"], "{text}");
    let violation = &report.violations[0];
    assert!(violation.client_id.is_some() && violation.user.is_some() && violation.seq.is_some(), "{violation:?}");
    for worker in workers {
        assert_eq!(said(worker).0, 0);
    }
}

#[test]
fn a_worker_that_dies_fails_the_run_and_is_named() {
    let server = FakeServer::start();
    let lead = Lead::start("crew-dead", &server.url(), "60s", &[]);
    let stays = lead.worker(&server.url(), &["--threads", "1", "--name", "stays"]);
    let mut dies = lead.worker(&server.url(), &["--threads", "1", "--name", "dies"]);
    let begun = Instant::now();
    while server.connections_seen() < 41 && begun.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(2));
    dies.kill().unwrap();
    dies.wait().unwrap();
    let (code, report, text) = lead.end();
    let report = report.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(code, 1, "{text}");
    assert!(begun.elapsed() < Duration::from_secs(50), "the load ends at once");
    assert!(text.contains("WORKER LOST") && text.contains("dies"), "{text}");
    assert_eq!(report.machines.iter().filter(|machine| machine.lost.is_some()).count(), 1);
    // Its users' checks are reported as missing, and those of the other show no fault.
    assert!(report.violation_counts["unverified"] >= 20, "{text}");
    assert_eq!(report.violation_counts.keys().collect::<Vec<_>>(), ["unverified"], "{text}");
    assert_eq!(said(stays).0, 0);
}

#[test]
fn whoever_does_not_know_the_secret_stays_outside() {
    let server = FakeServer::start();
    let lead = Lead::start("crew-secret", &server.url(), "3s", &["--join-within", "3s"]);
    let stranger = lead.worker(&server.url(), &["--join-secret", "a guess, and a wrong one"]);
    let (code, text) = said(stranger);
    assert!(code == 2 && text.contains("another secret"), "{text}");
    let (code, report, text) = lead.end();
    assert!(code == 2 && report.is_none() && text.contains("0 of 2 workers joined within"), "{text}");
    let output = loadtest(&["lead", "groups", "--listen", "0.0.0.0:0"]).env_remove("LOADTEST_JOIN_SECRET").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs --join-secret"));
}

#[test]
fn a_worker_with_other_users_is_found_before_anything_begins() {
    let server = FakeServer::start();
    let lead = Lead::start("crew-org", &server.url(), "3s", &[]);
    let workers = [lead.worker(&server.url(), &[]), lead.worker(&server.url(), &["--org", "another"])];
    let (code, report, text) = lead.end();
    assert!(code == 2 && report.is_none() && text.contains("the same --org"), "{text}");
    for worker in workers {
        assert_eq!(said(worker).0, 2);
    }
}
