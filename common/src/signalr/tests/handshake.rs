//! The handshake, from both sides.

use bytes::Bytes;

use super::{BOTH, Protocol};
use crate::signalr::{
    HANDSHAKE_BYTES_MAX, HandshakeDecoder, HandshakeError, HandshakeReply, HandshakeReplyDecoder, HandshakeRequest,
    handshake_response_error, handshake_response_ok,
};

const MALFORMED: &str = "An unexpected error occurred during connection handshake.";

fn request(text: &str) -> Result<HandshakeRequest, HandshakeError> {
    let frame = format!("{text}\u{1e}");
    let decoded = HandshakeDecoder::new().push(frame.into())?;
    let (request, rest) = decoded.expect("the separator ends it");
    assert!(rest.is_empty());
    Ok(request)
}

fn refusal(text: &str) -> String {
    request(text).unwrap_err().to_string()
}

#[test]
fn requests_of_clients() {
    let json = HandshakeRequest { protocol: Protocol::Json, version: 1 };
    assert_eq!(request(r#"{"protocol":"json","version":1}"#), Ok(json));
    assert_eq!(request(r#" {"version":1, "x":[], "protocol":"JSON"}"#), Ok(json));
    for version in [0, -1, i64::MIN] {
        assert_eq!(request(&format!(r#"{{"protocol":"json","version":{version}}}"#)), Ok(json), "signalrcore sends 0");
    }
    let message_pack = HandshakeRequest { protocol: Protocol::MessagePack, version: 2 };
    assert_eq!(request(r#"{"protocol":"messagepack","version":2}"#), Ok(message_pack));
}

#[test]
fn refusals_word_by_word() {
    assert_eq!(refusal(r#"{"protocol":"foo","version":1}"#), "The protocol 'foo' is not supported.");
    for version in [3, 255, 1_i64 << 40] {
        assert_eq!(
            refusal(&format!(r#"{{"protocol":"json","version":{version}}}"#)),
            format!("The server does not support version {version} of the 'json' protocol.")
        );
    }
    for text in [
        "",
        "x",
        "[]",
        r#"["json",1]"#,
        "{}",
        r#"{"type":6}"#,
        r#"{"protocol":"json"}"#,
        r#"{"version":1}"#,
        r#"{"protocol":null,"version":1}"#,
        r#"{"protocol":1,"version":1}"#,
        r#"{"protocol":"json","version":"1"}"#,
        r#"{"protocol":"json","version":1.0}"#,
        r#"{"protocol":"json","version":null}"#,
        r#"{"protocol":"json","version":1}x"#,
    ] {
        assert_eq!(refusal(text), MALFORMED, "{text}");
    }
    let not_utf8 = HandshakeDecoder::new().push(Bytes::from_static(b"{\"\xff\":1}\x1e"));
    assert_eq!(not_utf8, Err(HandshakeError::Malformed));
    let ping = HandshakeDecoder::new().push(Bytes::from_static(b"\x02\x91\x06\x1e"));
    assert_eq!(ping, Err(HandshakeError::Malformed));
    assert_eq!(HandshakeError::Canceled.to_string(), "Handshake was canceled.");
}

#[test]
fn a_made_up_name_is_told_back_in_part() {
    let name = "ä".repeat(1000);
    let text = refusal(&format!(r#"{{"protocol":"{name}","version":1}}"#));
    let told = "ä".repeat(100);
    assert_eq!(text, format!("The protocol '{told}' is not supported."));
}

#[test]
fn any_cut_and_what_follows() {
    for protocol in BOTH {
        let sent = HandshakeRequest { protocol, version: 1 };
        let follows = [&b"{\"type\":6}\x1e"[..], b"\x02\x91\x06", b"\x1e"].concat();
        let bytes = [&sent.encode()[..], &follows].concat();
        for cut in 0..=bytes.len() {
            let mut decoder = HandshakeDecoder::new();
            let mut found = None;
            let mut rest = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                if found.is_some() {
                    rest.extend_from_slice(part);
                } else if let Some((request, more)) = decoder.push(Bytes::copy_from_slice(part)).unwrap() {
                    found = Some(request);
                    rest.extend_from_slice(&more);
                }
            }
            assert_eq!(found, Some(sent));
            assert_eq!(rest, follows);
        }
    }
}

#[test]
fn an_endless_handshake_is_canceled() {
    let mut decoder = HandshakeDecoder::new();
    for _ in 0..HANDSHAKE_BYTES_MAX - 1 {
        assert_eq!(decoder.push(Bytes::from_static(b" ")), Ok(None));
    }
    let one_more = decoder.push(Bytes::from_static(b" "));
    assert_eq!(one_more, Err(HandshakeError::Canceled));

    let handshake = r#"{"protocol":"json","version":1}"#;
    let fits = " ".repeat(HANDSHAKE_BYTES_MAX - handshake.len() - 1) + handshake;
    assert!(request(&fits).is_ok());
    assert_eq!(request(&format!(" {fits}")), Err(HandshakeError::Canceled));
}

#[test]
fn answers() {
    let answer = |bytes: Bytes| {
        let (reply, rest) = HandshakeReplyDecoder::new().push(bytes).unwrap().unwrap();
        (reply, rest.to_vec())
    };
    assert_eq!(handshake_response_ok(), &b"{}\x1e"[..]);
    assert_eq!(handshake_response_error("no \"x\""), &b"{\"error\":\"no \\\"x\\\"\"}\x1e"[..]);
    assert_eq!(HandshakeError::Malformed.response(), handshake_response_error(MALFORMED));
    assert_eq!(answer(handshake_response_ok()), (HandshakeReply::Accepted, vec![]));
    assert_eq!(
        answer([handshake_response_ok(), "next".into()].concat().into()),
        (HandshakeReply::Accepted, b"next".to_vec())
    );
    assert_eq!(answer(handshake_response_error("no")), (HandshakeReply::Refused("no".to_owned()), vec![]));
    for other in ["{\"type\":6}\u{1e}", "[]\u{1e}", "x\u{1e}"] {
        let answer = HandshakeReplyDecoder::new().push(other.into());
        assert_eq!(answer, Err(HandshakeError::Malformed), "{other}");
    }
}
