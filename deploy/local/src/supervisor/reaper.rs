//! The leash: a small shell that outlives the process that runs a cluster, and then ends the rest of the cluster. So
//! nothing is left behind even after `kill -9` of the supervisor or of a test.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

const SCRIPT: &str = include_str!("reaper.sh");

/// Ends the run when dropped, or when its holder ends in whatever way.
pub(super) struct Reaper {
    shell: Child,
    held: Option<ChildStdin>,
}

impl Reaper {
    /// Ties the processes of a run to this one.
    pub(super) fn tie(run: &Path) -> io::Result<Self> {
        let mut shell = command(run).stdin(Stdio::piped()).spawn()?;
        let held = shell.stdin.take();
        Ok(Self { shell, held })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.held.take());
        // If the shell is gone, the next run sweeps.
        let _ = self.shell.wait();
    }
}

/// Ends the processes that an earlier run left behind.
pub(crate) fn sweep(run: &Path) -> io::Result<()> {
    command(run).stdin(Stdio::null()).status().map(drop)
}

fn command(run: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT, "reaper.sh"])
        .arg(run)
        // Signals from the terminal must not reach it.
        .process_group(0)
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    /// Starts a process group with a child in it, working in `directory`.
    fn group(directory: &Path) -> Child {
        Command::new("sh").args(["-c", "sleep 600 & wait"]).current_dir(directory).process_group(0).spawn().unwrap()
    }

    #[test]
    fn what_is_of_the_run_ends_and_nothing_else_does() {
        let run = std::env::temp_dir().join(format!("rts-reaper-{}", std::process::id()));
        fs::create_dir_all(run.join("groups")).unwrap();
        let run = run.canonicalize().unwrap();
        let mut ours = group(&run);
        let mut unrecorded = group(&run);
        let mut elsewhere = group(Path::new("/"));
        for recorded in [&ours, &elsewhere] {
            fs::write(run.join("groups").join(recorded.id().to_string()), "x").unwrap();
        }

        let reaper = Reaper::tie(&run).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(ours.try_wait().unwrap().is_none(), "tied, not ended");
        drop(reaper);

        assert!(!ours.wait().unwrap().success());
        for kept in [&mut unrecorded, &mut elsewhere] {
            assert!(kept.try_wait().unwrap().is_none());
            let group = rustix::process::Pid::from_child(kept);
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
            kept.wait().unwrap();
        }
        fs::remove_dir_all(&run).unwrap();
    }
}
