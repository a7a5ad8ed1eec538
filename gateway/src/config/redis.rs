//! The servers of Redis.

use rts_common::config::Environment;
use rts_common::redis::RedisServers;

/// Redis, alone or as a cluster.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `RTS_REDIS_URL`: one URL, or several of a cluster's nodes with commas between them. Required.
    /// `None` only while other variables are still being read.
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
