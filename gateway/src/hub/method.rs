//! Makes the hub's methods from their table: names, kinds, and dispatch.

/// Makes the methods from their table: a method that is not in it does not exist.
macro_rules! methods {
    (calls: { $($call:ident => $verb:path,)* } streams: { $($stream:ident => $begin:path,)* }) => {
        /// A method of the hub.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", stringify!($call), "`")] $call,)*
            $(#[doc = concat!("`", stringify!($stream), "`, a stream")] $stream,)*
        }

        impl Method {
            /// Every method.
            pub const ALL: &[Self] = &[$(Self::$call,)* $(Self::$stream,)*];

            /// Returns its name, also the label of metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$call => stringify!($call),)*
                    $(Self::$stream => stringify!($stream),)*
                }
            }

            /// True if it answers with a stream.
            pub const fn is_stream(self) -> bool {
                match self {
                    $(Self::$call => false,)*
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
                    $(Method::$call => reply.to(arguments, async |request| $verb(self, caller, request).await).await,)*
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
                    $(Method::$call => Err(reply),)*
                }
            }
        }
    };
}
