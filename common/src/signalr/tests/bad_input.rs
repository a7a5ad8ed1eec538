//! Every rule on bad input: the error that a record gives, and the deviations that are tolerated.

use super::{BOTH, Decoder, LIMIT, Protocol, ProtocolError, Record, decode, decode_body, decode_json, from_hex};

fn json_error(text: &str) -> ProtocolError {
    match decode_json(text) {
        Err(error) => error,
        Ok(records) => panic!("{text} gave {records:?}"),
    }
}

fn body_error(hex: &str) -> ProtocolError {
    match decode_body(hex) {
        Err(error) => error,
        Ok(records) => panic!("{hex} gave {records:?}"),
    }
}

#[test]
fn json_that_is_no_object() {
    for text in [
        "",
        " ",
        "{",
        "nonsense",
        "[1]",
        r#"[{"type":6}]"#,
        "6",
        "null",
        r#""x""#,
        r#"{"type":6}x"#,
        r#"{"type":6}{"type":6}"#,
        r#"{"type":6,}"#,
        r#"{"type":6,"type":6}"#,
        "\u{feff}{\"type\":6}",
    ] {
        assert_eq!(json_error(text), ProtocolError::Malformed, "{text}");
    }
    let not_utf8 = decode(Protocol::Json, b"{\"type\":6,\"x\":\"\xff\"}\x1e");
    assert_eq!(not_utf8, Err(ProtocolError::Malformed));
}

#[test]
fn json_type_is_an_integer_token() {
    for text in [
        "{}",
        r#"{"type":null}"#,
        r#"{"type":"6"}"#,
        r#"{"type":6.0}"#,
        r#"{"type":6e0}"#,
        r#"{"type":[6]}"#,
        r#"{"type":true}"#,
    ] {
        assert_eq!(json_error(text), ProtocolError::Type, "{text}");
    }
}

#[test]
fn unknown_types_are_skipped() {
    for text in [r#"{"type":0}"#, r#"{"type":10,"target":7,"headers":1}"#, r#"{"type":262}"#, r#"{"type":-1}"#] {
        assert_eq!(decode_json(text), Ok(vec![]), "{text}");
        let twice = format!("{text}\u{1e}{{\"type\":6}}");
        assert_eq!(decode_json(&twice), Ok(vec![Record::Ping]), "{text}");
    }
    for hex in ["91 00", "92 0a c0", "91 cd 01 06", "91 ff"] {
        assert_eq!(decode_body(hex), Ok(vec![]), "{hex}");
    }
}

