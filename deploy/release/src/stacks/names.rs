//! The stacks, and their order.

use crate::side::Side;

/// A stack of one template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Subnets, endpoints, security groups.
    Network,
    /// Redis.
    Cache,
    /// Queues, tables, bucket, functions.
    Data,
    /// The balancer, the application, roles, secrets.
    Platform,
    /// One environment of gateways.
    Service(Side),
    /// Alarms and the dashboard.
    Observability,
}

impl Stack {
    /// Those that are updated in this order. The functions, in `Data`, come before the gateways, in `Service`: what gateways
    /// write has to be read from their first message on.
    pub const SHARED: [Self; 4] = [Self::Network, Self::Cache, Self::Data, Self::Platform];

    /// Returns the stack of this name that exists once.
    pub fn parse(word: &str) -> Result<Self, String> {
        let known = Self::SHARED.into_iter().chain([Self::Observability]);
        let names = || known.clone().map(Self::template).collect::<Vec<_>>().join(", ");
        known.clone().find(|stack| stack.template() == word).ok_or_else(|| format!("there are {}", names()))
    }

    /// Returns the name of its template, without the ending.
    pub fn template(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Cache => "cache",
            Self::Data => "data",
            Self::Platform => "platform",
            Self::Service(_) => "service",
            Self::Observability => "observability",
        }
    }

    /// Returns its name, with the prefix of a second copy in one account.
    pub fn name(self, prefix: &str) -> String {
        match self {
            Self::Service(side) => format!("{prefix}rts-service-{side}"),
            other => format!("{prefix}rts-{}", other.template()),
        }
    }
}

/// Returns the name of an environment, as the template of services wants it: without the prefix.
pub fn environment(side: Side) -> &'static str {
    match side {
        Side::Blue => "rts-server-prod",
        Side::Green => "rts-server-prod-green",
    }
}
