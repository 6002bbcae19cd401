//! What the fuzz targets share: how an input is changed so that it stays close to a program.
//!
//! What must hold of an input is said in `crates/invariants`; nothing of it is here.
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use cbuild_invariants::mutation::mutated;

/// Longest source that parts are taken from, in bytes.
const LONGEST_DONOR: usize = 3000;

static DONORS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut sources = cbuild_invariants::specified_sources();
    sources.extend(cbuild_invariants::repository_sources());
    sources.retain(|source| source.len() < LONGEST_DONOR);
    sources
});

/// Changes the source in the first `size` bytes of `data` and gives the new size. One in four
/// changes is that of the fuzzer itself, and so are those of what is no text.
pub fn mutate_source(data: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let text = match std::str::from_utf8(&data[..size]) {
        Ok(text) if seed % 4 != 0 => text,
        _ => return libfuzzer_sys::fuzzer_mutate(data, size, most),
    };
    let choices: Vec<u8> = (0..64_u32)
        .map(|at| (seed.wrapping_add(at).wrapping_mul(0x9e37_79b1) >> 13) as u8)
        .collect();
    let mut choices = Unstructured::new(&choices);
    let Ok(donor) = choices.choose(&DONORS) else { return size };
    let changed = mutated(text, donor, &mut choices, 2);
    if changed.len() > most {
        return size;
    }
    data[..changed.len()].copy_from_slice(changed.as_bytes());
    changed.len()
}
