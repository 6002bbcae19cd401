//! `cbuild repl`: expressions and definitions as they are typed.
//!
//! Nothing that is typed ends the session but `:quit` and the end of the input.

mod completion;
mod files;
mod input;
mod state;
mod terminal;

use std::io::{BufRead, IsTerminal};

use self::input::{Input, Request};
use self::state::State;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Most bytes of one input.
const MAX_INPUT: usize = 1 << 20;

const HELP: &str = "\
EXPR            evaluate an expression and print its value
let, fn, type, protocol, import
                define a name; a later definition hides an earlier one
test \"…\" { … }  run a test
:type EXPR      the type of an expression, which is not evaluated
:doc NAME       type and documentation of a name, such as std.list.map
:build EXPR     build a package or an image, and print where it is
:load PATH      take the names of a file into scope, and forget all definitions
:reload         read the files again
:help           this text
:quit           leave, as Ctrl-D does
Ctrl-C stops an evaluation or drops the line; Tab completes; an empty line ends an unfinished input.";

/// Reads inputs until there are no more.
pub(crate) fn repl(session: &Session, target: Option<&str>) -> Result<(), Failure> {
    let mut state = State::new(session)?;
    if let Some(target) = target {
        state.load(target)?;
    }
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if terminal { terminal::run(state) } else { lines(state, std::io::stdin().lock()) }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Go,
    Leave,
}

/// Does what one input asks for.
fn serve(state: &mut State<'_>, text: &str) -> Result<Next, Failure> {
    match input::read(text)? {
        Input::Nothing => {}
        Input::Items(names) => state.define(text, &names)?,
        Input::Expression => state.evaluate(text)?,
        Input::Request(request, rest) => match request {
            Request::Quit => return Ok(Next::Leave),
            Request::Help => output::line(HELP)?,
            Request::Type => state.show_type(rest)?,
            Request::Doc => state.show_doc(rest)?,
            Request::Build => state.build(rest)?,
            Request::Load => state.load(rest)?,
            Request::Reload => state.reload()?,
        },
    }
    Ok(Next::Go)
}

fn stopped() -> Failure {
    Problem::new(Exit::Cancelled, "E1060", "stopped; the inputs after this one were not read")
        .into()
}

/// Serves the lines of a file or pipe. At the end it fails if an input has failed.
fn lines(mut state: State<'_>, reader: impl BufRead) -> Result<(), Failure> {
    let mut pending = String::new();
    let mut failed = 0_usize;
    let mut serve_pending = |state: &mut State<'_>, pending: &mut String| {
        let text = std::mem::take(pending);
        let next = serve(state, &text).unwrap_or_else(|failure| {
            failure.report(state.session().manner());
            failed += 1;
            Next::Go
        });
        if state.session().cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(stopped());
        }
        Ok(next)
    };
    let mut left = false;
    for line in reader.lines() {
        let line = line.map_err(|error| {
            let message = format!("cannot read standard input: {error}");
            Problem::new(Exit::Environment, "E1061", message).help("give text in UTF-8")
        })?;
        if !pending.is_empty() {
            pending.push('\n');
        }
        pending.push_str(&line);
        if pending.len() < MAX_INPUT && input::is_unfinished(&pending) {
            continue;
        }
        if serve_pending(&mut state, &mut pending)? == Next::Leave {
            left = true;
            break;
        }
    }
    if !left && !pending.trim().is_empty() {
        serve_pending(&mut state, &mut pending)?;
    }
    if failed == 0 {
        return Ok(());
    }
    let noun = if failed == 1 { "input" } else { "inputs" };
    Err(Problem::new(Exit::Failed, "E1062", format!("{failed} {noun} failed")).into())
}

#[cfg(test)]
mod tests {
    use super::stopped;

    #[test]
    fn a_stopped_session() {
        insta::assert_snapshot!(stopped().text());
    }
}
