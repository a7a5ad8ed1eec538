//! A server that plays the gateway's part: dev login, negotiate, WebSocket, SignalR, over the hub
//! of [`super::hub`]. Its tokens are `user:` and the user's id.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rts_common::signalr::{
    Decoder, HandshakeDecoder, Protocol, Record, encode_completion, encode_completion_error, ping,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::hub::{Hub, Refusals};

/// A running server; it ends when dropped.
pub(crate) struct FakeServer {
    port: u16,
    shared: Shared,
    _stop: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Shared {
    hub: Arc<Mutex<Hub>>,
    seen: Arc<AtomicUsize>,
}

impl FakeServer {
    /// Starts it on a port that the system chooses.
    pub(crate) fn start() -> Self {
        Self::refusing(Refusals::default())
    }

    /// Starts one that refuses some calls.
    pub(crate) fn refusing(refusals: Refusals) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = Shared { hub: Arc::new(Mutex::new(Hub::new(refusals))), seen: Arc::default() };
        let serving = shared.clone();
        let (send_port, port) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send_port.send(listener.local_addr().unwrap().port()).unwrap();
                tokio::select! {
                    _ = stopped => {}
                    () = accept(listener, serving) => {}
                }
            });
        });
        Self { port: port.recv().unwrap(), shared, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the number of WebSockets ever opened.
    pub(crate) fn connections_seen(&self) -> usize {
        self.shared.seen.load(Ordering::Relaxed)
    }

    /// Returns the number of sends, repeated ones included.
    pub(crate) fn send_calls(&self) -> usize {
        self.shared.hub.lock().unwrap().send_calls()
    }
}

async fn accept(listener: TcpListener, shared: Shared) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream, shared.clone()));
    }
}

async fn serve(mut stream: TcpStream, shared: Shared) -> Option<()> {
    let mut first = [0; 4];
    while stream.peek(&mut first).await.ok()? < 4 {}
    if &first == b"POST" {
        return post(&mut stream).await;
    }
    let mut user = None;
    #[expect(clippy::result_large_err, reason = "the callback's type is tungstenite's")]
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        let query = request.uri().query().unwrap_or_default();
        user = query.split('&').find_map(|pair| pair.strip_prefix("access_token=user:")).map(str::to_owned);
        Ok(response)
    };
    let socket = tokio_tungstenite::accept_hdr_async(stream, check).await.ok()?;
    shared.seen.fetch_add(1, Ordering::Relaxed);
    session(socket, user?, &shared).await
}

/// Answers the dev login and negotiate.
async fn post(stream: &mut TcpStream) -> Option<()> {
    let mut request = Vec::new();
    let (head, body) = loop {
        stream.read_buf(&mut request).await.ok()?;
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |value| value.parse().unwrap());
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let (status, answer) = if head.starts_with("POST /dev/token") {
        let body: serde_json::Value = serde_json::from_str(&body).ok()?;
        let user = body["userId"].as_str()?;
        ("200 OK", format!(r#"{{"token":"user:{user}"}}"#))
    } else if head.contains("Bearer user:") {
        let reply = r#"{"negotiateVersion":1,"connectionId":"c","connectionToken":"t"}"#;
        ("200 OK", reply.to_owned())
    } else {
        ("401 Unauthorized", String::new())
    };
    let response = format!(
        "HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{answer}\r\n{}",
        answer.len(),
        if answer.is_empty() { "" } else { "0\r\n\r\n" }
    );
    stream.write_all(response.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

async fn session(socket: WebSocketStream<TcpStream>, user: String, shared: &Shared) -> Option<()> {
    let (mut sink, mut source) = socket.split();
    let mut handshake = HandshakeDecoder::new();
    let (request, rest) = loop {
        let frame = source.next().await?.ok()?.into_data();
        if let Some(done) = handshake.push(frame).ok()? {
            break done;
        }
    };
    let protocol = request.protocol;
    sink.send(frame(protocol, rts_common::signalr::handshake_response_ok())).await.ok()?;
    let (outbox, mut queued) = mpsc::unbounded_channel::<Bytes>();
    let connection = shared.hub.lock().unwrap().connect(&user, protocol, outbox.clone());
    let writer = tokio::spawn(async move {
        while let Some(record) = queued.recv().await {
            if sink.send(frame(protocol, record)).await.is_err() {
                break;
            }
        }
    });
    let mut decoder = Decoder::new(protocol, 1 << 20);
    decoder.push(rest);
    loop {
        while let Ok(Some(record)) = decoder.next_record() {
            handle(record, protocol, &user, &outbox, shared);
        }
        match source.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                decoder.push(message.into_data());
            }
            Some(Ok(_)) => {}
            _ => break,
        }
    }
    shared.hub.lock().unwrap().disconnect(connection);
    writer.abort();
    Some(())
}

fn handle(record: Record, protocol: Protocol, user: &str, outbox: &mpsc::UnboundedSender<Bytes>, shared: &Shared) {
    match record {
        Record::Ping => drop(outbox.send(ping(protocol))),
        Record::Invocation { invocation_id, target, arguments, .. } => {
            let argument = arguments.decode(0).unwrap();
            let result = shared.hub.lock().unwrap().call(user, &target, &argument);
            let Some(id) = invocation_id else { return };
            let answer = match result {
                Ok(value) => encode_completion(protocol, &id, &value).unwrap(),
                Err(text) => encode_completion_error(protocol, &id, &text),
            };
            let _ = outbox.send(answer);
        }
        _ => {}
    }
}

fn frame(protocol: Protocol, record: Bytes) -> Message {
    if protocol.transfer_format().is_binary() {
        Message::Binary(record)
    } else {
        Message::Text(record.try_into().unwrap())
    }
}
