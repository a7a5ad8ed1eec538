//! The formats that this crate promises to keep.

mod records;
