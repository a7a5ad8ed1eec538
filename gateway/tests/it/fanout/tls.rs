//! Commands and subscriptions over TLS, as a user of Redis's access list: one server, and three masters.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rts_common::redis::{Redis, RedisFailure, RedisServers, RedisTrust};

use super::world::Node;

const USER: &str = "rts";
const PASSWORD: &str = "a-long-password";

/// Servers that speak TLS alone, to one user alone.
struct TlsServers {
    children: Vec<Child>,
    ports: Vec<u16>,
    directory: PathBuf,
    authority: String,
}

impl TlsServers {
    fn start(count: usize) -> Self {
        let directory = std::env::temp_dir().join(format!("rts-redis-tls-{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let authority = certificates(&directory);
        let ports: Vec<_> = (0..count).map(|_| free_port()).collect();
        let children = ports.iter().map(|port| server(&directory, *port, count > 1)).collect();
        let servers = Self { children, ports, directory, authority };
        for port in &servers.ports {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !servers.cli(&["-p", &port.to_string(), "ping"]).contains("PONG") {
                assert!(Instant::now() < deadline, "a Redis server with TLS does not answer");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        if count > 1 {
            servers.join();
        }
        servers
    }

    fn join(&self) {
        let addresses: Vec<_> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let mut words = vec!["--cluster", "create"];
        words.extend(addresses.iter().map(String::as_str));
        words.push("--cluster-yes");
        let made = self.cli(&words);
        assert!(made.contains("All 16384 slots covered"), "{made}");
        for port in &self.ports {
            let deadline = Instant::now() + Duration::from_secs(20);
            while !self.cli(&["-p", &port.to_string(), "cluster", "info"]).contains("cluster_state:ok") {
                assert!(Instant::now() < deadline, "the cluster does not agree");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    fn cli(&self, words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["--tls", "--cacert"])
            .arg(self.directory.join("ca.pem"))
            .args(["--user", USER, "--pass", PASSWORD, "--no-auth-warning"])
            .args(words)
            .output()
            .expect("redis-cli is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn urls(&self, user: &str, password: &str, host: &str) -> String {
        let urls = self.ports.iter().map(|port| format!("rediss://{user}:{password}@{host}:{port}"));
        urls.collect::<Vec<_>>().join(",")
    }

    fn servers(&self, urls: &str) -> RedisServers {
        let trust = RedisTrust { authorities_pem: Some(self.authority.clone().into()), ..RedisTrust::default() };
        RedisServers::trusting(urls, &trust).unwrap()
    }
}

impl Drop for TlsServers {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Writes an authority's certificate, and a server's that it vouches for; returns the authority's.
fn certificates(directory: &Path) -> String {
    let openssl = |line: &str| {
        let made = Command::new("openssl").args(line.split(' ')).current_dir(directory).output();
        let made = made.expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    openssl(&format!(
        "req -x509 {key} -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem -days 2 -subj /CN=redis \
         -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    ));
    fs::read_to_string(directory.join("ca.pem")).unwrap()
}

fn server(directory: &Path, port: u16, is_cluster: bool) -> Child {
    let own = directory.join(port.to_string());
    fs::create_dir_all(&own).unwrap();
    let file = |name: &str| directory.join(name).display().to_string();
    let mut lines = vec![
        "port 0".to_owned(),
        format!("tls-port {port}"),
        "bind 127.0.0.1".to_owned(),
        format!("tls-cert-file {}", file("server.pem")),
        format!("tls-key-file {}", file("server.key")),
        format!("tls-ca-cert-file {}", file("ca.pem")),
        "tls-auth-clients no".to_owned(),
        "save \"\"".to_owned(),
        "user default off".to_owned(),
        format!("user {USER} on >{PASSWORD} ~* &* +@all"),
    ];
    if is_cluster {
        let bus_port = free_port();
        let cluster = ["cluster-enabled yes", "tls-cluster yes", "tls-replication yes", "cluster-node-timeout 2000"];
        lines.extend(cluster.map(str::to_owned));
        lines.push(format!("cluster-port {bus_port}"));
    }
    fs::write(own.join("redis.conf"), lines.join("\n")).unwrap();
    Command::new("redis-server")
        .arg("redis.conf")
        .current_dir(own)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn ping(redis: &Redis) -> Result<(), RedisFailure> {
    redis.command("test", &redis::cmd("PING")).await.map(drop)
}

async fn is_served(servers: &RedisServers) -> bool {
    ping(&Redis::new(servers, |_, _| ()).unwrap()).await.is_ok()
}

async fn messages_go_through(servers: &RedisServers, rooms: usize) {
    let (one, two) = (Node::start_on(servers).await, Node::start_on(servers).await);
    for node in [&one, &two] {
        node.wait_connected().await;
        node.know("ann").await;
        node.know("bob").await;
    }
    let mut made = Vec::new();
    for _ in 0..rooms {
        made.push(one.group(&["ann", "bob"]).await);
    }
    let mut ann = two.listen("ann").await;
    for room in &made {
        let seq = one.send(room, "bob", "over TLS").await;
        ann.hears_seq(room, seq).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_spoken_to_over_tls_by_a_user_and_by_nobody_else() {
    let redis = TlsServers::start(1);
    let servers = redis.servers(&redis.urls(USER, PASSWORD, "127.0.0.1"));
    messages_go_through(&servers, 2).await;

    let bad = [
        ("another password", redis.servers(&redis.urls(USER, "another-password", "127.0.0.1"))),
        ("its name is another", redis.servers(&redis.urls(USER, PASSWORD, "localhost"))),
        ("nobody known vouches for it", RedisServers::parse(&redis.urls(USER, PASSWORD, "127.0.0.1")).unwrap()),
        ("no TLS", RedisServers::parse(&format!("redis://127.0.0.1:{}", redis.ports[0])).unwrap()),
    ];
    // Commands and subscriptions have connections of their own kinds.
    let mut deaf = Vec::new();
    for (why, servers) in &bad {
        let refused = ping(&Redis::new(servers, |_, _| ()).unwrap()).await;
        assert!(matches!(refused, Err(RedisFailure::Unavailable(_))), "{why}: {refused:?}");
        deaf.push((why, Node::start_on(servers).await));
    }
    let good = Node::start_on(&servers).await;
    good.wait_connected().await;
    // Some more attempts of theirs.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (why, node) in deaf {
        assert!(!node.fanout.is_connected(), "{why}");
    }
    assert!(is_served(&servers).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_may_not_have_its_channels_is_not_connected() {
    let redis = TlsServers::start(1);
    let servers = redis.servers(&redis.urls(USER, PASSWORD, "127.0.0.1"));
    let node = Node::start_on(&servers).await;
    node.wait_connected().await;
    redis.cli(&["-p", &redis.ports[0].to_string(), "ACL", "SETUSER", "deaf", "on", ">deaf-password", "~*", "+@all"]);
    let deaf = Node::start_on(&redis.servers(&redis.urls("deaf", "deaf-password", "127.0.0.1"))).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(ping(&deaf.redis).await.is_ok() && !deaf.fanout.is_connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_spoken_to_over_tls_by_a_user() {
    let redis = TlsServers::start(3);
    let servers = redis.servers(&redis.urls(USER, PASSWORD, "127.0.0.1"));
    messages_go_through(&servers, 12).await;
}
