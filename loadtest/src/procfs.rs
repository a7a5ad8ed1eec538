//! The kernel's information on local processes, and on this one's limits.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A local process whose use of resources is measured.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The name in reports.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

/// A process at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessSample {
    /// Resident memory, in bytes.
    pub rss_bytes: u64,
    /// User and system time of all its threads.
    pub cpu: Duration,
}

impl ProcessSample {
    /// Samples a local process; an error if there is none with that id.
    pub fn of(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Ok(Self {
            rss_bytes: rss_bytes(&status).ok_or(io::ErrorKind::InvalidData)?,
            cpu: cpu(&stat).ok_or(io::ErrorKind::InvalidData)?,
        })
    }
}

/// Reads `VmRSS` of `/proc/<pid>/status`.
fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Adds fields 14 and 15 of `/proc/<pid>/stat`, in ticks of 10 ms on every Linux in use.
fn cpu(stat: &str) -> Option<Duration> {
    // The name in parentheses may contain anything, including blanks and parentheses.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// Allows this process at least `needed` open files; if that fails, the error is the number allowed.
pub fn raise_open_files(needed: u64) -> Result<(), u64> {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= needed {
        return Ok(());
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(needed));
    let raised = [Rlimit { current: Some(needed), maximum }, Rlimit { current: limit.maximum, maximum: limit.maximum }];
    for attempt in raised {
        let enough = attempt.current.is_none_or(|current| current >= needed);
        if setrlimit(Resource::Nofile, attempt).is_ok() && enough {
            return Ok(());
        }
    }
    Err(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_a_name_may_hold_anything() {
        let sample = ProcessSample::of(std::process::id()).unwrap();
        assert!(sample.rss_bytes > 100_000);
        let stat = "7 (a) b c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu(stat), Some(Duration::from_secs(2)));
        assert!(ProcessSample::of(u32::MAX).is_err());
    }
}
