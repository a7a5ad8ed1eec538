//! The repository's dashboards are complete, and each of their queries is answered during a run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rts_local::{Cluster, ClusterOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::get;

/// The deadline for an answer to every query.
const DEADLINE: Duration = Duration::from_mins(3);
/// The values that Grafana gives its variables; the scrape interval here is a second.
const VARIABLES: [(&str, &str); 4] =
    [("$__rate_interval", "15s"), ("$__range", "10m"), ("$cluster", ".*"), ("$node", ".*")];

/// Series that begin with their first use: this load sends no files, no probe runs, and the local cluster's tokens need
/// no set of keys.
const UNUSED: [&str; 12] = [
    "rts_storage_call_duration_seconds_bucket",
    "rts_storage_call_duration_seconds_count",
    "rts_token_keys_age_seconds",
    "rts_probe_last_success_timestamp_seconds",
    "rts_probe_latency_seconds_bucket",
    "rts_probe_sent_total",
    "rts_probe_delivered_total",
    "rts_probe_late_total",
    "rts_probe_lost_total",
    "rts_probe_failed_total",
    "rts_probe_doubled_total",
    "rts_probe_errors_total",
];

/// A query of a panel.
#[derive(Clone, Debug)]
struct Query {
    place: String,
    text: String,
}

fn dashboards() -> Vec<(String, Value)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../dashboards");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    };
    files.map(read).collect()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.flat_map(|panel| std::iter::once(panel).chain(panel["panels"].as_array().into_iter().flatten())).collect()
}

fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = filled(target["expr"].as_str().unwrap());
                let title = panel["title"].as_str().unwrap();
                queries.push(Query { place: format!("{name}: {title}"), text });
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            let labels = variable["query"].as_str().and_then(|text| text.strip_prefix("label_values("));
            if let Some((metric, label)) = labels.and_then(|rest| rest.trim_end_matches(')').split_once(", ")) {
                let place = format!("{name}: variable {}", variable["name"]);
                let (metric, matchers) = metric.trim_end_matches('}').split_once('{').unwrap_or((metric, ""));
                let text = format!("count by ({label}) ({metric}{{{label}!=\"\", {matchers}}})");
                queries.push(Query { place, text: filled(&text) });
            }
        }
    }
    queries
}

