//! Sources against [`cbuild_invariants::evaluate`].
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    cbuild_fuzz::mutate_source(data, size, most, seed)
});

fuzz_target!(|text: &str| {
    cbuild_invariants::evaluate(text);
});
