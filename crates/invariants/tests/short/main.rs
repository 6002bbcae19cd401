//! The short form of fuzzing, on every toolchain: the sources of the repository, the inputs that
//! once failed, and a fixed row of changes of them.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, and read the inputs in the repository"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arbitrary::Unstructured;
use cbuild_invariants as invariants;
use cbuild_invariants::mutation::mutated;

/// Bytes that look random and are the same in every run (splitmix64).
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    };
    (0..count.div_ceil(8)).flat_map(|_| next()).take(count).collect()
}

/// Runs a check on inputs and shows the first one that fails in full.
fn all<T: AsRef<[u8]>>(inputs: impl IntoIterator<Item = T>, check: impl Fn(&[u8])) -> usize {
    let mut count = 0;
    for input in inputs {
        let input = input.as_ref();
        if catch_unwind(AssertUnwindSafe(|| check(input))).is_err() {
            panic!("fails on:\n{}", String::from_utf8_lossy(input));
        }
        count += 1;
    }
    count
}

fn texts(check: impl Fn(&str)) -> impl Fn(&[u8]) {
    move |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            check(text);
        }
    }
}

/// The inputs that once made a target fail.
fn regressions(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/regressions").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Sources to begin with; long ones would take the time of many short ones.
fn seeds(longest: usize) -> Vec<String> {
    let mut sources = invariants::specified_sources();
    sources.extend(invariants::repository_sources());
    sources.retain(|source| source.len() < longest);
    assert!(sources.len() > 150, "{} sources", sources.len());
    sources
}

/// A row of changed sources, each with up to `most` changes.
fn changed(seed: u64, count: usize, longest: usize, most: usize) -> impl Iterator<Item = String> {
    let seeds = seeds(longest);
    (0..count).map(move |index| {
        let choices = bytes(seed + index as u64, 256);
        let mut choices = Unstructured::new(&choices);
        let (text, donor) =
            (choices.choose(&seeds).unwrap().clone(), choices.choose(&seeds).unwrap().clone());
        mutated(&text, &donor, &mut choices, most)
    })
}

#[test]
fn parse() {
    let check = texts(invariants::parse);
    all(regressions("parse"), &check);
    all(seeds(usize::MAX), &check);
    assert_eq!(all(changed(1, 2000, 2000, 6), &check), 2000);
    let soup = (0..1000).map(|seed| {
        // Bytes of the signs and letters of the language.
        let letters = b" \n\t(){}[]<>=-+*/%!&|.,:;?#\"'\\$@_abltinfhesx019AZ\xc3\xa9\x00\r~`^";
        let soup = bytes(seed, 120)
            .iter()
            .map(|byte| letters[usize::from(*byte) % letters.len()])
            .collect::<Vec<u8>>();
        String::from_utf8_lossy(&soup).into_owned()
    });
    assert_eq!(all(soup, &check), 1000);
}

#[test]
fn format() {
    let check = texts(|text| {
        invariants::format(text);
    });
    all(regressions("format"), &check);
    all(seeds(usize::MAX), &check);
    assert_eq!(all(changed(100_000, 2000, 2000, 4), &check), 2000);
}

#[test]
fn check() {
    let check = texts(invariants::check);
    all(regressions("check"), &check);
    all(seeds(4000), &check);
    assert_eq!(all(changed(200_000, 400, 800, 3), &check), 400);
}

#[test]
fn evaluate() {
    let check = texts(invariants::evaluate);
    all(regressions("evaluate"), &check);
    all(seeds(4000), &check);
    assert_eq!(all(changed(300_000, 400, 800, 2), &check), 400);
}

/// Inputs with some bytes replaced, each a few times.
fn damaged(inputs: &[Vec<u8>], times: u64) -> impl Iterator<Item = Vec<u8>> {
    inputs.iter().enumerate().flat_map(move |(index, input)| {
        (0..times).map(move |time| {
            let mut input = input.clone();
            for place in bytes(500_000 + 1000 * index as u64 + time, 24).chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([place[0], place[1]])) % input.len();
                input[at] = place[2];
            }
            input
        })
    })
}

#[test]
fn archives() {
    let archives = regressions("archive");
    assert!(archives.len() >= 6);
    all(&archives, invariants::archive);
    assert_eq!(all(damaged(&archives, 40), invariants::archive), archives.len() * 40);
}

