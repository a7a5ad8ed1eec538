//! `swap`: all clients go from one environment to the other, on the same data.
//!
//! ```text
//! green ready → smoke test → a tenth to green, watched → all to green → drain of blue's nodes, a few at a time → end of blue
//! ```
//!
//! What to do next follows from what is seen ([`machine`]), so a swap that was interrupted is continued by the same command,
//! and one that is to be undone by the same command with `--back`: a swap towards the other side that neither tests nor
//! waits. The same code swaps on AWS ([`aws_world`]) and in a rehearsal ([`local_world`]).

pub mod aws_world;
pub mod local_world;
pub mod machine;
pub mod world;

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep, timeout};

use self::machine::{Order, Step, Swap};
use self::world::World;

/// The times of a swap.
#[derive(Clone, Copy, Debug)]
pub struct SwapTimes {
    /// Time between two looks.
    pub look: Duration,
    /// Time for which a tenth is watched.
    pub hold: Duration,
    /// The longest time without any change, after which the swap gives up waiting; it can be continued.
    pub patience: Duration,
    /// Deadline of each look and each deed.
    pub call: Duration,
}

impl Default for SwapTimes {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(5),
            hold: Duration::from_mins(10),
            // A node drains within five minutes.
            patience: Duration::from_mins(20),
            call: Duration::from_mins(15),
        }
    }
}

/// Swaps until all clients are on the wanted side.
pub async fn run(world: &impl World, order: Order, times: SwapTimes, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let mut swap = Swap::new(order);
    let mut waiting: Option<(Step, Instant)> = None;
    loop {
        let seen = within(times.call, world.see()).await.context("the state cannot be seen")?;
        let step = swap.next(&seen);
        if !step.is_wait() {
            say(&step.to_string());
        } else if waiting.as_ref().is_none_or(|(last, _)| *last != step) {
            say(&step.to_string());
            waiting = Some((step.clone(), Instant::now()));
        }
        match &step {
            Step::Done => return Ok(()),
            Step::Refuse(reason) => bail!("{reason}"),
            Step::Stopped(side) => bail!("{} did not do well: everybody is on {side} again", side.other()),
            Step::AwaitReady(_) | Step::AwaitEmpty(_) => {
                let since = waiting.as_ref().map_or_else(Instant::now, |(_, since)| *since);
                if since.elapsed() > times.patience {
                    bail!("nothing has changed for {} s; the same command continues", times.patience.as_secs());
                }
                sleep(times.look).await;
            }
            Step::Smoke(side) => {
                within(times.call, world.smoke(*side)).await.context("the smoke test failed; nothing was changed")?;
                swap.smoked();
            }
            Step::Hold(side) => match within(times.call + times.hold, world.hold(*side, times.hold)).await {
                Ok(()) => swap.held(),
                Err(error) => {
                    say(&format!("{error:#}"));
                    swap.give_up();
                }
            },
            Step::SetWeights(weights) => within(times.call, world.set_weights(*weights)).await?,
            Step::Return(node) => within(times.call, world.put_back(node)).await?,
            Step::Drain(nodes) => {
                for node in nodes {
                    within(times.call, world.take_out(node)).await?;
                }
            }
            Step::End(side) => within(times.call, world.end(*side)).await?,
        }
    }
}

async fn within<T>(deadline: Duration, deed: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    timeout(deadline, deed).await.with_context(|| format!("no answer within {} s", deadline.as_secs()))?
}

#[cfg(test)]
mod tests;
