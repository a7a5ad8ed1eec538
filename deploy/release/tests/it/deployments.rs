//! `up`, `swap` and `down` against a stub of AWS's command line, which fails wherever the test wants.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rts_deploy::aws::Aws;
use rts_deploy::package::{Architecture, Artifact, Package};
use rts_deploy::side::Side;
use rts_deploy::stacks::names::Stack;
use rts_deploy::swap::aws_world::AwsWorld;
use rts_deploy::swap::machine::Order;
use rts_deploy::swap::{self, SwapTimes};
use rts_deploy::up::Deployment;
use rts_deploy::{down, up};
use serde_json::{Value, json};

use crate::bundle::Directory;

const VALUES: [(&str, &str); 7] = [
    ("PublicName", "chat.example.com"),
    ("CertificateArn", "arn:aws:acm:eu-central-1:111122223333:certificate/1"),
    ("TokenIssuer", "https://id.example.com/"),
    ("TokenAudience", "rts"),
    ("TokenKeySetUrl", "https://id.example.com/keys"),
    ("AlarmEmail", "ops@example.com"),
    ("AllowedOrigins", "https://chat.example.com"),
];

/// An account of AWS, and a machine that deploys to it.
struct Account {
    directory: Directory,
    aws: Aws,
}

impl Account {
    fn new(name: &str) -> Self {
        let directory = Directory::new(name);
        let (state, stub) =
            (directory.0.join("state.json"), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/aws_stub.py"));
        let program = directory.0.join("aws");
        write_program(&program, &format!("exec python3 {} {} \"$@\"", stub.display(), state.display()));
        write_program(&directory.0.join("curl"), "exit 0");
        Self { aws: Aws::stub(program), directory }
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&fs::read(self.directory.0.join("state.json")).unwrap()).unwrap()
    }

    fn change(&self, name: &str, value: Value) {
        let mut state = self.state();
        state[name] = value;
        fs::write(self.directory.0.join("state.json"), state.to_string()).unwrap();
    }

