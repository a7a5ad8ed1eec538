//! Cuts an input into frames. The input itself decides where, so that a run can be repeated.

use bytes::Bytes;

/// The longest frame; the shortest is one byte.
const FRAME_BYTES_MAX: u64 = 64;

/// Returns the input in frames; one of them may be all of it.
pub(crate) fn split(data: &[u8]) -> Vec<Bytes> {
    // FNV-1a, then a linear congruential generator: good enough for varied cuts.
    let mut state = data
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let longest = if state & 1 == 0 { FRAME_BYTES_MAX } else { 3 };
    let mut rest = data;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from((state >> 33) % longest + 1).expect("64 at most").min(rest.len());
        let (frame, left) = rest.split_at(length);
        frames.push(Bytes::copy_from_slice(frame));
        rest = left;
    }
    frames
}
