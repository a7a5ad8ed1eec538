//! Upkeep of Redis by an operator's tool: it forgets a room, a user, or everything. All of it is in DynamoDB, from where
//! gateways read it again.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::keys::{self, Partition};
use super::{Redis, RedisFailure, read, scripts};
use crate::ids::{OrgId, Person, RoomId, UserId};
use crate::seq::Timestamp;

/// Entries of a partition's unstored index that a script looks through: some milliseconds.
const ENTRIES_MAX: &str = "5000";
/// Keys deleted at once.
const AT_ONCE: usize = 64;
/// The time within which a node that runs says again which format it writes: its lease, and some.
const NODE_LEASE_MS: u64 = 20_000;

/// The way to forget a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgetting {
    /// Nothing: its keys are counted.
    Look,
    /// Its keys are deleted, if all of it is stored.
    Forget,
    /// Its keys are deleted, with the entries that wait to be stored.
    GiveUp,
}

/// The result of forgetting a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// So many keys are gone, or would be.
    Keys(u64),
    /// So many entries of it are not known to be stored yet, and nothing was done.
    Unstored(u64),
    /// Too many entries of its partition are not known to be stored, and nothing was done.
    Busy,
}

/// Forgets a room, with the mentions of these users beside those of its members.
pub async fn forget_room(
    redis: &Redis,
    room: &RoomId,
    how: Forgetting,
    users: &[UserId],
) -> Result<Forgotten, RedisFailure> {
    let mode = match how {
        Forgetting::Look => "look",
        Forgetting::Forget => "forget",
        Forgetting::GiveUp => "giveUp",
    };
    let mut arguments = vec![mode, ENTRIES_MAX];
    arguments.extend(users.iter().map(UserId::as_str));
    let reply: Vec<String> = read(redis.run(&scripts::FORGET_ROOM, &keys::room(room), &arguments).await?)?;
    let reply: Vec<&str> = reply.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().map_err(|_| RedisFailure::Unexpected("a count that is none".to_owned()));
    match reply[..] {
        ["done", keys] => Ok(Forgotten::Keys(number(keys)?)),
        ["unstored", entries] => Ok(Forgotten::Unstored(number(entries)?)),
        ["busy"] => Ok(Forgotten::Busy),
        _ => Err(RedisFailure::Unexpected("a room was forgotten in an unknown way".to_owned())),
    }
}

/// Ends a user's sessions, and refuses tokens from before this moment for a number of seconds.
pub async fn revoke(redis: &Redis, person: &Person, seconds: u64) -> Result<(), RedisFailure> {
    redis.run(&scripts::REVOKE, &keys::person_revoked(person), &[&seconds.to_string()]).await.map(drop)
}

/// Returns the number of a user's connections.
pub async fn connections(redis: &Redis, person: &Person) -> Result<u64, RedisFailure> {
    let mut count = redis::cmd("HLEN");
    count.arg(keys::person_connections(person));
    read(redis.command("connections", &count).await?)
}

/// Returns the rooms of a user's list, those they left included.
pub async fn rooms_of(redis: &Redis, person: &Person) -> Result<Vec<RoomId>, RedisFailure> {
    let mut fields = redis::cmd("HKEYS");
    fields.arg(keys::person_rooms(person));
    let fields: Vec<String> = read(redis.command("rooms_of", &fields).await?)?;
    Ok(fields.iter().filter_map(|field| RoomId::parse(field).ok()).collect())
}

/// Returns when a user was last seen, as far as that is known.
pub async fn last_seen(redis: &Redis, person: &Person) -> Result<Option<Timestamp>, RedisFailure> {
    let mut get = redis::cmd("HGET");
    get.arg(keys::person_status(person)).arg("at");
    let at: Option<u64> = read(redis.command("last_seen", &get).await?)?;
    Ok(at.filter(|at| *at > 0).map(Timestamp::from_millis))
}

/// Counts a user's keys, and deletes them if it is to. The note that their sessions were ended stays until its time ends.
pub async fn person_keys(redis: &Redis, person: &Person, deletes: bool) -> Result<u64, RedisFailure> {
    if deletes {
        let partition = Partition::of_person(person);
        let mut nodes = redis::cmd("ZRANGE");
        nodes.arg(partition.presence_nodes()).arg(0).arg(-1);
        let nodes: Vec<String> = read(redis.command("presence_nodes", &nodes).await?)?;
        for node in nodes.iter().filter_map(|node| crate::ids::NodeId::parse(node).ok()) {
            let mut remove = redis::cmd("SREM");
            remove.arg(partition.presence_people(&node)).arg(person.key());
            redis.command("presence_forget", &remove).await?;
        }
    }
    count_keys(redis, &keys::person_keys(person), deletes).await
}

/// Counts the keys of an organization beside those of its users and rooms, and deletes them if it is to.
pub async fn org_keys(redis: &Redis, org: &OrgId, deletes: bool) -> Result<u64, RedisFailure> {
    count_keys(redis, &[keys::org_uploaded(org)], deletes).await
}

async fn count_keys(redis: &Redis, keys: &[String], deletes: bool) -> Result<u64, RedisFailure> {
    let mut count = 0;
    for key in keys {
        let mut command = redis::cmd(if deletes { "UNLINK" } else { "EXISTS" });
        command.arg(key);
        count += read::<u64>(redis.command("forget_key", &command).await?)?;
    }
    Ok(count)
}

/// Returns the number of entries that are not known to be stored.
pub async fn unstored(redis: &Redis) -> Result<u64, RedisFailure> {
    let mut entries = 0;
    for partition in Partition::all() {
        let mut count = redis::cmd("ZCOUNT");
        count.arg(partition.unstored()).arg("-inf").arg(format!("({}", keys::UNSTORED_END));
        entries += read::<u64>(redis.command("unstored_count", &count).await?)?;
    }
    Ok(entries)
}

/// Returns the number of gateways that said lately that they run.
pub async fn running(redis: &Redis) -> Result<u64, RedisFailure> {
    let mut count = redis::cmd("ZCOUNT");
    let since = Timestamp::now().millis().saturating_sub(NODE_LEASE_MS);
    count.arg(keys::formats()).arg(since).arg("+inf");
    read(redis.command("nodes_running", &count).await?)
}

/// Counts all keys of ours, and deletes them if it is to.
pub async fn empty(redis: &Redis, deletes: bool) -> Result<u64, RedisFailure> {
    let mut count = 0;
    redis
        .each_key(keys::ALL, async |page: Vec<String>| {
            if !deletes {
                count += u64::try_from(page.len()).unwrap_or(u64::MAX);
                return Ok::<(), RedisFailure>(());
            }
            let unlinked = page.iter().map(async |key| {
                let mut unlink = redis::cmd("UNLINK");
                unlink.arg(key);
                read::<u64>(redis.command("empty", &unlink).await?)
            });
            let gone: Vec<u64> = stream::iter(unlinked).buffer_unordered(AT_ONCE).try_collect().await?;
            count += gone.iter().sum::<u64>();
            Ok(())
        })
        .await?;
    Ok(count)
}
