//! Installs packages with apt, and stops the services that Debian starts with them: the cluster runs its own.

use std::path::Path;
use std::process::{Command, Output};

/// Packages that contain a service of the same name.
const SERVICES: [&str; 3] = ["redis-server", "nginx", "prometheus"];

/// True if packages can be installed: as root, with apt.
pub(super) fn is_usable() -> bool {
    rustix::process::geteuid().is_root() && super::find("apt-get").is_some()
}

/// Installs packages; an error is the last output of apt.
pub(super) fn install(packages: &[&str]) -> Result<(), String> {
    let mut install = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    install.extend(packages);
    // The lists may be missing or old; then they are fetched, and the installation is tried again.
    if apt(&install).is_err() {
        apt(&["update", "--quiet"])?;
        apt(&install)?;
    }
    for package in packages {
        if SERVICES.contains(package) {
            stop_service(package);
        }
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(last_lines(&output))
}

/// Stops a service that was just installed with a package, if there is one.
fn stop_service(name: &str) {
    let is_systemd = Path::new("/run/systemd/system").exists();
    let arguments: &[&str] =
        if is_systemd { &["systemctl", "--quiet", "disable", "--now", name] } else { &["service", name, "stop"] };
    let _ = Command::new(arguments[0]).args(&arguments[1..]).output();
}

fn last_lines(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
