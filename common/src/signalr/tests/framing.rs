//! The memory that the decoder holds, and the memory that it shares.

use bytes::Bytes;

use super::{Arguments, BOTH, Decoder, LIMIT, Protocol, ProtocolError, Record, arguments};
use crate::signalr::{encode_client_invocation, ping};

fn call(protocol: Protocol) -> Bytes {
    encode_client_invocation(protocol, Some("0"), "Echo", &"wörld").unwrap()
}

#[test]
fn an_idle_decoder_is_small_and_lets_go_of_frames() {
    assert!(size_of::<Decoder>() <= 96, "{}", size_of::<Decoder>());
    for protocol in BOTH {
        let mut decoder = Decoder::new(protocol, LIMIT);
        let frame = Bytes::from([call(protocol), ping(protocol)].concat());
        decoder.push(frame.clone());
        while decoder.next_record().unwrap().is_some() {}
        assert_eq!(decoder.partial_bytes(), 0);
        assert!(frame.is_unique(), "nothing refers to the frame any more");
    }
}

#[test]
fn a_cut_record_does_not_hold_its_frame() {
    for protocol in BOTH {
        let mut decoder = Decoder::new(protocol, LIMIT);
        let call = call(protocol);
        let frame = Bytes::from([&ping(protocol), &call[..9]].concat());
        decoder.push(frame.clone());
        assert_eq!(decoder.next_record(), Ok(Some(Record::Ping)));
        assert_eq!(decoder.next_record(), Ok(None));
        assert_eq!(decoder.partial_bytes(), 9);
        assert!(frame.is_unique());
        decoder.push(call.slice(9..));
        assert!(decoder.next_record().unwrap().is_some());
        assert_eq!(decoder.partial_bytes(), 0);
    }
}

#[test]
fn arguments_share_the_frame() {
    for protocol in BOTH {
        let mut decoder = Decoder::new(protocol, LIMIT);
        let frame = Bytes::from(call(protocol).to_vec());
        decoder.push(frame.clone());
        let record = decoder.next_record().unwrap().unwrap();
        assert!(!frame.is_unique(), "the record refers to it");
        assert_eq!(arguments(&record).decode(0), Ok("wörld".to_owned()));
        drop(record);
        assert!(frame.is_unique());
    }
}

#[test]
fn frames_may_be_pushed_before_the_last_is_drained() {
    for protocol in BOTH {
        let mut decoder = Decoder::new(protocol, LIMIT);
        for byte in [ping(protocol), call(protocol)].concat() {
            decoder.push(vec![byte].into());
        }
        assert_eq!(decoder.next_record(), Ok(Some(Record::Ping)));
        assert!(decoder.next_record().unwrap().is_some());
        assert_eq!(decoder.next_record(), Ok(None));
    }
}

#[test]
fn an_endless_record_ends_at_the_limit() {
    let mut decoder = Decoder::new(Protocol::Json, LIMIT);
    let mut received = 0;
    loop {
        decoder.push(Bytes::from_static(&[b' '; 100]));
        received += 100;
        match decoder.next_record() {
            Ok(record) => assert_eq!(record, None),
            Err(error) => {
                assert_eq!(error, ProtocolError::TooLarge);
                break;
            }
        }
        assert_eq!(decoder.partial_bytes(), received);
    }
    assert_eq!(received, 32_800, "the first frame that cannot fit");
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut decoder = Decoder::new(Protocol::MessagePack, LIMIT);
    decoder.push(Bytes::from_static(&[0x80, 0x80, 0x02, 0x95]));
    assert_eq!(decoder.next_record(), Ok(None));
    assert_eq!(decoder.partial_bytes(), 4);
    assert!(decoder.framer.partial_capacity() <= 8);
}

#[test]
fn debug_shows_no_content() {
    for protocol in BOTH {
        let mut decoder = Decoder::new(protocol, LIMIT);
        decoder.push(call(protocol));
        let record = decoder.next_record().unwrap().unwrap();
        let shown = format!("{:?}", arguments(&record) as &Arguments);
        assert!(!shown.contains("rld"), "{shown}");
        assert!(shown.contains("count: 1"), "{shown}");
    }
}
