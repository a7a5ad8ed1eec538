//! The version of what nodes write into Redis for each other: publications, streams, hashes.
//!
//! A change that builds before it cannot read is made in two releases: the first one reads it, with a higher
//! [`Formats::reads`]; the second one writes it, with a higher [`Formats::writes`]. A node that sees another write what it
//! cannot read would leave out events without knowing, so it drains itself.

/// The formats that a build writes and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formats {
    /// The format that it writes.
    pub writes: u32,
    /// The latest format that it reads.
    pub reads: u32,
}

impl Formats {
    /// Those of this build.
    pub const OURS: Self = Self { writes: 1, reads: 1 };
}
