//! Reports to Redis what users have spent, and learns what they spent on other nodes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rts_common::ids::Person;
use rts_common::redis::{Redis, RedisFailure, keys, read, scripts};
use tokio::sync::mpsc;

use super::{Budget, Budgets};

/// Reports under way at once; each is a script of some ten microseconds.
const AT_ONCE: usize = 32;
/// Time for a report; a connection waits for the first one.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Reports until the node ends.
pub(super) async fn run(budgets: Arc<Budgets>, waiting: mpsc::Receiver<Person>) {
    let people = stream::unfold(waiting, async |mut waiting| Some((waiting.recv().await?, waiting)));
    people
        .for_each_concurrent(AT_ONCE, async |person| {
            if let Some(redis) = &budgets.redis {
                report(&budgets, redis, &person).await;
            }
        })
        .await;
}

/// Reports one user; the account says already that a report is under way.
pub(super) async fn report(budgets: &Budgets, redis: &Redis, person: &Person) {
    let mut unanswered = Unanswered { budgets, person, spent: budgets.begin_report(person) };
    match tokio::time::timeout(TIMEOUT, Box::pin(exchange(redis, person, &unanswered.spent))).await {
        Ok(Ok((nodes, everywhere))) => {
            budgets.reported(person, nodes, &everywhere);
            unanswered.spent.clear();
        }
        late => tracing::debug!(?late, "what a user spent is reported later"),
    }
}

/// A report without an answer: when it fails, or nobody waits for it any more, it is part of the next one.
struct Unanswered<'a> {
    budgets: &'a Budgets,
    person: &'a Person,
    spent: Vec<(Budget, Duration)>,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.spent.is_empty() {
            self.budgets.not_reported(self.person, &self.spent);
        }
    }
}

async fn exchange(
    redis: &Redis,
    person: &Person,
    spent: &[(Budget, Duration)],
) -> Result<(u32, Vec<(Budget, Duration)>), RedisFailure> {
    let arguments: Vec<_> = spent
        .iter()
        .flat_map(|(budget, time)| [budget.limit().label().to_owned(), time.as_micros().to_string()])
        .collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let keys = [keys::person_spent(person), keys::person_connections(person)];
    let answer: Vec<u64> = read(redis.run_on(&scripts::SPEND, &keys, &arguments).await?)?;
    let Some((nodes, until_whole)) = answer.split_first() else {
        return Err(RedisFailure::Unexpected("no number of nodes".to_owned()));
    };
    let each = spent.iter().zip(until_whole).map(|((budget, _), micros)| (*budget, Duration::from_micros(*micros)));
    Ok((u32::try_from(*nodes).unwrap_or(u32::MAX), each.collect()))
}
