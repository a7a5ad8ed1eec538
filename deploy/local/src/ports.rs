//! Ports on loopback: leases for test clusters, and the holder of a port that should be free.
//!
//! Leased ports lie below the range from which the kernel assigns the ports of outgoing connections, so that no
//! connection of a load test occupies one while its part is restarted. Test processes coordinate through locked files;
//! a lock ends with its process, however that ends.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;

use rand::Rng;

const LEASED: Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 1_000;

/// A port that no other cluster on this machine gets while this exists.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// Leases a port that is free now.
    pub(crate) fn take() -> io::Result<Self> {
        let directory = lock_directory()?;
        for _ in 0..ATTEMPTS {
            let port = rand::rng().random_range(LEASED);
            let lock = File::create(directory.join(port.to_string()))?;
            if lock.try_lock().is_ok() && is_free(port) {
                return Ok(Self { port, _lock: lock });
            }
        }
        Err(io::Error::other(format!("no free port in {}..{}", LEASED.start, LEASED.end)))
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// True if a part could listen on the port now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Returns the process that listens on a port, as far as this user may know: `nginx (pid 4711)`.
pub(crate) fn holder(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, port))?;
    let socket = PathBuf::from(format!("socket:[{inode}]"));
    let pid = processes().find(|pid| {
        fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|files| {
            files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|target| target == socket))
        })
    })?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("{} (pid {pid})", name.trim()))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Finds the listener of a port in the text of `/proc/net/tcp`.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == LISTEN;
        listens.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

fn lock_directory() -> io::Result<PathBuf> {
    let directory = std::env::temp_dir().join("rts-local-ports");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn leases_are_apart_and_out_of_the_ephemeral_range() {
        let leases: Vec<_> = (0..50).map(|_| PortLease::take().unwrap()).collect();
        let ports: HashSet<_> = leases.iter().map(PortLease::port).collect();
        assert_eq!(ports.len(), leases.len());
        assert!(ports.iter().all(|port| LEASED.contains(port)));
    }

    #[test]
    fn the_holder_of_a_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        let holder = holder(port).unwrap();
        assert!(holder.contains(&format!("(pid {})", std::process::id())), "{holder}");
        drop(listener);
        assert_eq!(super::holder(port), None);
    }

    #[test]
    fn only_listeners_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 0100007F:9C40 01 0:0 00:0 0 0 0 111 1\n\
             1: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 0 0 222 1\n";
        assert_eq!(listening_inode(table, 8080), Some("222".to_owned()));
        assert_eq!(listening_inode(table, 8081), None);
    }
}
