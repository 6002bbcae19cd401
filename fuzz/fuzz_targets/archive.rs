//! Archives against [`cbuild_invariants::archive`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cbuild_invariants::archive(bytes));
