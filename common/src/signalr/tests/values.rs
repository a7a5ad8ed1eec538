//! Arguments by type: the results of MessagePack's own types, and values that no type accepts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{BOTH, Protocol, arguments, decode, decode_body, decode_json};
use crate::signalr::{ArgumentError, encode_invocation};

/// Decodes the one argument whose MessagePack `hex` spells.
fn value<T: serde::de::DeserializeOwned>(hex: &str) -> Result<T, ArgumentError> {
    let records = decode_body(&format!("95 01 80 c0 a1 41 91 {hex}")).unwrap();
    arguments(&records[0]).decode(0)
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    room_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Direct,
    Sized(u8),
    Named { name: String },
    Pair(u8, u8),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Event {
    MessageCreated {
        #[serde(flatten)]
        request: Request,
        body: String,
    },
    RoomAdded,
}

#[test]
fn integers_of_any_width() {
    for hex in ["05", "cc 05", "cd 00 05", "ce 00 00 00 05", "cf 00 00 00 00 00 00 00 05"] {
        assert_eq!(value(hex), Ok(5_u8), "{hex}");
        assert_eq!(value(hex), Ok(5_i64), "{hex}");
    }
    for hex in ["d0 05", "d1 00 05", "d2 00 00 00 05", "d3 00 00 00 00 00 00 00 05"] {
        assert_eq!(value(hex), Ok(5_u64), "{hex}");
    }
    for hex in ["ff", "d0 ff", "d1 ff ff", "d2 ff ff ff ff", "d3 ff ff ff ff ff ff ff ff"] {
        assert_eq!(value(hex), Ok(-1_i32), "{hex}");
        assert_eq!(value::<u64>(hex), Err(ArgumentError::Mistyped), "{hex}");
    }
    assert_eq!(value("cf 00 00 01 00 00 00 00 00"), Ok(1_u64 << 40));
    assert_eq!(value::<u8>("cd 01 00"), Err(ArgumentError::Mistyped));
    assert_eq!(value::<u8>("a1 35"), Err(ArgumentError::Mistyped));
    assert_eq!(value::<u64>("cb 40 14 00 00 00 00 00 00"), Err(ArgumentError::Mistyped));
    assert_eq!(value("05"), Ok(5.0_f64));
    assert_eq!(value("ca 40 a0 00 00"), Ok(5.0_f32));
}

#[test]
fn bytes_text_and_nil() {
    assert_eq!(value("c4 02 01 ff"), Ok(vec![1_u8, 255]));
    assert_eq!(value("c5 00 02 01 ff"), Ok(vec![1_u8, 255]));
    assert_eq!(value("c6 00 00 00 02 01 ff"), Ok(vec![1_u8, 255]));
    assert_eq!(value("c4 02 c3 a4"), Ok(bytes::Bytes::from_static(&[0xc3, 0xa4])));
    for hex in ["a2 c3 a4", "d9 02 c3 a4", "da 00 02 c3 a4", "db 00 00 00 02 c3 a4"] {
        assert_eq!(value(hex), Ok("ä".to_owned()), "{hex}");
    }
    assert_eq!(value::<String>("a1 c3"), Err(ArgumentError::Mistyped), "not UTF-8");
    for bytes in ["c4 01 61", "c5 00 01 61", "c6 00 00 00 01 61"] {
        assert_eq!(value::<String>(bytes), Err(ArgumentError::Mistyped), "bytes are no text");
        assert_eq!(value::<Option<String>>(bytes), Err(ArgumentError::Mistyped));
    }
    assert_eq!(value::<String>("c0"), Err(ArgumentError::Mistyped));
    assert_eq!(value("c0"), Ok(None::<String>));
    assert_eq!(value("a1 61"), Ok(Some("a".to_owned())));
    assert_eq!(value("c0"), Ok(()));
    assert_eq!(value("c3"), Ok(true));
}

#[test]
fn a_date_is_its_json_text() {
    for (hex, text) in [
        ("d6 ff 00 00 00 00", "1970-01-01T00:00:00.000Z"),
        ("d6 ff 65 53 f1 00", "2023-11-14T22:13:20.000Z"),
        // 500 ms, as JavaScript packs it.
        ("d7 ff 77 35 94 00 65 53 f1 00", "2023-11-14T22:13:20.500Z"),
        ("c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff", "1969-12-31T23:59:59.000Z"),
    ] {
        assert_eq!(value(hex), Ok(text.to_owned()), "{hex}");
        assert_eq!(value(hex), Ok(json!(text)), "{hex}");
        assert_eq!(value(hex), Ok(Some(text.to_owned())), "{hex}");
    }
    for hex in [
        "d4 ff 00",
        "d4 01 00",
        "d7 ff ff ff ff fc 00 00 00 00",
        "c7 0c ff 00 00 00 00 7f ff ff ff ff ff ff ff",
        "c7 00 05",
    ] {
        assert_eq!(value::<String>(hex), Err(ArgumentError::Mistyped), "{hex}");
    }
}

/// As `@microsoft/signalr-protocol-msgpack` 10.0 writes one object with all its types.
#[test]
fn every_type_of_the_javascript_client() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Everything {
        d: String,
        d2: String,
        d3: String,
        b: Vec<u8>,
        u: Option<u8>,
        n: u64,
        neg: i8,
        f: f64,
        i: u32,
    }
    let records = decode_body(
        "95 01 80 a1 37 a1 41 91 89 a1 64 d7 ff 77 35 94 00 65 53 f1 00 a2 64 32 d6 ff 65 53 \
        f1 00 a2 64 33 c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff a1 62 c4 02 01 02 a1 75 \
        c0 a1 6e cf 00 00 01 00 00 00 00 00 a3 6e 65 67 fb a1 66 cb 3f f8 00 00 00 00 00 00 \
        a1 69 ce 00 01 11 70",
    )
    .unwrap();
    let expected = Everything {
        d: "2023-11-14T22:13:20.500Z".to_owned(),
        d2: "2023-11-14T22:13:20.000Z".to_owned(),
        d3: "1969-12-31T23:59:59.000Z".to_owned(),
        b: vec![1, 2],
        u: None,
        n: 1 << 40,
        neg: -5,
        f: 1.5,
        i: 70_000,
    };
    assert_eq!(arguments(&records[0]).decode_object(0), Ok(expected));
}

