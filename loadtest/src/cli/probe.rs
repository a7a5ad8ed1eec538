//! `loadtest probe`: two users who write to each other, as a test from outside.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use tokio::task::LocalSet;

use super::connect_args::{ConnectArgs, ProtocolArg};
use super::exit_code;
use super::view::MetricsArgs;
use crate::probe::{self, Orders};
use crate::require::Requirements;
use crate::units::duration;

/// Flags of `loadtest probe`.
#[derive(Args, Debug)]
pub(super) struct ProbeArgs {
    /// Duration; without it, the probe runs until SIGINT or SIGTERM.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    hold: Option<Duration>,
    /// Interval between messages.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    every: Duration,
    /// Time from the intended send to the other's receipt after which a message counts as late.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s")]
    late_after: Duration,
    /// Time after which a message that is not acknowledged has failed, and one that is not received is lost.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    lost_after: Duration,
    /// Name of its users, which are NAME-0 and NAME-1; the same at each run, so that they share one room for ever.
    #[arg(long, default_value = "probe")]
    name: String,
    /// The hub protocol.
    #[arg(long, value_enum, default_value = "json")]
    protocol: ProtocolArg,
    /// Thresholds that set the exit code: `sent acked delivered late lost failed doubled errors connects
    /// connect_failures disconnects`, and `p50 p99 max` (delivery) and `ack_p99`; times need a unit: `p99<200ms`.
    #[arg(long, value_name = "LIST", default_value = "lost=0,failed=0,doubled=0,delivered>0")]
    require: Requirements,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl ProbeArgs {
    /// Runs and prints the result.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(name) = self.require.names().find(|name| !probe::is_measure(name)) {
            bail!("probe does not measure {name:?}");
        }
        if self.every < Duration::from_millis(100) {
            bail!("--every must be at least 100ms: a probe is no load test");
        }
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(LocalSet::new().run_until(self.probe()))
    }

    async fn probe(self) -> anyhow::Result<ExitCode> {
        let orders = Orders {
            dialer: self.connect.dialer(2).await?,
            tokens: self.connect.tokens(&self.name, 2)?,
            protocol: self.protocol.into(),
            every: self.every,
            hold: self.hold,
            late_after: self.late_after,
            lost_after: self.lost_after,
            metrics: self.metrics.listener().await?,
        };
        let measures = probe::run(orders).await?;
        let words: Vec<_> = measures.iter().map(|(name, value)| format!("{name} {}", short(*value))).collect();
        println!("{}", words.join(", "));
        let verdicts = self.require.judge(&measures);
        for verdict in &verdicts {
            println!("{verdict}");
        }
        Ok(exit_code(verdicts.iter().all(|verdict| verdict.holds)))
    }
}

/// Writes a count as it is, and seconds to the millisecond.
fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.3}") }
}
