//! A TCP proxy that can be put between a gateway and Redis or SQS, to test failures of the network.

use std::borrow::Cow;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::ports::PortLease;

/// The most bytes read at once.
const CHUNK: usize = 16 * 1024;

/// The treatment of connections and bytes by the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Traffic {
    /// Everything passes.
    #[default]
    Pass,
    /// Connections stay open and are accepted, but nothing passes, until [`Traffic::Pass`].
    Stall,
    /// Connections that subscribe to Redis get nothing but answers to pings: publications are swallowed, as by a path
    /// that looks whole. All others pass.
    Mute,
    /// Every connection is cut and new ones are refused.
    Refuse,
}

impl Traffic {
    /// Parses its word: `pass`, `stall`, `mute` or `refuse`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "pass" => Some(Self::Pass),
            "stall" => Some(Self::Stall),
            "mute" => Some(Self::Mute),
            "refuse" => Some(Self::Refuse),
            _ => None,
        }
    }

    /// Returns the word that [`Traffic::parse`] reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Stall => "stall",
            Self::Mute => "mute",
            Self::Refuse => "refuse",
        }
    }
}

/// The present treatment of connections: those of an earlier generation are cut, new ones lead to the target.
#[derive(Clone, Copy, Debug)]
struct Order {
    traffic: Traffic,
    generation: u64,
    target: SocketAddr,
}

