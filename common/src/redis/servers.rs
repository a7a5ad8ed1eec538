//! The address of Redis and the way to it: one server or the nodes of a cluster, in the clear or over TLS.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates};
use rustls::ClientConfig;

use crate::config::Environment;
use crate::tls::{self, NoAuthorities};

const URL: &str = "RTS_REDIS_URL";
const CA_FILE: &str = "RTS_REDIS_CA_FILE";
const ALLOW_PLAIN_PASSWORD: &str = "RTS_REDIS_ALLOW_PLAIN_PASSWORD";

/// A server that cannot be used as it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisServersError {
    /// No URL, or one that is not Redis's.
    #[error("is not a list of URLs like redis://host:6379 or rediss://host:6379")]
    Url,
    /// Some servers with TLS, some without.
    #[error("names servers with TLS and servers without")]
    Mixed,
    /// The name of the server would not be checked.
    #[error("must not turn off the check of the server's name (#insecure)")]
    Insecure,
    /// A password would cross a network in the clear.
    #[error("has a password and no TLS: use rediss://, or set RTS_REDIS_ALLOW_PLAIN_PASSWORD")]
    PlainPassword,
    /// The file of authorities holds no certificate.
    #[error("is not a file of certificates in PEM")]
    Authorities,
    /// Authorities are named for servers without TLS.
    #[error("is set, and the URL of Redis has no TLS: use rediss://")]
    NoTls,
}

/// Trust and secrets that stand beside the URLs.
#[derive(Clone, Debug, Default)]
pub struct RedisTrust {
    /// The certificates of the authorities that vouch for the servers, in PEM. Without them, the system's authorities.
    pub authorities_pem: Option<Vec<u8>>,
    /// Lets a password cross a network in the clear.
    pub allows_plain_password: bool,
}

/// One server, or the nodes of a cluster.
#[derive(Clone)]
pub struct RedisServers {
    nodes: Vec<ConnectionInfo>,
    tls: Option<Arc<ClientConfig>>,
}

/// Shows where they are, and neither user nor password.
impl fmt::Debug for RedisServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.nodes.iter().map(|node| node.addr().to_string());
        f.debug_struct("RedisServers").field("nodes", &addresses.collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

impl RedisServers {
    /// Reads one URL, or several with commas between them for a cluster, for servers on a network of one's own.
    pub fn parse(urls: &str) -> Result<Self, RedisServersError> {
        Self::trusting(urls, &RedisTrust::default())
    }

    /// Reads one URL, or several with commas between them for a cluster. RESP3 and `TCP_NODELAY` are set.
    pub fn trusting(urls: &str, trust: &RedisTrust) -> Result<Self, RedisServersError> {
        let urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
        let mut nodes = urls.map(node).collect::<Result<Vec<_>, _>>()?;
        let with_tls = nodes.iter().filter(|node| is_tls(node)).count();
        if nodes.is_empty() || (with_tls > 0 && with_tls < nodes.len()) {
            return Err(if nodes.is_empty() { RedisServersError::Url } else { RedisServersError::Mixed });
        }
        // Nodes of a cluster name each other, by any address: only a single server is known to be on loopback.
        let is_alone = nodes.len() == 1;
        if !trust.allows_plain_password && nodes.iter().any(|node| tells_password(node, is_alone)) {
            return Err(RedisServersError::PlainPassword);
        }
        if with_tls == 0 {
            if trust.authorities_pem.is_some() {
                return Err(RedisServersError::NoTls);
            }
            return Ok(Self { nodes, tls: None });
        }
        let config = Arc::new(
            tls::client_config(trust.authorities_pem.as_deref())
                .map_err(|NoAuthorities| RedisServersError::Authorities)?,
        );
        if let Some(pem) = &trust.authorities_pem {
            for node in &mut nodes {
                *node = trusting(node.clone(), pem)?;
            }
        }
        Ok(Self { nodes, tls: Some(config) })
    }

    /// Reads `RTS_REDIS_URL`, `RTS_REDIS_CA_FILE` and `RTS_REDIS_ALLOW_PLAIN_PASSWORD`; `None` if there is no URL, or
    /// what is wrong was noted. What is noted never quotes a URL: it may hold a password.
    pub fn read(environment: &mut Environment) -> Option<Self> {
        let allows_plain_password = environment.flag(ALLOW_PLAIN_PASSWORD, false);
        let Ok(authorities_pem) = environment.text(CA_FILE).map(std::fs::read).transpose() else {
            environment.problem(CA_FILE, "cannot be read");
            return None;
        };
        let urls = environment.text(URL)?;
        let trust = RedisTrust { authorities_pem, allows_plain_password };
        Self::trusting(&urls, &trust)
            .inspect_err(|error| {
                let is_of_file = matches!(error, RedisServersError::Authorities | RedisServersError::NoTls);
                let name = if is_of_file { CA_FILE } else { URL };
                environment.problem(name, &error.to_string());
            })
            .ok()
    }

    /// Returns the nodes, each ready for a connection.
    pub fn nodes(&self) -> &[ConnectionInfo] {
        &self.nodes
    }

    /// True if several were named.
    pub fn is_cluster(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Returns how TLS is spoken to them, for connections of one's own; `None` if it is not.
    pub fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }
}

/// Sets `TCP_NODELAY`, which the library leaves off.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn node(url: &str) -> Result<ConnectionInfo, RedisServersError> {
    let info = url.into_connection_info().map_err(|_| RedisServersError::Url)?;
    match info.addr() {
        ConnectionAddr::Tcp(..) | ConnectionAddr::TcpTls { insecure: false, .. } => {}
        ConnectionAddr::TcpTls { .. } => return Err(RedisServersError::Insecure),
        _ => return Err(RedisServersError::Url),
    }
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp_settings()))
}

