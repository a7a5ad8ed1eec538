//! Calls that are answered here, because the hub never sees them.

use std::time::Duration;

use bytes::Bytes;
use rts_common::signalr::{Protocol, encode_completion_error};

use crate::error::{ErrorKind, HubError};
use crate::metrics;

/// The completion of a call whose record is over the limit.
pub(super) fn oversized(protocol: Protocol, invocation_id: &str, method: &'static str, bytes_max: usize) -> Bytes {
    let kind = ErrorKind::TooLarge;
    metrics::hub_call(method, kind.code(), Duration::ZERO);
    completion(protocol, invocation_id, method, &HubError::new(kind, format!("A call has at most {bytes_max} bytes.")))
}

/// The completion of a call that failed, as the hub words it.
pub(super) fn completion(protocol: Protocol, invocation_id: &str, method: &'static str, error: &HubError) -> Bytes {
    let text = format!("An unexpected error occurred invoking '{method}' on the server. HubException: {error}");
    encode_completion_error(protocol, invocation_id, &text)
}
