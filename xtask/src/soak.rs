//! The store under load, as long as wanted; see `tests/soak`.

use std::time::Duration;

use crate::Result;
use crate::command::build_cbuild;

#[path = "../../tests/soak/mod.rs"]
pub(crate) mod harness;

/// How much to do.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// Processes to kill at random moments
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Minutes of builds that are not killed
    #[arg(long, default_value_t = 1)]
    minutes: u32,
    /// Minutes of everything that can be done with a store, with kills
    #[arg(long, default_value_t = 1)]
    mix: u32,
    /// Processes that work at the same time
    #[arg(long, default_value_t = 8)]
    processes: u32,
    /// Amounts of free space to build with
    #[arg(long, default_value_t = 10)]
    full_disk: u32,
    /// What the random moments come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A cbuild to use instead of a release build of this repository
    #[arg(long)]
    program: Option<std::path::PathBuf>,
}

/// Runs the harness and prints what it did.
pub(crate) fn run(soak: Soak) -> Result {
    let program = match soak.program {
        Some(program) => std::path::absolute(program).map_err(|error| error.to_string())?,
        None => build_cbuild()?,
    };
    let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
    let report = harness::run(&harness::Plan {
        program,
        folder: scratch.path().to_owned(),
        kills: soak.kills,
        load: Duration::from_secs(60) * soak.minutes,
        mix: Duration::from_secs(60) * soak.mix,
        processes: soak.processes,
        full_disk: soak.full_disk,
        seed: soak.seed,
    })?;
    println!("{} processes killed, {} had ended before", report.killed, report.too_late);
    println!("{} builds ended well, {} collections ran beside", report.built, report.collections);
    let mixed = &report.mixed;
    println!("{} processes of all kinds ended well, {} were killed", mixed.done, mixed.killed);
    println!("{} builds met a full disk and succeeded later", report.out_of_space);
    println!("the store is clean; no process, mount or scratch folder is left");
    Ok(())
}
