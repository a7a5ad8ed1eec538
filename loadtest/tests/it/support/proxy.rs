//! A WebSocket proxy that plants one fault: of the messages that one client is sent, it drops,
//! doubles or swaps one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use futures_util::{SinkExt, StreamExt};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

/// What the proxy does to one delivered message.
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

/// Of the first connection that gets so many messages, this one is tampered with.
const VICTIM_MESSAGE: usize = 5;

impl Proxy {
    /// In front of a server.
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
                        let text = record.to_text().unwrap().replace(" abc", " ABC");
                        to_client.send(Message::text(text)).await.ok()?;
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

/// A JSON frame's records, each a frame of its own.
fn records(message: Message) -> Vec<Message> {
    let Message::Text(text) = &message else { return vec![message] };
    text.split_inclusive('\u{1e}').map(Message::text).collect()
}

fn is_created(message: &Message) -> bool {
    message.to_text().is_ok_and(|text| text.contains("MessageCreated"))
}
