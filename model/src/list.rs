//! A list with a fixed number of places, so that a state is one flat value that is cheap to copy and to hash.

use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

/// Up to `N` items. Places that are not in use hold the default, so that equal lists are equal place by place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List<T, const N: usize> {
    items: [T; N],
    count: u8,
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self { items: [T::default(); N], count: 0 }
    }
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// Adds an item at the end. A list that is full means that a scenario allows more than the model has places for.
    pub(crate) fn push(&mut self, item: T) {
        assert!(usize::from(self.count) < N, "the scenario is larger than the model");
        self.items[usize::from(self.count)] = item;
        self.count += 1;
    }

    /// Takes an item out; those behind it move up.
    pub(crate) fn remove(&mut self, at: usize) -> T {
        let removed = self[at];
        let count = usize::from(self.count);
        self.items.copy_within(at + 1..count, at);
        self.items[count - 1] = T::default();
        self.count -= 1;
        removed
    }

    /// Takes all out.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<T: Hash, const N: usize> Hash for List<T, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.deref().hash(state);
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items[..usize::from(self.count)]
    }
}

impl<T, const N: usize> DerefMut for List<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[..usize::from(self.count)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_hold_the_same_are_equal_however_they_came_to_it() {
        let mut long: List<u8, 3> = List::default();
        for item in [7, 8, 9] {
            long.push(item);
        }
        assert_eq!(long.remove(1), 8);
        assert_eq!(*long, [7, 9]);
        let mut short: List<u8, 3> = List::default();
        short.push(7);
        short.push(9);
        assert_eq!(long, short);
        long.clear();
        assert_eq!(long, List::default());
    }
}
