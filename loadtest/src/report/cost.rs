//! The cost of a load like this, estimated from a price file.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Prices, and the resources that a message or a connection takes; `prices.toml` is the default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Dollars of a million SQS requests (FIFO).
    pub sqs_million_requests: f64,
    /// SQS requests per message: its parts of sending, receiving and deleting batches.
    pub sqs_requests_per_message: f64,
    /// Dollars of a million Lambda invocations.
    pub lambda_million_requests: f64,
    /// Dollars of a gigabyte-second of Lambda.
    pub lambda_gigabyte_second: f64,
    /// Messages in a batch that a Lambda receives.
    pub lambda_messages_per_batch: f64,
    /// Duration of a batch, in seconds.
    pub lambda_seconds_per_batch: f64,
    /// Memory of the Lambda in gigabytes.
    pub lambda_gigabytes: f64,
    /// Dollars of a million write units of DynamoDB.
    pub dynamodb_million_writes: f64,
    /// Write units per message.
    pub dynamodb_writes_per_message: f64,
    /// Dollars of an hour of a gateway node.
    pub node_hour: f64,
    /// Connections that a node should hold.
    pub connections_per_node: f64,
    /// Dollars of an hour of Redis.
    pub redis_hour: f64,
    /// Connections that share one Redis.
    pub connections_per_redis: f64,
    /// Dollars of an hour of a balancer's capacity unit.
    pub balancer_unit_hour: f64,
    /// Connections per capacity unit.
    pub connections_per_balancer_unit: f64,
}

/// An estimate, in dollars.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// The cost of a million messages stored.
    pub per_million_messages: f64,
    /// The cost of a thousand connections for an hour.
    pub per_thousand_connection_hours: f64,
}

impl Prices {
    /// Reads a price file; without one, the default.
    pub fn load(path: Option<&std::path::Path>) -> anyhow::Result<Self> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
            None => include_str!("../../prices.toml").to_owned(),
        };
        toml::from_str(&text).with_context(|| {
            format!("{} has no prices", path.map_or("prices.toml".into(), std::path::Path::to_string_lossy))
        })
    }

    /// Estimates the two figures.
    pub fn estimate(&self) -> Cost {
        let queue = self.sqs_million_requests * self.sqs_requests_per_message;
        let batch = self.lambda_million_requests
            + 1e6 * self.lambda_gigabyte_second * self.lambda_seconds_per_batch * self.lambda_gigabytes;
        let table = self.dynamodb_million_writes * self.dynamodb_writes_per_message;
        let per_connection_hour = self.node_hour / self.connections_per_node
            + self.redis_hour / self.connections_per_redis
            + self.balancer_unit_hour / self.connections_per_balancer_unit;
        Cost {
            per_million_messages: queue + batch / self.lambda_messages_per_batch + table,
            per_thousand_connection_hours: 1000.0 * per_connection_hour,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_prices_give_an_estimate() {
        let cost = Prices::load(None).unwrap().estimate();
        assert!((0.5..10.0).contains(&cost.per_million_messages), "{cost:?}");
        assert!((0.001..1.0).contains(&cost.per_thousand_connection_hours), "{cost:?}");
    }
}
