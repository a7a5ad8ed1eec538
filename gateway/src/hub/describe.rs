//! The methods by their types, for the reference of the API.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use schemars::JsonSchema;

use super::{Answer, Caller, Hub};
use crate::error::HubError;

/// Takes in the types of methods.
pub(crate) trait Describe {
    /// Adds a method by the function that makes its verb, which is never called.
    fn method<Request: JsonSchema, Value: JsonSchema, Verb>(
        &mut self,
        name: &str,
        make: impl FnOnce(&'static Arc<Hub>, &'static Caller) -> Verb,
    ) where
        Verb: AsyncFnOnce(Request) -> Result<Answer<Value>, HubError>;

    /// Adds a stream in the same way.
    fn stream<Request: JsonSchema, Item: JsonSchema, Verb>(
        &mut self,
        name: &str,
        make: impl FnOnce(&'static Arc<Hub>, &'static Arc<Caller>) -> Verb,
    ) where
        Verb: FnOnce(Request) -> Result<BoxStream<'static, Result<Item, HubError>>, HubError>;
}
