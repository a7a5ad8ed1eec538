//! Makes the hub's methods from their table: names, kinds, and dispatch.

/// Makes the methods from their table: a method that is not in it does not exist.
macro_rules! methods {
    (@limit) => {
        None
    };
    (@limit $limit:ident) => {
        Some(Limit::$limit)
    };
    (
        changes: { $($change:ident => $change_verb:path $([$change_limit:ident])?,)* }
        reads: { $($read:ident => $read_verb:path $([$read_limit:ident])?,)* }
        streams: { $($stream:ident => $begin:path,)* }
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

            /// Returns the limit of its rate.
            pub const fn limit(self) -> Option<Limit> {
                match self {
                    $(Self::$change => methods!(@limit $($change_limit)?),)*
                    $(Self::$read => methods!(@limit $($read_limit)?),)*
                    $(Self::$stream => None,)*
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
