//! Bytes against [`cbuild_invariants::record`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cbuild_invariants::record(bytes));
