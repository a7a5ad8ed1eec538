//! A Redis server on loopback, controlled by inline commands.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rts_common::redis::RedisServers;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const DEADLINE: Duration = Duration::from_secs(10);

/// The running server; ends when dropped.
pub(crate) struct RedisServer {
    process: Child,
    port: u16,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--appendonly", "no", "--save", ""])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let server = Self { process, port };
        let ready = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(DEADLINE, ready).await.expect("redis-server listens");
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn servers(&self) -> RedisServers {
        RedisServers::parse(&self.url()).unwrap()
    }

    /// Opens a connection.
    pub(crate) async fn talk(&self) -> RedisTalk {
        RedisTalk(BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection.
pub(crate) struct RedisTalk(BufReader<TcpStream>);

impl RedisTalk {
    /// Sends a command and reads the first line of its reply.
    pub(crate) async fn say(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        self.line().await
    }

    /// Reads lines until one equals `wanted`.
    pub(crate) async fn wait_for(&mut self, wanted: &str) {
        while self.line().await != wanted {}
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(DEADLINE, self.0.read_line(&mut line)).await;
        assert!(read.expect("redis answers").unwrap() > 0, "redis closed the connection");
        line.trim_end().to_owned()
    }
}
