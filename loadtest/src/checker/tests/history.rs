//! Histories and stored messages, compared with what was delivered.

use super::*;

#[test]
fn a_history_holds_all_in_order_and_nothing_else() {
    type Case<'a> = (&'a [(u64, u32)], &'a [Named]);
    let run = [Got(0, 1), Got(0, 2), Got(0, 3), Acked(1, 1), Acked(2, 2), Acked(3, 3)];
    let cases: [Case<'_>; 5] = [
        (&[(1, 1), (2, 2)], &[(Kind::NotStored, Some(3), None, Some(3))]),
        (&[(2, 2), (3, 3)], &[(Kind::NotStored, Some(1), None, Some(1))]),
        (&[(1, 1), (2, 2), (3, 3), (4, 9)], &[(Kind::StoredNotDelivered, Some(4), None, Some(9))]),
        (&[(1, 1), (2, 2), (2, 2), (3, 3)], &[(Kind::HistoryOrder, Some(2), None, Some(2))]),
        (&[(1, 1), (2, 9), (3, 3)], &[(Kind::Disagreement, Some(2), None, Some(9))]),
    ];
    for (history, expected) in cases {
        expect(1, &run, history, expected);
    }
}

#[test]
fn the_older_part_of_a_long_history_is_compared_as_a_whole() {
    let places: Vec<u64> = (1..=40).collect();
    let check = |history: &[(u64, u32)]| {
        let mut check = RoomCheck::new(7, 1, HEAD, 10);
        let mut found = Violations::default();
        for &place in &places {
            let content = Content::Message(key(number(place)));
            let event = Event { seq: HEAD + place, prev: HEAD + place - 1, content };
            check.acked(key(number(place)), HEAD + place, 0, &mut found);
            check.delivered(0, event, 0, &mut found);
        }
        check.finish(0, &mut found);
        let mut history_check = check.history();
        assert_eq!(history_check.expected(), 40);
        feed(&mut history_check, history, &mut found);
        history_check.end(0, &mut found);
        named(&found).into_iter().map(|(kind, ..)| kind).collect::<Vec<_>>()
    };
    let mut history: Vec<_> = places.iter().map(|&place| (place, number(place))).collect();
    assert_eq!(check(&history), []);
    let removed = history.remove(5);
    assert_eq!(check(&history)[0], Kind::HistoryDiffers);
    history.insert(5, removed);
    history.remove(35);
    assert_eq!(check(&history), [Kind::NotStored]);
    assert_eq!(check(&[])[0], Kind::HistoryDiffers);
}

#[test]
fn a_history_in_pages_is_compared_as_one() {
    for (pages, expected) in [
        (vec![vec![1, 2], vec![3, 4]], vec![]),
        (vec![vec![1, 2], vec![4]], vec![(Kind::NotStored, Some(3), None, Some(3))]),
        (vec![vec![1, 2], vec![2, 3, 4]], vec![(Kind::HistoryOrder, Some(2), None, Some(2))]),
    ] {
        let got: Vec<_> = (1..=4).flat_map(|place| [Got(0, place), Acked(number(place), place)]).collect();
        let mut run = Recorded::new(1, &got);
        run.check.finish(run.now, &mut run.found);
        for page in pages {
            let page = page.into_iter().map(|place| (HEAD + place, Some(key(number(place))))).collect();
            run.check.take(&Tell::History(page), 0, &mut run.found);
        }
        run.check.take(&Tell::HistoryEnd, 0, &mut run.found);
        assert_eq!(named(&run.found), expected);
    }
}

#[test]
fn what_is_acked_is_stored_once_and_nothing_else() {
    let mut run = Recorded::new(1, &[Got(0, 1), Got(0, 2), Acked(1, 1), Acked(2, 2)]);
    run.check.finish(run.now, &mut run.found);
    let stored = |pages: &[&[(u64, u32)]]| {
        let (mut found, mut progress) = (Violations::default(), Progress::default());
        for page in pages {
            let page: Vec<_> = page.iter().map(|&(place, n)| (HEAD + place, Some(key(n)))).collect();
            progress = run.check.stored(progress, &page, 0, &mut found);
        }
        run.check.stored_end(progress, 0, &mut found);
        assert!(found.listed().iter().all(|violation| violation.detail.contains("in DynamoDB")), "{found:?}");
        named(&found)
    };
    assert_eq!(stored(&[&[(1, 1)], &[(2, 2)]]), []);
    assert_eq!(stored(&[&[(1, 1)], &[]]), [(Kind::NotStored, Some(2), None, Some(2))]);
    assert_eq!(stored(&[&[(1, 1), (2, 2)], &[(3, 2)]]), [(Kind::StoredNotDelivered, Some(3), None, Some(2))]);
}
