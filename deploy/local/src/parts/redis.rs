//! Redis: one server, or three masters of a Redis Cluster. Its data is in memory only, for tests of a restart with data
//! loss, unless the run keeps its data.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::{PROBE_PAUSE, Part, Probe};

/// The deadline of a command by [`command`].
const COMMAND_DEADLINE: Duration = Duration::from_secs(2);

/// The settings of a Redis server.
#[derive(Clone, Debug)]
pub(crate) struct RedisServer<'a> {
    /// The name: `redis`, or `redis-1` and so on in a Redis Cluster.
    pub(crate) name: &'a str,
    pub(crate) program: &'a Path,
    pub(crate) port: u16,
    /// The port of the cluster's bus, in a Redis Cluster.
    pub(crate) bus_port: Option<u16>,
    /// True if its data outlives the process.
    pub(crate) keeps_data: bool,
}

/// Returns a Redis server as a part.
pub(crate) fn part(run: &Path, server: &RedisServer) -> io::Result<Part> {
    let directory = run.join(server.name);
    if !server.keeps_data && directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let append_only = if server.keeps_data { "yes" } else { "no" };
    let mut arguments = format!(
        "--bind 127.0.0.1 --port {} --daemonize no --appendonly {append_only} \
         --maxclients 50000 --tcp-backlog 1024 --loglevel notice",
        server.port
    )
    .split_whitespace()
    .map(str::to_owned)
    .collect::<Vec<_>>();
    // No snapshots: an empty argument, which a text split at blanks cannot express.
    arguments.extend(["--save", ""].map(str::to_owned));
    if let Some(bus_port) = server.bus_port {
        let cluster = format!(
            "--cluster-enabled yes --cluster-port {bus_port} --cluster-node-timeout 2000 \
             --cluster-require-full-coverage no --cluster-config-file nodes.conf"
        );
        arguments.extend(cluster.split_whitespace().map(str::to_owned));
    }
    Ok(Part {
        name: server.name.to_owned(),
        program: server.program.to_owned(),
        arguments,
        environment: super::variables([]),
        directory,
        probe: Probe::Redis(server.port),
        url: Some(url(server.port)),
        grace: Duration::from_secs(5),
    })
}

/// Returns the address of a Redis on loopback.
pub(crate) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

/// Joins running servers into one Redis Cluster, and waits until all of them agree.
pub(crate) async fn join_cluster(command_line: &PathBuf, ports: &[u16]) -> Result<(), String> {
    let output = Command::new(command_line)
        .args(["--cluster", "create"])
        .args(ports.iter().map(|port| format!("127.0.0.1:{port}")))
        .arg("--cluster-yes")
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("redis-cli did not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    for port in ports {
        while !command(*port, "CLUSTER INFO").await.is_ok_and(|info| info.contains("cluster_state:ok")) {
            sleep(PROBE_PAUSE).await;
        }
    }
    Ok(())
}

/// Sends an inline command and returns the reply's text: a simple one, an error, or a bulk.
pub(crate) async fn command(port: u16, text: &str) -> io::Result<String> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        stream.write_all(format!("{text}\r\n").as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        let Some(length) = line.strip_prefix('$') else {
            return Ok(line.to_owned());
        };
        let length: usize = length.parse().map_err(io::Error::other)?;
        let mut bulk = vec![0; length];
        stream.read_exact(&mut bulk).await?;
        String::from_utf8(bulk).map_err(io::Error::other)
    };
    timeout(COMMAND_DEADLINE, exchange)
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no reply in time"))?
}
