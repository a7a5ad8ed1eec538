//! The process of a function: configuration, clients, and the runtime's loop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::LocalBoxFuture;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use rts_common::config::Environment;
use rts_common::redis::RedisServers;
use rts_common::retention::Retention;
use rts_common::store::Tables;
use rts_common::store::writer::Writer;
use rts_common::telemetry;
use tokio::time::Instant;

use crate::{Notifier, Persister, Queue, SideQueue};

/// Serves batches of a queue until the platform ends the process.
pub async fn run(queue: Queue) -> Result<(), Error> {
    let mut environment = Environment::process();
    telemetry::start(&mut environment);
    let config = Config::read(&mut environment);
    let config = environment.finish(config)?;

    // One client for the whole process: its connections are reused across batches.
    let sdk_config = aws_config::load_from_env().await;
    let writer = Writer::connect(&sdk_config, config.tables).with_retention(config.retention);
    let mut persister = Persister::new(queue, writer, Notifier::new(config.redis.as_ref())?);
    match config.side_queue_url {
        Some(url) => persister = persister.with_side_queue(SideQueue::connect(&sdk_config, url)),
        None => {
            tracing::warn!("RTS_DEAD_LETTER_QUEUE_URL is not set: a record that DynamoDB refuses holds up its room");
        }
    }
    if config.redis.is_none() {
        tracing::warn!("RTS_REDIS_URL is not set: senders are not notified of stored messages");
    }

    announce_shutdown(queue).await;
    let persister = &persister;
    let serving = lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let deadline = deadline(event.context.deadline);
        // Boxed, as is the whole: nested futures exceed the compiler's limits.
        let handled: LocalBoxFuture<'_, Result<SqsBatchResponse, Error>> =
            Box::pin(async move { Ok(persister.handle(event.payload, deadline).await?) });
        handled
    }));
    Box::pin(serving).await
}

/// Logs that the platform ends an environment. Nothing needs flushing then: a batch is answered before the next is
/// requested, and one that is cut off is delivered again.
async fn announce_shutdown(queue: Queue) {
    // Set only by the service's own environments. They alone have the extensions API, which tells a process to end;
    // registering there panics where it is absent.
    if std::env::var_os("AWS_LAMBDA_INITIALIZATION_TYPE").is_some() {
        lambda_runtime::spawn_graceful_shutdown_handler(async move || {
            tracing::info!(queue = queue.name(), "ended by the platform");
        })
        .await;
    }
}

/// The configuration from the environment.
#[derive(Debug)]
struct Config {
    tables: Tables,
    /// `RTS_RETENTION_DAYS`: the number of days after which messages expire; 0 keeps them.
    retention: Retention,
    /// `RTS_REDIS_URL`: one server, or a cluster's nodes separated by commas; without it nobody is notified.
    redis: Option<RedisServers>,
    /// `RTS_DEAD_LETTER_QUEUE_URL`: the dead-letter queue, for what can never be stored; without it nothing is set aside.
    side_queue_url: Option<String>,
}

impl Config {
    fn read(environment: &mut Environment) -> Self {
        let redis = RedisServers::read(environment);
        Self {
            tables: Tables::from_environment(environment),
            retention: Retention::read(environment),
            redis,
            side_queue_url: environment.text("RTS_DEAD_LETTER_QUEUE_URL"),
        }
    }
}

/// Returns an invocation's deadline, which is given in milliseconds since the Unix epoch.
fn deadline(epoch_ms: u64) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::now() + Duration::from_millis(epoch_ms).saturating_sub(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &'static str) -> Result<Config, rts_common::config::ConfigError> {
        let mut environment = Environment::from_lookup(move |name| (name == "RTS_REDIS_URL").then(|| url.to_owned()));
        let config = Config::read(&mut environment);
        environment.finish(config)
    }

    #[test]
    fn a_redis_is_optional_but_not_a_bad_url() {
        assert!(config("").unwrap().redis.is_none());
        assert!(config("redis://127.0.0.1:6390").unwrap().redis.is_some());
        let error = config("hunter2://").unwrap_err().to_string();
        assert!(error.contains("RTS_REDIS_URL") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_deadline_in_the_past_is_now() {
        assert!(deadline(0) <= Instant::now());
        assert!(deadline(u64::MAX / 2) > Instant::now());
    }
}
