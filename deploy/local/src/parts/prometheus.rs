//! Prometheus: scrapes every gateway, as the production's does, and a load test while one runs; evaluates the alerts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Part, Probe, variables};
use crate::paths;

/// The targets of Prometheus, and the interval.
pub(crate) struct Scraped<'a> {
    /// The admin port of each gateway.
    pub(crate) gateways: &'a [u16],
    /// The port at which a load test serves its metrics; the target is down while none runs.
    pub(crate) loadtest: u16,
    /// The seconds between two scrapes.
    pub(crate) every_seconds: u64,
}

/// Returns Prometheus as a part.
pub(crate) fn part(run: &Path, program: PathBuf, port: u16, scraped: &Scraped<'_>) -> io::Result<Part> {
    let directory = run.join("prometheus");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("prometheus.yml"), config(scraped))?;
    let url = format!("http://127.0.0.1:{port}");
    Ok(Part {
        name: "prometheus".to_owned(),
        program,
        arguments: vec![
            "--config.file=prometheus.yml".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            "--storage.tsdb.retention.time=1d".to_owned(),
            "--log.level=warn".to_owned(),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ],
        environment: variables([]),
        directory,
        probe: Probe::Http(format!("{url}/-/ready")),
        url: Some(url),
        grace: Duration::from_secs(5),
    })
}

fn config(scraped: &Scraped<'_>) -> String {
    use std::fmt::Write;
    let Scraped { gateways, loadtest, every_seconds } = scraped;
    let rules = paths::alert_rules();
    let rules = rules.display();
    let mut config = format!(
        "\
global:
  scrape_interval: {every_seconds}s
  scrape_timeout: {every_seconds}s
  evaluation_interval: {every_seconds}s
rule_files:
  - '{rules}'
scrape_configs:
  - job_name: rts-loadtest
    static_configs:
      - {{ targets: ['127.0.0.1:{loadtest}'], labels: {{ cluster: local }} }}
  - job_name: rts-gateway
    static_configs:
"
    );
    for (index, port) in gateways.iter().enumerate() {
        let node = super::gateway::name(index + 1);
        let labels = format!("{{ cluster: local, node: {node} }}");
        let _ = writeln!(config, "      - {{ targets: ['127.0.0.1:{port}'], labels: {labels} }}");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_repository_are_evaluated() {
        let config = config(&Scraped { gateways: &[9081], loadtest: 9099, every_seconds: 5 });
        assert!(config.contains("evaluation_interval: 5s"), "{config}");
        assert!(config.contains("dashboards/alerts/*.yaml'"), "{config}");
        let rules = paths::alert_rules();
        let files = fs::read_dir(rules.parent().unwrap()).unwrap().filter_map(Result::ok);
        assert!(files.filter(|file| file.path().extension() == rules.extension()).count() > 1);
    }

    #[test]
    fn every_gateway_and_a_load_test_are_scraped() {
        let config = config(&Scraped { gateways: &[9081, 9082], loadtest: 9099, every_seconds: 5 });
        assert!(config.contains("scrape_interval: 5s") && config.contains("['127.0.0.1:9099']"), "{config}");
        assert!(config.contains("['127.0.0.1:9081'], labels: { cluster: local, node: gateway-1 }"));
        assert!(config.contains("['127.0.0.1:9082'], labels: { cluster: local, node: gateway-2 }"));
    }
}
