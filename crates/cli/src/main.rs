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
mod stop;
mod target;
mod terminal;
mod usage;

use std::process::ExitCode;
use std::sync::Arc;

use failure::Exit;

/// Evaluation makes and frees many small values, which the allocator of the C library does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The sandbox starts this same program again as its single-threaded helper.
    cbuild_sandbox::helper_main_if_requested();
    let (cli, words) = usage::arguments();
    let (json, manner) = (cli.global.json, session::manner(&cli.global));
    let stop = stop::Stop::new(words, json);
    let done = stop.on_signals().and_then(|()| {
        let session = session::Session::new(cli.global, Arc::clone(&stop))?;
        commands::run(&session, cli.command)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whatever an operation says that was ended: it was the signal.
        Err(failure) if stop.is_asked() => {
            stop.problem(failure.stop_code(), None).report(json);
            Exit::Cancelled.into()
        }
        Err(failure) => {
            failure.report(manner);
            failure.exit().into()
        }
    }
}
