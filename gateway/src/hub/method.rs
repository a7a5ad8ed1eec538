//! Makes the hub's methods from their table: names, kinds, and dispatch.

/// Makes the methods from their table: a method that is not in it does not exist.
macro_rules! methods {
    (
        changes: { $($change:ident => $change_verb:path [$change_budget:ident $change_weight:literal],)* }
        reads: { $($read:ident => $read_verb:path [$read_budget:ident $read_weight:literal],)* }
        streams: { $($stream:ident => $begin:path [$stream_budget:ident $stream_weight:literal],)* }
    ) => {
        /// A method of the hub.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", stringify!($change), "`")] $change,)*
            $(#[doc = concat!("`", stringify!($read), "`, which changes nothing")] $read,)*
            $(#[doc = concat!("`", stringify!($stream), "`, a stream")] $stream,)*
        }

        impl Method {
            /// Every method.
            pub const ALL: &[Self] = &[$(Self::$change,)* $(Self::$read,)* $(Self::$stream,)*];

            /// Returns its name, which is also the label of metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$change => stringify!($change),)*
                    $(Self::$read => stringify!($read),)*
                    $(Self::$stream => stringify!($stream),)*
                }
            }

            /// True if it changes nothing, and nobody's order: a slow one holds up no other call of its connection.
            pub const fn only_reads(self) -> bool {
                match self {
                    $(Self::$read => true,)*
                    $(Self::$change => false,)*
                    $(Self::$stream => false,)*
                }
            }

            /// Returns the budget that a call is charged to, and what it costs at least; a stream, for each page.
            pub const fn cost(self) -> (Budget, usize) {
                match self {
                    $(Self::$change => (Budget::$change_budget, $change_weight),)*
                    $(Self::$read => (Budget::$read_budget, $read_weight),)*
                    $(Self::$stream => (Budget::$stream_budget, $stream_weight),)*
                }
            }

            /// True if it answers with a stream.
            pub const fn is_stream(self) -> bool {
                match self {
                    $(Self::$change => false,)*
                    $(Self::$read => false,)*
                    $(Self::$stream => true,)*
                }
            }
        }

        /// Describes the request and the answer of each method.
        #[cfg(test)]
        pub(crate) fn describe(describe: &mut impl self::describe::Describe) {
            $(describe.method(
                stringify!($change),
                |hub: &'static Arc<Hub>, caller: &'static Caller| {
                    async move |request| $change_verb(hub, caller, request).await
                },
            );)*
            $(describe.method(
                stringify!($read),
                |hub: &'static Arc<Hub>, caller: &'static Caller| {
                    async move |request| $read_verb(hub, caller, request).await
                },
            );)*
            $(describe.stream(
                stringify!($stream),
                |hub: &'static Arc<Hub>, caller: &'static Arc<Caller>| move |request| $begin(hub, caller, &request),
            );)*
        }

        impl Hub {
            async fn dispatch(
                self: &Arc<Self>,
                method: Method,
                caller: &Caller,
                arguments: &Arguments,
                reply: Reply,
            ) -> Outcome {
                match method {
                    $(Method::$change => {
                        reply.to(arguments, async |request| $change_verb(self, caller, request).await).await
                    })*
                    $(Method::$read => {
                        reply.to(arguments, async |request| $read_verb(self, caller, request).await).await
                    })*
                    $(Method::$stream => Outcome::Now(reply.wants_stream()),)*
                }
            }

            fn begin_stream(
                self: &Arc<Self>,
                method: Method,
                caller: &Arc<Caller>,
                arguments: &Arguments,
                reply: StreamReply,
            ) -> Result<Records, StreamReply> {
                match method {
                    $(Method::$stream => Ok(reply.to(arguments, |request| $begin(self, caller, &request))),)*
                    $(Method::$change => Err(reply),)*
                    $(Method::$read => Err(reply),)*
                }
            }
        }
    };
}
