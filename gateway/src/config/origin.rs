//! Origins of web pages.

use std::fmt;
use std::net::IpAddr;

/// An origin, normalized: lower case, without the default port of its scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    /// Host, and port if it is not the scheme's default.
    authority: String,
}

impl Origin {
    /// Parses `scheme://host[:port]` of http or https, nothing more; not `*`, not `null`.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let has_form =
            !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b));
        if !has_form || !matches!(scheme.as_str(), "http" | "https") {
            return None;
        }
        Some(Self { authority: without_own_port(&scheme, authority), scheme })
    }

    /// True if its host is this machine: `localhost`, or an address on loopback.
    pub fn is_loopback(&self) -> bool {
        let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, port)| {
            // A colon inside an IPv6 address is not one before a port.
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { self.authority.as_str() }
        });
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// True if it is the origin of a host as the `Host` header names it, over http or https.
    pub fn is_of_host(&self, host: &str) -> bool {
        without_own_port(&self.scheme, host) == self.authority
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

fn without_own_port(scheme: &str, authority: &str) -> String {
    let own_port = if scheme == "https" { ":443" } else { ":80" };
    authority.strip_suffix(own_port).unwrap_or(authority).to_ascii_lowercase()
}
