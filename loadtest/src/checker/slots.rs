//! A set of members, one bit each.

use super::Slot;

const WORD_BITS: u32 = u64::BITS;

/// A set of a room's members. For up to 64 members it holds no allocation.
#[derive(Clone, Debug)]
pub(super) enum Slots {
    Few(u64),
    Many { words: Box<[u64]>, count: u32 },
}

impl Slots {
    /// Returns the empty set for a room of `members`.
    pub(super) fn empty(members: u32) -> Self {
        if members <= WORD_BITS {
            return Self::Few(0);
        }
        Self::Many { words: vec![0; members.div_ceil(WORD_BITS) as usize].into(), count: 0 }
    }

    /// Adds a member; `false` if it was there.
    pub(super) fn insert(&mut self, slot: Slot) -> bool {
        let bit = 1 << (slot % WORD_BITS);
        let word = match self {
            Self::Few(word) => word,
            Self::Many { words, count } => {
                let word = &mut words[(slot / WORD_BITS) as usize];
                *count += u32::from(*word & bit == 0);
                word
            }
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        let bit = 1 << (slot % WORD_BITS);
        match self {
            Self::Few(word) => word & bit != 0,
            Self::Many { words, .. } => words[(slot / WORD_BITS) as usize] & bit != 0,
        }
    }

    pub(super) fn len(&self) -> u32 {
        match self {
            Self::Few(word) => word.count_ones(),
            Self::Many { count, .. } => *count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_sets_count_alike() {
        for members in [1, 64, 65, 1000] {
            let mut slots = Slots::empty(members);
            for slot in (0..members).step_by(3) {
                assert!(slots.insert(slot) && !slots.insert(slot));
            }
            assert_eq!(slots.len(), members.div_ceil(3));
            assert!((0..members).all(|slot| slots.contains(slot) == (slot % 3 == 0)));
        }
    }
}
