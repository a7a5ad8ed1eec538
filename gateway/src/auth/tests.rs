//! Tokens that are accepted, and many that are not.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::jwks::KeySet;
use super::*;
use crate::config::KeySource;
use crate::test_support::identity;

fn now() -> u64 {
    Timestamp::now().millis() / 1000
}

fn good_claims() -> Value {
    json!({"iss": "issuer", "aud": "audience", "exp": now() + 60, "sub": "ann", "org": "acme", "name": "Ann"})
}

fn signed(claims: &Value, algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}

fn by_secret(claims: &Value) -> String {
    let secret = identity().connection_secret;
    signed(claims, Algorithm::HS256, None, &EncodingKey::from_secret(secret.expose().as_bytes()))
}

/// An issuer's key pair.
struct Issuer {
    key: EncodingKey,
    public: Vec<u8>,
    pem: String,
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

fn ed25519() -> Issuer {
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let public = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
    Issuer {
        key: EncodingKey::from_ed_der(pair.as_ref()),
        public: public.public_key().as_ref().to_vec(),
        pem: pem(public.public_key().as_der().unwrap().as_ref()),
    }
}

fn p256() -> Issuer {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let public = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref()).unwrap();
    Issuer {
        key: EncodingKey::from_ec_der(pair.as_ref()),
        public: public.public_key().as_ref().to_vec(),
        pem: pem(public.public_key().as_der().unwrap().as_ref()),
    }
}

fn jwk(kid: &str, issuer: &Issuer) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": URL_SAFE_NO_PAD.encode(&issuer.public)})
}

async fn check(config: &IdentityConfig, token: &str) -> Result<Identity, AuthError> {
    Authenticator::new(config).unwrap().authenticate(token).await
}

#[tokio::test]
async fn a_valid_token_gives_the_user_and_its_expiry() {
    let identity = check(&identity(), &by_secret(&good_claims())).await.unwrap();
    assert_eq!(identity.person, crate::test_support::person("acme", "ann"));
    assert_eq!(identity.display_name, "Ann");
    let left = identity.expires - Instant::now();
    assert!((Duration::from_secs(58)..=Duration::from_mins(1)).contains(&left), "{left:?}");
}

#[tokio::test]
async fn claims_that_are_missing_or_wrong_are_refused() {
    let now = now();
    for (claim, value, fault) in [
        ("exp", json!(now - 6), TokenFault::Expired),
        ("exp", Value::Null, TokenFault::MissingClaim),
        ("exp", json!("tomorrow"), TokenFault::MissingClaim),
        ("nbf", json!(now + 30), TokenFault::NotYetValid),
        ("nbf", json!("tomorrow"), TokenFault::Malformed),
        ("iss", json!("another"), TokenFault::Issuer),
        ("iss", Value::Null, TokenFault::MissingClaim),
        ("aud", json!("another"), TokenFault::Audience),
        ("aud", json!(["another", "yet another"]), TokenFault::Audience),
        ("aud", Value::Null, TokenFault::MissingClaim),
        ("sub", Value::Null, TokenFault::User),
        ("sub", json!(7), TokenFault::User),
        ("sub", json!(""), TokenFault::User),
        ("org", Value::Null, TokenFault::Organization),
        ("org", json!("a\u{0}b"), TokenFault::Organization),
    ] {
        let mut claims = good_claims();
        claims[claim] = value.clone();
        let result = check(&identity(), &by_secret(&claims)).await;
        assert_eq!(result, Err(AuthError::Refused(fault)), "{claim} {value}");
    }
}

#[tokio::test]
async fn clocks_may_be_five_seconds_apart_and_other_values_vary() {
    let now = now();
    for (claim, value) in [
        ("exp", json!(now - 3)),
        ("exp", json!(1e15)),
        ("nbf", json!(now + 3)),
        ("aud", json!(["another", "audience"])),
        ("name", Value::Null),
        ("name", json!(7)),
        ("name", json!("x".repeat(1000))),
        ("name", json!("\u{202E}\u{200B}")),
    ] {
        let mut claims = good_claims();
        claims[claim] = value.clone();
        let identity = check(&identity(), &by_secret(&claims)).await.unwrap_or_else(|e| panic!("{claim} {value}: {e}"));
        assert!((1..=120).contains(&identity.display_name.len()));
    }
    let mut claims = good_claims();
    claims["name"] = json!("Ann\u{202E} Lee\u{200B}");
    assert_eq!(check(&identity(), &by_secret(&claims)).await.unwrap().display_name, "Ann Lee");
}

