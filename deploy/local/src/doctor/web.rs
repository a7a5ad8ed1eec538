//! The web app that the gateways serve: built if Node.js is present, left out otherwise.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::{Missing, install_missing, node, wanted};
use crate::paths;

/// The sources of the app, relative to its directory.
const SOURCES: [&str; 9] = [
    "src",
    "public",
    "tools",
    "angular.json",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "tsconfig.app.json",
    ".npmrc",
];
/// The variable that names a browser other than the machine's for the browser tests.
const BROWSER_VARIABLE: &str = "CHROMIUM";

/// Returns the directory of the built app, built again if its sources have changed. Without Node.js, or if the build
/// fails, calls `say` and returns `None`: everything else runs without it.
pub(crate) fn built(say: &dyn Fn(&str)) -> Option<PathBuf> {
    let directory = paths::web_directory();
    if !directory.join("package.json").exists() {
        return None;
    }
    match build(&directory, say) {
        Ok(root) => Some(root),
        Err(error) => {
            say(&format!("no web app: {error}"));
            None
        }
    }
}

fn build(directory: &Path, say: &dyn Fn(&str)) -> Result<PathBuf, String> {
    let failed = |error: io::Error| error.to_string();
    let _lock = lock(&paths::local().join("web.lock")).map_err(failed)?;
    let root = directory.join("dist");
    let is_fresh = written(&root.join("index.html")).is_some_and(|built| {
        !SOURCES.iter().any(|source| newest(&directory.join(source)).is_some_and(|changed| changed > built))
    });
    if is_fresh {
        return Ok(root);
    }
    let path = node::present()
        .ok_or_else(|| format!("its build needs Node.js {} or newer, which is missing", node::MAJOR_MIN))?;
    say("building the web app");
    let npm = |arguments: &[&str]| run(Command::new("npm").args(arguments).env("PATH", &path).current_dir(directory));
    if is_older(&directory.join("node_modules/.package-lock.json"), &directory.join("package-lock.json")) {
        npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"])?;
    }
    npm(&["run", "build"])?;
    if written(&root.join("index.html")).is_none() {
        return Err("the build produced no index.html".to_owned());
    }
    Ok(root)
}

/// Ensures that the browser of the browser tests is installed.
pub(crate) fn browser(say: &dyn Fn(&str)) -> Result<(), Missing> {
    if std::env::var_os(BROWSER_VARIABLE).is_some() {
        return Ok(());
    }
    install_missing(&[wanted("chromium", "chromium")], say)
}

/// True if a file is missing or was written before another.
pub(crate) fn is_older(file: &Path, other: &Path) -> bool {
    written(file).is_none_or(|at| written(other).is_some_and(|other| at < other))
}

fn written(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|facts| facts.modified()).ok()
}

/// Returns the time of the last change of a file, or below a directory.
fn newest(path: &Path) -> Option<SystemTime> {
    let own = written(path)?;
    let Ok(entries) = fs::read_dir(path) else { return Some(own) };
    entries.flatten().filter_map(|entry| newest(&entry.path())).max().max(Some(own))
}

fn lock(file: &Path) -> io::Result<File> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(file)?;
    file.lock()?;
    Ok(file)
}

/// Runs a command; the error is its last output.
fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    Err(format!("{name} ended with {}\n    {}", output.status, lines[lines.len().saturating_sub(12)..].join("\n    ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_anywhere_below_is_seen() {
        let root = std::env::temp_dir().join(format!("rts-newest-{}", std::process::id()));
        fs::create_dir_all(root.join("a/b")).unwrap();
        let file = root.join("a/b/file");
        fs::write(&file, "").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_mins(1);
        File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        assert_eq!(newest(&root), written(&file));
        assert!(is_older(&root.join("a"), &file) && is_older(&root.join("none"), &file) && !is_older(&file, &root));
        assert_eq!(newest(&root.join("none")), None);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_end_of_what_a_failed_command_says_is_told() {
        let error = run(Command::new("sh").args(["-c", "echo first; echo why >&2; exit 3"])).unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("why"), "{error}");
        assert!(run(&mut Command::new("no-such-program-at-all")).is_err());
    }
}
