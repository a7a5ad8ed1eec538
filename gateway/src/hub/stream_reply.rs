//! Replies of streams: items, and a completion as the last record.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use rts_common::signalr::{self, Arguments, EncodeError, Protocol};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::reply::{refusal, shortened};
use super::{Caller, Hub, Method, fault};
use crate::error::{ErrorKind, HubError};
use crate::metrics;
use crate::session::{Call, Records, StreamRecord};

impl Hub {
    /// Starts a stream. A method that does not stream is answered with a completion alone.
    pub fn stream(self: &Arc<Self>, caller: &Arc<Caller>, protocol: Protocol, call: Call) -> Records {
        let Call { invocation_id, target, arguments } = call;
        let method = Method::from_name(&target);
        let invocation_id = invocation_id.unwrap_or_default();
        let reply = StreamReply { protocol, method, invocation_id, begun: Instant::now(), is_counted: false };
        match method {
            Some(method) if method.is_stream() && arguments.len() != 1 => only(reply.wrong_arguments(&target)),
            Some(method) => match self.begin_stream(method, caller, &arguments, reply) {
                Ok(records) => records,
                Err(reply) => only(reply.refused(&target)),
            },
            None => only(reply.refused(&target)),
        }
    }
}

/// The reply to one stream invocation, not yet complete.
pub(super) struct StreamReply {
    protocol: Protocol,
    method: Option<Method>,
    invocation_id: String,
    begun: Instant,
    is_counted: bool,
}

impl StreamReply {
    /// Decodes the request, starts the verb's stream, and encodes its items.
    pub(super) fn to<Request: DeserializeOwned, Item: Serialize + Send + 'static>(
        self,
        arguments: &Arguments,
        verb: impl FnOnce(Request) -> Result<BoxStream<'static, Result<Item, HubError>>, HubError>,
    ) -> Records {
        match arguments.decode_object(0).map_err(|_| fault::unreadable(arguments.explain::<Request>(0))).and_then(verb)
        {
            Ok(items) => self.records(items),
            Err(error) => only(self.failed(&error)),
        }
    }

    fn records<Item: Serialize + Send + 'static>(self, items: BoxStream<'static, Result<Item, HubError>>) -> Records {
        stream::unfold(Some((self, items)), |state| async move {
            let (reply, mut items) = state?;
            let completion = match items.next().await {
                None => reply.done(),
                Some(Err(error)) => reply.failed(&error),
                Some(Ok(item)) => match reply.item(&item) {
                    Ok(record) => return Some((StreamRecord::Item(record), Some((reply, items)))),
                    Err(error) => {
                        tracing::error!(%error, "an item of a stream cannot be encoded");
                        reply.failed(&HubError::internal())
                    }
                },
            };
            Some((StreamRecord::Completion(completion), None))
        })
        .boxed()
    }

    fn item(&self, item: &impl Serialize) -> Result<Bytes, EncodeError> {
        signalr::encode_stream_item(self.protocol, &self.invocation_id, item)
    }

    fn done(mut self) -> Bytes {
        self.count("ok");
        signalr::encode_completion_void(self.protocol, &self.invocation_id)
    }

    fn failed(mut self, error: &HubError) -> Bytes {
        self.count(error.kind.code());
        let method = self.method.map_or("unknown", Method::name);
        let text = format!("An unexpected error occurred invoking '{method}' on the server. HubException: {error}");
        self.completion_error(&text)
    }

    /// Answers with the error text of the reference server.
    fn wrong_arguments(mut self, target: &str) -> Bytes {
        self.count(ErrorKind::InvalidArgument.code());
        self.completion_error(&refusal(target, &HubError::one_object()))
    }

    /// Answers, with the texts of the reference server, a method that does not stream or does not exist.
    fn refused(mut self, target: &str) -> Bytes {
        let text = if let Some(method) = self.method {
            self.count(ErrorKind::InvalidArgument.code());
            let name = method.name();
            format!(
                "The client attempted to invoke the non-streaming '{name}' method with a streaming invocation. \
                 HubException: {}",
                HubError::invalid("This method is no stream; call it as an invocation.")
            )
        } else {
            self.count("unknownMethod");
            refusal(&shortened(target), &HubError::no_method())
        };
        self.completion_error(&text)
    }

    fn completion_error(&self, text: &str) -> Bytes {
        signalr::encode_completion_error(self.protocol, &self.invocation_id, text)
    }

    fn count(&mut self, outcome: &'static str) {
        self.is_counted = true;
        metrics::hub_call(self.method.map_or("unknown", Method::name), outcome, self.begun.elapsed());
    }
}