#[test]
fn unknown_fields_of_any_type_are_passed_over() {
    let room = "a6 72 6f 6f 6d 49 64 a1 72";
    for other in ["d4 05 00", "d6 ff 00 00 00 00", "c4 01 00", "92 c0 81 01 02", "a1 ff"] {
        let decoded = value::<Request>(&format!("82 a1 78 {other} {room}"));
        let room_id = "r".to_owned();
        assert_eq!(decoded, Ok(Request { room_id, seq: None }), "{other}");
    }
}

#[test]
fn structs_have_names() {
    // An array in place of a struct, and a map whose keys are numbers.
    assert_eq!(value::<Request>("92 a1 72 05"), Err(ArgumentError::Mistyped));
    assert_eq!(value::<Request>("82 00 a1 72 01 05"), Err(ArgumentError::Mistyped));
    let records = decode_json(r#"{"type":1,"target":"A","arguments":[["r",5],{"roomId":"r"}]}"#).unwrap();
    let arguments = arguments(&records[0]);
    assert_eq!(arguments.decode_object::<Request>(0), Err(ArgumentError::Mistyped));
    assert!(arguments.decode_object::<Request>(1).is_ok());
    assert_eq!(arguments.decode_object::<Request>(2), Err(ArgumentError::Missing));
}

#[test]
fn fields_of_objects_are_named_in_any_letter_case() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outer {
        kind: Kind,
        all_rooms: Option<Vec<Request>>,
        other_names: Option<std::collections::BTreeMap<String, u8>>,
    }
    let room = |seq| Request { room_id: "Room_ID".to_owned(), seq };
    let expected = Outer {
        kind: Kind::Direct,
        all_rooms: Some(vec![room(Some(5)), room(None)]),
        other_names: Some([("Seq".to_owned(), 1)].into()),
    };
    for value in [
        json!({"kind": "direct", "allRooms": [{"roomId": "Room_ID", "seq": 5}, {"roomId": "Room_ID"}], "otherNames": {"Seq": 1}}),
        json!({"Kind": "direct", "AllRooms": [{"RoomId": "Room_ID", "Seq": 5}, {"ROOMID": "Room_ID", "SEQ": null}], "OtherNames": {"Seq": 1}, "Kinds": 1}),
    ] {
        for protocol in BOTH {
            let bytes = encode_invocation(protocol, "A", &value).unwrap();
            let records = decode(protocol, &bytes).unwrap();
            assert_eq!(
                arguments(&records[0]).decode_object::<Outer>(0).as_ref(),
                Ok(&expected),
                "{protocol:?} {value}"
            );
        }
    }
    for wrong in [
        json!({"Kind": "Direct"}),
        json!({"Kind": "direct", "AllRooms": [["Room_ID", 5]]}),
        json!({"Kind": "direct", "AllRooms": [{"RoomId": 1}]}),
        json!({"Kind": "direct", "AllRooms": {"RoomId": "r"}}),
    ] {
        for protocol in BOTH {
            let bytes = encode_invocation(protocol, "A", &wrong).unwrap();
            let records = decode(protocol, &bytes).unwrap();
            assert!(arguments(&records[0]).decode_object::<Outer>(0).is_err(), "{protocol:?} {wrong}");
        }
    }
}

