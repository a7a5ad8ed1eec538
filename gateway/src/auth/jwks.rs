//! A key set by URL: cached, and fetched again at intervals and when a token names a key that is not in it.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, header};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::AuthError;
use super::keys::{Key, KeyError};
use crate::fetch::{FetchError, Fetcher};
use crate::metrics::{self, TokenFault};

/// A key that was removed from the set is accepted for this long at most.
const REFRESH: Duration = Duration::from_mins(5);
/// The greatest age of a set: when it could not be fetched for that long, a key that was withdrawn meanwhile might be in
/// it, and nobody is let in.
const AGE_MAX: Duration = Duration::from_hours(1);
/// Interval of retries while the set is older than [`REFRESH`].
const RETRY_OLD: Duration = Duration::from_secs(20);
/// The least time between fetches that unknown key ids cause.
const REFETCH_MIN: Duration = Duration::from_secs(10);
/// Interval of retries while there are no keys at all: nobody can sign in then.
const RETRY: Duration = Duration::from_secs(2);
/// Keys of a set; those beyond are ignored.
const KEYS_MAX: usize = 100;

/// The key set of a URL.
pub(super) struct KeySet {
    fetcher: Fetcher,
    url: String,
    refetch_min: Duration,
    age_max: Duration,
    keys: RwLock<Fetched>,
    /// The time of the last fetch; locked while fetching, so that one fetch serves all waiters.
    last_try: Mutex<Option<Instant>>,
}

/// The set as it was fetched last.
#[derive(Clone, Debug, Default)]
struct Fetched {
    keys: Arc<Vec<NamedKey>>,
    at: Option<Instant>,
}

#[derive(Debug)]
struct NamedKey {
    kid: Option<String>,
    key: Key,
}

impl KeySet {
    /// Returns the empty key set of a URL; fetches nothing yet.
    pub(super) fn new(url: &str) -> Result<Self, KeyError> {
        Self::with_times(url, REFETCH_MIN, AGE_MAX)
    }

    pub(super) fn with_times(url: &str, refetch_min: Duration, age_max: Duration) -> Result<Self, KeyError> {
        Ok(Self {
            fetcher: Fetcher::new().map_err(KeyError::NoCertificates)?,
            url: url.to_owned(),
            refetch_min,
            age_max,
            keys: RwLock::default(),
            last_try: Mutex::default(),
        })
    }

    /// Fetches the set at intervals, forever.
    pub(super) async fn keep_fresh(&self) {
        loop {
            self.refetch(Duration::ZERO).await;
            let age = self.age();
            metrics::token_keys_age(age);
            let pause = match age {
                Some(age) if age < REFRESH && !self.snapshot().is_empty() => REFRESH,
                Some(age) if age < self.age_max && !self.snapshot().is_empty() => RETRY_OLD,
                _ => RETRY,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns the key of a `kid`; without one, the only key of the algorithm.
    pub(super) async fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Result<Key, AuthError> {
        if let Some(key) = pick(&self.snapshot(), algorithm, kid) {
            return Ok(key);
        }
        // The keys may have been rotated.
        self.refetch(self.refetch_min).await;
        let keys = self.snapshot();
        if keys.is_empty() {
            return Err(AuthError::NoKeys);
        }
        pick(&keys, algorithm, kid).ok_or(AuthError::Refused(TokenFault::UnknownKey))
    }

    /// Returns the keys, or none if they are too old to be trusted.
    fn snapshot(&self) -> Arc<Vec<NamedKey>> {
        let fetched = self.fetched();
        if fetched.at.is_some_and(|at| at.elapsed() < self.age_max) { fetched.keys } else { Arc::default() }
    }

    /// Returns the time since the set was fetched; `None` if it never was.
    fn age(&self) -> Option<Duration> {
        self.fetched().at.map(|at| at.elapsed())
    }

    fn fetched(&self) -> Fetched {
        self.keys.read().expect("no holder of this lock panics").clone()
    }

    async fn fetch(&self) -> Result<Bytes, FetchError> {
        let request = Request::get(&self.url).header(header::ACCEPT, "application/json").body(Body::empty())?;
        self.fetcher.fetch(request).await
    }

    /// Fetches the set, unless that was tried shortly before. If it fails, the keys are kept until they are too old.
    async fn refetch(&self, at_most_every: Duration) {
        let mut last_try = self.last_try.lock().await;
        if last_try.is_some_and(|at| at.elapsed() < at_most_every) {
            return;
        }
        let fetched = self.fetch().await;
        *last_try = Some(Instant::now());
        match fetched.map_err(|error| error.to_string()).and_then(|body| parse(&body)) {
            Ok(keys) => {
                if keys.is_empty() {
                    tracing::error!("the key set is empty: nobody can sign in");
                }
                let fetched = Fetched { keys: Arc::new(keys), at: *last_try };
                *self.keys.write().expect("no holder of this lock panics") = fetched;
            }
            Err(error) => tracing::warn!(error, "failed to fetch the key set; keeping the keys"),
        }
    }
}

fn pick(keys: &[NamedKey], algorithm: Algorithm, kid: Option<&str>) -> Option<Key> {
    let mut fitting = keys.iter().filter(|key| key.key.algorithm == algorithm);
    match kid {
        Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)).map(|key| key.key.clone()),
        None => match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(only.key.clone()),
            _ => None,
        },
    }
}

/// Returns the usable keys of a set; an unknown one does not spoil the others.
fn parse(body: &[u8]) -> Result<Vec<NamedKey>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|_| "it is no key set".to_owned())?;
    let keys: Vec<_> = set
        .keys
        .into_iter()
        .take(KEYS_MAX)
        .filter_map(|key| serde_json::from_value(key).ok())
        .filter_map(|key| usable(&key))
        .collect();
    // A set without a key is one whose keys were all withdrawn.
    Ok(keys)
}

/// Returns a public signature key of a supported kind. Secrets have no place in a public set.
fn usable(jwk: &Jwk) -> Option<NamedKey> {
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|stated| stated != name) {
        return None;
    }
    let key = Arc::new(DecodingKey::from_jwk(jwk).ok()?);
    Some(NamedKey { kid: jwk.common.key_id.clone(), key: Key { algorithm, key } })
}
