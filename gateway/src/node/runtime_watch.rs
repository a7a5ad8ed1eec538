//! Watches the runtime and the process: how late tasks run, and what the node takes of its machine.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};
use tokio::runtime::Handle;

use crate::metrics::{self, ProcessUse, RuntimeUse};

/// The time slept between two measurements of the lag.
const SLEEP: Duration = Duration::from_millis(100);
/// Measurements of the lag for one of everything else: five seconds.
const LAGS_PER_LOOK: usize = 50;
/// The kernel's clock of processes, a hundredth of a second on every Linux in use.
const TICKS_PER_SECOND: u64 = 100;

/// Records how late a sleeping task is woken: as late as any other, be it by a task that does not yield, or because the
/// machine has no core left. Records the rest from time to time.
pub(super) async fn watch_runtime() {
    loop {
        metrics::runtime(&runtime(&Handle::current()));
        // Counting the files of 200,000 connections takes a worker's time.
        if let Ok(Some(process)) = tokio::task::spawn_blocking(process).await {
            metrics::process(&process);
        }
        for _ in 0..LAGS_PER_LOOK {
            let begun = Instant::now();
            tokio::time::sleep(SLEEP).await;
            metrics::runtime_lag(begun.elapsed().saturating_sub(SLEEP));
        }
    }
}

fn runtime(handle: &Handle) -> RuntimeUse {
    let runtime = handle.metrics();
    let workers = runtime.num_workers();
    RuntimeUse {
        workers,
        tasks: runtime.num_alive_tasks(),
        queued: runtime.global_queue_depth(),
        busy: (0..workers).map(|worker| runtime.worker_total_busy_duration(worker)).sum(),
    }
}

/// Reads `/proc`; `None` where it is not.
fn process() -> Option<ProcessUse> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    Some(ProcessUse {
        cpu_seconds: cpu_seconds(&stat)?,
        resident_bytes: resident_bytes(&status)?,
        open_files: fs::read_dir("/proc/self/fd").ok()?.count(),
        open_files_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
    })
}

/// Adds fields 14 and 15 of `/proc/<pid>/stat`: user and system time.
fn cpu_seconds(stat: &str) -> Option<u64> {
    // The name in parentheses may contain anything, including blanks and parentheses.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// Reads `VmRSS` of `/proc/<pid>/status`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_and_its_runtime_have_figures() {
        let process = process().unwrap();
        assert!(process.resident_bytes > 100_000 && process.open_files > 2);
        assert!(process.open_files_max >= process.open_files as u64);
        assert_eq!(cpu_seconds("7 (a) b c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20"), Some(2));
        assert_eq!(runtime(&Handle::current()).workers, 1);
    }
}
