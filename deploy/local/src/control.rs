//! The control socket, through which the other verbs reach the supervisor in `up`.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::commands::{Command, failure};

const SOCKET: &str = "control.sock";
/// The longest line of a request, in bytes.
const LINE_MAX: u64 = 4096;

/// Opens the socket in a run's directory. Only its owner may write to it.
pub(crate) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let _ = fs::remove_file(directory.join(SOCKET));
    let (_held, path) = short_path(directory)?;
    UnixListener::bind(path)
}

/// Removes the socket.
pub(crate) fn close(directory: &Path) {
    let _ = fs::remove_file(directory.join(SOCKET));
}

/// A connection with a command that waits for its answer.
pub(crate) struct Request {
    stream: UnixStream,
    pub(crate) command: Command,
}

impl Request {
    /// Reads the command; an invalid one is answered here.
    pub(crate) async fn read(mut stream: UnixStream) -> Option<Self> {
        use tokio::io::AsyncReadExt;
        let mut line = String::new();
        let (read, _) = stream.split();
        BufReader::new(read.take(LINE_MAX)).read_line(&mut line).await.ok()?;
        match Command::parse(&line) {
            Ok(command) => Some(Self { stream, command }),
            Err(error) => {
                let _ = send(&mut stream, &failure(&error)).await;
                None
            }
        }
    }

    /// Answers. The client may be gone.
    pub(crate) async fn answer(mut self, answer: &Value) {
        let _ = send(&mut self.stream, answer).await;
    }
}

/// Sends a command to the supervisor of a run's directory; `None` if there is none.
pub(crate) async fn ask(directory: &Path, command: &Command) -> io::Result<Option<Value>> {
    let mut stream = {
        let Ok((_held, path)) = short_path(directory) else {
            return Ok(None);
        };
        match UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(_) => return Ok(None),
        }
    };
    let line = format!("{}\n", command.line());
    stream.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    Ok(Some(serde_json::from_str(&answer)?))
}

async fn send(stream: &mut UnixStream, answer: &Value) -> io::Result<()> {
    stream.write_all(format!("{answer}\n").as_bytes()).await
}

/// Returns a path to the socket through an open directory: that of a deep checkout would be too long for a socket,
/// whose path may have only 108 bytes.
fn short_path(directory: &Path) -> io::Result<(File, PathBuf)> {
    let held = File::open(directory)?;
    let path = format!("/proc/self/fd/{}/{SOCKET}", held.as_raw_fd());
    Ok((held, PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_question_gets_its_answer_however_deep_the_directory() {
        let top = std::env::temp_dir().join(format!("rts-control-{}", std::process::id()));
        let deep = top.join("d".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        assert!(ask(&deep, &Command::Status).await.unwrap().is_none());

        let listener = listen(&deep).unwrap();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let request = Request::read(stream).await.unwrap();
            assert_eq!(request.command, Command::Stop("redis".to_owned()));
            request.answer(&json!({ "ok": true })).await;
        };
        let stop = Command::Stop("redis".to_owned());
        let (answer, ()) = tokio::join!(ask(&deep, &stop), serve);
        assert_eq!(answer.unwrap(), Some(json!({ "ok": true })));

        close(&deep);
        assert!(ask(&deep, &Command::Status).await.unwrap().is_none());
        fs::remove_dir_all(&top).unwrap();
    }
}
