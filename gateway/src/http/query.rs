//! Query parameters in SignalR's form: names are case-insensitive.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

/// The pairs of a query; empty if it cannot be parsed. Holds a token: has no `Debug`.
pub(super) struct QueryPairs(Vec<(String, String)>);

impl QueryPairs {
    /// Returns the first value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for QueryPairs {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let pairs = Query::try_from_uri(&parts.uri).map(|Query(pairs)| pairs);
        Ok(Self(pairs.unwrap_or_default()))
    }
}
