//! Where Redis is.

use rts_common::config::Environment;
use rts_common::redis::RedisServers;

/// Redis, alone or as a cluster.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `RTS_REDIS_URL`: one URL, or several of a cluster's nodes with commas between them; `rediss://` for TLS. Required.
    /// `RTS_REDIS_CA_FILE`: the authorities that vouch for its certificates, in PEM. Default: the system's.
    /// `RTS_REDIS_ALLOW_PLAIN_PASSWORD`: lets a password go without TLS beyond loopback. Default: false.
    /// `None` only while other variables are still read.
    servers: Option<RedisServers>,
}

impl RedisConfig {
    /// The servers.
    pub fn servers(&self) -> &RedisServers {
        self.servers.as_ref().expect("a configuration without Redis was refused")
    }

    pub(super) fn read(environment: &mut Environment) -> Self {
        let _ = environment.required("RTS_REDIS_URL", "one Redis URL, or those of a cluster with commas");
        Self { servers: RedisServers::read(environment) }
    }
}
