use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_config::Region;
use aws_config::imds::client::Client as Metadata;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use super::*;

const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/awseb/50dc6c495c0c9188";

/// What the metadata service and both other services say.
#[derive(Clone, Default)]
struct Said {
    lifecycle: Option<&'static str>,
    target: &'static str,
    refuses: bool,
    asked: Vec<HashMap<String, String>>,
}

type Aws = Arc<Mutex<Said>>;

async fn lifecycle_state(State(aws): State<Aws>, headers: HeaderMap) -> Response {
    // IMDSv2 answers only with a session token.
    assert_eq!(headers["x-aws-ec2-metadata-token"], "a-session");
    aws.lock().unwrap().lifecycle.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn service(State(aws): State<Aws>, headers: HeaderMap, Query(query): Query<HashMap<String, String>>) -> Response {
    let mut said = aws.lock().unwrap();
    said.asked.push(query.clone());
    if said.refuses || !headers["authorization"].to_str().unwrap().contains("Credential=AKID/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let result = match query["Action"].as_str() {
        "DescribeAutoScalingInstances" => "<AutoScalingGroupName>awseb</AutoScalingGroupName>".to_owned(),
        "DescribeAutoScalingGroups" => format!("<TargetGroupARNs><member>{ARN}</member></TargetGroupARNs>"),
        "DescribeTargetHealth" => format!("<TargetHealth><State>{}</State></TargetHealth>", said.target),
        other => panic!("nobody asks for {other}"),
    };
    format!("<Response xmlns=\"http://aws/\"><Result>{result}</Result></Response>").into_response()
}

async fn start(said: Said) -> (Aws, String) {
    let aws = Arc::new(Mutex::new(said));
    let token = ([("x-aws-ec2-metadata-token-ttl-seconds", "600")], "a-session");
    let router = Router::new()
        .route("/latest/api/token", put(async move || token))
        .route("/latest/meta-data/instance-id", get(async || "i-1"))
        .route("/latest/meta-data/autoscaling/target-lifecycle-state", get(lifecycle_state))
        .route("/", get(service))
        .with_state(Arc::clone(&aws));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, router).into_future());
    (aws, url)
}

fn watch(url: &str, signs: LeavingConfig) -> LeavingWatch {
    let credentials = Credentials::new("AKID", "secret", Some("token".to_owned()), None, "test");
    let config = SdkConfig::builder()
        .region(Region::new("eu-west-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let metadata = Metadata::builder().endpoint(url).unwrap().max_attempts(1).build();
    LeavingWatch { place: Place::with_metadata(signs, &config, metadata).unwrap(), failures: 0 }
}

const BOTH: LeavingConfig = LeavingConfig { lifecycle: true, target: true };

fn serving() -> Said {
    Said { lifecycle: Some("InService"), target: "healthy", ..Said::default() }
}

#[tokio::test]
async fn each_look_is_about_this_node_and_its_place_is_remembered() {
    let (aws, url) = start(serving()).await;
    let mut watch = watch(&url, BOTH);
    assert_eq!(watch.look().await.unwrap(), Some(false));
    aws.lock().unwrap().target = "draining";
    assert_eq!(watch.look().await.unwrap(), Some(true));
    let asked = aws.lock().unwrap().asked.clone();
    let of = |action: &str| asked.iter().filter(|query| query["Action"] == action).cloned().collect::<Vec<_>>();
    let health = of("DescribeTargetHealth");
    assert_eq!(health.len(), 2);
    assert!(health.iter().all(|query| query["TargetGroupArn"] == ARN && query["Targets.member.1.Id"] == "i-1"));
    assert_eq!(of("DescribeAutoScalingGroups").len(), 1);
}

#[tokio::test]
async fn a_termination_is_noticed_without_the_balancer_and_a_refused_call_drains_nobody() {
    let (aws, url) = start(Said { refuses: true, ..serving() }).await;
    let mut watch = watch(&url, BOTH);
    assert!(watch.look().await.is_err());
    aws.lock().unwrap().lifecycle = Some("Terminated");
    assert_eq!(watch.look().await.unwrap(), Some(true));
}

#[tokio::test]
async fn only_what_is_configured_is_asked() {
    let (aws, url) = start(Said { target: "draining", ..serving() }).await;
    let mut lifecycle_only = watch(&url, LeavingConfig { lifecycle: true, target: false });
    assert_eq!(lifecycle_only.look().await.unwrap(), Some(false));
    assert!(aws.lock().unwrap().asked.is_empty());
    aws.lock().unwrap().lifecycle = None;
    assert_eq!(lifecycle_only.look().await.unwrap(), Some(false), "in no group of Auto Scaling");
    assert!(LeavingWatch::new(LeavingConfig::default(), &SdkConfig::builder().build()).unwrap().is_none());
}

#[tokio::test]
async fn a_node_that_starts_on_an_instance_that_leaves_is_never_ready() {
    let (aws, url) = start(Said { target: "draining", ..serving() }).await;
    let (lifecycle, readiness) = (Lifecycle::new(), Readiness::new());
    readiness.set_looking(true);
    let watch = watch(&url, BOTH);
    lifecycle.spawn_critical("watch", watch.clone().watch(lifecycle.clone(), readiness.clone()));
    lifecycle.shutdown_asked().await;
    assert!(lifecycle.is_leaving() && readiness.missing().contains(&"place"));
    assert_eq!(lifecycle.failure(), None);
    aws.lock().unwrap().target = "initial";
    watch.back().await;
}

#[tokio::test]
async fn a_node_becomes_ready_by_its_first_look_and_leaves_without_hurry() {
    let (_aws, url) = start(serving()).await;
    let (lifecycle, readiness) = (Lifecycle::new(), Readiness::new());
    readiness.set_looking(true);
    lifecycle.spawn_critical("watch", watch(&url, BOTH).watch(lifecycle.clone(), readiness.clone()));
    while readiness.missing().contains(&"place") {
        tokio::task::yield_now().await;
    }
    lifecycle.shut_down();
    lifecycle.leave();
    assert!(!lifecycle.is_leaving(), "it shuts down for another reason");
}

#[test]
fn failures_make_looks_rarer() {
    let intervals = [0, 1, 2, 3, 4, 99].map(|failures| interval(failures).as_secs());
    assert_eq!(intervals, [5, 10, 20, 40, 60, 60]);
}
