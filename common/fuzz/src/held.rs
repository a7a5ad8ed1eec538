//! The memory in use, and a bound that ends the process.

use std::alloc::System;

use cap::Cap;

/// The most memory that a decoded value may need per byte of input: nested JSON arrays need most, a vector of four
/// elements for each bracket.
const BYTES_FOR_EACH: usize = 256;
/// The memory that is always allowed.
const BYTES_ASIDE: usize = 64 * 1024;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The memory allocated since a moment and not freed.
pub(crate) struct Held(usize);

impl Held {
    /// Measures from now on.
    pub(crate) fn from_now() -> Self {
        Self(ALLOCATOR.allocated())
    }

    /// Measures from now on and, until dropped, allows no more than an input of `input_bytes` can need: an allocation
    /// beyond that fails, which aborts the process. An announced length must never be enough to do that.
    pub(crate) fn bounded(input_bytes: usize) -> Self {
        let held = Self::from_now();
        let limit = held.0 + BYTES_FOR_EACH * input_bytes + BYTES_ASIDE;
        ALLOCATOR.set_limit(limit).expect("the limit is above the present use");
        held
    }

    /// Returns the bytes in use now.
    pub(crate) fn bytes(&self) -> usize {
        ALLOCATOR.allocated().saturating_sub(self.0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        ALLOCATOR.set_limit(usize::MAX).expect("the largest limit is above any use");
    }
}
