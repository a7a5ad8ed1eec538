//! The web app over real sockets.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::Origin;
use crate::config::{OidcConfig, WebSignIn};
use crate::test_support::{TestNode, identity};

const SCRIPT: &str = "/main-B36OSIK6.js";

/// A built app in a temporary directory, with a file beside it that must not be served.
struct Built(PathBuf);

impl Built {
    fn new() -> Self {
        let parent = std::env::temp_dir().join(format!("rts-web-{}", uuid::Uuid::new_v4()));
        let root = parent.join("app");
        fs::create_dir_all(root.join("media")).unwrap();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        write("index.html", "<!doctype html><rts-app></rts-app>");
        write("config.json", "{\"auth\":{\"kind\":\"planted\"}}");
        write("main-B36OSIK6.js", "console.log('as it is');");
        write("main-B36OSIK6.js.br", "brotli");
        write("main-B36OSIK6.js.gz", "gzipped!");
        write("icon.svg", "<svg/>");
        write("icon.svg.gz", "larger than the file itself");
        write("media/note.txt", "note");
        write(".secret", "hidden");
        write("livez", "shadow");
        fs::write(parent.join("secret.txt"), "outside").unwrap();
        std::os::unix::fs::symlink(parent.join("secret.txt"), root.join("link.txt")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("circle")).unwrap();
        Self(root)
    }

    fn web(&self) -> WebConfig {
        WebConfig { root: Some(self.0.clone()), ..WebConfig::default() }
    }

    fn site(&self) -> Site {
        Site::load(&self.web(), &identity(), Some("https://files.example")).unwrap().unwrap()
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap_or(Path::new("/nowhere")));
    }
}

/// Returns status, head and body of an answer.
async fn ask(node: &TestNode, method: &str, path: &str, more: &str) -> (u16, HeaderMap, String) {
    let answer = node.request(&format!("{method} {path} HTTP/1.1\r\nhost: chat{more}"), "").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let headers =
        pairs.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()));
    (status, headers.collect(), body.to_owned())
}

#[tokio::test]
async fn the_page_has_its_policy_and_is_revalidated() {
    let built = Built::new();
    let node = TestNode::start_with_site(built.site()).await;
    for path in ["/", "/index.html", "/?x=1"] {
        let (status, headers, body) = ask(&node, "GET", path, "").await;
        assert_eq!((status, body.contains("<rts-app>")), (200, true), "{path}");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(
            (&headers["x-content-type-options"], &headers["referrer-policy"]),
            (&HeaderValue::from_static("nosniff"), &HeaderValue::from_static("no-referrer"))
        );
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains("connect-src 'self' https://files.example;"), "{policy}");
        assert!(policy.contains("img-src 'self' blob: data: https://files.example;"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    let (_, headers, _) = ask(&node, "GET", "/", "").await;
    let etag = headers["etag"].to_str().unwrap();
    for known in [etag, &format!("W/{etag}"), &format!("\"other\", {etag}"), "*"] {
        let (status, headers, body) = ask(&node, "GET", "/", &format!("\r\nif-none-match: {known}")).await;
        assert_eq!((status, body.as_str(), &headers["etag"]), (304, "", &HeaderValue::from_str(etag).unwrap()));
    }
    assert_eq!(ask(&node, "GET", "/", "\r\nif-none-match: \"other\"").await.0, 200);
}

#[tokio::test]
async fn hashed_files_are_cached_forever_in_the_accepted_encoding() {
    let built = Built::new();
    let node = TestNode::start_with_site(built.site()).await;
    for (accepted, encoding, expected) in [
        ("gzip, deflate, br", Some("br"), "brotli"),
        ("gzip;q=0.5, BR;q=0", Some("gzip"), "gzipped!"),
        ("identity", None, "console.log('as it is');"),
        ("", None, "console.log('as it is');"),
    ] {
        let (status, headers, body) = ask(&node, "GET", SCRIPT, &format!("\r\naccept-encoding: {accepted}")).await;
        assert_eq!((status, body.as_str()), (200, expected), "{accepted}");
        assert_eq!(headers.get("content-encoding").map(|value| value.to_str().unwrap()), encoding);
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(headers["content-type"], "text/javascript; charset=utf-8");
        assert_eq!(headers["vary"], "accept-encoding");
        assert!(!headers.contains_key("content-security-policy"));
    }
    let etag = async |accepted: &str| {
        ask(&node, "GET", SCRIPT, &format!("\r\naccept-encoding: {accepted}")).await.1["etag"].clone()
    };
    assert_ne!(etag("br").await, etag("gzip").await, "another form is another entity");
    let (status, headers, body) = ask(&node, "GET", "/icon.svg", "\r\naccept-encoding: gzip").await;
    assert_eq!((status, body.as_str(), headers.contains_key("content-encoding")), (200, "<svg/>", false));
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(ask(&node, "GET", "/media/note.txt", "").await.2, "note");
}

#[tokio::test]
async fn only_get_and_head_are_served_and_nothing_outside_the_directory() {
    let built = Built::new();
    let node = TestNode::start_with_site(built.site()).await;
    let (status, headers, body) = ask(&node, "HEAD", SCRIPT, "").await;
    assert_eq!((status, body.as_str(), &headers["content-length"]), (200, "", &HeaderValue::from(24)));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let (status, headers, _) = ask(&node, method, "/", "").await;
        assert_eq!((status, &headers["allow"]), (405, &HeaderValue::from_static("GET, HEAD")), "{method}");
    }
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/media/../../secret.txt",
        "/link.txt",
        "/circle/index.html",
        "//etc/passwd",
        "/.secret",
        "/main-B36OSIK6.js.br",
        "/media",
        "/media/",
        "/nothing",
        "/hubs",
        "/hubs/other",
    ] {
        let (status, _, body) = ask(&node, "GET", path, "").await;
        assert_eq!((status, body.as_str()), (404, ""), "{path}");
    }
    // A file never replaces the gateway's routes.
    assert_eq!(ask(&node, "GET", "/livez", "").await.2, "live");
    assert_eq!(ask(&node, "GET", "/hubs/chat", "").await.0, 401);
    assert_eq!(ask(&node, "GET", "/readyz", "").await.0, 503, "the app says nothing about readiness");
    assert_eq!(ask(&node, "GET", "/dev/token", "").await.0, 405);
}

