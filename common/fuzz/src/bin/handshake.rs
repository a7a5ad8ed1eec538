//! See `rts_fuzz::handshake`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rts_fuzz::handshake(data));
