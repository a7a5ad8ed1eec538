//! The keys that check tokens. Each is valid for one algorithm only: with a choice, an attacker could have a public key
//! used as an HMAC secret.

use std::path::Path;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey};

use super::AuthError;
use super::jwks::KeySet;
use crate::config::KeySource;
use crate::metrics::TokenFault;

/// An error of a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("RTS_JWT_KEY_FILE cannot be read")]
    Unreadable(#[from] std::io::Error),
    /// It holds no public key of a supported kind.
    #[error("RTS_JWT_KEY_FILE holds no RSA, P-256 or Ed25519 public key in PEM")]
    Unsupported,
    /// The system's certificates cannot be read.
    #[error("no certificates to check the RTS_JWKS_URL's server with")]
    NoCertificates(#[source] std::io::Error),
}

/// A key and the one algorithm that it is valid for.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: Arc<DecodingKey>,
}

pub(super) enum Keys {
    /// The key of a secret or a file; the token's `kid` does not matter.
    One(Key),
    /// Keys by `kid`.
    Set(Box<KeySet>),
}

impl Keys {
    pub(super) fn new(source: &KeySource) -> Result<Self, KeyError> {
        Ok(match source {
            KeySource::Secret(secret) => Self::One(Key {
                algorithm: Algorithm::HS256,
                key: Arc::new(DecodingKey::from_secret(secret.expose().as_bytes())),
            }),
            KeySource::File(path) => Self::One(read(path)?),
            KeySource::Url(url) => Self::Set(Box::new(KeySet::new(url)?)),
        })
    }

    pub(super) async fn keep_fresh(&self) {
        match self {
            Self::One(_) => std::future::pending().await,
            Self::Set(set) => set.keep_fresh().await,
        }
    }

    /// Returns the key for a token with this algorithm and `kid`.
    pub(super) async fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<Arc<DecodingKey>, AuthError> {
        let key = match self {
            Self::One(key) => key.clone(),
            Self::Set(set) => set.find(algorithm, kid).await?,
        };
        if key.algorithm == algorithm { Ok(key.key) } else { Err(AuthError::Refused(TokenFault::Algorithm)) }
    }
}

fn read(path: &Path) -> Result<Key, KeyError> {
    let pem = std::fs::read(path)?;
    let kinds = [
        (Algorithm::RS256, DecodingKey::from_rsa_pem(&pem)),
        (Algorithm::ES256, DecodingKey::from_ec_pem(&pem)),
        (Algorithm::EdDSA, DecodingKey::from_ed_pem(&pem)),
    ];
    kinds
        .into_iter()
        .find_map(|(algorithm, key)| Some(Key { algorithm, key: Arc::new(key.ok()?) }))
        .ok_or(KeyError::Unsupported)
}
