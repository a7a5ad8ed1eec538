//! Prometheus: scrapes every gateway, as the production's does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Part, Probe, variables};

/// Prometheus as a part.
pub(crate) fn part(run: &Path, program: PathBuf, port: u16, admin_ports: &[u16]) -> io::Result<Part> {
    let directory = run.join("prometheus");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("prometheus.yml"), config(admin_ports))?;
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

fn config(admin_ports: &[u16]) -> String {
    use std::fmt::Write;
    let mut config = "\
global:
  scrape_interval: 5s
  scrape_timeout: 4s
scrape_configs:
  - job_name: rts-gateway
    static_configs:
"
    .to_owned();
    for (index, port) in admin_ports.iter().enumerate() {
        let node = super::gateway::name(index + 1);
        let _ = writeln!(config, "      - {{ targets: ['127.0.0.1:{port}'], labels: {{ node: {node} }} }}");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gateway_is_scraped() {
        let config = config(&[9081, 9082]);
        assert!(config.contains("['127.0.0.1:9081'], labels: { node: gateway-1 }"));
        assert!(config.contains("['127.0.0.1:9082'], labels: { node: gateway-2 }"));
    }
}
