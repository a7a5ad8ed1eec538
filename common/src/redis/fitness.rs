//! Checks that a Redis server may be used, by what it says of itself.

use redis::Value;

use super::{Redis, RedisFailure};

/// The oldest version that has all commands used here: sharded subscriptions, and `EXPIRE` with `NX`.
const MAJOR_VERSION_MIN: u32 = 7;

/// The reason why a server must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It lacks commands.
    #[error("it is version {0}, and has to be {MAJOR_VERSION_MIN} or later")]
    Version(String),
    /// It drops keys when its memory is full, and acknowledged messages with them.
    #[error("its maxmemory-policy is {0}, and has to be noeviction")]
    Evicts(String),
    /// One URL was given, which names a single server.
    #[error("it is a cluster: name at least two of its nodes, with a comma in between")]
    IsCluster,
    /// Several URLs were given, which name a cluster.
    #[error("it is not a cluster: name it alone")]
    IsNoCluster,
}

impl Redis {
    /// Asks the servers what they are; the first reason not to use one of them, if there is any. What a server does not
    /// say is not held against it.
    pub async fn unfit(&self) -> Result<Option<Unfit>, RedisFailure> {
        let answers = self.on_each("info", &redis::cmd("INFO")).await?;
        Ok(answers.iter().filter_map(text).find_map(|text| reason(&text, self.is_cluster())))
    }
}

/// Returns the text of an answer.
fn text(answer: &Value) -> Option<String> {
    match answer {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

fn reason(info: &str, is_cluster: bool) -> Option<Unfit> {
    let field = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(field, _)| *field == name).map(|(_, value)| value.trim().to_owned())
    };
    let major = |version: &String| version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if let Some(version) = field("redis_version")
        && major(&version).is_some_and(|major| major < MAJOR_VERSION_MIN)
    {
        return Some(Unfit::Version(version));
    }
    if let Some(policy) = field("maxmemory_policy")
        && policy != "noeviction"
    {
        return Some(Unfit::Evicts(policy));
    }
    match field("cluster_enabled").as_deref() {
        Some("1") if !is_cluster => Some(Unfit::IsCluster),
        Some("0") if is_cluster => Some(Unfit::IsNoCluster),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, policy: &str, cluster: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\n# Memory\r\nmaxmemory_policy:{policy}\r\n# Cluster\r\ncluster_enabled:{cluster}\r\n"
        )
    }

    #[test]
    fn a_server_has_to_be_new_enough_keep_its_keys_and_be_what_was_named() {
        for (text, is_cluster, expected) in [
            (info("7.2.4", "noeviction", "0"), false, None),
            (info("8.0.0", "noeviction", "1"), true, None),
            (info("6.2.7", "noeviction", "0"), false, Some(Unfit::Version("6.2.7".to_owned()))),
            (info("7.0.0", "volatile-lru", "0"), false, Some(Unfit::Evicts("volatile-lru".to_owned()))),
            (info("7.0.0", "allkeys-lfu", "1"), true, Some(Unfit::Evicts("allkeys-lfu".to_owned()))),
            (info("7.0.0", "noeviction", "1"), false, Some(Unfit::IsCluster)),
            (info("7.0.0", "noeviction", "0"), true, Some(Unfit::IsNoCluster)),
            ("nothing\r\nof:that".to_owned(), false, None),
        ] {
            assert_eq!(reason(&text, is_cluster), expected, "{text}");
        }
    }
}
