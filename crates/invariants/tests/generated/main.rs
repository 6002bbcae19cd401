//! Programs made along their types, and such programs with one thing of another type: no panic, no error
//! that speaks of a defect, no program that takes long.
//!
//! A fixed row of a few hundred runs everywhere. `CBUILD_PROGRAMS=100000 cargo test --release -p
//! cbuild-invariants --test generated` runs as many as one likes, `CBUILD_PROGRAMS_FROM` tells where the
//! row begins, and with `CBUILD_PROGRAM=target/release/cbuild` every hundredth program is also checked and
//! evaluated by the program itself.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may panic, measure time, and read how much is asked of them"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use cbuild_invariants as invariants;

/// Programs where nobody asks for another number.
const PROGRAMS: u64 = 150;
/// Time that a program may take with all that is done to it, on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);
/// Every how many programs one is given to the program itself.
const SAMPLE: u64 = 100;
/// Bytes of choices that a program is made by.
const CHOICES: usize = 2000;

/// Bytes that look random and are the same in every run (splitmix64).
fn choices(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    };
    (0..CHOICES / 8).flat_map(|_| next()).collect()
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// What became of the programs.
#[derive(Default)]
struct Tally {
    sound: AtomicU64,
    spoiled: AtomicU64,
    accepted: AtomicU64,
}

/// Makes the program of a number and looks at it; every third one is spoiled.
fn examine(seed: u64, tally: &Tally) {
    let bytes = choices(seed);
    let mut bytes = Unstructured::new(&bytes);
    let spoils = seed % 3 == 2;
    let program = if spoils {
        invariants::spoiled_program(&mut bytes)
    } else {
        invariants::program(&mut bytes)
    };
    let program = program.unwrap();
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| {
        if !spoils {
            invariants::generated(&program);
            tally.sound.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let accepted = invariants::spoiled(&program);
        tally.spoiled.fetch_add(1, Ordering::Relaxed);
        tally.accepted.fetch_add(u64::from(accepted), Ordering::Relaxed);
    }));
    assert!(result.is_ok(), "program {seed} fails:\n{program}");
    let took = start.elapsed();
    assert!(took < LONGEST, "program {seed} took {took:?}:\n{program}");
    if let (Some(cbuild), 0) = (std::env::var_os("CBUILD_PROGRAM"), seed % SAMPLE) {
        in_process_of_its_own(Path::new(&cbuild), seed, &program);
    }
}

/// Gives a program to cbuild itself, which must not end as after a defect or a panic.
fn in_process_of_its_own(cbuild: &Path, seed: u64, program: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.cbuild");
    std::fs::write(&file, program).unwrap();
    std::fs::write(folder.path().join("lib.cbuild"), "pub fn twice(n: Int) -> Int = n + n\n")
        .unwrap();
    for command in [["check"].as_slice(), &["eval", "--json"], &["fmt", "--check"]] {
        let output = Command::new(cbuild)
            .args(command)
            .arg(&file)
            .env("HOME", folder.path())
            .env("CBUILD_STORE", folder.path().join("store"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let good = matches!(output.status.code(), Some(0..=2)) && !said.contains("E0413");
        assert!(good, "program {seed}, {command:?}: {}\n{said}\n{program}", output.status);
    }
}

#[test]
fn generated_programs_do_not_go_wrong() {
    let (count, from) = (number("CBUILD_PROGRAMS", PROGRAMS), number("CBUILD_PROGRAMS_FROM", 0));
    let (next, tally) = (AtomicU64::new(from), Tally::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + count {
                    return;
                }
                examine(seed, &tally);
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
    let Tally { sound, spoiled, accepted } = tally;
    let (sound, spoiled, accepted) =
        (sound.into_inner(), spoiled.into_inner(), accepted.into_inner());
    println!("{sound} sound programs, {spoiled} spoiled ones, of which {accepted} are accepted");
    assert_eq!(sound + spoiled, count);
    // Both kinds are of use only if some of the spoiled programs are refused, and some are not.
    assert!(count < PROGRAMS || 0 < accepted && accepted < spoiled, "{accepted} of {spoiled}");
}
