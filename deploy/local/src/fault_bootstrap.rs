//! A `bootstrap` that makes a Lambda function fail: it runs the real binary behind a proxy of the Lambda runtime API
//! and turns every n-th invocation into an error. The function itself does not notice.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::http::{Message, exchange};
use crate::parts::aws::FaultTime;

/// The variable with the address of the function's runtime API.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const NEXT: &str = "/runtime/invocation/next";

/// The invocations that fail.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The interval between failing invocations.
    pub every: u32,
    /// The time of the failure: before or after the function's work.
    pub when: FaultTime,
}

/// Runs `function`, itself a bootstrap, with some of its invocations failing.
pub async fn run(plan: Plan, function: PathBuf) -> anyhow::Result<ExitCode> {
    let upstream = std::env::var(RUNTIME_API).context("there is no Lambda runtime API")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let mut function = Command::new(&function)
        .env(RUNTIME_API, address.to_string())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} did not start", function.display()))?;
    let faults = Arc::new(Faults { upstream, plan, invocations: AtomicU32::new(0) });
    tokio::select! {
        status = function.wait() => {
            let code = status?.code().and_then(|code| u8::try_from(code).ok());
            Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
        }
        () = serve(listener, faults) => Ok(ExitCode::FAILURE),
    }
}

/// The faults between the function and its runtime API.
struct Faults {
    upstream: String,
    plan: Plan,
    invocations: AtomicU32,
}

async fn serve(listener: TcpListener, faults: Arc<Faults>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                connections.spawn(answer(stream, Arc::clone(&faults)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Answers one request; the connection closes after it. The function handles a broken one.
async fn answer(mut stream: TcpStream, faults: Arc<Faults>) -> std::io::Result<()> {
    let request = Message::read(&mut stream).await?;
    let response = if request.start.contains(NEXT) {
        faults.next(&request).await?
    } else {
        exchange(&faults.upstream, &faults.outcome(request)).await?
    };
    stream.write_all(&response.encode()).await
}

impl Faults {
    /// Returns the next invocation that the function should see.
    async fn next(&self, request: &Message) -> std::io::Result<Message> {
        loop {
            let invocation = exchange(&self.upstream, request).await?;
            let Some(id) = invocation.header("Lambda-Runtime-Aws-Request-Id") else {
                return Ok(invocation);
            };
            let count = self.invocations.fetch_add(1, Ordering::Relaxed) + 1;
            if self.plan.when == FaultTime::After || !count.is_multiple_of(self.plan.every) {
                return Ok(invocation);
            }
            let path = format!("/2018-06-01/runtime/invocation/{id}/error");
            exchange(&self.upstream, &failure(&path, request)).await?;
        }
    }

    /// Returns the function's answer, or the error that replaces it.
    fn outcome(&self, request: Message) -> Message {
        let path = request.start.split(' ').nth(1).unwrap_or_default();
        let is_due = self.invocations.load(Ordering::Relaxed).is_multiple_of(self.plan.every);
        match path.strip_suffix("/response") {
            Some(invocation) if self.plan.when == FaultTime::After && is_due => {
                failure(&format!("{invocation}/error"), &request)
            }
            _ => request,
        }
    }
}

/// Makes the report of a failed invocation, with the headers of the request that it replaces.
fn failure(path: &str, request: &Message) -> Message {
    let body = r#"{"errorType":"Injected","errorMessage":"made to fail"}"#;
    Message { start: format!("POST {path} HTTP/1.1"), headers: request.headers.clone(), body: body.as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Starts a runtime API with invocations 1, 2, 3, …; it records the requests posted to it.
    async fn runtime_api() -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let posted = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&posted);
        tokio::spawn(async move {
            let mut id = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = Message::read(&mut stream).await.unwrap();
                let mut response = Message::new("HTTP/1.1 202 Accepted", "");
                if request.start.contains(NEXT) {
                    id += 1;
                    let header = ("lambda-runtime-aws-request-id".to_owned(), id.to_string());
                    response.headers.push(header);
                } else {
                    let path = request.start.split(' ').nth(1).unwrap();
                    let end: Vec<_> = path.rsplit('/').take(2).collect();
                    notes.lock().unwrap().push(format!("{} {}", end[1], end[0]));
                }
                stream.write_all(&response.encode()).await.unwrap();
            }
        });
        (address, posted)
    }

    /// Acts as a function that answers four invocations, and returns the posted requests.
    async fn posted(when: FaultTime) -> Vec<String> {
        let (upstream, posted) = runtime_api().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let faults = Faults { upstream, plan: Plan { every: 3, when }, invocations: AtomicU32::new(0) };
        tokio::spawn(serve(listener, Arc::new(faults)));
        for _ in 0..4 {
            let next = Message::new(format!("GET /2018-06-01{NEXT} HTTP/1.1"), "");
            let invocation = exchange(&address, &next).await.unwrap();
            let id = invocation.header("lambda-runtime-aws-request-id").unwrap();
            let path = format!("/2018-06-01/runtime/invocation/{id}/response");
            let answer = Message::new(format!("POST {path} HTTP/1.1"), "{}");
            exchange(&address, &answer).await.unwrap();
        }
        let posted = posted.lock().unwrap();
        posted.clone()
    }

    #[tokio::test]
    async fn every_third_invocation_fails() {
        assert_eq!(posted(FaultTime::After).await, ["1 response", "2 response", "3 error", "4 response"]);
        assert_eq!(
            posted(FaultTime::Before).await,
            ["1 response", "2 response", "3 error", "4 response", "5 response"]
        );
    }
}
