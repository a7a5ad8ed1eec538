//! Streaming methods. There are none yet: what is asked for as a stream is refused as the reference
//! server does. A stream will run beside the calls, not between them, and its bookkeeping will live
//! here.

use bytes::Bytes;
use rts_common::signalr::{Protocol, encode_completion_error};

use crate::hub::method::Method;

/// The answer to a stream invocation.
pub(super) fn refuse(protocol: Protocol, invocation_id: &str, target: &str) -> Bytes {
    let text = match Method::from_name(target) {
        Some(method) => format!(
            "The client attempted to invoke the non-streaming '{}' method with a streaming invocation.",
            method.name()
        ),
        None => format!(
            "Failed to invoke '{}' due to an error on the server. HubException: Method does not exist.",
            shortened(target)
        ),
    };
    encode_completion_error(protocol, invocation_id, &text)
}

/// A made-up name is told back, but not at any length.
fn shortened(target: &str) -> String {
    const CHARS_MAX: usize = 100;
    target.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_are_no_streams_and_unknown_ones_are_told_apart() {
        let text = |target| String::from_utf8(refuse(Protocol::Json, "7", target).to_vec()).unwrap();
        assert!(text("sendmessage").contains("non-streaming 'SendMessage' method"));
        assert!(text("Nothing").contains("Method does not exist."));
        assert!(text(&"x".repeat(10_000)).len() < 300);
    }
}
