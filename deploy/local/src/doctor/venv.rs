//! Python environments under `.local/`, one for each tool at its version.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Missing;
use crate::paths;

/// The environment of a package at a version, made if it is not there.
pub(crate) fn ensure((package, version): (&str, &str), say: &dyn Fn(&str)) -> Result<PathBuf, Missing> {
    let failed = |error: String| Missing::Venv(format!("{package} {version}"), error);
    let name = format!("{package}-{version}");
    let directory = paths::local().join("python").join(&name);
    // Written last, so that an environment half made is made anew.
    let complete = directory.join("complete");
    if complete.exists() {
        return Ok(directory);
    }
    let _lock = lock(&directory.with_extension("lock")).map_err(|error| failed(error.to_string()))?;
    if complete.exists() {
        return Ok(directory);
    }
    say(&format!("making a Python environment with {package} {version}"));
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|error| failed(error.to_string()))?;
    }
    let path = directory.display().to_string();
    run("python3", &["-m", "venv", &path]).or_else(|error| {
        if !super::apt::is_usable() {
            return Err(Missing::Packages(format!("Python's venv ({error})"), "python3-venv".to_owned()));
        }
        super::apt::install(&["python3-venv"]).map_err(failed)?;
        run("python3", &["-m", "venv", &path]).map_err(failed)
    })?;
    let pip = directory.join("bin/pip").display().to_string();
    let wanted = format!("{package}=={version}");
    run(&pip, &["install", "--quiet", "--disable-pip-version-check", &wanted]).map_err(failed)?;
    fs::write(&complete, wanted).map_err(|error| failed(error.to_string()))?;
    Ok(directory)
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
