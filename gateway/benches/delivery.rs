//! The cost of an event from its publication to its frames: `cargo bench -p rts-gateway`.

use std::future::poll_fn;
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use divan::{Bencher, black_box};
use rts_common::ids::RoomId;
use rts_common::signalr::{Protocol, TransferFormat};
use rts_gateway::connection::{FlushList, Outbox, SharedStream};
use rts_gateway::rooms::{Decoded, Publication};
use rts_gateway::session::WebSocket;

const PROTOCOLS: [Protocol; 2] = [Protocol::Json, Protocol::MessagePack];

fn main() {
    divan::main();
}

fn room() -> RoomId {
    RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").expect("a room")
}

fn publication() -> String {
    let content = format!(r#"{{"senderId":"ann","clientId":"c-1","body":"{}"}}"#, "x".repeat(64));
    format!("b\n1767225600000000 1767225600000001 1\n1767225600123456 {}\n{content}", content.len())
}

/// Measures the way from Redis's publication to the record that all sessions of a protocol share.
#[divan::bench(args = PROTOCOLS)]
fn read_and_encode(bencher: Bencher, protocol: Protocol) {
    let (room, publication) = (room(), publication());
    bencher.bench_local(|| match Publication::read(&room, black_box(&publication)).pop() {
        Some(Decoded::Known(Publication::Event(event))) => event.encode(protocol),
        other => panic!("{other:?}"),
    });
}

/// Measures one record into the outboxes of a room, and out of them.
#[divan::bench(args = [10, 1000])]
fn fan_out(bencher: Bencher, sessions: usize) {
    let outboxes: Vec<_> = (0..sessions).map(|_| Arc::new(Outbox::default())).collect();
    let record = Bytes::from(vec![b'x'; 300]);
    bencher.counter(sessions).bench_local(|| {
        let mut later = FlushList::with_capacity(sessions);
        for outbox in &outboxes {
            outbox.try_push_listed(record.clone(), &mut later);
        }
        drop(later);
        outboxes.iter().map(|outbox| outbox.drain().records.len()).sum::<usize>()
    });
}

/// Measures records that waited together, as frames, into a socket that is read.
#[divan::bench(args = [1, 10, 100])]
fn frames(bencher: Bencher, records: usize) {
    let waiting = vec![Bytes::from(vec![b'x'; 300]); records];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_nonblocking(true).expect("a socket");
    let reader = std::thread::spawn(move || std::io::copy(&mut client, &mut std::io::sink()));
    let mut socket = runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
        WebSocket::new(SharedStream::new(stream), &[])
    });
    bencher.counter(records).bench_local(|| {
        socket.send(TransferFormat::Text, black_box(&waiting).iter().cloned());
        runtime.block_on(poll_fn(|cx| socket.poll_flush(cx))).expect("it is read");
    });
    drop(socket);
    let _ = reader.join();
}
