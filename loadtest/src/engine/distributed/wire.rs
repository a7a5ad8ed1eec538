//! What lead and workers say to each other: frames of a length and a MessagePack value.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::WRITE_DEADLINE;
use super::figures::Figures;
use crate::engine::context::{Load, Stage};
use crate::engine::observation::Said;

/// The largest frame: figures with full histograms have some 2 MB.
const FRAME_BYTES_MAX: usize = 16 << 20;
/// Items of a list in one frame.
pub(super) const LIST_MAX: usize = 4096;

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToLead {
    /// First: who it is.
    Join { format: u32, name: String, threads: usize },
    /// It has the plan, made the same world of it, and knows the time, more or less.
    Ready { digest: u64, clock_error_us: u64 },
    /// What time is it? With its own time.
    Ask(u64),
    /// What its users see.
    Said(Vec<Said>),
    /// What it has measured since the last time.
    Figures(Figures),
    /// All its threads have done with a stage, and everything about it has been said.
    Done(Stage),
    /// It cannot go on.
    Failed(String),
}

/// What the lead says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// It does not want this worker.
    Refused(String),
    /// What is to be run.
    Plan(PlanMessage),
    /// All are ready.
    Begin,
    /// The time that was asked for: the worker's, as it said, and the run's.
    Clock(u64, u64),
    /// Rooms that were made: number, id, head. All of them come before [`Stage::Running`].
    Rooms(Vec<(u32, String, u64)>),
    /// How much is to be done, and when.
    Load(Load),
    /// Who was not there when the load was over. All of them come before [`Stage::Checking`].
    Absent(Vec<u32>),
    /// The next stage begins.
    Stage(Stage),
}

/// A plan as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PlanMessage {
    /// As JSON.
    pub(super) scenario: String,
    pub(super) run: String,
    pub(super) seed: u64,
    /// Threads of all machines.
    pub(super) workers: usize,
    /// The worker's own are those from this one on.
    pub(super) first: usize,
    /// When the run's clock stood at 0, in microseconds since the Unix epoch.
    pub(super) epoch_us: u64,
}

/// Reads one frame.
pub(super) async fn read<T: DeserializeOwned>(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = reader.read_u32().await? as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame that is too long"));
    }
    let mut frame = Vec::new();
    // It grows as it comes: a length alone allocates nothing.
    if reader.take(length as u64).read_to_end(&mut frame).await? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    rmp_serde::from_slice(&frame).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a frame that is none"))
}

/// Writes one frame, within a deadline.
pub(super) async fn write<T: Serialize>(writer: &mut (impl AsyncWrite + Unpin), message: &T) -> io::Result<()> {
    let body = rmp_serde::to_vec(message).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame that is too long"))?;
    let written = async {
        writer.write_all(&length.to_be_bytes()).await?;
        writer.write_all(&body).await
    };
    timeout(WRITE_DEADLINE, written).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
