//! See `rts_fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rts_fuzz::json(data));
