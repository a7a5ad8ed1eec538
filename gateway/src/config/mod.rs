//! The gateway's configuration: one struct per section; every variable is read and checked before a port is bound, and
//! all errors are reported at once.

mod aws;
mod drain;
mod files;
mod identity;
mod leaving;
mod limits;
mod listen;
mod members;
mod origin;
mod redis;
#[cfg(test)]
mod tests;
mod variables;
mod web;

use rts_common::config::{ConfigError, Environment};
use rts_common::ids::NodeId;

pub use self::aws::AwsConfig;
pub use self::drain::DrainConfig;
pub use self::files::FilesConfig;
pub use self::identity::{DevLogin, IdentityConfig, KeySource};
pub use self::leaving::LeavingConfig;
pub use self::limits::LimitsConfig;
pub use self::listen::ListenConfig;
pub use self::members::{MakesCases, MayAdd, MembersConfig};
pub use self::origin::Origin;
pub use self::redis::RedisConfig;
pub use self::variables::{VARIABLES, Variable, help, table, unknown};
pub use self::web::{OidcConfig, WebConfig, WebSignIn};

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// `RTS_NODE_ID`: the node's name, different for every process start. Default: random.
    pub node_id: NodeId,
    /// The addresses of the node.
    pub listen: ListenConfig,
    /// The servers of Redis.
    pub redis: RedisConfig,
    /// Queues and tables.
    pub aws: AwsConfig,
    /// Files in messages.
    pub files: FilesConfig,
    /// The keys and claims of tokens.
    pub identity: IdentityConfig,
    /// The web pages that may connect, and the web app.
    pub web: WebConfig,
    /// Who may be added to rooms, and who makes rooms of cases.
    pub members: MembersConfig,
    /// The limits that a deployment may change.
    pub limits: LimitsConfig,
    /// The times of a planned shutdown.
    pub drain: DrainConfig,
    /// How the node learns that it is leaving.
    pub leaving: LeavingConfig,
}

impl Config {
    /// Reads all variables. Logging is set up by `RTS_LOG` and `RTS_LOG_FORMAT` before this.
    pub fn read(mut environment: Environment) -> Result<Self, ConfigError> {
        let node_id = node_id(&mut environment);
        let listen = ListenConfig::read(&mut environment);
        let config = Self {
            node_id,
            redis: RedisConfig::read(&mut environment),
            aws: AwsConfig::read(&mut environment),
            files: FilesConfig::read(&mut environment),
            identity: IdentityConfig::read(&mut environment, &listen),
            web: WebConfig::read(&mut environment),
            members: MembersConfig::read(&mut environment),
            limits: LimitsConfig::read(&mut environment),
            drain: DrainConfig::read(&mut environment),
            leaving: LeavingConfig::read(&mut environment),
            listen,
        };
        environment.finish(config)
    }
}

fn node_id(environment: &mut Environment) -> NodeId {
    let Some(text) = environment.text("RTS_NODE_ID") else { return NodeId::random() };
    NodeId::parse(&text).unwrap_or_else(|_| {
        environment.problem("RTS_NODE_ID", "is not 1 to 64 of A-Z a-z 0-9 - _");
        NodeId::random()
    })
}
