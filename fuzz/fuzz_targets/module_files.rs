//! Files of modules against [`cbuild_invariants::module_files`].
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| cbuild_invariants::module_files(text));
