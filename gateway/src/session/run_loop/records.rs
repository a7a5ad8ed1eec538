//! What each record of a client comes to, in the main phase.

use std::time::Instant;

use rts_common::signalr::Record;

use super::{CallerState, RunningSession, SessionLoop};
use crate::close_reason::CloseReason;
use crate::session::refusal;
use crate::session::service::Call;

impl RunningSession<'_> {
    /// Takes a record: begins what it asks for, or answers it.
    pub(super) fn take(&mut self, record: Record) -> Result<(), CloseReason> {
        let CallerState::Connected(caller) = &self.caller else { return Ok(()) };
        let SessionLoop { sessions, protocol, .. } = self.stay;
        if let Some(stateful) = &mut self.stay.stateful
            && !stateful.admit(&record, Instant::now()).map_err(|_| CloseReason::ProtocolError)?
        {
            return Ok(());
        }
        match record {
            // Nothing here takes streams from clients: their ids lead nowhere.
            Record::Invocation { invocation_id, target, arguments, stream_ids: _ } => {
                self.stay.counts.calls += 1;
                let only_reads = caller.only_reads(&target);
                let bytes = arguments.bytes();
                let call = caller.call(Call { invocation_id, target, arguments });
                if only_reads {
                    self.calls.begin_read(call, bytes);
                } else {
                    self.calls.begin(call);
                }
            }
            Record::StreamInvocation { invocation_id, target, arguments, stream_ids: _ } => {
                self.stay.counts.calls += 1;
                let streams_max = sessions.settings.streams_max;
                match self.streams.admit(&invocation_id, streams_max) {
                    Ok(()) => {
                        let call = Call { invocation_id: Some(invocation_id.clone()), target, arguments };
                        self.streams.begin(invocation_id, caller.stream(call));
                    }
                    Err(why) => self.calls.answer(why.completion(
                        protocol,
                        &invocation_id,
                        caller.method_name(&target),
                        streams_max,
                    )),
                }
            }
            // A stream that is over, or never was, needs no word.
            Record::CancelInvocation { invocation_id } => self.streams.cancel(protocol, &invocation_id),
            Record::Oversized { invocation_id, target } => {
                self.stay.counts.calls += 1;
                let bytes_max = sessions.settings.record_bytes_max;
                self.calls.answer(refusal::oversized(protocol, &invocation_id, caller.method_name(&target), bytes_max));
            }
            Record::Ping => self.keep_alive.pings(),
            Record::Close { .. } => return Err(CloseReason::ClientLeft),
            // Of unknown ids, and of a stateful reconnect that was not granted.
            Record::StreamItem { .. } | Record::Completion { .. } | Record::Ack(_) | Record::Sequence(_) => {}
        }
        Ok(())
    }
}
