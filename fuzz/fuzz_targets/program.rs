//! Programs made along their types against [`cbuild_invariants::generated`]; the input is the row
//! of choices that a program is made by.
#![no_main]

use arbitrary::Unstructured;

libfuzzer_sys::fuzz_target!(|choices: &[u8]| {
    if let Ok(program) = cbuild_invariants::program(&mut Unstructured::new(choices)) {
        cbuild_invariants::generated(&program);
    }
});
