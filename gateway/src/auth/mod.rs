//! Authentication: checks JSON Web Tokens.
//!
//! Tokens are never logged, nor is any part of them.

mod fetch;
mod jwks;
mod keys;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, decode, decode_header, encode};
use rts_common::config::Secret;
use rts_common::display_name;
use rts_common::ids::{OrgId, Person, UserId};
use rts_common::limits::NAME_CHARS;
use rts_common::seq::Timestamp;
use serde_json::{Map, Value, json};

use self::keys::Keys;
use crate::config::IdentityConfig;
use crate::connection::Principal;

pub use self::keys::KeyError;

/// The greatest difference between the clocks of the issuer and the node.
const LEEWAY_SECONDS: u64 = 5;
/// The greatest length of a token: a longer one comes from no sane issuer, and fits in no request's head.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest life of a connection before a new token is required, however late the token expires.
const LIFE_MAX: Duration = Duration::from_hours(10 * 365 * 24);

/// Checks tokens.
pub struct Authenticator {
    keys: Keys,
    issuer: String,
    audience: String,
    user_claim: String,
    org_claim: String,
    name_claim: String,
}

/// The content of a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's user.
    pub person: Person,
    /// The name shown to others: the user's id if the token has none.
    pub display_name: String,
    /// Its `exp`, on this process's clock.
    pub expires: Instant,
}

impl Identity {
    /// Returns the user, without the token's expiry.
    pub fn into_principal(self) -> Principal {
        Principal { person: self.person, display_name: self.display_name }
    }
}

/// The reason why a request is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no token, or an invalid one; the label names the error.
    #[error("the token is not accepted: {0}")]
    Refused(&'static str),
    /// The keys to check it with were not fetched yet.
    #[error("no keys to check tokens with")]
    NoKeys,
}

impl Authenticator {
    /// Reads the key file, or starts without keys until [`Self::keep_keys_fresh`] fetches them.
    pub fn new(config: &IdentityConfig) -> Result<Self, KeyError> {
        Ok(Self {
            keys: Keys::new(&config.keys)?,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            user_claim: config.user_claim.clone(),
            org_claim: config.org_claim.clone(),
            name_claim: config.name_claim.clone(),
        })
    }

    /// Fetches a key set at intervals. Never returns.
    pub async fn keep_keys_fresh(&self) {
        self.keys.keep_fresh().await;
    }

    /// Checks a token: a signature by an allowed algorithm of a known key, `iss`, `aud`, `exp`, `nbf` if there is one,
    /// and the claims that name the user.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, AuthError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AuthError::Refused("too long"));
        }
        // Also refuses `none`, and everything else that is not a signature.
        let header = decode_header(token).map_err(|_| AuthError::Refused("malformed"))?;
        let key = self.keys.find(header.alg, header.kid.as_deref()).await?;
        let validation = self.validation(header.alg);
        let claims = decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|error| AuthError::Refused(label(error.kind())))?
            .claims;
        self.identity(&claims)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        // Without this, a token without `iss` or `aud` would pass.
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }

    fn identity(&self, claims: &Map<String, Value>) -> Result<Identity, AuthError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let user = text(&self.user_claim).and_then(|user| UserId::parse(user).ok());
        let org = text(&self.org_claim).and_then(|org| OrgId::parse(org).ok());
        let user = user.ok_or(AuthError::Refused("no user"))?;
        let org = org.ok_or(AuthError::Refused("no organization"))?;
        let seconds = claims.get("exp").and_then(Value::as_f64).ok_or(AuthError::Refused("no exp"))?;
        Ok(Identity {
            display_name: display_name::of_person(text(&self.name_claim).unwrap_or_default(), NAME_CHARS, &user),
            person: Person { org, user },
            expires: instant(seconds),
        })
    }
}

/// A moment in seconds since the Unix epoch, on the monotonic clock; what has passed is now.
fn instant(seconds: f64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::try_from_secs_f64(seconds - now.as_secs_f64()).unwrap_or_default();
    Instant::now() + left.min(LIFE_MAX)
}

fn label(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::ExpiredSignature => "expired",
        ErrorKind::ImmatureSignature => "not yet valid",
        ErrorKind::InvalidSignature => "signature",
        ErrorKind::InvalidIssuer => "issuer",
        ErrorKind::InvalidAudience => "audience",
        ErrorKind::InvalidAlgorithm => "algorithm",
        ErrorKind::MissingRequiredClaim(_) => "missing claim",
        _ => "malformed",
    }
}

/// Issues tokens to anyone: for development only.
pub struct DevTokens {
    key: EncodingKey,
    config: IdentityConfig,
}

impl DevTokens {
    /// Returns an issuer that signs with the secret that the same configuration checks tokens with.
    pub fn new(secret: &Secret, config: IdentityConfig) -> Self {
        Self { key: EncodingKey::from_secret(secret.expose().as_bytes()), config }
    }

    /// Returns a token and its expiry.
    pub fn issue(&self, person: &Person, name: Option<&str>, life: Duration) -> (String, Timestamp) {
        let now = Timestamp::now().millis() / 1000;
        let expires = now + life.as_secs();
        let mut claims = json!({
            "iss": self.config.issuer, "aud": self.config.audience, "iat": now, "exp": expires,
        });
        claims[&self.config.user_claim] = person.user.as_str().into();
        claims[&self.config.org_claim] = person.org.as_str().into();
        if let Some(name) = name {
            claims[&self.config.name_claim] = name.into();
        }
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .expect("a map of texts and numbers is JSON, and HMAC takes any key");
        (token, Timestamp::from_millis(expires * 1000))
    }
}
