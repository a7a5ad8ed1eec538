//! What a binary needs to start.

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use object::Endianness;
use object::elf::{EM_AARCH64, EM_X86_64, FileHeader64};
use object::read::elf::FileHeader as _;
use serde::{Deserialize, Serialize};

/// The glibc of Amazon Linux 2023, on nodes and in functions.
const GLIBC: (u32, u32) = (2, 34);

/// The processors of nodes and functions, as CloudFormation names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    #[serde(rename = "x86_64")]
    X86_64,
    /// Graviton.
    #[value(name = "arm64")]
    Arm64,
}

impl Architecture {
    /// Returns the target of Rust.
    pub fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// Returns the name that CloudFormation, Beanstalk and Lambda use.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// True if this machine is of it.
    pub(super) fn is_here(self) -> bool {
        self.target().starts_with(std::env::consts::ARCH)
    }
}

/// Refuses a binary that would not start there.
pub(super) fn check(binary: &[u8], architecture: Architecture) -> anyhow::Result<()> {
    let needs = Needs::of(binary)?;
    if needs.architecture != Some(architecture) {
        bail!("it is not for {}", architecture.name());
    }
    if needs.glibc > GLIBC {
        let ((major, minor), (our_major, our_minor)) = (needs.glibc, GLIBC);
        bail!("it needs glibc {major}.{minor}, and Amazon Linux 2023 has {our_major}.{our_minor}");
    }
    Ok(())
}

/// The needs of a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Needs {
    architecture: Option<Architecture>,
    /// The newest version of glibc that a symbol is taken from.
    glibc: (u32, u32),
}

impl Needs {
    fn of(binary: &[u8]) -> anyhow::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(binary).context("it is no Linux binary of 64 bits")?;
        let endian = header.endian()?;
        let architecture = match header.e_machine(endian) {
            EM_X86_64 => Some(Architecture::X86_64),
            EM_AARCH64 => Some(Architecture::Arm64),
            _ => None,
        };
        let sections = header.sections(endian, binary)?;
        let mut glibc = (0, 0);
        if let Some((mut libraries, link)) = sections.gnu_verneed(endian, binary)? {
            let strings = sections.strings(endian, binary, link)?;
            while let Some((_, mut versions)) = libraries.next()? {
                while let Some(version) = versions.next()? {
                    glibc = glibc.max(glibc_version(version.name(endian, strings)?));
                }
            }
        }
        Ok(Self { architecture, glibc })
    }
}

/// Reads `GLIBC_2.34`; other versions count as none.
fn glibc_version(name: &[u8]) -> (u32, u32) {
    let parsed = || {
        let numbers = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
        let mut numbers = numbers.split('.').map_while(|number| number.parse().ok());
        Some((numbers.next()?, numbers.next()?))
    };
    parsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test's own program.
    fn program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn here() -> Architecture {
        if Architecture::X86_64.is_here() { Architecture::X86_64 } else { Architecture::Arm64 }
    }

    #[test]
    fn a_binary_that_would_not_start_is_refused() {
        let mut binary = program();
        let needs = Needs::of(&binary).unwrap();
        assert_eq!(needs.architecture, Some(here()));
        assert!(needs.glibc >= (2, 17), "{needs:?}");
        let other = if here() == Architecture::Arm64 { Architecture::X86_64 } else { Architecture::Arm64 };
        assert!(check(&binary, other).unwrap_err().to_string().contains("not for"));
        let name = format!("\0GLIBC_{}.{}\0", needs.glibc.0, needs.glibc.1);
        let newer = b"\0GLIBC_2.99\0";
        assert_eq!(name.len(), newer.len());
        for at in 0..binary.len() - newer.len() {
            if binary[at..].starts_with(name.as_bytes()) {
                binary[at..at + newer.len()].copy_from_slice(newer);
            }
        }
        assert!(check(&binary, here()).unwrap_err().to_string().contains("glibc 2.99"));
        assert!(check(b"#!/bin/sh\n", here()).unwrap_err().to_string().contains("no Linux binary"));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(glibc_version(b"GLIBC_2.4") < glibc_version(b"GLIBC_2.34"));
        assert_eq!(glibc_version(b"GLIBC_2.2.5"), (2, 2));
        assert_eq!([&b"GLIBC_PRIVATE"[..], b"GCC_3.0"].map(glibc_version), [(0, 0); 2]);
    }
}
