//! The command line of cbuild, and the real outside world of the other crates: files, configuration,
//! the terminal, signals, exit codes.
//!
//! It holds no logic of the language, of builds or of images: it parses arguments, connects the
//! crates and shows what they say.
#![forbid(unsafe_code)]
// These macros panic where the other end of a pipe is closed; `output` does not.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod args;
mod commands;
mod evaluation;
mod failure;
mod output;
mod outside;
mod places;
mod progress;
mod recall;
mod session;
mod standard_library;
mod statistics;
mod target;
mod terminal;
mod usage;

use std::process::ExitCode;

/// Evaluation makes and frees many small values, which the allocator of the C library does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The sandbox starts this same program again as its single-threaded helper.
    cbuild_sandbox::helper_main_if_requested();
    let cli = usage::arguments();
    let manner = session::manner(&cli.global);
    let done = session::Session::new(cli.global).and_then(|session| {
        // An editor's server has nothing to clean up: a signal ends it at once.
        if !matches!(cli.command, args::Command::Lsp { .. }) {
            session.stop_on_signals()?;
        }
        commands::run(&session, cli.command)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(manner);
            failure.exit().into()
        }
    }
}
