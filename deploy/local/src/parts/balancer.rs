//! The balancer: nginx in front of the gateways, round robin and without affinity, like a load balancer in production.
//! Its logs contain no query strings, because these carry tokens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Part, Probe, variables};

/// A gateway behind the balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) port: u16,
    /// Its share of new connections; 0 for none.
    pub(crate) weight: u32,
}

/// Returns nginx as a part.
pub(crate) fn part(run: &Path, program: PathBuf, port: u16, gateway_ports: &[u16]) -> io::Result<Part> {
    let directory = run.join("balancer");
    fs::create_dir_all(&directory)?;
    let targets: Vec<_> = gateway_ports.iter().map(|port| Target { port: *port, weight: 1 }).collect();
    write_config(run, port, &targets)?;
    let url = format!("http://127.0.0.1:{port}");
    let prefix = directory.display().to_string();
    let arguments = ["-p", &prefix, "-c", "nginx.conf", "-e", "stderr"];
    Ok(Part {
        name: "balancer".to_owned(),
        program,
        arguments: arguments.map(str::to_owned).to_vec(),
        environment: variables([]),
        directory,
        probe: Probe::Http(format!("{url}/livez")),
        url: Some(url),
        grace: Duration::from_secs(3),
    })
}

/// Writes the configuration, which a running nginx takes at a SIGHUP; its open connections stay where they are.
pub(crate) fn write_config(run: &Path, port: u16, targets: &[Target]) -> io::Result<()> {
    let config = config(port, targets, file_limit(), is_root());
    fs::write(run.join("balancer/nginx.conf"), config)
}

fn config(port: u16, targets: &[Target], file_limit: u64, is_root: bool) -> String {
    use std::fmt::Write;
    let weighted: Vec<_> = targets.iter().filter(|target| target.weight > 0).collect();
    let servers = weighted.iter().fold(String::new(), |mut text, Target { port, weight }| {
        let _ = writeln!(text, "        server 127.0.0.1:{port} weight={weight} max_fails=1 fail_timeout=1s;");
        text
    });
    // Two files for each connection, and some to spare.
    let connections = (file_limit / 2).clamp(512, 32_768);
    // Otherwise its workers would run as nobody, who may not read this directory.
    let user = if is_root { "user root;\n" } else { "" };
    format!(
        r"{user}daemon off;
pid nginx.pid;
worker_processes 2;
worker_rlimit_nofile {file_limit};
error_log stderr notice;
events {{ worker_connections {connections}; }}
http {{
    log_format rts '$time_iso8601 $request_method $uri $status $upstream_addr $upstream_status ${{request_time}}s';
    access_log /dev/stdout rts;
    # It would write whole request lines; the access log tells of failures.
    error_log stderr emerg;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    client_body_buffer_size 128k;
    client_max_body_size 1m;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        '' close;
    }}
    upstream gateways {{
{servers}    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_connect_timeout 2s;
        proxy_read_timeout 3600s;
        proxy_send_timeout 3600s;
        # Events go out as they come.
        proxy_buffering off;
        tcp_nodelay on;
        # What was sent to a gateway is not sent to a second one, unless it may be repeated.
        proxy_next_upstream error timeout http_503;
        proxy_next_upstream_tries {tries};
        location / {{ proxy_pass http://gateways; }}
        location = /hubs/chat/negotiate {{
            # It changes nothing: a second gateway may be asked.
            proxy_next_upstream error timeout http_503 non_idempotent;
            proxy_pass http://gateways;
        }}
    }}
}}
",
        tries = weighted.len().max(2),
    )
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Returns the number of files that a process may open.
fn file_limit() -> u64 {
    use rustix::process::{Resource, getrlimit};
    const MOST: u64 = 65_536;
    getrlimit(Resource::Nofile).maximum.map_or(MOST, |limit| limit.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_every_gateway_and_has_no_affinity() {
        let targets = [(8081, 9), (8082, 1), (8083, 0)].map(|(port, weight)| Target { port, weight });
        let config = config(8080, &targets, 65_536, true);
        assert!(config.contains("listen 127.0.0.1:8080 "));
        assert!(
            config.contains("server 127.0.0.1:8081 weight=9 ") && config.contains("server 127.0.0.1:8082 weight=1 ")
        );
        assert!(!config.contains("8083"), "it gets nothing");
        assert!(!config.contains("ip_hash") && !config.contains("sticky"));
        assert!(config.contains("worker_connections 32768;"));
        assert!(config.starts_with("user root;"));
        assert_eq!(config.matches('{').count(), config.matches('}').count(), "{config}");
    }

    #[test]
    fn no_log_holds_a_query_string() {
        let config = config(8080, &[Target { port: 8081, weight: 1 }], 1024, false);
        assert!(config.contains("worker_connections 512;"));
        assert!(!config.contains("user root"));
        for variable in ["$request ", "$request_uri", "$args", "$query_string"] {
            assert!(!config.contains(variable), "{variable}");
        }
        let http = config.split_once("http {").unwrap().1;
        assert!(http.contains("error_log stderr emerg;"));
    }
}
