//! Builds the binaries for production.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::elf::Architecture;
use crate::paths;

/// Builds gateway and functions, without the development login, and returns their directory.
pub(super) fn binaries(architecture: Architecture) -> anyhow::Result<PathBuf> {
    let target = architecture.target();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    if architecture.is_here() {
        command.args(["build", "--target", target]);
    } else {
        check_foreign(target)?;
        // It links against the glibc of Amazon Linux 2023, whatever this machine has.
        command.args(["zigbuild", "--target", &format!("{target}.2.34")]);
    }
    command
        .args([
            "--release",
            "--locked",
            "--no-default-features",
            "--package",
            "rts-gateway",
            "--package",
            "rts-persister",
        ])
        .args(["--bins"])
        .current_dir(paths::repository());
    carry_out(&mut command)?;
    let targets = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths::of("target"), PathBuf::from);
    Ok(targets.join(target).join("release"))
}

/// Says what is missing to build for other processors than those of this machine.
fn check_foreign(target: &str) -> anyhow::Result<()> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().context("rustc does not run")?;
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !Path::new(&sysroot).join("lib/rustlib").join(target).join("lib").is_dir() {
        bail!("{target} cannot be built here: its standard library is missing (rustup target add {target})");
    }
    let zigbuild = Command::new("cargo-zigbuild").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !zigbuild.is_ok_and(|status| status.success()) {
        bail!("{target} cannot be built here: its linker is missing (cargo install cargo-zigbuild, and zig)");
    }
    Ok(())
}

/// Runs a program, which may not fail.
pub(super) fn carry_out(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{program} does not run"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let error = check_foreign("sparc64-unknown-linux-gnu").unwrap_err().to_string();
        assert!(error.contains("rustup target add sparc64-unknown-linux-gnu"), "{error}");
    }
}
