//! The directory and the ports of a cluster.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ClusterOptions;
use crate::parts::gateway;
use crate::paths;
use crate::ports::{self, PortLease};

/// Set to keep the directories of test clusters.
const KEEP_VARIABLE: &str = "RTS_KEEP";

/// The directory of a cluster, reserved while this exists.
#[derive(Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    is_temporary: bool,
    _lock: File,
}

impl Home {
    /// Claims the directory of `up`; `None` if a supervisor is using it.
    pub(crate) fn of_up() -> io::Result<Option<Self>> {
        Self::claim(&paths::up_directory(), false)
    }

    /// Makes a new one for a test.
    pub(crate) fn of_fixture() -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = paths::fixtures_directory().join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        Self::claim(&directory, true)?.ok_or_else(|| io::Error::other("the fixture's directory is in use"))
    }

    /// Removes the directories of fixtures that are no longer in use.
    pub(crate) fn remove_old_fixtures() -> io::Result<()> {
        let directory = paths::fixtures_directory();
        if !directory.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(directory)? {
            let directory = entry?.path();
            if Self::claim(&directory, false)?.is_some() {
                crate::supervisor::sweep(&directory)?;
                fs::remove_dir_all(directory)?;
            }
        }
        Ok(())
    }

    /// Returns the directory.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    fn claim(directory: &Path, is_temporary: bool) -> io::Result<Option<Self>> {
        fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let lock = File::create(directory.join("lock"))?;
        Ok(lock.try_lock().is_ok().then_some(Self { directory, is_temporary, _lock: lock }))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !self.is_temporary {
            return;
        }
        if std::thread::panicking() || std::env::var_os(KEEP_VARIABLE).is_some() {
            eprintln!("the cluster's logs are in {}", self.directory.display());
        } else {
            // The next `cargo local test` removes the rest.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// The ports of a cluster.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) balancer: u16,
    pub(crate) gateways: Vec<u16>,
    pub(crate) admins: Vec<u16>,
    /// The ports of the Redis servers, each with that of its cluster bus.
    pub(crate) redis: Vec<(u16, u16)>,
    pub(crate) aws: u16,
    pub(crate) prometheus: u16,
    /// The port that Prometheus scrapes for a load test; not part of the cluster.
    pub(crate) loadtest: u16,
    _leases: Vec<PortLease>,
}

impl Ports {
    /// Returns the well-known ports of `cargo local up`.
    pub(crate) fn fixed(nodes: usize) -> Self {
        let from = |first: u16| (first..).take(nodes).collect();
        Self {
            balancer: 8080,
            gateways: from(8081),
            admins: from(9081),
            redis: vec![(6390, 16390)],
            aws: 4566,
            prometheus: 9090,
            loadtest: 9099,
            _leases: Vec::new(),
        }
    }

    /// Leases free ports that no other cluster gets.
    pub(crate) fn leased(options: &ClusterOptions) -> io::Result<Self> {
        let mut leases = Vec::new();
        let mut lease = || -> io::Result<u16> {
            let lease = PortLease::take()?;
            let port = lease.port();
            leases.push(lease);
            Ok(port)
        };
        let mut several = |count: usize| (0..count).map(|_| lease()).collect::<io::Result<_>>();
        let gateways = several(options.nodes)?;
        let admins = several(options.nodes)?;
        let redis: Vec<u16> = several(options.redis_servers)?;
        let buses: Vec<u16> = several(options.redis_servers)?;
        Ok(Self {
            balancer: lease()?,
            gateways,
            admins,
            redis: redis.into_iter().zip(buses).collect(),
            aws: lease()?,
            prometheus: lease()?,
            loadtest: lease()?,
            _leases: leases,
        })
    }

    /// Returns a sentence for each port that is taken, except that of Prometheus, without which the rest runs.
    pub(crate) fn taken(&self, options: &ClusterOptions) -> Vec<String> {
        let mut wanted = vec![("redis".to_owned(), self.redis[0].0)];
        wanted.extend(options.aws.then(|| ("aws".to_owned(), self.aws)));
        wanted.extend(options.balancer.then(|| ("balancer".to_owned(), self.balancer)));
        for (index, (port, admin)) in self.gateways.iter().zip(&self.admins).enumerate() {
            wanted.push((gateway::name(index + 1), *port));
            wanted.push((format!("{} (admin)", gateway::name(index + 1)), *admin));
        }
        let taken = wanted.into_iter().filter(|(_, port)| !ports::is_free(*port));
        taken
            .map(|(part, port)| {
                let holder = ports::holder(port).unwrap_or_else(|| "something".to_owned());
                format!("port {port} of {part} is in use by {holder}")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_ports_are_those_of_the_documentation() {
        let ports = Ports::fixed(2);
        assert_eq!(ports.gateways, [8081, 8082]);
        assert_eq!(ports.admins, [9081, 9082]);
        // Nine gateways do not reach Prometheus's port.
        assert!(!Ports::fixed(9).admins.iter().any(|port| [ports.prometheus, ports.loadtest].contains(port)));
    }

    #[test]
    fn fixtures_have_directories_of_their_own() {
        let (one, two) = (Home::of_fixture().unwrap(), Home::of_fixture().unwrap());
        assert_ne!(one.path(), two.path());
        let path = one.path().to_owned();
        Home::remove_old_fixtures().unwrap();
        assert!(path.exists(), "in use");
        drop(one);
        assert!(!path.exists());
    }
}
