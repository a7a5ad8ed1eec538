//! Authentication: checks JSON Web Tokens.
//!
//! Tokens are never logged, nor is any part of them.

mod jwks;
mod keys;
pub(crate) mod refusals;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, decode, decode_header, encode};
use rts_common::display_name;
use rts_common::ids::{OrgId, Person, UserId};
use rts_common::limits::NAME_CHARS;
use rts_common::seq::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::keys::Keys;
use crate::config::{DevLogin, IdentityConfig};
use crate::connection::Principal;
use crate::metrics::TokenFault;

pub use self::keys::KeyError;

/// The greatest difference between the clocks of the issuer and the node.
const LEEWAY_SECONDS: u64 = 5;
/// The greatest length of a token: a longer one comes from no sane issuer, and fits in no request's head.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest life of a connection before a new token is required, however late the token expires.
const LIFE_MAX: Duration = Duration::from_hours(10 * 365 * 24);

/// The word in the claim `scope` that makes a token a service's.
const SERVICE_SCOPE: &str = "rts:service";

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
    /// True if its `scope` is a service's.
    pub is_service: bool,
    /// Its `iat`, in seconds since the Unix epoch.
    pub issued_at: Option<u64>,
    /// Its `exp`, on this process's clock.
    pub expires: Instant,
}

impl Identity {
    /// Returns the user, without the token's expiry.
    pub fn into_principal(self) -> Principal {
        let Self { person, display_name, is_service, issued_at, expires: _ } = self;
        Principal { person, display_name, is_service, issued_at }
    }
}

/// The reason why a request is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no token, or an invalid one.
    #[error("the token is not accepted: {}", .0.label())]
    Refused(TokenFault),
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
            return Err(AuthError::Refused(TokenFault::TooLong));
        }
        check_head(token)?;
        // Also refuses `none`, and everything else that is not a signature.
        let header = decode_header(token).map_err(|_| AuthError::Refused(TokenFault::Malformed))?;
        let key = self.keys.find(header.alg, header.kid.as_deref()).await?;
        let validation = self.validation(header.alg);
        let claims = decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|error| AuthError::Refused(fault(error.kind())))?
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
        let user = user.ok_or(AuthError::Refused(TokenFault::User))?;
        let org = org.ok_or(AuthError::Refused(TokenFault::Organization))?;
        let seconds = claims.get("exp").and_then(Value::as_f64).ok_or(AuthError::Refused(TokenFault::MissingClaim))?;
        Ok(Identity {
            display_name: display_name::of_person(text(&self.name_claim).unwrap_or_default(), NAME_CHARS, &user),
            person: Person { org, user },
            issued_at: claims.get("iat").and_then(Value::as_f64).map(whole_seconds),
            is_service: claims.get("scope").is_some_and(has_service_scope),
            expires: instant(seconds),
        })
    }
}

/// The second of a moment; one before the epoch is the epoch.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn whole_seconds(moment: f64) -> u64 {
    moment as u64
}

/// True if a `scope`, words with spaces in between (RFC 8693) or a list of them, has the one of services.
fn has_service_scope(scope: &Value) -> bool {
    match scope {
        Value::String(words) => words.split(' ').any(|word| word == SERVICE_SCOPE),
        Value::Array(words) => words.iter().any(|word| word.as_str() == Some(SERVICE_SCOPE)),
        _ => false,
    }
}

/// The parts of a token's head that decide whether it is one of ours to check.
#[derive(Deserialize)]
struct Head {
    crit: Option<Value>,
    typ: Option<Value>,
}

/// Refuses a token that says it must not be accepted by who does not know some extension of it (`crit`, RFC 7515: none
/// is known here), and one that is not for access: a logout token has the same issuer and audience.
fn check_head(token: &str) -> Result<(), AuthError> {
    let head = token.split('.').next().and_then(|head| URL_SAFE_NO_PAD.decode(head).ok());
    let head: Option<Head> = head.and_then(|head| serde_json::from_slice(&head).ok());
    let head = head.ok_or(AuthError::Refused(TokenFault::Malformed))?;
    if head.crit.is_some() {
        return Err(AuthError::Refused(TokenFault::Extension));
    }
    let is_access = |typ: &Value| {
        let name = typ.as_str().unwrap_or_default().to_ascii_lowercase();
        matches!(name.strip_prefix("application/").unwrap_or(&name), "jwt" | "at+jwt")
    };
    if head.typ.as_ref().is_some_and(|typ| !is_access(typ)) {
        return Err(AuthError::Refused(TokenFault::Kind));
    }
    Ok(())
}

/// A moment in seconds since the Unix epoch, on the monotonic clock; what has passed is now.
fn instant(seconds: f64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::try_from_secs_f64(seconds - now.as_secs_f64()).unwrap_or_default();
    Instant::now() + left.min(LIFE_MAX)
}

fn fault(kind: &jsonwebtoken::errors::ErrorKind) -> TokenFault {
    use jsonwebtoken::errors::ErrorKind;
    match kind {
        ErrorKind::ExpiredSignature => TokenFault::Expired,
        ErrorKind::ImmatureSignature => TokenFault::NotYetValid,
        ErrorKind::InvalidSignature => TokenFault::Signature,
        ErrorKind::InvalidIssuer => TokenFault::Issuer,
        ErrorKind::InvalidAudience => TokenFault::Audience,
        ErrorKind::InvalidAlgorithm => TokenFault::Algorithm,
        ErrorKind::MissingRequiredClaim(_) => TokenFault::MissingClaim,
        _ => TokenFault::Malformed,
    }
}

/// Issues tokens to anyone: for development only.
pub struct DevTokens {
    allowed: Vec<IpAddr>,
    key: EncodingKey,
    config: IdentityConfig,
}

impl DevTokens {
    /// Returns an issuer that signs with the secret that the same configuration checks tokens with.
    /// Only the machine itself may ask for tokens, and who reaches it by one of these addresses.
    pub fn new(login: &DevLogin, config: IdentityConfig) -> Self {
        let DevLogin { secret, allowed } = login.clone();
        Self { allowed, key: EncodingKey::from_secret(secret.expose().as_bytes()), config }
    }

    /// Returns the addresses that may ask for tokens, beside the machine itself.
    pub fn allowed(&self) -> &[IpAddr] {
        &self.allowed
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
