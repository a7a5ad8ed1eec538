//! Whole clusters, and the fixture as other languages use it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rts_local::{Cluster, ClusterOptions, Traffic};
use serde_json::Value;

use crate::support::{http_status, processes_below, until};

#[tokio::test]
async fn every_node_is_behind_the_balancer_and_each_has_its_own_faults() {
    let options = ClusterOptions { proxies: true, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let token = cluster.dev_token("ada", "acme").await.unwrap();
    assert_eq!(token.split('.').count(), 3);
    for index in 0..2 {
        assert_eq!(http_status(&cluster.gateway_url(index), "/readyz").await, Some(200));
        assert_eq!(http_status(&cluster.admin_url(index), "/metrics").await, Some(200));
    }

    cluster.redis_proxy(0).set(Traffic::Refuse);
    until("the first node knows that Redis is gone", async || {
        http_status(&cluster.gateway_url(0), "/readyz").await == Some(503)
    })
    .await;
    assert_eq!(http_status(&cluster.gateway_url(1), "/readyz").await, Some(200));
    cluster.redis_proxy(0).set(Traffic::Pass);
    until("it is ready again", async || http_status(&cluster.gateway_url(0), "/readyz").await == Some(200)).await;

    // Whichever node is asked first, an answer comes.
    cluster.kill("gateway-2").await.unwrap();
    for _ in 0..6 {
        assert_eq!(http_status(&cluster.balancer_url(), "/readyz").await, Some(200));
    }
    cluster.start_part("gateway-2").await.unwrap();
    let log = cluster.directory().join("logs/balancer.log");
    let (first, second) = (cluster.gateway_url(0), cluster.gateway_url(1));
    until("requests reach both", async || {
        http_status(&cluster.balancer_url(), "/livez?access_token=secret").await;
        let log = std::fs::read_to_string(&log).unwrap();
        let reaches = |url: &str| log.contains(&format!("/livez 200 {}", url.trim_start_matches("http://")));
        assert!(!log.contains("secret"), "{log}");
        reaches(&first) && reaches(&second)
    })
    .await;
    cluster.shut_down().await;
}

/// The fixture as a program.
struct Fixture {
    program: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Fixture {
    fn start(options: &[&str]) -> (Self, Value) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_rts-local"))
            .arg("fixture")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(program.stdout.take().unwrap());
        let mut fixture = Self { program, answers };
        let description = fixture.answer();
        (fixture, description)
    }

    fn ask(&mut self, line: &str) -> Value {
        let input = self.program.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn a_fixture_does_what_it_is_told_and_ends_with_its_input() {
    let (mut fixture, description) = Fixture::start(&["--no-aws"]);
    assert!(description["redis"].as_str().unwrap().starts_with("redis://127.0.0.1:"));
    assert_eq!(description["parts"][0]["state"], "running");
    assert_eq!(fixture.ask("stop redis")["ok"], true);
    assert_eq!(fixture.ask("status")["parts"][0]["state"], "stopped");
    assert_eq!(fixture.ask("start redis")["ok"], true);
    assert_eq!(fixture.ask("proxy redis-1 stall")["ok"], false);
    assert_eq!(fixture.ask("dance")["ok"], false);
    drop(fixture.program.stdin.take());
    assert!(fixture.program.wait().unwrap().success());
    assert!(!PathBuf::from(description["directory"].as_str().unwrap()).exists());
}

#[tokio::test]
async fn nothing_outlives_a_fixture_that_is_killed() {
    let (mut fixture, description) = Fixture::start(&["--no-aws"]);
    let run = PathBuf::from(description["directory"].as_str().unwrap());
    assert!(!processes_below(&run).is_empty());
    fixture.program.kill().unwrap();
    fixture.program.wait().unwrap();
    until("its Redis is gone", async || processes_below(&run).is_empty()).await;
    std::fs::remove_dir_all(&run).unwrap();
}
