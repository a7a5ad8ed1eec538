//! The views during a run: on the terminal, and for Prometheus.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use crate::engine::{Moment, Watcher};
use crate::metrics::{self, Exporter};
use crate::report::Live;
use crate::scenario::Scenario;

/// The address that the Prometheus of the local cluster scrapes.
const METRICS_DEFAULT: &str = "127.0.0.1:9099";

/// Flags of the views during a run.
#[derive(Args, Debug)]
pub(super) struct ViewArgs {
    #[command(flatten)]
    metrics: MetricsArgs,
    /// Print nothing while the run is on.
    #[arg(long)]
    quiet: bool,
}

/// The flag of the metrics.
#[derive(Args, Debug)]
pub(super) struct MetricsArgs {
    /// Address that serves metrics at /metrics, or "none"; 127.0.0.1:9099 if it is free.
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
}

/// The terminal and the metrics.
pub(super) struct View {
    live: Live,
    exporter: Exporter,
}

impl ViewArgs {
    /// Opens the views, on a runtime that continues until the run is over.
    pub(super) async fn open(&self, scenario: &Scenario) -> anyhow::Result<View> {
        let exporter = Exporter::new(&scenario.name, scenario.users);
        if let Some(listener) = self.metrics.listener().await? {
            let shown = exporter.clone();
            tokio::spawn(metrics::serve(listener, move || shown.render()));
        }
        Ok(View { live: Live::new(self.quiet), exporter })
    }
}

impl MetricsArgs {
    /// Listens at the address; `None` if there is nothing to serve.
    pub(super) async fn listener(&self) -> anyhow::Result<Option<TcpListener>> {
        let address = match self.metrics.as_deref() {
            Some("none") => return Ok(None),
            Some(text) => text,
            None => METRICS_DEFAULT,
        };
        let parsed: SocketAddr =
            address.parse().with_context(|| format!("{address:?} is not an address like 127.0.0.1:9099"))?;
        match TcpListener::bind(parsed).await {
            Ok(listener) => Ok(Some(listener)),
            Err(error) if self.metrics.is_some() => {
                Err(error).with_context(|| format!("metrics cannot be served at {address}"))
            }
            Err(error) => {
                eprintln!("no metrics at {address}: {error}");
                Ok(None)
            }
        }
    }
}

impl View {
    /// Removes the view from the terminal.
    pub(super) fn close(&self) {
        self.live.finish();
    }
}

impl Watcher for View {
    fn stage(&mut self, name: &str) {
        self.live.stage(name);
    }

    fn second(&mut self, now: &Moment<'_>) {
        self.live.second(now);
        self.exporter.update(now);
    }
}
