//! The part of HTTP that a scrape needs.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The deadline from the request's first byte to the answer's last.
const DEADLINE: Duration = Duration::from_secs(5);
/// Concurrent scrapes.
const AT_ONCE: usize = 8;

/// Answers `GET /metrics` with what `render` returns, until dropped.
pub async fn serve(listener: TcpListener, render: impl Fn() -> String + Clone + Send + Sync + 'static) {
    let mut answers = JoinSet::new();
    loop {
        while answers.len() >= AT_ONCE {
            let _done = answers.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let render = render.clone();
                answers.spawn(async move {
                    // The client has gone, or is too slow: the next scrape will come.
                    let _gone = timeout(DEADLINE, answer(stream, &render)).await;
                });
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        while answers.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, render: &(impl Fn() -> String + Sync)) -> io::Result<()> {
    let mut head = Vec::with_capacity(512);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let path = head.strip_prefix(b"GET ").and_then(|rest| rest.split(|&byte| byte == b' ' || byte == b'?').next());
    let (status, body) = match path {
        Some(b"/metrics") => ("200 OK", render()),
        _ => ("404 Not Found", "metrics are at GET /metrics\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_scrape_is_answered_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let exporter = crate::metrics::Exporter::new("groups", 3);
        tokio::spawn(serve(listener, move || exporter.render()));
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\nrts_loadtest_users 3\n"), "{answer}");
        for other in ["GET / HTTP/1.1\r\n\r\n", "POST /metrics HTTP/1.1\r\n\r\n"] {
            assert!(ask(address, other).await.starts_with("HTTP/1.1 404"));
        }
    }
}