    fn log(&self) -> Vec<String> {
        self.state()["log"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    fn parameter(&self, stack: &str, name: &str) -> String {
        self.state()["stacks"][stack]["parameters"][name].as_str().unwrap_or_default().to_owned()
    }

    /// Packages a version.
    fn package(&self, version: &str) -> PathBuf {
        let directory = self.directory.0.join(version);
        fs::create_dir_all(&directory).unwrap();
        let artifact = |what: &str| {
            let file = format!("{what}-{version}.zip");
            fs::write(directory.join(&file), version).unwrap();
            Artifact { file, sha256: String::new() }
        };
        let package = Package {
            architecture: Architecture::X86_64,
            bundle: artifact("gateway"),
            messages: artifact("messages"),
            rooms: artifact("rooms"),
        };
        fs::write(directory.join("package.json"), serde_json::to_vec(&package).unwrap()).unwrap();
        directory
    }

    fn deployment(&self, version: &str) -> Deployment {
        Deployment {
            aws: self.aws.clone(),
            prefix: String::new(),
            region: "eu-central-1".to_owned(),
            size: "small".to_owned(),
            given: VALUES.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            package: self.package(version),
            changes: true,
            only: None,
            is_beside: false,
        }
    }

    async fn up(&self, version: &str) -> anyhow::Result<()> {
        self.deployment(version).run(&|_| {}).await
    }

    async fn swap(&self, to: Side, is_back: bool) -> anyhow::Result<()> {
        let mut world = AwsWorld::new(self.aws.clone(), "");
        world.curl = self.directory.0.join("curl");
        let short = Duration::from_millis(1);
        let times = SwapTimes { look: short, hold: short, ..SwapTimes::default() };
        swap::run(&world, Order { to, is_back, ends_other: !is_back }, times, &|_| {}).await
    }
}

fn write_program(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
#[ignore = "takes half a minute: part of `cargo local test rehearsal`"]
async fn a_service_is_brought_updated_swapped_and_ended() {
    let account = Account::new("whole");
    account.up("one").await.unwrap();
    let made: Vec<_> = account
        .log()
        .into_iter()
        .filter_map(|line| Some(line.strip_prefix("execute-change-set ")?.to_owned()))
        .collect();
    let expected = ["rts-network", "rts-cache", "rts-data", "rts-platform", "rts-service-blue", "rts-observability"];
    assert_eq!(made, expected);
    assert_eq!(account.parameter("rts-service-blue", "VersionLabel"), "gateway-one");
    assert_eq!(account.parameter("rts-service-blue", "VpcId"), "VpcId-of-rts-network");
    assert_eq!(account.parameter("rts-data", "SubnetIds"), "NodeSubnetIds-of-rts-network");
    assert_eq!(account.parameter("rts-platform", "BlueTargetGroupArn"), "arn:targets/blue");
    assert_eq!(account.parameter("rts-observability", "CacheNodeIds"), "rts-0001-001,rts-0001-002");

    // Nothing new: nothing is done.
    let before = account.log().len();
    account.up("one").await.unwrap();
    let later = account.log().split_off(before);
    assert!(
        later
            .iter()
            .all(|line| line.contains("change-set") || line.contains("public-access") || line.contains("storage")),
        "{later:?}"
    );
    assert!(!later.iter().any(|line| line.starts_with("execute")), "{later:?}");

    account.up("two").await.unwrap();
    let log = account.log();
    let at = |wanted: &str| log.iter().rposition(|line| line == wanted).unwrap();
    assert!(at("execute-change-set rts-data") < at("execute-change-set rts-service-green"), "readers before writers");
    assert_eq!(account.parameter("rts-platform", "GreenWeight"), "0", "nobody is there yet");
    account.swap(Side::Green, false).await.unwrap();
    assert_eq!(account.parameter("rts-platform", "GreenWeight"), "100");
    assert!(account.state()["stacks"]["rts-service-blue"].is_null());
    up::status(&account.aws, "", &|_| {}).await.unwrap();

    assert!(down::run(&account.aws, "", "rts", &|_| {}).await.is_err());
    down::run(&account.aws, "", "rts-platform", &|_| {}).await.unwrap();
    assert!(account.state()["stacks"].as_object().unwrap().is_empty());
}

#[tokio::test]
#[ignore = "takes a minute: part of `cargo local test rehearsal`"]
async fn a_deployment_that_is_interrupted_anywhere_is_continued_by_the_same_command() {
    let whole = Account::new("undisturbed");
    whole.up("one").await.unwrap();
    let (stacks, changes) = (whole.state()["stacks"].clone(), whole.log().len());
    // Each run takes a second.
    for (number, at) in (0..changes).step_by(15).enumerate() {
        let account = Account::new(&format!("cut-{at}"));
        let state = json!({
            "stacks": {}, "sets": {}, "objects": [], "buckets": [], "versions": [], "out": {}, "log": [],
            "failAt": at, "hasEffect": number % 2 == 0,
        });
        fs::write(account.directory.0.join("state.json"), state.to_string()).unwrap();
        assert!(account.up("one").await.is_err(), "{at}");
        account.up("one").await.unwrap();
        let now = account.state()["stacks"].clone();
        for (name, stack) in stacks.as_object().unwrap() {
            assert_eq!(now[name]["parameters"], stack["parameters"], "{name}, cut at {at}");
        }
    }
}

#[tokio::test]
async fn a_change_that_loses_data_is_refused_and_a_plan_changes_nothing() {
    let account = Account::new("loss");
    account.up("one").await.unwrap();
    account.change("loses", json!(["rts-data"]));
    let stacks = account.state()["stacks"].clone();
    let error = account.up("two").await.unwrap_err().to_string();
    assert!(error.contains("rts-data would lose data: It (AWS::DynamoDB::Table)"), "{error}");
    assert_eq!(account.state()["stacks"], stacks);
    account.change("loses", json!([]));
    Deployment { changes: false, ..account.deployment("two") }.run(&|_| {}).await.unwrap();
    assert_eq!(account.state()["stacks"], stacks);
    let mut only = Deployment { only: Some(Stack::Cache), ..account.deployment("one") };
    only.given.insert("Shards".to_owned(), "5".to_owned());
    only.run(&|_| {}).await.unwrap();
    assert_eq!(account.parameter("rts-cache", "Shards"), "5");
    only.given.insert("Shard".to_owned(), "5".to_owned());
    assert!(only.run(&|_| {}).await.unwrap_err().to_string().contains("no template has a parameter Shard"));
}

#[tokio::test]
#[ignore = "takes half a minute: part of `cargo local test rehearsal`"]
async fn a_swap_is_undone_while_the_old_side_drains() {
    let account = Account::new("back");
    account.up("one").await.unwrap();
    account.up("two").await.unwrap();
    // Two changes of weights, then the first node.
    account.change("failAt", json!(3));
    assert!(account.swap(Side::Green, false).await.is_err());
    assert_eq!(account.state()["out"]["blue"].as_array().unwrap().len(), 1);
    account.swap(Side::Blue, true).await.unwrap();
    assert_eq!(account.parameter("rts-platform", "BlueWeight"), "100");
    assert!(account.state()["out"]["blue"].as_array().unwrap().is_empty());
    assert!(account.state()["stacks"]["rts-service-green"].is_object(), "it stays, without clients");
}
