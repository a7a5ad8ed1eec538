//! Python environments under `.local/`, one for each tool at its version.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Missing;
use crate::paths;

/// Returns the environment of a package at a version, with its companions; makes it if needed.
pub(crate) fn ensure(package: (&str, &str), others: &[(&str, &str)], say: &dyn Fn(&str)) -> Result<PathBuf, Missing> {
    let name = format!("{} {}", package.0, package.1);
    let failed = |error: String| Missing::Venv(name.clone(), error);
    let directory = paths::local().join("python").join(name.replace(' ', "-"));
    let wanted: Vec<_> =
        [package].iter().chain(others).map(|(package, version)| format!("{package}=={version}")).collect();
    // Written last, so that an incomplete environment is made again.
    let complete = directory.join("complete");
    let is_complete = || fs::read_to_string(&complete).is_ok_and(|found| found == wanted.join("\n"));
    if is_complete() {
        return Ok(directory);
    }
    let _lock = lock(&directory.with_extension("lock")).map_err(|error| failed(error.to_string()))?;
    if is_complete() {
        return Ok(directory);
    }
    say(&format!("making a Python environment with {name}"));
    // One that only lacks a package is extended: another cluster may be using it.
    if !complete.exists() {
        make(&directory, &failed)?;
    }
    let pip = directory.join("bin/pip").display().to_string();
    let options = ["install", "--quiet", "--disable-pip-version-check"];
    let arguments: Vec<_> = options.into_iter().chain(wanted.iter().map(String::as_str)).collect();
    run(&pip, &arguments).map_err(failed)?;
    fs::write(&complete, wanted.join("\n")).map_err(|error| failed(error.to_string()))?;
    Ok(directory)
}

/// Makes an empty environment, replacing any that exists.
fn make(directory: &Path, failed: &dyn Fn(String) -> Missing) -> Result<(), Missing> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|error| failed(error.to_string()))?;
    }
    let path = directory.display().to_string();
    run("python3", &["-m", "venv", &path]).or_else(|error| {
        if !super::apt::is_usable() {
            return Err(Missing::Packages(format!("Python's venv ({error})"), "python3-venv".to_owned()));
        }
        super::apt::install(&["python3-venv"]).map_err(failed)?;
        run("python3", &["-m", "venv", &path]).map_err(failed)
    })
}

fn lock(file: &Path) -> io::Result<File> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent)?;
    }
    let file = File::create(file)?;
    file.lock()?;
    Ok(file)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).trim().to_owned())
}
