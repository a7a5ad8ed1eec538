//! The process's limit of open files: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a node holds beside its clients' connections: those to Redis, AWS and the other nodes, and of requests.
const OTHERS: u64 = 500;

/// Raises the soft limit to the hard one: many systems start processes with 1,024. Returns the files that are lacking for
/// the connections that the node is configured to accept.
fn raise(connections: usize) -> Option<Lacking> {
    let limit = getrlimit(Resource::Nofile);
    let whole = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, whole) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    allowed.filter(|allowed| *allowed < needed).map(|allowed| Lacking { allowed, needed })
}

/// A limit below what is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lacking {
    allowed: u64,
    needed: u64,
}

/// Raises the limit as far as it goes, and warns if that is not enough.
pub(super) fn prepare(connections: usize) {
    if let Some(Lacking { allowed, needed }) = raise(connections) {
        tracing::warn!(
            allowed,
            needed,
            "fewer files may be open than RTS_LIMIT_NODE_CONNECTIONS needs: raise the hard limit (LimitNOFILE, ulimit -Hn)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one_and_too_little_is_told() {
        let hard = getrlimit(Resource::Nofile).maximum;
        assert_eq!(raise(1), None);
        assert_eq!(getrlimit(Resource::Nofile).current, hard);
        let all = raise(usize::MAX);
        assert_eq!(all.map(|lacking| lacking.allowed), hard);
    }
}