/// A query with what Grafana puts in for its variables.
fn filled(text: &str) -> String {
    VARIABLES.iter().fold(text.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// The metrics that a query names: exported, recorded by a rule, or Prometheus's own.
fn metrics(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    words.filter(|word| {
        ["rts_", "process_", "cluster:", "scrape_"].iter().any(|start| word.starts_with(start)) || *word == "up"
    })
}

#[test]
fn dashboards_are_whole() {
    let dashboards = dashboards();
    let names: BTreeSet<_> = dashboards.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains("cluster-overview.json") && names.contains("load-test.json"), "{names:?}");
    for (name, dashboard) in &dashboards {
        assert!(
            ["title", "uid", "description"].iter().all(|key| !dashboard[key].as_str().unwrap().is_empty()),
            "{name}"
        );
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert!(variables.iter().any(|variable| variable["type"] == "datasource"), "{name}");
        let mut ids = BTreeSet::new();
        for panel in panels(dashboard) {
            let title = panel["title"].as_str().unwrap_or_default();
            assert!(!title.is_empty() && ids.insert(panel["id"].as_u64().unwrap()), "{name}: {panel}");
            let place = &panel["gridPos"];
            assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{name}: {title}");
            if panel["type"] == "row" || panel["type"] == "text" {
                continue;
            }
            assert!(!panel["description"].as_str().unwrap().is_empty(), "{name}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title} has no unit");
            let targets = panel["targets"].as_array().unwrap();
            let sources = targets.iter().map(|target| &target["datasource"]).chain([&panel["datasource"]]);
            assert!(sources.into_iter().all(|source| source["uid"] == "${datasource}"), "{name}: {title}");
            assert!(!targets.is_empty(), "{name}: {title}");
        }
    }
    let queries = queries();
    assert!(queries.len() > 50, "{}", queries.len());
    for query in &queries {
        assert!(!query.text.contains('$'), "an unknown variable: {query:?}");
        assert!(metrics(&query.text).next().is_some(), "{query:?}");
    }
}

/// A load with some of everything.
const SCENARIO: &str = r#"
    name = "dashboards"
    users = 40
    protocol = "mixed"
    arrivals = "poisson"
    rooms = { size = 8 }
    rates = { messages = 20, reads = 10, history = 5 }
    connect.over = "1s"
    storm = { every = "5s", share = 0.2 }
    phases = [{ kind = "ramp", time = "1s" }, { kind = "hold", time = "10m" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_answered_while_a_load_test_runs() {
    let options = ClusterOptions { prometheus: true, scrape_seconds: 1, ..ClusterOptions::default() };
    let cluster = Cluster::start(options).await.unwrap();
    let prometheus = cluster.prometheus_url().expect("Prometheus is there, or was installed");
    check_configuration(&cluster);

    let scenario = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dashboards.toml");
    std::fs::write(&scenario, SCENARIO).unwrap();
    let mut load = tokio::process::Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", scenario.to_str().unwrap(), "--target", &cluster.balancer_url()])
        .args(["--metrics", &cluster.loadtest_metrics(), "--workers", "1", "--store"])
        .env("AWS_ENDPOINT_URL", cluster.aws_endpoint())
        .env("AWS_REGION", cluster.outputs().region)
        .env("AWS_ACCESS_KEY_ID", rts_local::ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", rts_local::SECRET_ACCESS_KEY)
        .env("RTS_MESSAGES_TABLE", cluster.outputs().messages_table_name)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut open = queries();
    let begun = Instant::now();
    while !open.is_empty() && begun.elapsed() < DEADLINE && load.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut unanswered = Vec::new();
        for query in open {
            if !is_answered(&prometheus, &query.text).await {
                unanswered.push(query);
            }
        }
        open = unanswered;
    }
    let known = known_metrics(&prometheus).await;
    for address in [cluster.loadtest_metrics(), cluster.admin_url(0)] {
        let text = get(&address, "/metrics").await;
        check_metrics(&text);
    }

    // On a signal it ends the load, checks, and reports.
    let pid = load.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("it still runs");
    kill_process(pid, Signal::INT).unwrap();
    let ended = tokio::time::timeout(Duration::from_mins(2), load.wait_with_output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
    let open: Vec<_> = open.iter().map(|query| format!("{}: {}", query.place, query.text)).collect();
    assert!(open.is_empty(), "without an answer: {open:#?}\n{text}");
    let queries = queries();
    let named = queries.iter().flat_map(|query| metrics(&query.text)).filter(|name| !UNUSED.contains(name));
    let unknown: BTreeSet<_> = named.filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "nobody exports {unknown:?}");
    assert_eq!(ended.status.code(), Some(0), "{text}");
    assert!(text.contains("DynamoDB held all of it"), "{text}");
    check_logs(&cluster);
    cluster.shut_down().await;
}

/// True if a query returns a number; a query without measurements returns NaN.
async fn is_answered(prometheus: &str, query: &str) -> bool {
    let answer = ask(prometheus, &format!("/api/v1/query?query={}", encode(query))).await;
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    let results = answer["data"]["result"].as_array().unwrap();
    results.iter().any(|result| {
        let value: f64 = result["value"][1].as_str().unwrap().parse().unwrap_or(f64::NAN);
        value.is_finite()
    })
}

async fn known_metrics(prometheus: &str) -> BTreeSet<String> {
    let answer = ask(prometheus, "/api/v1/label/__name__/values").await;
    answer["data"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

async fn ask(prometheus: &str, path: &str) -> Value {
    let text = get(prometheus, path).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let each = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(each).collect()
}

/// promtool comes with Prometheus.
fn check_configuration(cluster: &Cluster) {
    let file = cluster.directory().join("prometheus/prometheus.yml");
    let output = Command::new("promtool").args(["check", "config"]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// No body and no token of the load is in any log, and sessions have their line.
fn check_logs(cluster: &Cluster) {
    let files = std::fs::read_dir(cluster.directory().join("logs")).unwrap().map(|file| file.unwrap().path());
    let logs: Vec<_> = files.map(|file| (file.clone(), std::fs::read(file).unwrap())).collect();
    let mut ended = 0;
    for (file, log) in &logs {
        let log = String::from_utf8_lossy(log);
        for line in log.lines() {
            // The filler of the load's bodies; the head of every JWT.
            assert!(!line.contains("abcdefghijklmnop") && !line.contains("eyJ"), "{}: {line}", file.display());
            let has_all =
                ["transport", "reason", "seconds", "bytes_in", "bytes_out"].iter().all(|key| line.contains(key));
            ended += usize::from(line.contains("session ended") && has_all);
        }
    }
    assert!(
        ended > 10,
        "{ended} sessions have their line in {logs:?}",
        logs = logs.iter().map(|(file, _)| file).collect::<Vec<_>>()
    );
}

fn check_metrics(text: &str) {
    use std::io::Write as _;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
}