#[tokio::test]
async fn claims_can_have_other_names() {
    let config = IdentityConfig { user_claim: "uid".to_owned(), org_claim: "tenant".to_owned(), ..identity() };
    let mut claims = good_claims();
    assert!(check(&config, &by_secret(&claims)).await.is_err());
    (claims["uid"], claims["tenant"]) = (json!("bob"), json!("other"));
    assert_eq!(check(&config, &by_secret(&claims)).await.unwrap().person, crate::test_support::person("other", "bob"));
}

#[tokio::test]
async fn tokens_signed_by_other_keys_or_algorithms_are_refused() {
    let secret = identity().connection_secret;
    let hmac = EncodingKey::from_secret(secret.expose().as_bytes());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&good_claims()));
    let good = by_secret(&good_claims());
    for token in [
        unsigned,
        signed(&good_claims(), Algorithm::HS384, None, &hmac),
        signed(&good_claims(), Algorithm::HS256, None, &EncodingKey::from_secret(b"another secret")),
        signed(&good_claims(), Algorithm::EdDSA, None, &ed25519().key),
        good[..good.len() - 4].to_owned(),
        format!("{good}.x"),
        String::new(),
        "a.b.c".to_owned(),
        "x".repeat(100_000),
    ] {
        assert!(matches!(check(&identity(), &token).await, Err(AuthError::Refused(_))), "{token}");
    }
}

/// A file that is deleted after the test.
struct KeyFile(PathBuf);

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _gone_already = std::fs::remove_file(&self.0);
    }
}

fn key_file(text: &str) -> (KeyFile, IdentityConfig) {
    let path = std::env::temp_dir().join(format!("rts-key-{}.pem", uuid::Uuid::new_v4()));
    std::fs::write(&path, text).unwrap();
    let config = IdentityConfig { keys: KeySource::File(path.clone()), ..identity() };
    (KeyFile(path), config)
}

#[tokio::test]
async fn a_key_file_is_valid_for_the_algorithm_of_its_key_only() {
    for (issuer, algorithm) in [(ed25519(), Algorithm::EdDSA), (p256(), Algorithm::ES256)] {
        let (_file, config) = key_file(&issuer.pem);
        let token = signed(&good_claims(), algorithm, Some("any"), &issuer.key);
        assert!(check(&config, &token).await.is_ok(), "{algorithm:?}");
        // The public key is known to all: it must not be accepted as a secret.
        let confused = EncodingKey::from_secret(issuer.pem.as_bytes());
        let token = signed(&good_claims(), Algorithm::HS256, None, &confused);
        assert_eq!(check(&config, &token).await, Err(AuthError::Refused(TokenFault::Algorithm)));
        assert!(check(&config, &by_secret(&good_claims())).await.is_err());
    }
    let (_file, config) = key_file("no key");
    assert!(matches!(Authenticator::new(&config), Err(KeyError::Unsupported)));
}

/// A server of a key set that the test can change.
struct KeyServer {
    url: String,
    answer: Arc<Mutex<(http::StatusCode, String)>>,
    fetches: Arc<AtomicUsize>,
}

impl KeyServer {
    async fn start() -> Self {
        let answer = Arc::new(Mutex::new((http::StatusCode::OK, String::new())));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (answers, counter) = (Arc::clone(&answer), Arc::clone(&fetches));
        let router = Router::new().route(
            "/keys",
            get(async move || {
                counter.fetch_add(1, Ordering::Relaxed);
                answers.lock().unwrap().clone()
            }),
        );
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let lifecycle = crate::lifecycle::Lifecycle::new();
        tokio::spawn(crate::http::serve(listener, router, lifecycle, crate::http::Arrivals::of_admin()));
        Self { url, answer, fetches }
    }

    fn serve(&self, status: u16, keys: &[Value]) {
        *self.answer.lock().unwrap() = (http::StatusCode::from_u16(status).unwrap(), json!({"keys": keys}).to_string());
    }

    fn authenticator(&self, refetch_min: Duration) -> Authenticator {
        self.trusting_for(Duration::from_hours(1), refetch_min)
    }

    fn trusting_for(&self, age_max: Duration, refetch_min: Duration) -> Authenticator {
        Authenticator {
            keys: Keys::Set(Box::new(KeySet::with_times(&self.url, refetch_min, age_max).unwrap())),
            ..Authenticator::new(&identity()).unwrap()
        }
    }
}

