//! The targets of connections, and their local addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, bail};
use rts_common::tls;
use rustls_pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;

use super::link::Socket;

/// Connections from one source address before the next is used: the ephemeral ports of one address
/// (28,231 by default) must also hold those in `TIME_WAIT`.
const CONNECTIONS_PER_SOURCE: usize = 20_000;

/// A node or a balancer, by its base URL.
#[derive(Clone)]
pub struct Target {
    /// The address to connect to.
    pub address: SocketAddr,
    /// The value of the `Host` header.
    pub authority: String,
    /// The URL's path before the hub's path, without a trailing slash.
    pub base_path: String,
    /// How TLS is spoken to it, and the name that its certificate has to have.
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{} at {}", self.authority, self.base_path, self.address)
    }
}

impl Target {
    /// Resolves `http://host[:port][/path]`, or `https://…`; there, the authorities of a PEM file are trusted, or those of
    /// the system.
    pub async fn resolve(url: &str, authorities_pem: Option<&[u8]>) -> anyhow::Result<Self> {
        let (is_tls, authority, base_path) = split(url)?;
        let port = if is_tls { 443 } else { 80 };
        let with_port = if has_port(authority) { authority.to_owned() } else { format!("{authority}:{port}") };
        let tls = if is_tls {
            let config = tls::client_config(authorities_pem).context("the authorities of the certificate")?;
            let name = ServerName::try_from(host(authority)).with_context(|| format!("{url} names no host"))?;
            Some((TlsConnector::from(Arc::new(config)), name.to_owned()))
        } else {
            None
        };
        let mut found =
            tokio::net::lookup_host(&with_port).await.with_context(|| format!("cannot resolve {with_port}"))?;
        Ok(Self {
            address: found.next().with_context(|| format!("{with_port} has no address"))?,
            authority: authority.to_owned(),
            base_path: base_path.to_owned(),
            tls,
        })
    }

    /// Connects, from `source` if one is given.
    pub(crate) async fn connect(&self, source: Option<IpAddr>) -> std::io::Result<Socket> {
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Either::Left(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Ok(Either::Right(Box::new(stream)))
            }
        }
    }
}

/// Splits a URL: true for TLS, the authority, the path.
fn split(url: &str) -> anyhow::Result<(bool, &str, &str)> {
    let (is_tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => bail!("a target is http[s]://host[:port][/path], not {url:?}"),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if authority.is_empty() || authority.contains('@') {
        bail!("a target is http[s]://host[:port][/path], not {url:?}");
    }
    Ok((is_tls, authority, path.trim_end_matches('/')))
}

/// Returns the name or the address in an authority.
fn host(authority: &str) -> &str {
    let host =
        if has_port(authority) { authority.rsplit_once(':').map_or(authority, |(host, _)| host) } else { authority };
    host.trim_matches(['[', ']'])
}

fn has_port(authority: &str) -> bool {
    let after_address = authority.rsplit(']').next().unwrap_or(authority);
    after_address.contains(':')
}

/// The local addresses among which connections are distributed.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<IpAddr>);

impl Sources {
    /// Uses exactly these, in turn; none means that the system chooses.
    pub fn fixed(addresses: Vec<IpAddr>) -> Self {
        Self(addresses)
    }

    /// Uses as many addresses of the loopback net as `connections` need, if the target is on it; otherwise the system
    /// chooses.
    pub fn for_load(connections: usize, targets: &[Target]) -> Self {
        let on_loopback = targets.iter().all(|target| target.address.is_ipv4() && target.address.ip().is_loopback());
        let needed = connections.div_ceil(CONNECTIONS_PER_SOURCE);
        if !on_loopback || needed <= 1 {
            return Self::default();
        }
        let hosts = 2..=u8::try_from(needed + 1).unwrap_or(u8::MAX);
        Self(hosts.map(|host| IpAddr::V4(Ipv4Addr::new(127, 0, 0, host))).collect())
    }

    /// Returns the address of connection `index`.
    pub(crate) fn pick(&self, index: usize) -> Option<IpAddr> {
        (!self.0.is_empty()).then(|| self.0[index % self.0.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_become_targets() {
        let target = Target::resolve("http://127.0.0.1:8081/base/", None).await.unwrap();
        assert_eq!(target.address.to_string(), "127.0.0.1:8081");
        assert_eq!(target.authority, "127.0.0.1:8081");
        assert_eq!(target.base_path, "/base");
        let plain = Target::resolve("http://127.0.0.1", None).await.unwrap();
        assert_eq!(plain.address.port(), 80);
        let six = Target::resolve("http://[::1]:9", None).await.unwrap();
        assert_eq!(six.address.port(), 9);
        let six = Target::resolve("https://[::1]", None).await.unwrap();
        assert_eq!((six.address.port(), format!("{six:?}").as_str()), (443, "https://[::1] at [::1]:443"));
        assert!(Target::resolve("https://127.0.0.1", Some(b"no certificate")).await.is_err());
        for bad in ["127.0.0.1:80", "ws://127.0.0.1", "http://", "https://", "http://a@b"] {
            assert!(Target::resolve(bad, None).await.is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn many_connections_use_many_loopback_addresses() {
        let targets = [Target::resolve("http://127.0.0.1:1", None).await.unwrap()];
        assert_eq!(Sources::for_load(20_000, &targets).pick(7), None);
        let sources = Sources::for_load(45_000, &targets);
        let picked: Vec<_> = (0..4).filter_map(|i| sources.pick(i)).collect();
        let expected = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.2"];
        assert_eq!(picked, expected.map(|a| a.parse::<IpAddr>().unwrap()));
    }
}
