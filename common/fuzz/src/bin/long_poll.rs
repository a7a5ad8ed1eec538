//! See `rts_fuzz::long_poll`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rts_fuzz::long_poll(data));
