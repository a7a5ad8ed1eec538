//! Locks.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, even one whose holder panicked: the run ends anyway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