#[test]
fn json_fields_of_invocations() {
    let invocation = |fields: &str| json_error(&format!("{{\"type\":1,{fields}}}"));
    for id in ["7", "null", "{}", "true"] {
        let fields = format!(r#""target":"A","arguments":[],"invocationId":{id}"#);
        assert_eq!(invocation(&fields), ProtocolError::InvocationId);
    }
    for target in ["", r#","target":null"#, r#","target":7"#, r#","target":[]"#] {
        let fields = format!(r#""arguments":[]{target}"#);
        assert_eq!(invocation(&fields), ProtocolError::Target);
    }
    for arguments in ["", r#","arguments":null"#, r#","arguments":{}"#, r#","arguments":"x""#] {
        let fields = format!(r#""target":"A"{arguments}"#);
        assert_eq!(invocation(&fields), ProtocolError::Arguments);
    }
    for headers in ["null", "[]", r#""x""#, r#"{"a":1}"#, r#"{"a":null}"#, r#"{"a":{}}"#] {
        let fields = format!(r#""target":"A","arguments":[],"headers":{headers}"#);
        assert_eq!(invocation(&fields), ProtocolError::Headers);
    }
    for streams in ["null", "{}", "[1]", "[null]"] {
        let fields = format!(r#""target":"A","arguments":[],"streamIds":{streams}"#);
        assert_eq!(invocation(&fields), ProtocolError::StreamIds);
    }
}

#[test]
fn json_ids_that_answers_need() {
    for id in ["", r#","invocationId":"""#, r#","invocationId":1"#, r#","invocationId":null"#] {
        for record in [
            r#""type":2,"item":1"#,
            r#""type":3"#,
            r#""type":3,"result":1"#,
            r#""type":4,"target":"A","arguments":[]"#,
            r#""type":5"#,
        ] {
            let text = format!("{{{record}{id}}}");
            assert_eq!(json_error(&text), ProtocolError::InvocationId, "{text}");
        }
    }
}

#[test]
fn json_fields_of_other_records() {
    for (text, error) in [
        (r#"{"type":2,"invocationId":"0"}"#, ProtocolError::Item),
        (r#"{"type":3,"invocationId":"0","result":1,"error":"e"}"#, ProtocolError::Completion),
        (r#"{"type":3,"invocationId":"0","result":null,"error":"e"}"#, ProtocolError::Completion),
        (r#"{"type":3,"invocationId":"0","error":7}"#, ProtocolError::Completion),
        (r#"{"type":3,"invocationId":"0","error":null}"#, ProtocolError::Completion),
        (r#"{"type":7,"error":7}"#, ProtocolError::Close),
        (r#"{"type":7,"allowReconnect":"yes"}"#, ProtocolError::Close),
        (r#"{"type":8}"#, ProtocolError::SequenceId),
        (r#"{"type":8,"sequenceId":"1"}"#, ProtocolError::SequenceId),
        (r#"{"type":9,"sequenceId":null}"#, ProtocolError::SequenceId),
        (r#"{"type":9,"sequenceId":1.5}"#, ProtocolError::SequenceId),
        (r#"{"type":9,"sequenceId":-1}"#, ProtocolError::SequenceId),
    ] {
        assert_eq!(json_error(text), error, "{text}");
    }
}

#[test]
fn message_pack_that_is_no_record() {
    for (hex, error) in [
        ("06", ProtocolError::Malformed),
        ("80", ProtocolError::Malformed),
        ("c1", ProtocolError::Malformed),
        ("a1 36", ProtocolError::Malformed),
        ("91 06 06", ProtocolError::Malformed),
        ("92 06", ProtocolError::Malformed),
        ("92 06 c1", ProtocolError::Malformed),
        ("dd ff ff ff ff 06", ProtocolError::Malformed),
        ("90", ProtocolError::Type),
        ("91 c0", ProtocolError::Type),
        ("91 a1 36", ProtocolError::Type),
        ("91 cb 40 18 00 00 00 00 00 00", ProtocolError::Type),
        ("91 ca 40 c0 00 00", ProtocolError::Type),
    ] {
        assert_eq!(body_error(hex), error, "{hex}");
    }
}

#[test]
fn message_pack_fields_of_invocations() {
    use ProtocolError::{Arguments, Headers, InvocationId, Malformed, StreamIds, Target};
    for (hex, error) in [
        ("91 01", Headers),
        ("95 01 c0 c0 a1 41 90", Headers),
        ("95 01 90 c0 a1 41 90", Headers),
        ("95 01 81 a1 61 01 c0 a1 41 90", Headers),
        ("95 01 81 01 a1 61 c0 a1 41 90", Headers),
        ("95 01 81 a1 61 c0 c0 a1 41 90", Headers),
        ("92 01 80", InvocationId),
        ("95 01 80 07 a1 41 90", InvocationId),
        ("95 01 80 a1 ff a1 41 90", InvocationId),
        ("93 01 80 c0", Target),
        ("95 01 80 c0 c0 90", Target),
        ("95 01 80 c0 07 90", Target),
        ("94 01 80 c0 a1 41", Arguments),
        ("95 01 80 c0 a1 41 c0", Arguments),
        ("95 01 80 c0 a1 41 80", Arguments),
        ("95 01 80 c0 a1 41 91", Malformed),
        ("95 01 80 c0 a1 41 dd ff ff ff ff 01", Malformed),
        ("95 01 80 c0 a1 41 91 c6 ff ff ff ff", Malformed),
        ("95 01 80 c0 a1 41 91 c9 7f ff ff ff ff", Malformed),
        ("96 01 80 c0 a1 41 90 c0", StreamIds),
        ("96 01 80 c0 a1 41 90 91 01", StreamIds),
        ("96 01 80 c0 a1 41 90 dd ff ff ff ff", Malformed),
    ] {
        assert_eq!(body_error(hex), error, "{hex}");
    }
}

#[test]
fn message_pack_fields_of_other_records() {
    use ProtocolError::{Close, Completion, InvocationId, Item, SequenceId};
    for (hex, error) in [
        ("94 02 80 c0 01", InvocationId),
        ("94 03 80 a0 02", InvocationId),
        ("95 04 80 c0 a1 41 90", InvocationId),
        ("93 05 80 c0", InvocationId),
        ("92 05 80", InvocationId),
        ("93 02 80 a1 30", Item),
        ("93 03 80 a1 30", Completion),
        ("94 03 80 a1 30 00", Completion),
        ("94 03 80 a1 30 04", Completion),
        ("94 03 80 a1 30 c0", Completion),
        ("94 03 80 a1 30 01", Completion),
        ("95 03 80 a1 30 01 07", Completion),
        ("94 03 80 a1 30 03", Completion),
        ("92 07 01", Close),
        ("93 07 c0 01", Close),
        ("91 08", SequenceId),
        ("92 08 c0", SequenceId),
        ("92 09 ff", SequenceId),
        ("92 09 a1 31", SequenceId),
    ] {
        assert_eq!(body_error(hex), error, "{hex}");
    }
}

#[test]
fn message_pack_nesting_is_bounded() {
    let nested = |depth: usize| {
        let mut body = from_hex("95 01 80 c0 a1 41 91");
        body.extend(vec![0x91; depth]);
        body.push(0xc0);
        let mut record = vec![0x80 | u8::try_from(body.len() & 0x7F).unwrap()];
        record.push(u8::try_from(body.len() >> 7).unwrap());
        record.extend(body);
        decode(Protocol::MessagePack, &record).map(|records| records.len())
    };
    assert_eq!(nested(64), Ok(1));
    assert_eq!(nested(65), Err(ProtocolError::Malformed));
    assert_eq!(nested(16_000), Err(ProtocolError::Malformed));
}

#[test]
fn json_nesting_is_bounded() {
    let nested = |depth: usize| {
        let deep = "[".repeat(depth) + &"]".repeat(depth);
        let text = format!(r#"{{"type":1,"target":"A[[\"[{{","arguments":[{deep},"[[\\"]}}"#);
        decode_json(&text).map(|records| super::arguments(&records[0]).decode::<serde_json::Value>(0).is_ok())
    };
    assert_eq!(nested(64), Ok(true));
    assert_eq!(nested(65), Err(ProtocolError::Malformed));
    assert_eq!(nested(16_000), Err(ProtocolError::Malformed));
}

#[test]
fn length_prefixes() {
    for (hex, error) in [
        ("00", ProtocolError::Malformed),
        ("80 80 00", ProtocolError::Malformed),
        ("81 80 20", ProtocolError::TooLarge),
        ("ff ff ff ff 07", ProtocolError::TooLarge),
        ("80 80 80 80 08", ProtocolError::TooLarge),
        ("ff ff ff ff ff", ProtocolError::TooLarge),
    ] {
        let decoded = decode(Protocol::MessagePack, &from_hex(hex));
        assert_eq!(decoded, Err(error), "{hex}");
    }
    assert_eq!(decode(Protocol::MessagePack, &from_hex("ff ff ff ff")), Ok(vec![]));
    // Up to so much may be read over.
    assert_eq!(decode(Protocol::MessagePack, &from_hex("81 80 02")), Ok(vec![]));
    assert_eq!(decode(Protocol::MessagePack, &from_hex("80 80 20")), Ok(vec![]));
}

#[test]
fn record_limit_counts_the_record_and_not_the_frame() {
    let json = |bytes: usize| {
        let padding = " ".repeat(bytes - r#"{"type":6}"#.len() - 1);
        format!("{{\"type\":6{padding}}}\u{1e}")
    };
    assert_eq!(json(LIMIT).len(), LIMIT);
    let three = json(LIMIT).repeat(3);
    assert_eq!(decode(Protocol::Json, three.as_bytes()).unwrap().len(), 3);
    assert_eq!(decode(Protocol::Json, json(LIMIT + 1).as_bytes()), Err(ProtocolError::TooLarge));

    let message_pack = |body: usize| {
        // A ping whose second element is binary of the remaining length.
        let mut record = vec![
            0x80 | u8::try_from(body & 0x7F).unwrap(),
            0x80 | u8::try_from(body >> 7 & 0x7F).unwrap(),
            u8::try_from(body >> 14).unwrap(),
            0x92,
            0x06,
            0xc5,
        ];
        let data = body - 5;
        record.extend(u16::try_from(data).unwrap().to_be_bytes());
        record.extend(vec![0; data]);
        record
    };
    let three = message_pack(LIMIT).repeat(3);
    assert_eq!(decode(Protocol::MessagePack, &three).unwrap().len(), 3);
    assert_eq!(decode(Protocol::MessagePack, &message_pack(LIMIT + 1)), Err(ProtocolError::TooLarge));
}

#[test]
fn an_error_is_final() {
    for (protocol, bad) in BOTH.into_iter().zip([&b"[]\x1e"[..], &[0x01, 0x06]]) {
        let mut decoder = Decoder::new(protocol, LIMIT);
        let ping = crate::signalr::ping(protocol);
        decoder.push([&ping, bad, &ping].concat().into());
        assert_eq!(decoder.next_record(), Ok(Some(Record::Ping)));
        assert_eq!(decoder.next_record(), Err(ProtocolError::Malformed));
        decoder.push(ping);
        assert_eq!(decoder.next_record(), Err(ProtocolError::Malformed));
        assert_eq!(decoder.partial_bytes(), 0);
    }
}
