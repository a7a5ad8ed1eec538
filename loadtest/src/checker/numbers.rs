//! A set of numbers that are mostly consecutive, as a list of ranges.

/// Numbers, in memory that grows with the gaps between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Ascending, at least one number apart; ends are inclusive.
    ranges: Vec<(u32, u32)>,
}

impl Numbers {
    /// Adds a number; `false` if it was there.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        // The first range that ends at the number or later, or just before it.
        let at = self.ranges.partition_point(|&(_, end)| u64::from(end) + 1 < u64::from(number));
        let Some(&(start, end)) = self.ranges.get(at) else {
            self.ranges.push((number, number));
            return true;
        };
        if (start..=end).contains(&number) {
            return false;
        }
        if u64::from(end) + 1 == u64::from(number) {
            self.ranges[at].1 = number;
            if let Some(&(next, next_end)) = self.ranges.get(at + 1)
                && next == number + 1
            {
                self.ranges[at].1 = next_end;
                self.ranges.remove(at + 1);
            }
        } else if start == number + 1 {
            self.ranges[at].0 = number;
        } else {
            self.ranges.insert(at, (number, number));
        }
        true
    }

    /// True if it contains a number.
    pub(super) fn contains(&self, number: u32) -> bool {
        let at = self.ranges.partition_point(|&(_, end)| end < number);
        self.ranges.get(at).is_some_and(|&(start, _)| start <= number)
    }

    /// Returns the number of elements.
    pub(super) fn len(&self) -> u64 {
        self.ranges.iter().map(|&(start, end)| u64::from(end - start) + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::Rng;

    use super::*;

    #[test]
    fn it_is_a_set() {
        let mut rng = rand::rng();
        for _ in 0..200 {
            let (mut numbers, mut truth) = (Numbers::default(), BTreeSet::new());
            for _ in 0..60 {
                let number = rng.random_range(0..50);
                assert_eq!(numbers.insert(number), truth.insert(number));
            }
            assert_eq!(numbers.len(), truth.len() as u64);
            assert!((0..51).all(|n| numbers.contains(n) == truth.contains(&n)));
            assert!(numbers.ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }

    #[test]
    fn consecutive_numbers_take_one_range() {
        let mut numbers = Numbers::default();
        assert!((0..1000).all(|n| numbers.insert(n)));
        assert_eq!(numbers.ranges, [(0, 999)]);
        assert!(numbers.insert(u32::MAX) && !numbers.insert(u32::MAX));
    }
}
