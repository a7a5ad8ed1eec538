//! A DynamoDB endpoint that answers as a test decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The answer to a call with this number, from 0, and this body: `None` is success, otherwise an error's name.
type Answer = dyn Fn(usize, &str) -> Option<&'static str> + Send + Sync;

/// Listens on loopback until dropped.
pub(crate) struct FaultyDynamo {
    pub(crate) endpoint: String,
    calls: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FaultyDynamo {
    pub(crate) async fn start(answer: impl Fn(usize, &str) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = calls.clone();
        let answer: Arc<Answer> = Arc::new(answer);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, counter.clone(), answer.clone()));
            }
        });
        Self { endpoint, calls, task }
    }

    /// Returns the number of calls received.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyDynamo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, calls: Arc<AtomicUsize>, answer: Arc<Answer>) {
    let mut stream = BufReader::new(stream);
    while let Some(body) = request(&mut stream).await {
        let number = calls.fetch_add(1, Ordering::SeqCst);
        let (status, reply) = match answer(number, &body) {
            None => ("200 OK", "{}".to_owned()),
            Some(error) => (
                if error == "InternalServerError" { "500 Error" } else { "400 Bad Request" },
                format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{error}","message":"hunter2"}}"#),
            ),
        };
        let reply = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{reply}",
            reply.len()
        );
        if stream.get_mut().write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    String::from_utf8(body).ok()
}