#[test]
fn arrays_are_taken_whole() {
    assert_eq!(value("92 01 02"), Ok((1_u8, 2_u8)));
    assert_eq!(value::<(u8, u8)>("93 01 02 03"), Err(ArgumentError::Mistyped));
    assert_eq!(value::<(u8, u8)>("91 01"), Err(ArgumentError::Mistyped));
    assert_eq!(value("dc 00 02 01 02"), Ok(vec![1_u8, 2]));
    assert_eq!(value("dd 00 00 00 02 01 02"), Ok(vec![1_u8, 2]));
    assert_eq!(value("de 00 01 a1 61 01"), Ok(json!({"a": 1})));
    assert_eq!(value("df 00 00 00 01 a1 61 01"), Ok(json!({"a": 1})));
}

#[test]
fn every_shape_of_a_type_survives_both_protocols() {
    let request = |seq| Request { room_id: "g_ä".to_owned(), seq };
    for protocol in BOTH {
        for seq in [None, Some(0), Some(u64::MAX)] {
            survives(protocol, &request(seq));
            survives(protocol, &Some(request(seq)));
            let event = Event::MessageCreated { request: request(seq), body: "x".repeat(70_000) };
            survives_within(protocol, &event, 80_000);
        }
        survives(protocol, &Event::RoomAdded);
        survives(protocol, &Kind::Direct);
        survives(protocol, &Kind::Sized(200));
        survives(protocol, &Kind::Pair(1, 2));
        survives(protocol, &vec![Kind::Named { name: String::new() }]);
        survives(protocol, &std::net::Ipv4Addr::LOCALHOST);
        survives(protocol, &json!({"a": [1, -1, 1.5, null, true, "x", {}]}));
    }
}

fn survives<T>(protocol: Protocol, value: &T)
where
    T: Serialize + serde::de::DeserializeOwned + std::fmt::Debug + PartialEq,
{
    survives_within(protocol, value, super::LIMIT);
}

fn survives_within<T>(protocol: Protocol, value: &T, limit: usize)
where
    T: Serialize + serde::de::DeserializeOwned + std::fmt::Debug + PartialEq,
{
    let bytes = encode_invocation(protocol, "A", value).unwrap();
    let mut decoder = super::Decoder::new(protocol, limit);
    decoder.push(bytes);
    let record = decoder.next_record().unwrap().expect("a whole record");
    assert_eq!(arguments(&record).decode::<T>(0).as_ref(), Ok(value), "{protocol:?}");
    // Both protocols carry the same names and texts.
    let shown: Value = arguments(&record).decode(0).unwrap();
    assert_eq!(shown, serde_json::to_value(value).unwrap(), "{protocol:?}");
}

#[test]
fn arguments_by_place() {
    let json = decode_json(r#"{"type":1,"target":"A","arguments":[ {"x":[1,2]} , "b",3 ]}"#).unwrap();
    let message_pack = decode_body("95 01 80 c0 a1 41 93 81 a1 78 92 01 02 a1 62 03").unwrap();
    for records in [json, message_pack] {
        let arguments = arguments(&records[0]);
        assert_eq!((arguments.len(), arguments.is_empty()), (3, false));
        assert_eq!(arguments.decode(0), Ok(json!({"x": [1, 2]})));
        assert_eq!(arguments.decode(1), Ok("b".to_owned()));
        assert_eq!(arguments.decode(2), Ok(3_u8));
        assert_eq!(arguments.decode::<u8>(1), Err(ArgumentError::Mistyped));
        assert_eq!(arguments.decode::<Value>(3), Err(ArgumentError::Missing));
        assert_eq!(arguments.decode_object::<Value>(1), Err(ArgumentError::Mistyped));
    }
}

#[test]
fn a_lone_argument_with_blanks_around_it() {
    for text in [r#"{"x":[1,2]}"#, "\"]\"", "[[]]", "3"] {
        for array in [format!("[{text}]"), format!(" [ \t{text}\r\n ] ")] {
            let records = decode_json(&format!(r#"{{"type":1,"target":"A","arguments":{array}}}"#)).unwrap();
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(arguments(&records[0]).decode(0), Ok(value.clone()), "{array}");
            let object = arguments(&records[0]).decode_object::<Value>(0);
            assert_eq!(object.is_ok(), value.is_object(), "{array}");
        }
    }
}

#[test]
fn a_value_that_a_protocol_cannot_hold() {
    let odd = std::collections::BTreeMap::from([(vec![1], 1)]);
    assert!(encode_invocation(Protocol::Json, "A", &odd).is_err());
    let bytes = encode_invocation(Protocol::MessagePack, "A", &odd).unwrap();
    assert!(decode(Protocol::MessagePack, &bytes).is_ok());
}
