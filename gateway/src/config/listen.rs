//! Where the node listens.

use std::net::{Ipv4Addr, SocketAddr};

use rts_common::config::Environment;

/// Addresses of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// `RTS_LISTEN`: for clients. Default `0.0.0.0:8080`.
    pub public: SocketAddr,
    /// `RTS_ADMIN_LISTEN`: for metrics and drains; not to be reached from outside. Default
    /// `127.0.0.1:9080`.
    pub admin: SocketAddr,
}

impl ListenConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        const FORM: &str = "an address and port like 0.0.0.0:8080";
        let public = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080));
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, 9080));
        Self {
            public: environment.parsed("RTS_LISTEN", public, FORM),
            admin: environment.parsed("RTS_ADMIN_LISTEN", admin, FORM),
        }
    }
}
