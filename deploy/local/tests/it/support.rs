//! Shared functions of the tests.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const DEADLINE: Duration = Duration::from_secs(30);

/// Sends inline commands to the Redis of an address and returns all replies as one text.
pub(crate) async fn redis(url: &str, commands: &str) -> std::io::Result<String> {
    let address = url.trim_start_matches("redis://");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("{commands}\r\nQUIT\r\n").as_bytes()).await?;
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await?;
    Ok(replies)
}

/// Waits until a condition holds; `what` names it in the panic if it never does.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// Returns the processes that work below a directory.
pub(crate) fn processes_below(directory: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let works_in = std::fs::read_link(format!("/proc/{pid}/cwd"));
        let is_zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")));
        !is_zombie && works_in.is_ok_and(|works_in| works_in.starts_with(directory))
    })
    .collect()
}

/// Returns the status of a GET, if there is an answer.
pub(crate) async fn http_status(url: &str, path: &str) -> Option<u16> {
    let address = url.trim_start_matches("http://");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = timeout(Duration::from_secs(5), exchange).await.ok()?.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
