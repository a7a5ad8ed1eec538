//! The messages between lead and workers: frames of a length and a MessagePack value.

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

/// A message from a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToLead {
    /// The first message: the worker's identity.
    Join { format: u32, name: String, threads: usize },
    /// It has the plan, built the same world from it, and knows the time, with this error.
    Ready { digest: u64, clock_error_us: u64 },
    /// A question for the time, with its own time.
    Ask(u64),
    /// Observations of its users.
    Said(Vec<Said>),
    /// Its figures since the last time.
    Figures(Figures),
    /// All its threads have finished a stage, and have reported everything about it.
    Done(Stage),
    /// It cannot continue.
    Failed(String),
}

/// A message from the lead.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToWorker {
    /// The worker is refused, for this reason.
    Refused(String),
    /// The plan of the run.
    Plan(PlanMessage),
    /// All are ready.
    Begin,
    /// The answer to a question for the time: the worker's time, as it sent it, and the run's.
    Clock(u64, u64),
    /// Rooms that were created: number, id, head. All of them come before [`Stage::Running`].
    Rooms(Vec<(u32, String, u64)>),
    /// The load, and its time.
    Load(Load),
    /// The users that were not present when the load ended. All of them come before [`Stage::Checking`].
    Absent(Vec<u32>),
    /// The next stage begins.
    Stage(Stage),
}

/// A plan as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PlanMessage {
    /// The scenario, as JSON.
    pub(super) scenario: String,
    pub(super) run: String,
    pub(super) seed: u64,
    /// The number of threads on all machines.
    pub(super) workers: usize,
    /// The number of the worker's first thread.
    pub(super) first: usize,
    /// The time at which the run's clock was at 0, in microseconds since the Unix epoch.
    pub(super) epoch_us: u64,
}

/// Reads one frame.
pub(super) async fn read<T: DeserializeOwned>(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<T> {
    let length = reader.read_u32().await? as usize;
    if length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut frame = Vec::new();
    // The buffer grows with the bytes that arrive: a length alone allocates nothing.
    if reader.take(length as u64).read_to_end(&mut frame).await? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    rmp_serde::from_slice(&frame).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the frame is malformed"))
}

/// Writes one frame, within a deadline.
pub(super) async fn write<T: Serialize>(writer: &mut (impl AsyncWrite + Unpin), message: &T) -> io::Result<()> {
    let body = rmp_serde::to_vec(message).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"))?;
    let written = async {
        writer.write_all(&length.to_be_bytes()).await?;
        writer.write_all(&body).await
    };
    timeout(WRITE_DEADLINE, written).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
