//! What operators learn of refused tokens: a count by reason, and now and then a line of the log.

use std::sync::atomic::{AtomicU64, Ordering};

use rts_common::seq::Timestamp;

use crate::metrics::{self, TokenFault};

/// Seconds between two lines about the same reason: someone who tries tokens must not fill the log.
const LINE_INTERVAL_SECONDS: u64 = 10;

/// The lines about each reason.
static LINES: [Lines; TokenFault::LABELS.len()] = [const { Lines::new() }; TokenFault::LABELS.len()];

struct Lines {
    last_seconds: AtomicU64,
    skipped: AtomicU64,
}

/// Counts a refused token; its first one within ten seconds is written to the log, without any part of it.
pub(crate) fn note(fault: TokenFault) {
    metrics::token_refused(fault);
    let now_seconds = Timestamp::now().millis() / 1000;
    if let Some(skipped) = LINES[fault as usize].due(now_seconds) {
        tracing::info!(reason = fault.label(), skipped, "a token was refused: {}", fault.sentence());
    }
}

impl Lines {
    const fn new() -> Self {
        Self { last_seconds: AtomicU64::new(0), skipped: AtomicU64::new(0) }
    }

    /// Returns the number of lines that were left out, if it is time for another.
    fn due(&self, now_seconds: u64) -> Option<u64> {
        let last = self.last_seconds.load(Ordering::Relaxed);
        let is_due = now_seconds.saturating_sub(last) >= LINE_INTERVAL_SECONDS
            && self.last_seconds.compare_exchange(last, now_seconds, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_due {
            return Some(self.skipped.swap(0, Ordering::Relaxed));
        }
        self.skipped.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl TokenFault {
    /// Returns a sentence for the client and the log.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "there is no token",
            Self::TooLong => "the token is longer than 8 KiB",
            Self::Malformed => "the token is no JSON Web Token, or a claim has a wrong type",
            Self::Extension => "the token has an extension that has to be understood (crit)",
            Self::Kind => "the token is not one for access (typ)",
            Self::Algorithm => "the token is signed with another algorithm than the server's keys",
            Self::UnknownKey => "the token is signed with a key that the server does not know",
            Self::Signature => "the signature is not valid",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "the token is not valid yet (nbf)",
            Self::Issuer => "the issuer (iss) is another one",
            Self::Audience => "the audience (aud) is another one",
            Self::MissingClaim => "one of the claims exp, iss and aud is missing or has a wrong type",
            Self::User => "the claim of the user's id is missing, or is no text of 1 to 128 bytes",
            Self::Organization => "the claim of the organization's id is missing, or is no text of 1 to 128 bytes",
            Self::Node => "the request has the mark of another node, and it is not valid",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_gets_one_line_in_ten_seconds_and_the_number_of_the_others() {
        let lines = Lines::new();
        let due: Vec<_> = [100, 101, 109, 110, 125].into_iter().map(|now| lines.due(now)).collect();
        assert_eq!(due, [Some(0), None, None, Some(2), Some(0)]);
    }
}
