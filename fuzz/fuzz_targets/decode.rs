//! Bytes against [`cbuild_invariants::decode`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cbuild_invariants::decode(bytes));
