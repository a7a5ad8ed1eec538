//! Where the node listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use http::HeaderName;
use rts_common::config::Environment;

/// Addresses of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// `RTS_LISTEN`: for clients. Default `0.0.0.0:8080`.
    pub public: SocketAddr,
    /// `RTS_ADVERTISE`: where the other nodes reach this one, to send requests on that belong here. Default:
    /// `RTS_LISTEN`; where that is every address of the machine, the one that it reaches others from.
    pub advertise: SocketAddr,
    /// `RTS_ADMIN_LISTEN`: for metrics and drains; not to be reached from outside. Default
    /// `127.0.0.1:9080`.
    pub admin: SocketAddr,
    /// `RTS_CLIENT_ADDRESS_HEADER`: where the balancer in front says whose request it is, such as
    /// `x-forwarded-for`; only where nobody else can reach the node. Default: none, the socket says it.
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
        Self { public, advertise, admin, client_address_header }
    }
}

/// An address for others. A UDP socket that is connected sends nothing, and knows which address of the
/// machine is used on the way out.
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
