//! The address of a client, for the limit on its connections.
//!
//! The address is the socket's, or the one in a header of the balancer if the deployment names one: it then has to be
//! one that clients cannot set, so its last entry is used, which the nearest balancer wrote. Loopback is never counted,
//! nor are private addresses of sockets: those belong to a balancer, not to its clients.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderName};

use super::request_error::RequestError;
use crate::metrics::{self, Limit};
use crate::session::{AddressConnection, AddressConnections};

/// The remote address of the socket that a request came over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// True if a proxy says that it passes a request on.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    ["x-forwarded-for", "x-real-ip", "forwarded", "via"].iter().any(|name| headers.contains_key(*name))
}

/// Counts the connections of addresses.
pub struct AddressPolicy {
    connections: Arc<AddressConnections>,
    header: Option<HeaderName>,
}

impl AddressPolicy {
    /// Allows at most `most` connections of one address, which a header gives if one is named.
    pub fn new(most: usize, header: Option<HeaderName>) -> Self {
        Self { connections: AddressConnections::new(most), header }
    }

    /// Counts one more connection; `None` if its address is not counted.
    pub(super) fn open(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Option<AddressConnection>, RequestError> {
        let peer = extensions.get::<Peer>().map(|peer| peer.0.ip());
        let Some(address) = self.counted(headers, peer) else { return Ok(None) };
        self.connections.open(&network(address)).map(Some).ok_or_else(|| {
            metrics::rate_limited(Limit::AddressConnections);
            RequestError::TooMany
        })
    }

    fn counted(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
        match &self.header {
            Some(name) => last_entry(headers, name).or(peer).filter(|address| !address.is_loopback()),
            None => peer.map(|address| address.to_canonical()).filter(is_public),
        }
    }
}

fn last_entry(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let entry = value.rsplit(',').next()?.trim();
    let address = entry.parse().or_else(|_| entry.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

pub(super) fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_private() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unique_local() && !v6.is_unicast_link_local(),
    }
}

/// Returns the network that counts as one address: the owner of one IPv6 address has all of its /64.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (HeaderName::from_static("x-forwarded-for"), value.parse().unwrap())).collect()
    }

    fn peer(address: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(Peer(SocketAddr::new(address.parse().unwrap(), 1234)));
        extensions
    }

    #[test]
    fn public_addresses_are_counted_until_their_connections_end() {
        let policy = AddressPolicy::new(1, None);
        let open = |address| policy.open(&headers(&["203.0.113.9"]), &peer(address));
        let first = open("198.51.100.7").unwrap();
        assert!(first.is_some());
        assert_eq!(open("198.51.100.7").unwrap_err(), RequestError::TooMany);
        assert_eq!(open("::ffff:198.51.100.7").unwrap_err(), RequestError::TooMany);
        assert!(open("198.51.100.8").unwrap().is_some());
        drop(first);
        assert!(open("198.51.100.7").unwrap().is_some());
        let first = open("2001:db8:1::1").unwrap();
        assert_eq!(open("2001:db8:1::2").unwrap_err(), RequestError::TooMany);
        drop(first);
        for free in ["127.0.0.1", "::1", "10.1.2.3", "192.168.1.1", "fd00::1", "169.254.1.1"] {
            assert!(open(free).unwrap().is_none(), "{free}");
        }
    }

    #[test]
    fn a_header_counts_only_where_it_is_named_and_then_its_last_entry() {
        let policy = AddressPolicy::new(1, Some(HeaderName::from_static("x-forwarded-for")));
        let open = |values: &[&str]| policy.open(&headers(values), &peer("10.0.0.1"));
        let _first = open(&["1.1.1.1, 198.51.100.7"]).unwrap().unwrap();
        assert_eq!(open(&["2.2.2.2", "3.3.3.3, 198.51.100.7:443"]).unwrap_err(), RequestError::TooMany);
        assert!(open(&["198.51.100.7, 1.1.1.1"]).unwrap().is_some());
        assert!(open(&["127.0.0.1"]).unwrap().is_none());
        // Without a valid header, the balancer's own address is counted.
        let _balancer = open(&[]).unwrap().unwrap();
        assert_eq!(open(&["nonsense"]).unwrap_err(), RequestError::TooMany);
    }
}