impl Drop for StreamReply {
    fn drop(&mut self) {
        if !self.is_counted {
            self.count("cancelled");
        }
    }
}

/// Returns a stream of a completion alone.
fn only(completion: Bytes) -> Records {
    stream::iter([StreamRecord::Completion(completion)]).boxed()
}

#[cfg(test)]
mod tests {
    use rts_common::signalr::{CompletionResult, Decoder, Record};

    use super::*;

    fn reply(method: Option<Method>) -> StreamReply {
        StreamReply {
            protocol: Protocol::Json,
            method,
            invocation_id: "7".to_owned(),
            begun: Instant::now(),
            is_counted: false,
        }
    }

    /// The records' bytes, of which the last is the only completion.
    async fn bytes(records: Records) -> Vec<Bytes> {
        let records: Vec<StreamRecord> = records.collect().await;
        let last = records.len() - 1;
        let bytes = records.into_iter().enumerate().map(|(place, record)| match record {
            StreamRecord::Item(bytes) if place < last => bytes,
            StreamRecord::Completion(bytes) if place == last => bytes,
            record => panic!("{record:?} at {place}"),
        });
        bytes.collect()
    }

    async fn text(records: Records) -> String {
        String::from_utf8(bytes(records).await.concat()).unwrap()
    }

    #[tokio::test]
    async fn items_then_a_completion_of_no_value() {
        let items = stream::iter([Ok(1), Ok(2)]).boxed();
        let all = text(reply(Some(Method::StreamHistory)).records(items)).await;
        let expected = [
            "{\"type\":2,\"invocationId\":\"7\",\"item\":1}\u{1e}",
            "{\"type\":2,\"invocationId\":\"7\",\"item\":2}\u{1e}",
            "{\"type\":3,\"invocationId\":\"7\"}\u{1e}",
        ];
        assert_eq!(all, expected.concat());
    }

    #[tokio::test]
    async fn an_error_is_the_last_record() {
        let items = stream::iter([Ok(1), Err(HubError::room_not_found()), Ok(2)]).boxed();
        let records = bytes(reply(Some(Method::StreamHistory)).records(items)).await;
        assert_eq!(records.len(), 2);
        let mut decoder = Decoder::new(Protocol::Json, 4096);
        decoder.push(records[1].clone());
        let error = "An unexpected error occurred invoking 'StreamHistory' on the server. \
                     HubException: notFound: There is no such room.";
        assert_eq!(
            decoder.next_record().unwrap(),
            Some(Record::Completion {
                invocation_id: "7".to_owned(),
                result: CompletionResult::Error(error.to_owned())
            })
        );
    }

    #[tokio::test]
    async fn methods_that_do_not_stream_and_unknown_ones_have_different_errors() {
        let refused = |method, target: &str| text(only(reply(method).refused(target)));
        let known = refused(Some(Method::SendMessage), "sendmessage").await;
        assert!(known.contains("non-streaming 'SendMessage' method with a streaming invocation."), "{known}");
        assert!(refused(None, "Nothing").await.contains("Method does not exist."));
        assert!(refused(None, &"x".repeat(10_000)).await.len() < 300);
    }
}
