//! The addresses of the node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use http::HeaderName;
use rts_common::config::{Environment, Secret};

use super::identity::SECRET_BYTES_MIN;

/// Addresses of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// `RTS_LISTEN`: the address for clients. Default `0.0.0.0:8080`.
    pub public: SocketAddr,
    /// `RTS_ADVERTISE`: the address at which other nodes reach this one, to forward requests that belong here. Default:
    /// `RTS_LISTEN`; where that is every address of the machine, the one from which it reaches others.
    pub advertise: SocketAddr,
    /// `RTS_ADMIN_LISTEN`: the address for metrics and drains; must not be reachable from outside. Default
    /// `127.0.0.1:9080`.
    pub admin: SocketAddr,
    /// `RTS_ADMIN_SECRET`: the bearer with which drains and revocations are accepted from elsewhere than the machine
    /// itself, at least 32 bytes. Default: none, and nobody else is accepted.
    pub admin_secret: Option<Secret>,
    /// `RTS_CLIENT_ADDRESS_HEADER`: the header in which the balancer in front gives the client's address, such as
    /// `x-forwarded-for`; only where nobody else can reach the node. Default: none, the socket's address is used.
    pub client_address_header: Option<HeaderName>,
}

impl ListenConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        const FORM: &str = "an address and port like 0.0.0.0:8080";
        let public = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080));
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, 9080));
        let public = environment.parsed("RTS_LISTEN", public, FORM);
        let advertise = environment.parsed("RTS_ADVERTISE", reachable(public), FORM);
        if advertise.ip().is_unspecified() {
            environment.problem("RTS_ADVERTISE", "is no address that others could reach");
        }
        let client_address_header = environment.text("RTS_CLIENT_ADDRESS_HEADER").and_then(|name| {
            let header = name.parse().ok();
            if header.is_none() {
                environment.problem("RTS_CLIENT_ADDRESS_HEADER", "is not the name of a header");
            }
            header
        });
        let admin = environment.parsed("RTS_ADMIN_LISTEN", admin, FORM);
        let admin_secret = environment.text("RTS_ADMIN_SECRET").map(Secret::new);
        if admin_secret.as_ref().is_some_and(|secret| secret.expose().len() < SECRET_BYTES_MIN) {
            environment.problem("RTS_ADMIN_SECRET", &format!("is too short: at least {SECRET_BYTES_MIN} bytes"));
        }
        Self { public, advertise, admin, admin_secret, client_address_header }
    }
}

/// Returns an address for other nodes. Connecting a UDP socket sends nothing, and shows which address of the machine is
/// used for outgoing traffic.
fn reachable(listen: SocketAddr) -> SocketAddr {
    const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 255, 255, 255), 9);
    if !listen.ip().is_unspecified() {
        return listen;
    }
    let own = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(ANYWHERE)?;
        socket.local_addr()
    });
    let ip = own.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip());
    SocketAddr::new(ip, listen.port())
}
