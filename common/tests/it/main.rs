//! What this crate promises to others: formats that stay.

mod records;
