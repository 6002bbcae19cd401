//! One module a command.

pub(crate) mod build;
mod check;
mod debug;
mod determinism;
mod doc;
mod eval;
mod explain;
mod explanation;
mod fmt;
mod graph;
mod image;
mod log;
mod lsp;
mod mirrors;
mod module;
mod repl;
mod store;
mod test;
mod whereabouts;
mod why;

pub(crate) use store::history::{how, memory_of, signal_of, status_of, stopped_by, taken, utc};

use crate::args::Command;
use crate::failure::Failure;
use crate::session::Session;

/// Runs a command.
pub(crate) fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Build { targets, check: Some(mode), .. } => {
            determinism::check(session, &targets, mode)
        }
        Command::Build { targets, out_link, dry_run, check: None } => {
            build::build(session, &targets, out_link.as_deref(), dry_run)
        }
        Command::Fetch { targets } => build::fetch(session, &targets),
        Command::Eval { target, expression, stats } => {
            eval::eval(session, target.as_deref(), expression.as_deref(), stats)
        }
        Command::Repl { target } => repl::repl(session, target.as_deref()),
        Command::Doc { path, output } => doc::doc(session, &path, output.as_deref()),
        Command::Check { paths } => check::check(session, &paths),
        Command::Test { paths } => test::test(session, &paths),
        Command::Explain { code } => explain::explain(session, code.as_deref()),
        Command::Lsp { .. } => lsp::lsp(session),
        Command::Fmt { paths, check } => fmt::fmt(session, &paths, check),
        Command::Mod { dir, command } => module::run(session, &dir, command),
        Command::Lock { dir } => module::lock(session, &dir),
        Command::Log { target } => log::log(session, &target),
        Command::Why(command) => why::run(session, command),
        Command::Graph { target, format } => graph::graph(session, &target, format),
        Command::Debug { target, shell, command } => debug::debug(session, &target, shell, command),
        Command::Image(command) => image::run(session, command),
        Command::Store(command) => store::run(session, command),
        Command::Mirrors(command) => mirrors::run(session, command),
    }
}
