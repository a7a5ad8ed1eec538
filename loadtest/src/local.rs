//! The cluster of `cargo local up`: its parts, and the commands of its control socket.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::procfs::Watched;

/// The variable with its directory, if it is not that of the repository this was built from.
const DIRECTORY_VARIABLE: &str = "LOADTEST_LOCAL_DIRECTORY";
const SOCKET: &str = "control.sock";
/// The deadline of one command; one that waits for a part takes longest.
const ANSWER_DEADLINE: Duration = Duration::from_mins(1);
/// The offset of a gateway's admin port from that of its hub.
const ADMIN_PORT_OFFSET: u16 = 1000;

/// A running local cluster, as its status describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct Cluster {
    parts: Vec<Part>,
    /// The admin addresses of the gateways, if the status has them.
    #[serde(default)]
    admins: Vec<String>,
    #[serde(skip)]
    directory: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
struct Part {
    name: String,
    pid: Option<u32>,
    url: Option<String>,
    admin: Option<String>,
}

impl Cluster {
    /// Returns the running cluster; an error if none runs.
    pub fn find() -> anyhow::Result<Self> {
        let directory = match std::env::var_os(DIRECTORY_VARIABLE) {
            Some(directory) => PathBuf::from(directory),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../.local/cluster"),
        };
        Self::at(&directory)
    }

    /// Returns the cluster whose control socket is in a directory.
    fn at(directory: &Path) -> anyhow::Result<Self> {
        let status = ask(directory, "status")?;
        let cluster: Self = serde_json::from_value(status).context("the status of the local cluster has no parts")?;
        Ok(Self { directory: directory.to_owned(), ..cluster })
    }

    /// Returns its running processes.
    pub fn processes(&self) -> Vec<Watched> {
        let running = |part: &Part| Some(Watched { name: part.name.clone(), pid: part.pid? });
        self.parts.iter().filter_map(running).collect()
    }

    /// Returns the process of one part.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.parts.iter().find(|part| part.name == name)?.pid
    }

    /// True if clients reach it at this address: its balancer, or a gateway.
    pub fn serves(&self, address: SocketAddr) -> bool {
        let is_door = |part: &&Part| part.name == "balancer" || part.name.starts_with("gateway");
        let doors = self.parts.iter().filter(is_door).filter_map(|part| part.url.as_deref());
        doors.filter_map(address_of).any(|door| door == address)
    }

    /// Returns the addresses at which the gateways serve their metrics.
    pub fn admins(&self) -> Vec<SocketAddr> {
        if !self.admins.is_empty() {
            return self.admins.iter().filter_map(|url| address_of(url)).collect();
        }
        let admin = |part: &Part| {
            if let Some(url) = &part.admin {
                return address_of(url);
            }
            let hub = address_of(part.url.as_deref()?)?;
            Some(SocketAddr::new(hub.ip(), hub.port().checked_add(ADMIN_PORT_OFFSET)?))
        };
        self.parts.iter().filter(|part| part.name.starts_with("gateway")).filter_map(admin).collect()
    }

    /// Carries out a command; blocks until it is done.
    pub fn control(&self, line: &str) -> anyhow::Result<()> {
        let answer = ask(&self.directory, line)?;
        if answer["ok"] == Value::Bool(true) {
            return Ok(());
        }
        bail!("{}", answer["error"].as_str().unwrap_or("it failed"))
    }
}

/// Sends one line to the control socket of a directory; returns the line of the answer.
fn ask(directory: &Path, line: &str) -> anyhow::Result<Value> {
    let none = "no local cluster is running; cargo local up starts one";
    // Through an open directory: a socket's path may have only 108 bytes.
    let held = File::open(directory).context(none)?;
    let mut stream = UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd())).context(none)?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
    let unanswered = || format!("the local cluster does not answer {line:?}");
    writeln!(stream, "{line}").with_context(unanswered)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).with_context(unanswered)?;
    serde_json::from_str(&answer).with_context(unanswered)
}

fn address_of(url: &str) -> Option<SocketAddr> {
    let authority = url.trim_start_matches("http://").split('/').next()?;
    authority.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_by_its_socket_and_says_what_it_is() {
        let directory = std::env::temp_dir().join(format!("rts-loadtest-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        assert!(format!("{:#}", Cluster::at(&directory).unwrap_err()).contains("cargo local up"));
        let listener = std::os::unix::net::UnixListener::bind(directory.join(SOCKET)).unwrap();
        let served = std::thread::spawn(move || {
            let answers = [
                r#"{"ok":true,"parts":[{"name":"redis","state":"running","pid":7},{"name":"gateway-1","state":"running",
                    "pid":8,"url":"http://127.0.0.1:8081"},{"name":"balancer","state":"stopped","pid":null,
                    "url":"http://127.0.0.1:8080"}]}"#,
                r#"{"ok":true}"#,
                r#"{"ok":false,"error":"no such fault"}"#,
            ];
            let mut lines = Vec::new();
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                writeln!(&stream, "{}", answer.replace('\n', "")).unwrap();
                lines.push(line.trim().to_owned());
            }
            lines
        });
        let cluster = Cluster::at(&directory).unwrap();
        let names: Vec<_> = cluster.processes().into_iter().map(|process| (process.name, process.pid)).collect();
        assert_eq!(names, [("redis".to_owned(), 7), ("gateway-1".to_owned(), 8)]);
        assert_eq!((cluster.pid("redis"), cluster.pid("balancer")), (Some(7), None));
        assert_eq!(cluster.admins(), ["127.0.0.1:9081".parse().unwrap()]);
        assert!(cluster.serves("127.0.0.1:8080".parse().unwrap()) && !cluster.serves("127.0.0.1:80".parse().unwrap()));
        cluster.control("functions off").unwrap();
        assert_eq!(cluster.control("fault moon melt").unwrap_err().to_string(), "no such fault");
        assert_eq!(served.join().unwrap(), ["status", "functions off", "fault moon melt"]);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
