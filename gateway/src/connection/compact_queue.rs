//! A queue whose usual length is zero or one: then it holds no allocation.

use std::collections::{VecDeque, vec_deque};
use std::iter::Chain;
use std::option;

/// First in, first out. The first item is stored inline, those after it on the heap; the memory of a burst is released
/// with its last item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactQueue<T> {
    first: Option<T>,
    /// Empty while there is no first.
    rest: VecDeque<T>,
}

impl<T> Default for CompactQueue<T> {
    fn default() -> Self {
        Self { first: None, rest: VecDeque::new() }
    }
}

impl<T> CompactQueue<T> {
    /// Returns the number of items.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    /// True if there is no item.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Appends an item.
    pub fn push_back(&mut self, item: T) {
        if self.first.is_none() {
            self.first = Some(item);
        } else {
            self.rest.push_back(item);
        }
    }

    /// Inserts an item before all others.
    pub fn push_front(&mut self, item: T) {
        if let Some(second) = self.first.replace(item) {
            self.rest.push_front(second);
        }
    }

    /// Returns the first item.
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.first.as_mut()
    }

    /// Takes the first item.
    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.first.take();
        self.first = self.rest.pop_front();
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
        first
    }

    /// Returns all items, in order.
    pub fn iter(&self) -> Chain<option::Iter<'_, T>, vec_deque::Iter<'_, T>> {
        self.first.iter().chain(&self.rest)
    }
}

impl<T> IntoIterator for CompactQueue<T> {
    type Item = T;
    type IntoIter = Chain<option::IntoIter<T>, vec_deque::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

impl<'a, T> IntoIterator for &'a CompactQueue<T> {
    type Item = &'a T;
    type IntoIter = Chain<option::Iter<'a, T>, vec_deque::Iter<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Extend<T> for CompactQueue<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push_back(item));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_no_memory() {
        let mut queue = CompactQueue::default();
        assert!(queue.is_empty() && queue.pop_front().is_none());
        queue.push_back(1);
        assert_eq!((queue.len(), queue.rest.capacity()), (1, 0));
        queue.extend(2..=4);
        assert_eq!(queue.iter().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(queue.pop_front(), Some(1));
        queue.push_back(5);
        queue.push_front(1);
        assert_eq!(queue.pop_front(), Some(1));
        assert_eq!(queue.front_mut(), Some(&mut 2));
        assert_eq!(queue.clone().into_iter().collect::<Vec<_>>(), [2, 3, 4, 5]);
        for expected in 2..=5 {
            assert_eq!(queue.pop_front(), Some(expected));
        }
        assert_eq!((queue.len(), queue.rest.capacity(), queue.is_empty()), (0, 0, true));
    }
}
