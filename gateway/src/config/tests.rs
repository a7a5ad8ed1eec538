use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Returns the variables that a gateway requires.
fn least() -> HashMap<&'static str, String> {
    [
        ("RTS_REDIS_URL", "redis://127.0.0.1:6390"),
        ("RTS_ROOM_QUEUE_URL", "http://127.0.0.1:4566/0/chat-room-queue"),
        ("RTS_MESSAGE_QUEUE_URL", "http://127.0.0.1:4566/0/chat-message-queue.fifo"),
        ("RTS_JWT_SECRET", SECRET),
        ("RTS_JWT_ISSUER", "issuer"),
        ("RTS_JWT_AUDIENCE", "audience"),
        ("RTS_CONNECTION_SECRET", SECRET),
        ("RTS_ID_SECRET", SECRET),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

fn read(changes: &[(&'static str, &str)]) -> Result<Config, String> {
    let mut variables = least();
    variables.extend(changes.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let environment = Environment::from_lookup(move |name| variables.get(name).cloned());
    Config::read(environment).map_err(|error| error.to_string())
}

#[test]
fn the_required_variables_suffice_and_no_secret_is_shown() {
    let config = read(&[]).unwrap();
    assert_eq!(config.aws.rooms_table, "chat-rooms");
    assert_eq!(config.limits.body_bytes, 16 * 1024);
    assert!(config.identity.dev_login.is_none());
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn every_missing_variable_is_named_at_once() {
    let error = Config::read(Environment::from_lookup(|_| None)).unwrap_err().to_string();
    for name in least().keys() {
        assert!(error.contains(name), "no {name} in {error}");
    }
}

#[test]
fn wrong_values_are_refused() {
    for (name, value) in [
        ("RTS_LISTEN", "8080"),
        ("RTS_REDIS_URL", "localhost"),
        ("RTS_NODE_ID", "a b"),
        ("RTS_ROOM_QUEUE_URL", "chat-room-queue"),
        ("RTS_JWT_SECRET", "short"),
        ("RTS_CONNECTION_SECRET", "short"),
        ("RTS_ID_SECRET", "0123456789abcdef0123456789abcdef,short"),
        ("RTS_ID_SECRET", "unkeyed"),
        ("RTS_MEMBERS", "all"),
        ("RTS_CASES", "nobody"),
        ("RTS_SESSION_HOURS", "0"),
        ("RTS_ADMIN_SECRET", "short"),
        ("RTS_ALLOWED_ORIGINS", "https://good.example, *"),
        ("RTS_LIMIT_ROOM_MEMBERS", "0"),
        ("RTS_LIMIT_BODY_BYTES", "-1"),
        ("RTS_LIMIT_RECORD_BYTES", "114687"),
        ("RTS_FILES_BUCKET", "my.bucket"),
        ("RTS_ATTACHMENT_TYPES", "image/png, pictures"),
        ("RTS_LIMIT_ATTACHMENT_BYTES", "5368709121"),
        ("RTS_LIMIT_STREAMS", "0"),
        ("RTS_CLIENT_ADDRESS_HEADER", "x forwarded for"),
        ("RTS_DRAIN_SECONDS", "soon"),
        ("RTS_LEAVING_SIGNS", "lifecycle,sigterm"),
        ("RTS_DEV_LOGIN_ALLOW", "everywhere"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert!(error.contains(name), "{name}={value} gave {error}");
    }
}

#[test]
fn there_is_exactly_one_source_of_keys() {
    assert!(read(&[("RTS_JWKS_URL", "https://id.example/keys")]).unwrap_err().contains("exactly one"));
    let only = |name, value| read(&[("RTS_JWT_SECRET", ""), (name, value)]);
    assert!(only("RTS_JWKS_URL", "https://id.example/keys").is_ok());
    assert!(only("RTS_JWKS_URL", "http://127.0.0.1:9/keys").is_ok());
    assert!(only("RTS_JWKS_URL", "http://id.example/keys").is_err());
    assert!(only("RTS_JWT_KEY_FILE", "/no/such/file").is_err());
}

#[test]
fn the_dev_login_stays_on_loopback_unless_allowed() {
    let on = ("RTS_DEV_LOGIN", "true");
    assert!(read(&[on]).unwrap_err().contains("RTS_DEV_LOGIN"), "the default listens everywhere");
    assert!(read(&[on, ("RTS_LISTEN", "127.0.0.1:8080")]).unwrap().identity.dev_login.is_some());
    let inside = ("RTS_LISTEN", "10.0.0.7:8080");
    assert!(read(&[on, inside]).is_err());
    assert!(read(&[on, inside, ("RTS_DEV_LOGIN_ALLOW", "10.0.0.8, 10.0.0.7")]).is_ok());
    let keys = [("RTS_JWT_SECRET", ""), ("RTS_JWKS_URL", "https://id.example/keys")];
    assert!(read(&[on, ("RTS_LISTEN", "127.0.0.1:8080"), keys[0], keys[1]]).is_err());
}

#[test]
fn the_web_app_has_one_way_to_sign_in() {
    let issuer = ("RTS_WEB_OIDC_ISSUER", "https://id.example:8443/realms/one");
    let client = ("RTS_WEB_OIDC_CLIENT_ID", "rts");
    let host = ("RTS_WEB_HOST_ORIGIN", "https://portal.example");
    assert_eq!(read(&[]).unwrap().web, WebConfig::default());
    let Some(WebSignIn::Oidc(oidc)) = read(&[issuer, client]).unwrap().web.sign_in else { panic!("no issuer") };
    assert_eq!((oidc.origin.to_string().as_str(), oidc.scope.as_str()), ("https://id.example:8443", "openid profile"));
    assert!(matches!(read(&[host]).unwrap().web.sign_in, Some(WebSignIn::Host(_))));
    assert!(read(&[issuer, client, host]).unwrap_err().contains("exclude each other"));
    assert!(read(&[issuer]).unwrap_err().contains("RTS_WEB_OIDC_CLIENT_ID"));
    for (name, value) in [
        ("RTS_WEB_OIDC_ISSUER", "http://id.example"),
        ("RTS_WEB_OIDC_TOKEN", "refresh_token"),
        ("RTS_WEB_HOST_ORIGIN", "portal"),
        ("RTS_WEB_CONNECT_ORIGINS", "https://good.example, *"),
        ("RTS_WEB_ROOT", "/no/such/directory"),
    ] {
        assert!(read(&[client, (name, value)]).unwrap_err().contains(name), "{name}={value}");
    }
}

#[test]
fn the_table_lists_the_variables_that_are_read() {
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let environment = Environment::from_lookup({
        let asked = Arc::clone(&asked);
        move |name| {
            asked.lock().unwrap().insert(name.to_owned());
            None
        }
    });
    let _problems = Config::read(environment);
    asked.lock().unwrap().extend(["RTS_LOG".to_owned(), "RTS_LOG_FORMAT".to_owned()]);
    let listed: BTreeSet<_> = VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
    assert_eq!(*asked.lock().unwrap(), listed);
    assert!(VARIABLES.iter().all(|variable| !variable.default.is_empty() && !variable.meaning.is_empty()));
}

#[test]
fn variables_that_do_not_exist_are_named_with_those_that_may_be_meant() {
    let names = ["RTS_LIMIT_ROOM_MEMBER", "RTS_LISTEN", "RTS_SOMETHING_ELSE", "PATH"].map(str::to_owned);
    let expected =
        [("RTS_LIMIT_ROOM_MEMBER".to_owned(), Some("RTS_LIMIT_ROOM_MEMBERS")), ("RTS_SOMETHING_ELSE".to_owned(), None)];
    assert_eq!(unknown(names.into_iter()), expected);
    let help = help();
    assert!(VARIABLES.iter().all(|variable| help.contains(&format!("\n  {} [", variable.name))), "{help}");
}

#[test]
fn the_documentation_has_the_table_of_variables() {
    let page = include_str!("../../../docs/configuration.md");
    assert!(page.contains(&table()), "docs/configuration.md is not this:\n{}", table());
}