#[tokio::test]
async fn without_a_directory_nothing_is_served() {
    let node = TestNode::start(crate::test_support::settings()).await;
    assert_eq!((ask(&node, "GET", "/", "").await.0, ask(&node, "POST", "/x", "").await.0), (404, 404));
    assert!(Site::load(&WebConfig::default(), &identity(), None).unwrap().is_none());
    let gone = WebConfig { root: Some(PathBuf::from("/no/such/directory")), ..WebConfig::default() };
    assert!(matches!(Site::load(&gone, &identity(), None), Err(SiteError::File(..))));
}

#[tokio::test]
async fn config_json_comes_from_the_gateway_and_not_from_the_directory() {
    let built = Built::new();
    let config = async |web: WebConfig, identity: &IdentityConfig| {
        let node = TestNode::start_with_site(Site::load(&web, identity, None).unwrap().unwrap()).await;
        let (_, headers, body) = ask(&node, "GET", "/config.json", "").await;
        assert_eq!(
            (&headers["content-type"], &headers["cache-control"]),
            (&HeaderValue::from_static("application/json"), &HeaderValue::from_static("no-cache"))
        );
        let policy = ask(&node, "GET", "/", "").await.1["content-security-policy"].to_str().unwrap().to_owned();
        (serde_json::from_str::<serde_json::Value>(&body).unwrap(), policy)
    };
    let production = IdentityConfig { dev_login: None, org_claim: "tenant".to_owned(), ..identity() };
    let (dev, _) = config(built.web(), &identity()).await;
    assert_eq!((&dev["auth"]["kind"], &dev["claims"]["org"]), (&"dev".into(), &"org".into()));

    let host = WebSignIn::Host(Origin::parse("https://portal.example").unwrap());
    let (host, policy) = config(WebConfig { sign_in: Some(host), ..built.web() }, &production).await;
    assert_eq!(host["auth"], serde_json::json!({ "kind": "host", "origin": "https://portal.example" }));
    assert_eq!(host["claims"]["org"], "tenant");
    assert!(policy.contains("frame-ancestors https://portal.example;"), "{policy}");

    let oidc = WebSignIn::Oidc(OidcConfig {
        issuer: "https://id.example/realms/one".to_owned(),
        origin: Origin::parse("https://id.example").unwrap(),
        client_id: "rts".to_owned(),
        scope: "openid profile".to_owned(),
        token: "access_token".to_owned(),
    });
    let tokens = vec![Origin::parse("https://tokens.example").unwrap()];
    let web = WebConfig { sign_in: Some(oidc), connect_origins: tokens, ..built.web() };
    let (oidc, policy) = config(web, &production).await;
    assert_eq!((&oidc["auth"]["kind"], &oidc["auth"]["clientId"]), (&"oidc".into(), &"rts".into()));
    assert_eq!(oidc["auth"]["issuer"], "https://id.example/realms/one");
    assert!(policy.contains("connect-src 'self' https://id.example https://tokens.example;"), "{policy}");

    let (neither, _) = config(built.web(), &production).await;
    assert_eq!(neither["auth"], serde_json::json!({ "kind": "host" }));
}
