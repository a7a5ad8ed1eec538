//! A WebSocket proxy that plants one fault: it drops, doubles or swaps one of the messages sent to one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_util::{SinkExt, StreamExt};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// The proxy's treatment of one delivered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives.
    Drop,
    /// It arrives twice.
    Double,
    /// It arrives after the next one.
    Swap,
    /// It arrives with another text.
    Alter,
}

/// A running proxy; it ends when dropped.
pub(crate) struct Proxy {
    port: u16,
    _stop: oneshot::Sender<()>,
}

/// The number of the message to tamper with, on the first connection that gets as many.
const VICTIM_MESSAGE: usize = 5;

impl Proxy {
    /// Starts a proxy in front of a server.
    pub(crate) fn start(upstream: &str, fault: Fault) -> Self {
        let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let (send_port, port) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send_port.send(listener.local_addr().unwrap().port()).unwrap();
                let faults_left = Arc::new(AtomicUsize::new(1));
                let accept = async {
                    loop {
                        let (client, _) = listener.accept().await.unwrap();
                        client.set_nodelay(true).unwrap();
                        tokio::spawn(relay(client, upstream.clone(), fault, faults_left.clone()));
                    }
                };
                tokio::select! {
                    _ = stopped => {}
                    () = accept => {}
                }
            });
        });
        Self { port: port.recv().unwrap(), _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn relay(mut client: TcpStream, upstream: String, fault: Fault, faults_left: Arc<AtomicUsize>) -> Option<()> {
    let mut first = [0; 4];
    while client.peek(&mut first).await.ok()? < 4 {}
    let mut server = TcpStream::connect(&upstream).await.ok()?;
    server.set_nodelay(true).ok()?;
    if &first == b"POST" {
        copy_bidirectional(&mut client, &mut server).await.ok()?;
        return Some(());
    }
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().to_string();
        Ok(response)
    };
    let client = tokio_tungstenite::accept_hdr_async(client, note).await.ok()?;
    let (server, _) = tokio_tungstenite::client_async(format!("ws://{upstream}{path}"), server).await.ok()?;
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = server.split();
    let up = async {
        while let Some(Ok(message)) = from_client.next().await {
            to_server.send(message).await.ok()?;
        }
        Some(())
    };
    let down = async {
        let mut seen = 0;
        let mut held = None;
        while let Some(Ok(message)) = from_server.next().await {
            for record in records(message) {
                let is_message = is_created(&record);
                seen += usize::from(is_message);
                let take = |left: usize| left.checked_sub(1);
                let tamper = is_message
                    && seen == VICTIM_MESSAGE
                    && faults_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
                match (tamper, fault) {
                    (true, Fault::Drop) => {}
                    (true, Fault::Double) => {
                        to_client.send(record.clone()).await.ok()?;
                        to_client.send(record).await.ok()?;
                    }
                    (true, Fault::Swap) => held = Some(record),
                    (true, Fault::Alter) => {
                        to_client.send(altered(record)).await.ok()?;
                    }
                    (false, _) => {
                        to_client.send(record).await.ok()?;
                        if is_message && let Some(held) = held.take() {
                            to_client.send(held).await.ok()?;
                        }
                    }
                }
            }
        }
        Some(())
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

/// Splits a frame into its records, each in a frame of its own.
fn records(message: Message) -> Vec<Message> {
    match message {
        Message::Text(text) => text.split_inclusive('\u{1e}').map(Message::text).collect(),
        // The handshake's answer is JSON whatever the frame.
        Message::Binary(bytes) if bytes.starts_with(b"{") => vec![Message::Binary(bytes)],
        Message::Binary(bytes) => packed_records(&bytes).map(|record| Message::binary(record.to_vec())).collect(),
        other => vec![other],
    }
}

/// Returns MessagePack records, each after its length: seven bits a byte, the lowest first.
fn packed_records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let digits = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let length = bytes[..digits].iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
        let (record, rest) = bytes.split_at(digits + length);
        bytes = rest;
        Some(record)
    })
}

fn is_created(message: &Message) -> bool {
    let word = b"MessageCreated";
    let bytes = match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        _ => return false,
    };
    bytes.windows(word.len()).any(|window| window == word)
}

fn altered(message: Message) -> Message {
    match message {
        Message::Text(text) => Message::text(text.replace(" abc", " ABC")),
        Message::Binary(bytes) => {
            let mut bytes = bytes.to_vec();
            let at = bytes.windows(4).position(|window| window == b" abc").unwrap();
            bytes[at..at + 4].copy_from_slice(b" ABC");
            Message::binary(bytes)
        }
        other => other,
    }
}
