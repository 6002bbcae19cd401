//! Every command, stopped at random moments; see `tests/interrupts`.

use std::time::Duration;

use crate::Result;
use crate::command::build_cbuild;

#[path = "../../tests/interrupts/mod.rs"]
mod harness;

/// What to stop, and how often.
#[derive(clap::Args)]
pub(crate) struct Interrupts {
    /// Moments at which each command is stopped
    #[arg(long, default_value_t = 200)]
    moments: u32,
    /// How soon a command must have ended, in milliseconds, apart from the time that the machine is late
    #[arg(long, default_value_t = 1000)]
    limit: u64,
    /// Objects, functions and files to work on
    #[arg(long, default_value_t = 3000)]
    size: u32,
    /// Objects that a collection has to delete
    #[arg(long, default_value_t = 10_004)]
    garbage: u32,
    /// What the random moments come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only commands whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// A cbuild to use instead of a release build of this repository
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

/// Runs the harness and prints how soon each command has ended.
pub(crate) fn run(interrupts: Interrupts) -> Result {
    let program = match interrupts.program {
        Some(program) => std::path::absolute(program).map_err(|error| error.to_string())?,
        None => build_cbuild()?,
    };
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let plan = harness::Plan {
        program,
        folder: scratch.path().to_owned(),
        moments: interrupts.moments,
        limit: Duration::from_millis(interrupts.limit),
        size: interrupts.size,
        garbage: interrupts.garbage,
        seed: interrupts.seed,
        only: interrupts.only,
    };
    let stopped = harness::run(&plan, |report| println!("{report}"))?;
    println!("{stopped} commands stopped; the stores are clean, and nothing is left");
    Ok(())
}
