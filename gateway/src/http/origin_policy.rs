//! The origins of web pages that may connect.

use http::{HeaderMap, header};

use crate::config::Origin;

/// The allow-list.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    allowed: Vec<Origin>,
    /// Pages of the developer's own machine may connect.
    allows_loopback: bool,
}

/// The origin of a request, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OriginCheck {
    /// Not a web page: there is no `Origin`.
    NotAPage,
    /// A page that may connect.
    Allowed,
    /// A page that may not connect.
    Foreign,
}

impl OriginPolicy {
    /// Allows these origins, besides the server's own.
    pub fn new(allowed: Vec<Origin>) -> Self {
        Self { allowed, allows_loopback: false }
    }

    /// Allows pages on loopback, too, at any port: where the dev login gives tokens to anyone, a front end that is being
    /// developed has nothing to fear from other pages of the same machine.
    #[must_use]
    pub fn with_loopback(self, allows_loopback: bool) -> Self {
        Self { allows_loopback, ..self }
    }

    /// Checks the origin of a request with these headers. The server's own origin is the one whose host is the
    /// request's; a balancer keeps `Host`, and may have terminated TLS.
    pub(super) fn check(&self, headers: &HeaderMap) -> OriginCheck {
        let Some(value) = headers.get(header::ORIGIN) else { return OriginCheck::NotAPage };
        let Some(origin) = value.to_str().ok().and_then(Origin::parse) else { return OriginCheck::Foreign };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_own = host.is_some_and(|host| origin.is_of_host(host));
        let is_allowed = is_own || self.allowed.contains(&origin) || (self.allows_loopback && origin.is_loopback());
        if is_allowed { OriginCheck::Allowed } else { OriginCheck::Foreign }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(origin: Option<&str>, host: &str) -> OriginCheck {
        let policy = OriginPolicy::new(vec![Origin::parse("https://App.example.com:443").unwrap()]);
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        policy.check(&headers)
    }

    #[test]
    fn own_and_listed_origins_are_allowed_and_no_others() {
        let chat = "chat.example.com";
        assert_eq!(standing(None, chat), OriginCheck::NotAPage);
        for allowed in ["https://app.example.com", "https://chat.example.com", "http://chat.example.com:80"] {
            assert_eq!(standing(Some(allowed), chat), OriginCheck::Allowed, "{allowed}");
        }
        for foreign in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.example",
            "https://evil.example",
            "https://chat.example.com:444",
            "null",
            "",
            "file://",
        ] {
            assert_eq!(standing(Some(foreign), chat), OriginCheck::Foreign, "{foreign}");
        }
        assert_eq!(standing(Some("http://127.0.0.1:8080"), "127.0.0.1:8080"), OriginCheck::Allowed);
        assert_eq!(standing(Some("https://chat.example.com"), "chat.example.com:443"), OriginCheck::Allowed);
    }

    #[test]
    fn with_the_dev_login_pages_on_loopback_are_allowed() {
        let check = |policy: &OriginPolicy, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:8080".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            policy.check(&headers)
        };
        let (with, without) = (OriginPolicy::default().with_loopback(true), OriginPolicy::default());
        for origin in ["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:3000", "https://localhost"] {
            assert_eq!(check(&with, origin), OriginCheck::Allowed, "{origin}");
            assert_eq!(check(&without, origin), OriginCheck::Foreign, "{origin}");
        }
        for origin in ["http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://10.0.0.1", "null"] {
            assert_eq!(check(&with, origin), OriginCheck::Foreign, "{origin}");
        }
    }

    #[test]
    fn invalid_origins_are_refused() {
        for text in ["*", "null", "example.com", "https://", "https://a/b", "https://a b", "ftp://a", "https://u@a"] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
