//! A backup put back, and a Redis that is rebuilt from the tables.
//!
//! AWS restores a table to a moment as a new table. [`Upkeep::restore`] makes ours equal to such tables: items that are
//! different are written, and those that came after the moment are removed. Then Redis must not have anything that the
//! tables have no more: [`Upkeep::empty_redis`]. Gateways and functions stand still meanwhile, and the queues are empty,
//! or what is in them would be stored over it.

use anyhow::bail;
use rts_common::redis::upkeep;
use rts_common::store::Tables;
use rts_common::store::upkeep::TableCopy;

use super::Upkeep;

/// What Redis has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisContent {
    /// Keys of ours.
    pub keys: u64,
    /// Entries that are not known to be stored.
    pub unstored: u64,
    /// Gateways that run.
    pub running: u64,
}

impl Upkeep {
    /// Compares the tables with others, and makes them equal if it is to.
    pub async fn restore(&self, from: &Tables, writes: bool) -> anyhow::Result<Vec<TableCopy>> {
        let running = upkeep::running(self.redis()?).await?;
        if writes && running > 0 {
            bail!("{running} gateways run: stop them first, and the functions");
        }
        Ok(self.keeper.copy_from(from, writes).await?)
    }

    /// Counts what Redis has, and deletes all of it if it is to.
    pub async fn empty_redis(&self, deletes: bool) -> anyhow::Result<RedisContent> {
        let redis = self.redis()?;
        let (unstored, running) = (upkeep::unstored(redis).await?, upkeep::running(redis).await?);
        Ok(RedisContent { keys: upkeep::empty(redis, deletes).await?, unstored, running })
    }
}
