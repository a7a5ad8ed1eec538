//! Properties of every record and every sequence of bytes.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::{BOTH, Decoder, Protocol, Record, decode, show};
use crate::signalr::{
    HANDSHAKE_BYTES_MAX, HandshakeDecoder, HandshakeReply, HandshakeReplyDecoder, HandshakeRequest, ack, close,
    encode_cancel, encode_client_invocation, encode_completion, encode_completion_error, encode_completion_void,
    encode_stream_invocation, encode_stream_item, handshake_response_error, handshake_response_ok, ping, sequence,
};

/// A limit that random input can reach.
const SMALL_LIMIT: usize = 64;

/// A record to encode, and its form in the notation of the fixtures once decoded.
#[derive(Clone, Debug)]
enum Sent {
    Call(Option<String>, String, Value),
    StreamCall(String, String, Value),
    Item(String, Value),
    Done(String, Value),
    Void(String),
    Failed(String, String),
    Cancel(String),
    Ping,
    Close(Option<String>, bool),
    Ack(u64),
    Sequence(u64),
}

impl Sent {
    fn encode(&self, protocol: Protocol) -> Bytes {
        match self {
            Self::Call(id, target, value) => encode_client_invocation(protocol, id.as_deref(), target, value).unwrap(),
            Self::StreamCall(id, target, value) => encode_stream_invocation(protocol, id, target, value).unwrap(),
            Self::Item(id, value) => encode_stream_item(protocol, id, value).unwrap(),
            Self::Done(id, value) => encode_completion(protocol, id, value).unwrap(),
            Self::Void(id) => encode_completion_void(protocol, id),
            Self::Failed(id, error) => encode_completion_error(protocol, id, error),
            Self::Cancel(id) => encode_cancel(protocol, id),
            Self::Ping => ping(protocol),
            Self::Close(error, allow) => close(protocol, error.as_deref(), *allow),
            Self::Ack(id) => ack(protocol, *id),
            Self::Sequence(id) => sequence(protocol, *id),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Call(id, target, value) => {
                let id = id.as_deref().unwrap_or("-");
                format!("Invocation id={id} target={target} arguments=[{value}] streams=[]")
            }
            Self::StreamCall(id, target, value) => {
                format!("StreamInvocation id={id} target={target} arguments=[{value}] streams=[]")
            }
            Self::Item(id, value) => format!("StreamItem id={id} item={value}"),
            Self::Done(id, value) => format!("Completion id={id} value={value}"),
            Self::Void(id) => format!("Completion id={id} void"),
            Self::Failed(id, error) => format!("Completion id={id} error={error}"),
            Self::Cancel(id) => format!("CancelInvocation id={id}"),
            Self::Ping => "Ping".to_owned(),
            Self::Close(error, allow) => {
                let error = error.as_deref().unwrap_or("-");
                format!("Close error={error} allowReconnect={allow}")
            }
            Self::Ack(id) => format!("Ack {id}"),
            Self::Sequence(id) => format!("Sequence {id}"),
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..12).prop_map(String::from_iter)
}

fn id() -> impl Strategy<Value = String> {
    vec(any::<char>(), 1..5).prop_map(String::from_iter)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-100_i8..100).prop_map(Value::from),
        // Halves keep the same decimal text through any parser.
        any::<i16>().prop_map(|half| Value::from(f64::from(half) / 2.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..20)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        (proptest::option::of(id()), text(), value()).prop_map(|(id, target, value)| Sent::Call(id, target, value)),
        (id(), text(), value()).prop_map(|(id, target, value)| Sent::StreamCall(id, target, value)),
        (id(), value()).prop_map(|(id, value)| Sent::Item(id, value)),
        (id(), value()).prop_map(|(id, value)| Sent::Done(id, value)),
        id().prop_map(Sent::Void),
        (id(), text()).prop_map(|(id, error)| Sent::Failed(id, error)),
        id().prop_map(Sent::Cancel),
        Just(Sent::Ping),
        (proptest::option::of(text()), any::<bool>()).prop_map(|(error, allow)| Sent::Close(error, allow)),
        any::<u64>().prop_map(Sent::Ack),
        any::<u64>().prop_map(Sent::Sequence),
    ]
}

/// `bytes` in frames that end at `cuts`, as a transport would deliver them.
fn frames(bytes: &[u8], cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|frame| Bytes::copy_from_slice(&bytes[frame[0]..frame[1]])).collect()
}

/// Reads a handshake in frames, and returns it with all that follows.
fn read_cut<T>(bytes: &[u8], cuts: &[usize], mut push: impl FnMut(Bytes) -> Option<(T, Bytes)>) -> (T, Vec<u8>) {
    let mut frames = frames(bytes, cuts).into_iter();
    let (read, rest) = frames.by_ref().find_map(&mut push).expect("it is whole");
    (read, frames.fold(rest.to_vec(), |all, frame| [&all[..], &frame[..]].concat()))
}