/// A proxy on a port of its own; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    lease: PortLease,
    order: watch::Sender<Order>,
    listener: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy to a port of loopback, passing everything.
    pub async fn start(target_port: u16) -> io::Result<Self> {
        let lease = PortLease::take()?;
        let listener = listen(lease.port()).await?;
        let (order, orders) =
            watch::channel(Order { traffic: Traffic::default(), generation: 0, target: loopback(target_port) });
        let task = run(lease.port(), listener, orders);
        Ok(Self { lease, order, listener: tokio::spawn(task) })
    }

    /// Returns the port to connect to instead of the target's.
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// Changes the traffic, for present and future connections.
    pub fn set(&self, traffic: Traffic) {
        self.order.send_modify(|order| {
            order.traffic = traffic;
            if traffic == Traffic::Refuse {
                order.generation += 1;
            }
        });
    }

    /// Leads new connections to another port, as an address that moves does; present ones stay.
    pub fn retarget(&self, target_port: u16) {
        self.order.send_modify(|order| order.target = loopback(target_port));
    }

    /// Cuts every present connection; new ones are treated as before.
    pub fn cut(&self) {
        self.order.send_modify(|order| order.generation += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

async fn run(port: u16, listener: TcpListener, mut orders: watch::Receiver<Order>) {
    let mut listener = Some(listener);
    // Aborted with this task.
    let mut connections = JoinSet::new();
    loop {
        let order = *orders.borrow_and_update();
        if order.traffic == Traffic::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = listen(port).await.ok();
        }
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref()) => {
                if let Ok(client) = accepted {
                    connections.spawn(forward(client, order.target, order.generation, orders.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    let accepted = match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => std::future::pending().await,
    };
    if accepted.is_err() {
        sleep(Duration::from_millis(20)).await;
    }
    accepted
}

/// Forwards one connection until either side ends it or it is cut.
async fn forward(client: TcpStream, target: SocketAddr, generation: u64, orders: watch::Receiver<Order>) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let mut watching = orders.clone();
    let subscribes = AtomicBool::new(false);
    tokio::select! {
        // Either direction ends both: neither Redis nor HTTP clients here close only one half.
        _ = pump(client_in, server_out, orders.clone(), Way::ToServer(&subscribes)) => {}
        _ = pump(server_in, client_out, orders, Way::ToClient(&subscribes)) => {}
        _ = watching.wait_for(|order| order.generation != generation) => {}
    }
}

/// A direction, with whether the client has subscribed to something.
enum Way<'a> {
    ToServer(&'a AtomicBool),
    ToClient(&'a AtomicBool),
}

impl Way<'_> {
    /// Returns what a chunk becomes.
    fn treat<'a>(&self, chunk: &'a [u8], traffic: Traffic) -> Cow<'a, [u8]> {
        const SUBSCRIBE: &[u8] = b"SSUBSCRIBE";
        const PONG: &[u8] = b"+PONG\r\n";
        let count = |word: &[u8]| chunk.windows(word.len()).filter(|window| *window == word).count();
        match self {
            Self::ToServer(subscribes) => {
                if count(SUBSCRIBE) > 0 {
                    subscribes.store(true, Ordering::Relaxed);
                }
            }
            Self::ToClient(subscribes) => {
                if traffic == Traffic::Mute && subscribes.load(Ordering::Relaxed) {
                    return Cow::Owned(PONG.repeat(count(PONG)));
                }
            }
        }
        Cow::Borrowed(chunk)
    }
}

async fn pump(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut orders: watch::Receiver<Order>,
    way: Way<'_>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        let passes = |order: &Order| order.traffic != Traffic::Stall;
        if length == 0 || orders.wait_for(passes).await.is_err() {
            return Ok(());
        }
        let traffic = orders.borrow().traffic;
        to.write_all(&way.treat(&chunk[..length], traffic)).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const A_WHILE: Duration = Duration::from_millis(100);
    const DEADLINE: Duration = Duration::from_secs(5);

    /// Starts a server that echoes everything.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        port
    }

    async fn say(stream: &mut TcpStream, text: &str) -> io::Result<String> {
        stream.write_all(text.as_bytes()).await?;
        let mut heard = vec![0; text.len()];
        stream.read_exact(&mut heard).await?;
        Ok(String::from_utf8(heard).unwrap())
    }

    async fn connect(proxy: &Proxy) -> io::Result<TcpStream> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await
    }

    #[tokio::test]
    async fn what_is_stalled_passes_later() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = connect(&proxy).await.unwrap();
        assert_eq!(say(&mut stream, "one").await.unwrap(), "one");
        proxy.set(Traffic::Stall);
        assert!(timeout(A_WHILE, say(&mut stream, "two")).await.is_err());
        proxy.set(Traffic::Pass);
        let mut heard = [0; 3];
        let read = timeout(DEADLINE, stream.read_exact(&mut heard)).await;
        read.unwrap().unwrap();
        assert_eq!(&heard, b"two");
    }

    #[tokio::test]
    async fn a_muted_subscriber_hears_answers_to_pings_alone() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let (mut caller, mut subscriber) = (connect(&proxy).await.unwrap(), connect(&proxy).await.unwrap());
        assert_eq!(say(&mut subscriber, "SSUBSCRIBE").await.unwrap(), "SSUBSCRIBE");
        proxy.set(Traffic::Mute);
        assert_eq!(say(&mut caller, "GET").await.unwrap(), "GET");
        subscriber.write_all(b">3 a publication\r\n+PONG\r\n").await.unwrap();
        let mut heard = [0; 7];
        let read = timeout(DEADLINE, subscriber.read_exact(&mut heard)).await;
        read.unwrap().unwrap();
        assert_eq!(&heard, b"+PONG\r\n");
        proxy.set(Traffic::Pass);
        assert_eq!(say(&mut subscriber, "more").await.unwrap(), "more");
    }

    #[tokio::test]
    async fn refused_connections_come_back_when_it_passes() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = connect(&proxy).await.unwrap();
        assert_eq!(say(&mut stream, "one").await.unwrap(), "one");
        proxy.set(Traffic::Refuse);
        let ended = timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)));
        let refused = async {
            while connect(&proxy).await.is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, refused).await.unwrap();
        proxy.set(Traffic::Pass);
        let again = async {
            loop {
                if let Ok(mut stream) = connect(&proxy).await {
                    return say(&mut stream, "two").await.unwrap();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert_eq!(timeout(DEADLINE, again).await.unwrap(), "two");
    }

    #[tokio::test]
    async fn a_cut_ends_present_connections_only() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = connect(&proxy).await.unwrap();
        assert_eq!(say(&mut stream, "one").await.unwrap(), "one");
        proxy.cut();
        let ended = timeout(DEADLINE, stream.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)));
        let mut stream = connect(&proxy).await.unwrap();
        assert_eq!(say(&mut stream, "two").await.unwrap(), "two");
    }
}
