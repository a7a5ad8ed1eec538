//! Where Redis is.

use rts_common::config::Environment;
use rts_common::redis::RedisServers;

/// Redis, alone or as a cluster.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `RTS_REDIS_URL`: one URL, or several of a cluster's nodes with commas between them. Required.
    /// `None` only while other variables are still read.
    servers: Option<RedisServers>,
}

impl RedisConfig {
    /// The servers.
    pub fn servers(&self) -> &RedisServers {
        self.servers.as_ref().expect("a configuration without Redis was refused")
    }

    pub(super) fn read(environment: &mut Environment) -> Self {
        let urls = environment.required("RTS_REDIS_URL", "one Redis URL, or those of a cluster with commas");
        // What is wrong with it may quote a password.
        let servers = RedisServers::parse(&urls).ok();
        if servers.is_none() && !urls.is_empty() {
            environment.problem("RTS_REDIS_URL", "is not a list of URLs like redis://host:6379");
        }
        Self { servers }
    }
}