/// Decodes `bytes` in frames that end at `cuts`.
fn decode_cut(protocol: Protocol, bytes: &[u8], cuts: &[usize]) -> Vec<Record> {
    let mut decoder = Decoder::new(protocol, 1 << 20);
    let mut records = Vec::new();
    for frame in frames(bytes, cuts) {
        decoder.push(frame);
        while let Some(record) = decoder.next_record().unwrap() {
            records.push(record);
        }
    }
    assert_eq!(decoder.partial_bytes(), 0, "every record was whole");
    records
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn what_is_encoded_is_decoded_however_it_is_cut(
        sent in vec(sent(), 0..8),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        for protocol in BOTH {
            let bytes = sent.iter().map(|sent| sent.encode(protocol)).collect::<Vec<_>>().concat();
            let whole = decode_cut(protocol, &bytes, &[]);
            let shown: Vec<String> = whole.iter().map(show).collect();
            let expected: Vec<String> = sent.iter().map(Sent::shown).collect();
            prop_assert_eq!(shown, expected);
            prop_assert_eq!(decode_cut(protocol, &bytes, &cuts), whole);
        }
    }

    /// The records that a client of stateful reconnect sends after a re-upgrade: its position, its replay, and acks in
    /// between.
    #[test]
    fn a_replay_is_decoded_however_it_is_cut(
        first in any::<u64>(),
        replayed in vec((sent(), any::<u64>()), 1..6),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        let said: Vec<Sent> = std::iter::once(Sent::Sequence(first))
            .chain(replayed.into_iter().flat_map(|(record, acked)| [record, Sent::Ack(acked)]))
            .collect();
        for protocol in BOTH {
            let bytes = said.iter().map(|sent| sent.encode(protocol)).collect::<Vec<_>>().concat();
            let shown: Vec<String> = decode_cut(protocol, &bytes, &cuts).iter().map(show).collect();
            let expected: Vec<String> = said.iter().map(Sent::shown).collect();
            prop_assert_eq!(shown, expected);
        }
    }

    /// Both versions of both protocols, from either side, followed by records in the same frame.
    #[test]
    fn a_handshake_is_read_however_it_is_cut(
        version in 1_u8..=2,
        refusal in proptest::option::of(text()),
        sent in vec(sent(), 0..3),
        cuts in vec(any::<usize>(), 0..20),
    ) {
        for protocol in BOTH {
            let records = sent.iter().map(|sent| sent.encode(protocol)).collect::<Vec<_>>().concat();
            let request = HandshakeRequest { protocol, version };
            let mut server = HandshakeDecoder::new();
            let bytes = [&request.encode()[..], &records].concat();
            prop_assert_eq!(read_cut(&bytes, &cuts, |frame| server.push(frame).unwrap()), (request, records.clone()));

            let answer = refusal.as_deref().map_or_else(handshake_response_ok, handshake_response_error);
            let reply = refusal.clone().map_or(HandshakeReply::Accepted, HandshakeReply::Refused);
            let mut client = HandshakeReplyDecoder::new();
            let bytes = [&answer[..], &records].concat();
            prop_assert_eq!(read_cut(&bytes, &cuts, |frame| client.push(frame).unwrap()), (reply, records));
        }
    }

    #[test]
    fn every_byte_may_be_a_frame(sent in vec(sent(), 1..3)) {
        for protocol in BOTH {
            let bytes = sent.iter().map(|sent| sent.encode(protocol)).collect::<Vec<_>>().concat();
            let cuts: Vec<usize> = (0..bytes.len()).collect();
            prop_assert_eq!(decode_cut(protocol, &bytes, &cuts), decode_cut(protocol, &bytes, &[]));
        }
    }

    #[test]
    fn random_bytes_neither_panic_nor_pile_up(frames in vec(vec(any::<u8>(), 0..100), 0..10)) {
        for protocol in BOTH {
            let mut decoder = Decoder::new(protocol, SMALL_LIMIT);
            for frame in &frames {
                decoder.push(Bytes::copy_from_slice(frame));
                while let Ok(Some(_)) = decoder.next_record() {}
                // A MessagePack prefix precedes the body to which the limit applies.
                prop_assert!(decoder.partial_bytes() <= SMALL_LIMIT + 5);
            }
        }
        let mut handshake = HandshakeDecoder::new();
        for frame in &frames {
            if !matches!(handshake.push(Bytes::copy_from_slice(frame)), Ok(None)) {
                break;
            }
        }
    }

    #[test]
    fn a_flipped_byte_never_panics(sent in sent(), at in any::<usize>(), byte in any::<u8>()) {
        for protocol in BOTH {
            let mut bytes = sent.encode(protocol).to_vec();
            let at = at % bytes.len();
            bytes[at] = byte;
            for record in decode(protocol, &bytes).into_iter().flatten() {
                if let Record::Invocation { arguments, .. } = record {
                    for index in 0..arguments.len() {
                        let _any = arguments.decode::<Value>(index);
                    }
                }
            }
        }
    }

    #[test]
    fn a_random_body_never_panics(body in vec(any::<u8>(), 1..120)) {
        let mut record = vec![u8::try_from(body.len()).expect("fits one byte")];
        record.extend(&body);
        let _any = decode(Protocol::MessagePack, &record);
        let invocation = [&[0x95, 1, 0x80, 0xc0, 0xa1, 0x41, 0x91][..], &body].concat();
        let length = [0x80 | u8::try_from(invocation.len() & 0x7F).unwrap(),
            u8::try_from(invocation.len() >> 7).unwrap()];
        for record in decode(Protocol::MessagePack, &[&length, &invocation[..]].concat())
            .into_iter().flatten() {
            let _any = super::arguments(&record).decode::<Value>(0);
        }
    }

    #[test]
    fn a_handshake_never_holds_more_than_its_limit(sizes in vec(1_usize..40_000, 1..4)) {
        let mut handshake = HandshakeDecoder::new();
        let mut held = 0;
        for size in sizes {
            held += size;
            let pushed = handshake.push(vec![b' '; size].into());
            prop_assert_eq!(pushed.is_err(), held >= HANDSHAKE_BYTES_MAX);
            if pushed.is_err() {
                break;
            }
        }
    }
}