#[tokio::test]
async fn a_key_set_is_fetched_once_and_again_when_it_is_rotated() {
    let server = KeyServer::start().await;
    let (old, new) = (ed25519(), ed25519());
    let token = |kid, issuer: &Issuer| signed(&good_claims(), Algorithm::EdDSA, kid, &issuer.key);
    let authenticator = server.authenticator(Duration::ZERO);

    server.serve(500, &[]);
    assert_eq!(authenticator.authenticate(&token(Some("old"), &old)).await, Err(AuthError::NoKeys));
    // Unknown keys, and secrets, do not spoil the set and are not used.
    let odd = [json!({"kty": "new"}), json!(7), json!({"kty": "oct", "k": "c2VjcmV0", "kid": "s"}), jwk("old", &old)];
    server.serve(200, &odd);
    assert!(authenticator.authenticate(&token(Some("old"), &old)).await.is_ok());
    assert!(authenticator.authenticate(&token(None, &old)).await.is_ok(), "there is only one");
    assert_eq!(server.fetches.load(Ordering::Relaxed), 2, "what is known is not fetched");

    server.serve(200, &[jwk("old", &old), jwk("new", &new)]);
    assert!(authenticator.authenticate(&token(Some("new"), &new)).await.is_ok());
    assert!(authenticator.authenticate(&token(Some("old"), &new)).await.is_err(), "each kid has its key");
    assert!(authenticator.authenticate(&token(None, &new)).await.is_err(), "which one is not told");

    server.serve(503, &[]);
    assert!(authenticator.authenticate(&token(Some("made up"), &new)).await.is_err());
    assert!(authenticator.authenticate(&token(Some("new"), &new)).await.is_ok(), "a failed fetch loses nothing");
}

#[tokio::test]
async fn made_up_keys_do_not_make_many_fetches() {
    let server = KeyServer::start().await;
    let issuer = ed25519();
    server.serve(200, &[jwk("known", &issuer)]);
    let authenticator = server.authenticator(Duration::from_hours(1));
    for number in 0..50 {
        let kid = format!("made up {number}");
        let token = signed(&good_claims(), Algorithm::EdDSA, Some(&kid), &issuer.key);
        assert_eq!(authenticator.authenticate(&token).await, Err(AuthError::Refused(TokenFault::UnknownKey)));
    }
    assert_eq!(server.fetches.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_head_with_critical_extensions_or_of_another_type_is_refused() {
    let secret = identity().connection_secret;
    let signed_with = |head: Value| {
        use hmac::Mac as _;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&head), part(&good_claims()));
        let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.expose().as_bytes()).unwrap();
        let signature = mac.chain_update(&text).finalize().into_bytes();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    for good in [
        json!({"alg": "HS256"}),
        json!({"alg": "HS256", "typ": "at+jwt"}),
        json!({"alg": "HS256", "typ": "application/AT+JWT"}),
    ] {
        assert!(check(&identity(), &signed_with(good.clone())).await.is_ok(), "{good}");
    }
    for bad in [
        json!({"alg": "HS256", "crit": ["exp"]}),
        json!({"alg": "HS256", "crit": []}),
        json!({"alg": "HS256", "typ": "logout+jwt"}),
        json!({"alg": "HS256", "typ": 7}),
        json!({"alg": "HS256", "typ": ""}),
    ] {
        assert!(matches!(check(&identity(), &signed_with(bad.clone())).await, Err(AuthError::Refused(_))), "{bad}");
    }
}

#[tokio::test]
async fn a_service_is_who_has_its_scope_as_a_word() {
    for (scope, expected) in [
        (json!("openid rts:service"), true),
        (json!(["rts:service"]), true),
        (json!("rts:services"), false),
        (json!("rts:service-not"), false),
        (json!({"rts:service": true}), false),
        (Value::Null, false),
    ] {
        let mut claims = good_claims();
        claims["scope"] = scope.clone();
        assert_eq!(check(&identity(), &by_secret(&claims)).await.unwrap().is_service, expected, "{scope}");
    }
}

#[tokio::test]
async fn a_withdrawn_key_is_not_good_for_longer_than_a_set_lasts() {
    let server = KeyServer::start().await;
    let issuer = ed25519();
    let token = signed(&good_claims(), Algorithm::EdDSA, Some("key"), &issuer.key);
    server.serve(200, &[jwk("key", &issuer)]);
    let authenticator = server.trusting_for(Duration::from_millis(300), Duration::ZERO);
    assert!(authenticator.authenticate(&token).await.is_ok());
    server.serve(503, &[]);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(authenticator.authenticate(&token).await, Err(AuthError::NoKeys), "an outage lets nobody in");
    server.serve(200, &[jwk("key", &issuer)]);
    assert!(authenticator.authenticate(&token).await.is_ok(), "its end does");

    // The issuer withdraws all keys: a node that fetches the set has none.
    server.serve(200, &[]);
    let made_up = signed(&good_claims(), Algorithm::EdDSA, Some("other"), &issuer.key);
    assert_eq!(authenticator.authenticate(&made_up).await, Err(AuthError::NoKeys));
    assert_eq!(authenticator.authenticate(&token).await, Err(AuthError::NoKeys));
}
