//! `logs PART`: prints the log of a part, and follows it on request.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::{paths, supervisor};

/// The interval at which a followed log is read.
const PAUSE: Duration = Duration::from_millis(200);

/// Prints the last lines of a part's log, and new ones if `follow`.
pub fn run(part: &str, lines: usize, follow: bool) -> anyhow::Result<ExitCode> {
    let run = paths::up_directory();
    let is_name = part.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    let Some(mut file) = is_name.then(|| File::open(supervisor::log_file(&run, part)).ok()).flatten() else {
        eprintln!("there is no log of {part}; there are {}", names(&run));
        return Ok(ExitCode::FAILURE);
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let mut output = std::io::stdout();
    output.write_all(tail(&text, lines))?;
    if text.is_empty() {
        eprintln!("{part} has logged nothing yet");
    }
    if !follow {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        output.flush()?;
        std::thread::sleep(PAUSE);
        // A new run starts a new log.
        let log = supervisor::log_file(&run, part);
        let seen = file.stream_position()?;
        if fs::metadata(&log).is_ok_and(|now| now.len() < seen) {
            file = File::open(log)?;
        }
        text.clear();
        file.read_to_end(&mut text)?;
        output.write_all(&text)?;
    }
}

/// Returns the last complete lines of a text.
fn tail(text: &[u8], lines: usize) -> &[u8] {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let mut breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    match lines.checked_sub(1).map(|skipped| breaks.nth(skipped)) {
        None => &[],
        Some(Some((position, _))) => &text[position + 1..],
        Some(None) => text,
    }
}

fn names(run: &Path) -> String {
    let logs = fs::read_dir(supervisor::logs_directory(run)).into_iter().flatten().flatten();
    let mut names: Vec<_> = logs.filter_map(|log| Some(log.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    if names.is_empty() {
        return "none: cargo local up was never run here".to_owned();
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_whole() {
        let text = b"one\ntwo\nthree\n";
        assert_eq!(tail(text, 2), b"two\nthree\n");
        assert_eq!(tail(text, 9), text);
        assert_eq!(tail(text, 0), b"");
        assert_eq!(tail(b"", 3), b"");
        assert_eq!(tail(b"a\nb", 1), b"b");
    }
}