fn is_tls(node: &ConnectionInfo) -> bool {
    matches!(node.addr(), ConnectionAddr::TcpTls { .. })
}

/// True if a password would cross a network in the clear.
fn tells_password(node: &ConnectionInfo, is_alone: bool) -> bool {
    match node.addr() {
        ConnectionAddr::Tcp(host, _) => node.redis_settings().password().is_some() && !(is_alone && is_loopback(host)),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Has the library trust these authorities alone.
fn trusting(node: ConnectionInfo, pem: &[u8]) -> Result<ConnectionInfo, RedisServersError> {
    let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.to_vec()) };
    let client = redis::Client::build_with_tls(node, certificates).map_err(|_| RedisServersError::Authorities)?;
    Ok(client.get_connection_info().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(urls: &str) -> Option<RedisServersError> {
        RedisServers::parse(urls).err()
    }

    #[test]
    fn servers_are_named_by_urls_of_one_kind() {
        assert_eq!(error("redis://127.0.0.1:6379"), None);
        assert_eq!(error("redis://a:1, redis://b:2"), None);
        assert_eq!(error("rediss://a:1"), None);
        for bad in ["", " , ", "localhost", "http://a", "redis+unix:///tmp/x", "unix:///tmp/x"] {
            assert_eq!(error(bad), Some(RedisServersError::Url), "{bad}");
        }
        assert_eq!(error("redis://a:1,rediss://b:2"), Some(RedisServersError::Mixed));
        assert_eq!(error("rediss://a:1/#insecure"), Some(RedisServersError::Insecure));
    }

    #[test]
    fn a_password_crosses_no_network_in_the_clear() {
        for good in
            ["redis://:p@127.0.0.1", "redis://u:p@localhost:1", "redis://:p@[::1]:2", "rediss://u:p@redis.example"]
        {
            assert_eq!(error(good), None, "{good}");
        }
        assert_eq!(error("redis://u:p@redis.example"), Some(RedisServersError::PlainPassword));
        let cluster = "redis://u:p@127.0.0.1:1,redis://u:p@127.0.0.1:2";
        assert_eq!(error(cluster), Some(RedisServersError::PlainPassword), "its nodes may be anywhere");
        let trust = RedisTrust { allows_plain_password: true, ..RedisTrust::default() };
        for allowed in ["redis://u:p@redis.example", cluster] {
            assert!(RedisServers::trusting(allowed, &trust).is_ok());
        }
    }

    #[test]
    fn authorities_are_certificates_and_nothing_shows_a_password() {
        let trust = |pem: &str| RedisTrust { authorities_pem: Some(pem.into()), ..RedisTrust::default() };
        let found = RedisServers::trusting("rediss://a", &trust("no certificate"));
        assert_eq!(found.err(), Some(RedisServersError::Authorities));
        let found = RedisServers::trusting("redis://a", &trust("no certificate"));
        assert_eq!(found.err(), Some(RedisServersError::NoTls));
        let shown = format!("{:?}", RedisServers::parse("rediss://ann:hunter2@redis.example:1").unwrap());
        assert!(shown.contains("redis.example:1") && !shown.contains("hunter2") && !shown.contains("ann"), "{shown}");
    }
}
