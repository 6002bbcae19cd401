//! Chores of the repository: `cargo xtask demo`, `test`, `layers`, `bench`, `soak` and `interrupts`.
//!
//! It knows the repository's folders and the programs that the chores call, and nothing of cbuild's inside.
#![forbid(unsafe_code)]

mod bench;
mod command;
mod demo;
mod interrupts;
mod layers;
mod soak;
mod system_packages;
mod test;

use std::process::ExitCode;

use clap::Parser;

/// What can go wrong in a chore: a sentence that names the place.
type Result<T = ()> = std::result::Result<T, String>;

/// Chores of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Chore {
    /// Build cbuild and the Redis image, run the image and show it answering
    Demo,
    /// Install what the tests call, then run every check and test
    Test,
    /// Check which crate may depend on which
    Layers,
    /// Measure, beside Nix where it is installed
    Bench {
        /// What to measure
        #[arg(value_enum, default_value_t = bench::Subject::Build)]
        subject: bench::Subject,
        /// Measure only programs whose name contains this
        #[arg(long, default_value = "")]
        only: String,
        /// Repetitions of each measurement; the median is printed
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Kill, fill and load a store at random, and see that nothing is lost
    Soak(soak::Soak),
    /// Stop every command at random moments, and see that it ends at once and leaves nothing
    Interrupts(interrupts::Interrupts),
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Demo => demo::demonstrate(),
        Chore::Test => test::run_all(),
        Chore::Layers => layers::check(),
        Chore::Bench { subject, only, runs } => bench::run(subject, runs, &only),
        Chore::Soak(soak) => soak::run(soak),
        Chore::Interrupts(interrupts) => interrupts::run(interrupts),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
