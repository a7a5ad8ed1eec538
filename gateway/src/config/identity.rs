//! Identity: the keys of tokens, the claims that tokens must have, and the login for development.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rts_common::config::{Environment, Secret};
use rts_common::limits;

use super::ListenConfig;
use crate::room_ids::IdSecret;

/// An HMAC key shorter than its hash is weaker than it looks.
pub(super) const SECRET_BYTES_MIN: usize = 32;

/// Secrets of ids at once: each but the first is asked for whenever a room of a pair or a case is made.
const ID_SECRETS_MAX: usize = 3;

/// The source of the keys of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// `RTS_JWT_SECRET`: HS256, at least 32 bytes.
    Secret(Secret),
    /// `RTS_JWT_KEY_FILE`: a PEM file with a public key; RS256, ES256 or `EdDSA` by its kind.
    File(PathBuf),
    /// `RTS_JWKS_URL`: a key set, fetched again when a key is unknown. `https`, or `http` on loopback.
    Url(String),
}

/// The login for development.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevLogin {
    /// The secret that signs the login's tokens, the same that checks them.
    pub secret: Secret,
    /// `RTS_DEV_LOGIN_ALLOW`: addresses by which others than the machine itself may reach it.
    pub allowed: Vec<IpAddr>,
}

/// The configuration of identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityConfig {
    /// Exactly one of `RTS_JWT_SECRET`, `RTS_JWT_KEY_FILE`, `RTS_JWKS_URL`.
    pub keys: KeySource,
    /// `RTS_JWT_ISSUER`: the `iss` that tokens must have. Required.
    pub issuer: String,
    /// `RTS_JWT_AUDIENCE`: the `aud` that tokens must have. Required.
    pub audience: String,
    /// `RTS_JWT_CLAIM_USER`: the claim of the user's id. Default `sub`.
    pub user_claim: String,
    /// `RTS_JWT_CLAIM_ORG`: the claim of the organization's id. Default `org`.
    pub org_claim: String,
    /// `RTS_JWT_CLAIM_NAME`: the claim of the name shown to others. Default `name`.
    pub name_claim: String,
    /// `RTS_CONNECTION_SECRET`: signs connection tokens; the same on all nodes, at least 32 bytes. Required.
    pub connection_secret: Secret,
    /// `RTS_ID_SECRET`: makes the ids of rooms of pairs and cases; the same on all nodes, at least 32 bytes. While it is
    /// replaced, further ones with commas behind the one of new rooms, `unkeyed` for rooms from before it. Required.
    pub id_secrets: Vec<IdSecret>,
    /// `RTS_SESSION_HOURS`: hours after which a session ends, and its client reconnects. Default 24.
    pub session_max: Duration,
    /// `RTS_DEV_LOGIN`: `true` gives tokens to anyone who asks (`POST /dev/token`); only together with
    /// `RTS_JWT_SECRET`, and when `RTS_LISTEN` is a loopback address or one of `RTS_DEV_LOGIN_ALLOW`.
    /// Default `false`.
    pub dev_login: Option<DevLogin>,
}

impl IdentityConfig {
    pub(super) fn read(environment: &mut Environment, listen: &ListenConfig) -> Self {
        let keys = keys(environment);
        let dev_login = dev_login(environment, &keys, listen);
        Self {
            keys,
            issuer: environment.required("RTS_JWT_ISSUER", "the `iss` that tokens must have"),
            audience: environment.required("RTS_JWT_AUDIENCE", "the `aud` that tokens must have"),
            user_claim: claim(environment, "RTS_JWT_CLAIM_USER", "sub"),
            org_claim: claim(environment, "RTS_JWT_CLAIM_ORG", "org"),
            name_claim: claim(environment, "RTS_JWT_CLAIM_NAME", "name"),
            connection_secret: environment.required_secret(
                "RTS_CONNECTION_SECRET",
                "signs connection tokens, the same on all nodes",
                SECRET_BYTES_MIN,
            ),
            id_secrets: id_secrets(environment),
            session_max: Duration::from_secs(60 * 60 * session_hours(environment)),
            dev_login,
        }
    }
}

fn session_hours(environment: &mut Environment) -> u64 {
    const NAME: &str = "RTS_SESSION_HOURS";
    const FORM: &str = "a whole number of hours from 1 to 720";
    let hours = environment.parsed(NAME, limits::SESSION_MAX.as_secs() / 3600, FORM);
    if !(1..=720).contains(&hours) {
        environment.problem(NAME, &format!("is not {FORM}"));
    }
    hours
}

