use rts_common::ids::{OrgId, UserId};

use super::*;

fn person(name: &str) -> Person {
    Person { org: OrgId::parse("o").unwrap(), user: UserId::parse(name).unwrap() }
}

fn rates(per_second: u32, burst: u32) -> Rates {
    Rates::of(|_| Rate { per_second, burst })
}

#[test]
fn a_burst_then_the_rate() {
    let budgets = Budgets::alone(rates(20, 40));
    let (user, start) = (person("u"), Instant::now());
    for _ in 0..40 {
        assert_eq!(budgets.take_at(&user, Budget::Messages, 1, start), Ok(()));
    }
    assert_eq!(budgets.take_at(&user, Budget::Messages, 1, start), Err(Duration::from_millis(50)));
    assert_eq!(budgets.take_at(&user, Budget::Marks, 1, start), Ok(()), "each budget by itself");
    assert_eq!(budgets.take_at(&person("v"), Budget::Messages, 1, start), Ok(()), "and each user");
    let later = start + Duration::from_millis(51);
    assert_eq!(budgets.take_at(&user, Budget::Messages, 1, later), Ok(()));
    assert!(budgets.take_at(&user, Budget::Messages, 1, later).is_err());
}

#[test]
fn weights_count_and_one_beyond_the_burst_takes_all_of_it() {
    let budgets = Budgets::alone(rates(20, 40));
    let (user, start) = (person("u"), Instant::now());
    assert_eq!(budgets.take_at(&user, Budget::Members, 30, start), Ok(()));
    assert_eq!(budgets.take_at(&user, Budget::Members, 30, start), Err(Duration::from_secs(1)));
    assert_eq!(budgets.take_at(&user, Budget::Members, 1000, start), Err(Duration::from_millis(1500)));
    assert_eq!(budgets.take_at(&user, Budget::Members, 1000, start + Duration::from_millis(1500)), Ok(()));
}

#[test]
fn what_is_not_used_is_given_back() {
    let budgets = Budgets::alone(rates(1, 2));
    let user = person("u");
    let (first, second) =
        (budgets.token(&user, Budget::Messages).unwrap(), budgets.token(&user, Budget::Messages).unwrap());
    assert!(budgets.token(&user, Budget::Messages).is_err());
    drop(first);
    second.spend();
    assert!(budgets.take(&user, Budget::Messages, 1).is_ok());
    assert!(budgets.take(&user, Budget::Messages, 1).is_err());
}

#[test]
fn what_an_answer_cost_is_owed() {
    let budgets = Budgets::alone(rates(10, 10));
    let user = person("u");
    assert!(budgets.take(&user, Budget::Reads, 10).is_ok());
    budgets.charge(&user, Budget::Reads, 10);
    let wait = budgets.take(&user, Budget::Reads, 1).unwrap_err();
    assert!(wait > Duration::from_secs(1), "{wait:?}");
}

#[test]
fn an_account_is_reported_each_eighth_of_a_burst_and_learns_what_was_spent_elsewhere() {
    let (rates, now) = (rates(20, 40), Instant::now());
    let rate = rates.get(Budget::Messages);
    let mut account = Account::default();
    for spent in 1..=5 {
        assert!(!account.is_to_be_reported(&rates), "{spent}");
        account.take(Budget::Messages, rate, 1, now).unwrap();
    }
    assert!(account.is_to_be_reported(&rates));
    assert!(account.await_report());
    assert!(!account.is_to_be_reported(&rates) && !account.await_report(), "one at a time");
    assert_eq!(account.begin_report()[0], (Budget::Messages, Duration::from_millis(250)));
    account.take(Budget::Messages, rate, 1, now).unwrap();
    // Others have spent 34 of 40, and one was taken meanwhile.
    account.reported(1, &[(Budget::Messages, Duration::from_millis(1950))], now);
    assert_eq!(account.take(Budget::Messages, rate, 1, now), Err(Duration::from_millis(50)));
    assert!(!account.is_whole(now) && account.is_whole(now + Duration::from_secs(2)));
    // A failed report is part of the next, as far as it still counts.
    assert!(account.await_report());
    assert_eq!(account.begin_report()[0], (Budget::Messages, Duration::from_millis(50)));
    account.not_reported(&[(Budget::Messages, Duration::from_secs(9))], &rates);
    assert_eq!(account.begin_report()[0], (Budget::Messages, Duration::from_secs(2)));
}

#[test]
fn between_two_reports_a_node_gives_its_share_of_a_burst() {
    let (rates, now) = (rates(20, 40), Instant::now());
    let rate = rates.get(Budget::Messages);
    let mut account = Account::default();
    account.reported(4, &[], now);
    let taken = (0..40).filter(|_| account.take(Budget::Messages, rate, 1, now).is_ok()).count();
    assert_eq!(taken, 10);
    let spent = account.begin_report();
    assert!(account.take(Budget::Messages, rate, 1, now).is_err(), "the report is under way");
    account.reported(4, &[(Budget::Messages, Duration::from_secs(1))], now);
    assert!(account.take(Budget::Messages, rate, 10, now).is_ok());
    // A single call may be larger than the share: once what was spent before is reported, however little that is.
    assert!(account.take(Budget::Messages, rate, 1, now).is_err() && account.is_to_be_reported(&rates));
    account.begin_report();
    account.reported(4, &[(Budget::Messages, Duration::ZERO)], now);
    assert!(account.take(Budget::Messages, rate, 40, now).is_ok());
    // Without Redis there is no share.
    account.not_reported(&spent, &rates);
    let later = now + Duration::from_secs(2);
    assert!(account.take(Budget::Messages, rate, 40, later).is_ok());
}

#[test]
fn whole_accounts_are_swept() {
    let budgets = Budgets::alone(rates(20, 40));
    let start = Instant::now();
    for user in 0..=SWEEP_ABOVE {
        budgets.take_at(&person(&user.to_string()), Budget::Marks, 1, start).unwrap();
    }
    budgets.take_at(&person("late"), Budget::Marks, 1, start + Duration::from_secs(2)).unwrap();
    assert_eq!(budgets.lock().of.len(), 1);
}

/// A node that does not know of another one yet may give a whole burst: with what the newcomer gives, no more than 1.3.
#[test]
fn a_users_next_node_gives_little_until_the_others_can_know_of_it() {
    let (rate, rates, now) = (Rate { per_second: 10, burst: 50 }, rates(10, 50), Instant::now());
    let given =
        |account: &mut Account| (0..50).take_while(|_| account.take(Budget::People, rate, 1, now).is_ok()).count();
    let mut alone = Account::default();
    assert_eq!(given(&mut alone), 50);
    let mut newcomer = Account::default();
    newcomer.connects();
    assert!(newcomer.await_report());
    newcomer.begin_report();
    newcomer.reported(2, &[], now);
    assert_eq!(given(&mut newcomer), 15);
    assert!(newcomer.is_to_be_reported(&rates));
    let spent = newcomer.begin_report();
    newcomer.reported(2, &[(Budget::People, Duration::from_millis(1500))], now);
    assert_eq!(spent.iter().map(|(_, time)| *time).sum::<Duration>(), Duration::from_millis(1500));
    assert_eq!(given(&mut newcomer), 17, "its half of what is left");
}
