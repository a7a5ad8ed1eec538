//! One process of a run, with its own process group, a log file, and a record for the leash.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use crate::parts::Part;

/// The variables passed on from the environment of the run's caller; no others are, so that a run does not depend on a
/// user's settings for AWS, proxies or languages.
const INHERITED: [&str; 4] = ["PATH", "LANG", "RUST_BACKTRACE", "LD_LIBRARY_PATH"];

/// A running process and everything that it started.
pub(super) struct Process {
    child: Child,
    group: Pid,
    record: PathBuf,
}

impl Process {
    /// Starts a part's process in the run's directory.
    pub(super) fn spawn(run: &Path, part: &Part) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log_file(run, &part.name))?;
        let mut command = Command::new(&part.program);
        command
            .args(&part.arguments)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| {
                let value = std::env::var_os(name)?;
                Some((*name, value))
            }))
            .env("HOME", run)
            .envs(&part.environment)
            .current_dir(&part.directory)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        let child = command.spawn()?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .ok_or_else(|| io::Error::other("the process has no id"))?;
        let record = groups_directory(run).join(group.as_raw_nonzero().to_string());
        fs::write(&record, &part.name)?;
        Ok(Self { child, group, record })
    }

    /// Returns its process id, which is also that of its group.
    pub(super) fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().cast_unsigned()
    }

    /// Waits for the end of the process, then ends the processes it left behind.
    pub(super) async fn wait(&mut self) -> String {
        let status = self.child.wait().await;
        self.signal(Signal::KILL);
        // The record may have been removed with the whole directory.
        let _ = fs::remove_file(&self.record);
        status.map_or_else(|error| error.to_string(), describe)
    }

    /// Signals the whole group, if it still exists.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }
}

/// Returns the file of a part's output.
pub(crate) fn log_file(run: &Path, part: &str) -> PathBuf {
    logs_directory(run).join(format!("{part}.log"))
}

/// Returns the directory of a run's logs.
pub(crate) fn logs_directory(run: &Path) -> PathBuf {
    run.join("logs")
}

/// Returns the directory in which the groups of a run are recorded for the leash.
pub(super) fn groups_directory(run: &Path) -> PathBuf {
    run.join("groups")
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
