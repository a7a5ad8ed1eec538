//! The Python files that start the stand-in with our fixes; see `site/`.

use std::io;
use std::path::Path;

/// The file that starts it.
pub(super) const START: &str = "start.py";

const FILES: [(&str, &str); 9] = [
    (START, include_str!("site/start.py")),
    ("mend.py", include_str!("site/mend.py")),
    ("server.py", include_str!("site/server.py")),
    ("queues.py", include_str!("site/queues.py")),
    ("sources.py", include_str!("site/sources.py")),
    ("tables.py", include_str!("site/tables.py")),
    ("upkeep.py", include_str!("site/upkeep.py")),
    ("faults.py", include_str!("site/faults.py")),
    ("shortcut.py", include_str!("site/shortcut.py")),
];

/// Writes the files into a directory.
pub(super) fn write(directory: &Path) -> io::Result<()> {
    FILES.iter().try_for_each(|(name, text)| std::fs::write(directory.join(name), text))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use crate::doctor::venv;
    use crate::parts::aws::{PACKAGE, SERVER};

    #[test]
    fn what_is_mended_does_what_it_promises() {
        let python = venv::ensure(PACKAGE, &SERVER, &|_| {}).unwrap().join("bin/python");
        let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tests = Command::new(python)
            .args(["-m", "unittest", "--quiet"])
            .args(["test_mend", "test_queues", "test_sources", "test_tables"])
            .env("PYTHONPATH", crate_directory.join("src/parts/aws/site"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(crate_directory.join("tests/site"))
            .output()
            .unwrap();
        assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stderr));
    }
}