fn id_secrets(environment: &mut Environment) -> Vec<IdSecret> {
    const NAME: &str = "RTS_ID_SECRET";
    let text = environment.required(NAME, "makes the ids of rooms of pairs and cases, the same on all nodes");
    if text.is_empty() {
        return Vec::new();
    }
    let secret = |word: &str| match word {
        "unkeyed" => IdSecret::Unkeyed,
        word => IdSecret::Keyed(Secret::new(word)),
    };
    let secrets: Vec<_> = text.split(',').map(str::trim).map(secret).collect();
    let is_short =
        |secret: &IdSecret| matches!(secret, IdSecret::Keyed(secret) if secret.expose().len() < SECRET_BYTES_MIN);
    if secrets.iter().any(is_short) {
        environment.problem(NAME, &format!("has one that is too short: at least {SECRET_BYTES_MIN} bytes"));
    }
    if secrets.first() == Some(&IdSecret::Unkeyed) {
        environment.problem(NAME, "begins with `unkeyed`: new rooms would have ids that anyone can derive");
    }
    if secrets.len() > ID_SECRETS_MAX {
        environment.problem(NAME, &format!("has more than {ID_SECRETS_MAX}"));
    }
    secrets
}

fn claim(environment: &Environment, name: &str, default: &str) -> String {
    environment.text(name).unwrap_or_else(|| default.to_owned())
}

fn keys(environment: &mut Environment) -> KeySource {
    const NAMES: &str = "RTS_JWT_SECRET, RTS_JWT_KEY_FILE, RTS_JWKS_URL";
    let secret = environment.text("RTS_JWT_SECRET").map(Secret::new);
    let file = environment.text("RTS_JWT_KEY_FILE").map(PathBuf::from);
    let url = environment.text("RTS_JWKS_URL");
    match (secret, file, url) {
        (Some(secret), None, None) => {
            if secret.expose().len() < SECRET_BYTES_MIN {
                environment.problem("RTS_JWT_SECRET", &format!("is too short: at least {SECRET_BYTES_MIN} bytes"));
            }
            KeySource::Secret(secret)
        }
        (None, Some(file), None) => {
            if !file.is_file() {
                environment.problem("RTS_JWT_KEY_FILE", "is not a file that can be read");
            }
            KeySource::File(file)
        }
        (None, None, Some(url)) => {
            if !is_safe_url(&url) {
                environment.problem("RTS_JWKS_URL", "is neither https nor http on loopback");
            }
            KeySource::Url(url)
        }
        (None, None, None) => {
            environment.problem(NAMES, "are all not set: one of them gives the keys of tokens");
            KeySource::Secret(Secret::new(""))
        }
        _ => {
            environment.problem(NAMES, "exclude each other: set exactly one");
            KeySource::Secret(Secret::new(""))
        }
    }
}

/// True if a URL cannot be read or changed on its way: https, or http on loopback.
pub(super) fn is_safe_url(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match url.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_loopback,
        _ => false,
    }
}

fn dev_login(environment: &mut Environment, keys: &KeySource, listen: &ListenConfig) -> Option<DevLogin> {
    let allowed = environment.list("RTS_DEV_LOGIN_ALLOW");
    let allowed: Vec<Option<IpAddr>> = allowed.iter().map(|address| address.parse().ok()).collect();
    if allowed.contains(&None) {
        environment.problem("RTS_DEV_LOGIN_ALLOW", "is not a list of IP addresses");
    }
    if !environment.flag("RTS_DEV_LOGIN", false) {
        return None;
    }
    if !cfg!(feature = "dev-login") {
        environment.problem("RTS_DEV_LOGIN", "is not in this build");
    }
    let address = listen.public.ip();
    if !address.is_loopback() && !allowed.contains(&Some(address)) {
        environment.problem(
            "RTS_DEV_LOGIN",
            "gives tokens to anyone, and RTS_LISTEN is neither loopback nor named in RTS_DEV_LOGIN_ALLOW",
        );
    }
    let KeySource::Secret(secret) = keys else {
        environment.problem("RTS_DEV_LOGIN", "signs tokens with RTS_JWT_SECRET, which is not set");
        return None;
    };
    Some(DevLogin { secret: secret.clone(), allowed: allowed.into_iter().flatten().collect() })
}
