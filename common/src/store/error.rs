//! The errors of the store, by kind. The SDK's own texts go only to the log.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// The reason why a call to the store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The table or the account is over its throughput.
    #[error("the store is throttling")]
    Throttled,
    /// No answer in time, a broken connection, or an error on the store's side.
    #[error("the store does not answer")]
    Unavailable,
    /// The request itself was refused, with the store's code: a retry changes nothing.
    #[error("the store refused the request: {0}")]
    Refused(String),
    /// An item does not have the form that this build writes.
    #[error("a stored item has a malformed {0}")]
    Malformed(&'static str),
}

impl StoreError {
    /// True if a retry may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable)
    }

    /// True if the store refuses this one item: no retry stores it, and the failure says nothing about any other.
    pub fn is_of_item(&self) -> bool {
        match self {
            Self::Refused(code) => CODES_OF_ITEMS.contains(&code.as_str()),
            Self::Malformed(_) => true,
            Self::Throttled | Self::Unavailable => false,
        }
    }

    /// Returns a short name, for logs and metric labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed",
        }
    }
}

/// The code of an item beyond 400 KB, which DynamoDB does not tell apart from other invalid ones.
const TOO_LARGE: &str = "ItemTooLarge";
/// Codes that say something about an item, and nothing about the table, the account, or its rights.
const CODES_OF_ITEMS: [&str; 7] = [
    "ConstructionFailure",
    "ItemCollectionSizeLimitExceeded",
    "ItemCollectionSizeLimitExceededException",
    "SerializationException",
    TOO_LARGE,
    "ValidationError",
    "ValidationException",
];

impl<E> From<SdkError<E, HttpResponse>> for StoreError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let kind = match &error {
            SdkError::ConstructionFailure(_) => Self::Refused("ConstructionFailure".to_owned()),
            SdkError::ServiceError(failure) => {
                let is_too_large = failure.err().message().is_some_and(|message| message.contains("Item size"));
                match failure.err().code().unwrap_or("unknown") {
                    "ValidationException" if is_too_large => Self::Refused(TOO_LARGE.to_owned()),
                    code => of_code(code, failure.raw().status().as_u16()),
                }
            }
            _ => Self::Unavailable,
        };
        tracing::debug!(kind = kind.kind(), error = %DisplayErrorContext(&error), "a call to the store failed");
        kind
    }
}

fn of_code(code: &str, status: u16) -> StoreError {
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => StoreError::Throttled,
        "InternalServerError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "TransactionConflictException"
        | "TransactionCanceledException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException" => StoreError::Unavailable,
        _ if status >= 500 => StoreError::Unavailable,
        _ => StoreError::Refused(code.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_retryable() {
        for (code, status, retryable) in [
            ("ProvisionedThroughputExceededException", 400, true),
            ("ThrottlingException", 400, true),
            ("InternalServerError", 500, true),
            ("unknown", 503, true),
            ("ValidationException", 400, false),
            ("ResourceNotFoundException", 400, false),
            ("AccessDeniedException", 400, false),
        ] {
            assert_eq!(of_code(code, status).is_retryable(), retryable, "{code}");
        }
    }

    #[test]
    fn only_what_is_said_of_an_item_is_of_it() {
        for (code, is_of_item) in [
            ("ValidationException", true),
            ("ItemCollectionSizeLimitExceededException", true),
            ("AccessDeniedException", false),
            ("ResourceNotFoundException", false),
            ("ExpiredTokenException", false),
            ("ThrottlingException", false),
        ] {
            assert_eq!(of_code(code, 400).is_of_item(), is_of_item, "{code}");
        }
    }
}
