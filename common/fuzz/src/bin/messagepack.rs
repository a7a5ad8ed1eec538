//! See `rts_fuzz::messagepack`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rts_fuzz::messagepack(data));