#[test]
fn module_files() {
    let check = texts(invariants::module_files);
    let files = regressions("module_files");
    assert!(files.len() >= 2);
    all(&files, &check);
    assert_eq!(all(damaged(&files, 500), &check), files.len() * 500);
}

#[test]
fn programs_along_their_types_are_accepted() {
    all(regressions("program"), |choices| {
        invariants::generated(&invariants::program(&mut Unstructured::new(choices)).unwrap());
    });
    let programs = (0..60).map(|seed| {
        invariants::program(&mut Unstructured::new(&bytes(400_000 + seed, 2000))).unwrap()
    });
    assert_eq!(all(programs, texts(invariants::generated)), 60);
}

/// With `CBUILD_FORMAT_PROGRAMS=1000` it takes that many programs, larger ones. Each has comments at all
/// places at once, and at some pairs of places, others in each program: all pairs would take seconds for a
/// program.
#[test]
fn comments_at_every_place_are_kept() {
    let asked = std::env::var("CBUILD_FORMAT_PROGRAMS").ok().and_then(|n| n.parse().ok());
    let count = asked.unwrap_or(3_u64);
    let programs = (0..count).map(|seed| {
        let choices = bytes(700_000 + seed, if asked.is_some() { 2000 } else { 100 });
        invariants::program(&mut Unstructured::new(&choices)).unwrap()
    });
    let check = texts(|text| {
        invariants::format_commented(text, |first| first % 101 == text.len() % 101);
    });
    assert_eq!(all(programs, &check), usize::try_from(count).unwrap());
    let case = "let a = 1 // a\n  + // b\n  2\n";
    invariants::format(case);
    invariants::format_commented("let a = b + 1 * c |> d with { e = 1 } == f && !g\n", |_| true);
}

/// Files that are decoded, without the first byte, which chooses type and format.
const FILES: &[&str] = &[
    "{\"name\": \"a\", \"port\": 1, \"level\": {\"Both\": [1, \"x\"]}, \"tag\": null}",
    "{\"Node\": [\"Leaf\", {\"Node\": []}]}",
    "[1, -2, 9223372036854775807, 1e3, \"\\ud83d\\ude00\\n\"]",
    "name = 'a'\nport = 0x10\nlevel = { Loud = 3 }\n[[package]]\nname = \"b\"\nversion = '''1'''\n[t.u]\nx-y = true\n",
    "version = 4\n[[package]]\nname = \"a\"\nversion = \"1\"\ndependencies = [\n \"b\",\n]\n",
    "name: a\nport: 0x10\nlevel:\n  Loud: 3\nlist: [a, *x]\nanchor: &x |\n  text\n  more\n",
    "- Node: [Leaf, {Node: []}]\n- !!str 12\n- ? a\n  : b\n- 'it''s'\n- \"\\x41\\u00e9\"\n",
    "%YAML 1.2\n---\na: ~\nb: >-\n  folded\n\n  text\n...\n",
];

#[test]
fn decode() {
    all(regressions("decode"), invariants::decode);
    let files = (0..2000_u64).map(|seed| {
        let random = bytes(500_000 + seed, 64);
        let mut choices = Unstructured::new(&random);
        let mut file = choices.choose(FILES).unwrap().as_bytes().to_vec();
        for _ in 0..choices.int_in_range(0..=4).unwrap() {
            let at = choices.choose_index(file.len()).unwrap();
            match choices.int_in_range(0..=3).unwrap() {
                0 => file[at] = choices.arbitrary().unwrap(),
                1 => drop(file.remove(at)),
                2 => file.insert(at, *choices.choose(b"{}[]:,\"'&*!#|>-? \n\t=.0\\").unwrap()),
                _ => {
                    let part = file[at..].to_vec();
                    file.extend(part);
                }
            }
            if file.is_empty() {
                break;
            }
        }
        file.insert(0, (seed % 24) as u8);
        file
    });
    assert_eq!(all(files, invariants::decode), 2000);
}

#[test]
fn records() {
    all(regressions("record"), invariants::record);
    let path = "/cbuild/store/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef-a";
    for text in [path, &path[14..], "sha256-MeBmE3lipnbonwbTtl04Ot54qep7j5EryULqcuDFF7s="] {
        for at in 0..text.len() {
            for byte in *b"=0gZ/-. \xff" {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                invariants::record(&changed);
            }
            invariants::record(&text.as_bytes()[..at]);
        }
    }
}
