//! `cbuild debug`.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use cbuild_build::{Builder, RunError, StepError, Target, Terminal, Visit};
use cbuild_drv::DrvId;

use crate::evaluation::evaluate;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::progress::Display;
use crate::session::Session;

/// Builds the target; when a program fails, runs it again and enters its sandbox.
pub(crate) fn debug(
    session: &Session,
    target: &str,
    shell: Option<PathBuf>,
    command: Vec<OsString>,
) -> Result<(), Failure> {
    let store = session.store()?;
    let evaluated = evaluate(session, &store, &[target.to_owned()])?;
    let fetcher = session.fetcher()?;
    let display = Display::new(session);
    let show = |event| display.show(&event);
    let builder = Builder::new(&store, &evaluated.graph, &fetcher, session.build_options(), &show);
    let targets: Vec<_> = evaluated.targets.iter().map(|found| found.target.clone()).collect();
    let failed = failing(&builder, &targets)?;
    display.end();
    let output = std::io::stdout().as_fd().try_clone_to_owned().map_err(|error| {
        Problem::new(Exit::Environment, "E1020", format!("cannot write the result: {error}"))
            .help("close other programs, or raise the limit of open files (`ulimit -n`)")
    })?;
    let quiet = session.options.quiet;
    let is_shell = command.is_empty();
    let mut ended = |how: &str, shell: &Path| {
        let shell = is_shell.then(|| format!("`{}`", shell.display()));
        let place = shell.as_deref().unwrap_or("the command");
        if !quiet {
            output::tell_line(&format!(
                "{how}; {place} sees what it left in /build, /tmp and /cbuild/store"
            ));
        }
    };
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let visit = Visit { shell, command, prompts: std::io::stdin().is_terminal() };
    let mut attach = |end| crate::terminal::attach(&end, &session.stop);
    let attach = is_terminal.then_some(&mut attach as &mut dyn FnMut(OwnedFd));
    let terminal = Terminal { output: output.into(), ended: &mut ended, attach };
    match builder.visit(&failed, &visit, terminal)? {
        0 => Ok(()),
        // A shell that is left gives the status of what was typed last, which is no failure of this command.
        _ if is_shell && is_terminal => Ok(()),
        status => Err(left_with(status).into()),
    }
}

fn left_with(status: i32) -> Problem {
    let message = format!("the shell or command ended with status {status}");
    Problem::new(Exit::Failed, "E1042", message)
        .help("126 and 127 mean that a program was not found; `--shell PATH` names another shell")
}

/// Builds, and gives the first program that fails.
fn failing(builder: &Builder<'_>, targets: &[Target]) -> Result<DrvId, Failure> {
    match builder.build(targets) {
        Ok(_) => Err(Problem::new(Exit::Input, "E1041", "there is no failure: the target builds")
            .help("`cbuild log` prints what the builder wrote")
            .into()),
        Err(RunError::Steps { failures, skipped }) => {
            let of_program = |error: &StepError| error.log().is_some();
            match failures.iter().find(|failure| of_program(&failure.error)) {
                Some(failure) => Ok(failure.drv),
                None => Err(RunError::Steps { failures, skipped }.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails() {
        insta::assert_snapshot!(Failure::from(left_with(127)).text());
    }
}
