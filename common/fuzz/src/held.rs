//! How much memory is held, and a bound that ends the process.

use std::alloc::System;

use cap::Cap;

/// What a decoded value may take for each byte of it: nested JSON arrays are the largest, a vector of four for each bracket.
const BYTES_FOR_EACH: usize = 256;
/// What is always there.
const BYTES_ASIDE: usize = 64 * 1024;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What has been allocated since a moment, and not freed.
pub(crate) struct Held(usize);

impl Held {
    /// From now on.
    pub(crate) fn from_now() -> Self {
        Self(ALLOCATOR.allocated())
    }

    /// From now on, and, until dropped, no more than an input of so many bytes can need: an allocation beyond fails, which
    /// aborts the process. An announced length must never be enough to do that.
    pub(crate) fn bounded(input_bytes: usize) -> Self {
        let held = Self::from_now();
        let limit = held.0 + BYTES_FOR_EACH * input_bytes + BYTES_ASIDE;
        ALLOCATOR.set_limit(limit).expect("it is more than there is");
        held
    }

    /// Bytes now.
    pub(crate) fn bytes(&self) -> usize {
        ALLOCATOR.allocated().saturating_sub(self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        ALLOCATOR.set_limit(usize::MAX).expect("there is no limit");
    }
}
