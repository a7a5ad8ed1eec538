//! The mark of a request that another node forwarded: its time, and an HMAC of that and the request with the secret
//! that all nodes share.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use http::{HeaderValue, Method, Uri};
use rts_common::config::Secret;
use rts_common::seq::Timestamp;
use sha2::Sha256;

/// The header of the mark.
pub(super) const HOP: &str = "rts-hop";
/// The greatest age of a mark, and difference of clocks.
const LIFE: Duration = Duration::from_secs(30);
/// Keeps marks and connection tokens, which have the same secret, apart.
const PURPOSE: &str = "hop";

pub(super) struct HopSigner(Hmac<Sha256>);

impl HopSigner {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(Hmac::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length"))
    }

    /// Returns the mark of a request.
    pub(super) fn sign(&self, method: &Method, uri: &Uri, now: Timestamp) -> HeaderValue {
        let millis = now.millis();
        let signature = self.mac(method, uri, millis).finalize().into_bytes();
        let mark = format!("{millis}.{}", URL_SAFE_NO_PAD.encode(signature));
        HeaderValue::try_from(mark).expect("digits and base64url")
    }

    /// True if a node made the mark for this request, and it is recent.
    pub(super) fn is_good(&self, mark: &HeaderValue, method: &Method, uri: &Uri, now: Timestamp) -> bool {
        let parts = mark.to_str().ok().and_then(|mark| mark.split_once('.'));
        let Some((millis, signature)) = parts else { return false };
        let Ok(millis) = millis.parse::<u64>() else { return false };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        u128::from(now.millis().abs_diff(millis)) <= LIFE.as_millis()
            && self.mac(method, uri, millis).verify_slice(&signature).is_ok()
    }

    fn mac(&self, method: &Method, uri: &Uri, millis: u64) -> Hmac<Sha256> {
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        self.0.clone().chain_update(format!("{PURPOSE}\n{millis}\n{method}\n{target}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_valid_for_its_request_and_a_short_time_and_cannot_be_forged() {
        let (ours, theirs) = (HopSigner::new(&Secret::new("ours")), HopSigner::new(&Secret::new("theirs")));
        let (uri, other) = (Uri::from_static("/hubs/chat?id=a"), Uri::from_static("/hubs/chat?id=b"));
        let at = |seconds: u64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000);
        let mark = ours.sign(&Method::GET, &uri, at(100));
        assert!(ours.is_good(&mark, &Method::GET, &uri, at(100)));
        assert!(ours.is_good(&mark, &Method::GET, &uri, at(70)), "clocks differ");
        assert!(!ours.is_good(&mark, &Method::GET, &uri, at(131)));
        assert!(!ours.is_good(&mark, &Method::POST, &uri, at(100)));
        assert!(!ours.is_good(&mark, &Method::GET, &other, at(100)));
        assert!(!theirs.is_good(&mark, &Method::GET, &uri, at(100)));
        for bad in ["", ".", "1.x", "x.AAAA", "1700000100000."] {
            assert!(!ours.is_good(&HeaderValue::from_static(bad), &Method::GET, &uri, at(100)), "{bad}");
        }
    }
}
