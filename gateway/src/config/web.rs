//! Which web pages may connect.

use rts_common::config::Environment;

use crate::http::Origin;

/// The allow-list of origins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebConfig {
    /// `RTS_ALLOWED_ORIGINS`: origins like `https://app.example.com`, with commas. The server's own
    /// is always allowed, as are clients that are no web pages. Default: none.
    pub allowed_origins: Vec<Origin>,
}

impl WebConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        const NAME: &str = "RTS_ALLOWED_ORIGINS";
        let mut allowed_origins = Vec::new();
        for text in environment.list(NAME) {
            match Origin::parse(&text) {
                Some(origin) => allowed_origins.push(origin),
                None => environment.problem(NAME, "holds something that is no origin like https://app.example.com"),
            }
        }
        Self { allowed_origins }
    }
}
