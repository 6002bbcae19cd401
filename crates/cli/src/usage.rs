//! The command line, read: what clap refuses becomes a problem with a code like all others.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::args::{Cli, Color};
use crate::failure::{Exit, Failure, Manner, Problem};
use crate::session::wants_color;

/// Reads the arguments of this process, and gives the words of the command, such as `store gc`. Help and version are printed here and end the process, and so
/// does a wrong use, as text or JSON as far as the arguments tell.
pub(crate) fn arguments() -> (Cli, String) {
    let parsed = Cli::command().try_get_matches().and_then(|mut matches| {
        let words = words(&matches);
        Ok((Cli::from_arg_matches_mut(&mut matches)?, words))
    });
    parsed.unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            let given: Vec<_> = std::env::args_os().collect();
            let failure = Failure::from(problem(&error, &given));
            let color = wants_color(Color::Auto);
            failure.report(Manner { json, color, all_errors: false });
            std::process::exit(failure.exit() as i32)
        }
    })
}

/// The names of a command and of its parts.
fn words(mut matches: &ArgMatches) -> String {
    let mut words = vec!["cbuild"];
    while let Some((name, inner)) = matches.subcommand() {
        words.push(name);
        matches = inner;
    }
    words.join(" ")
}

/// A problem of what clap says: a line with what is wrong, more about it, tips and the usage.
fn problem(error: &clap::Error, given: &[OsString]) -> Problem {
    let said = error.render().to_string();
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the command line is wrong");
    let first = first.trim_start_matches("error: ");
    let allowed = allowed(error);
    // What is allowed is the fix, so the message needs not say it too.
    let ending = allowed.as_deref().map(|allowed| format!(": {allowed}"));
    let first = ending.and_then(|ending| first.strip_suffix(&ending)).unwrap_or(first);
    let mut problem = Problem::new(Exit::Input, "E1000", first);
    let mut tips = Vec::new();
    for line in lines {
        match line.strip_prefix("tip: ") {
            Some(tip) => tips.push(tip.to_owned()),
            None if line.starts_with("For more information") => {}
            None if line.starts_with("[possible values: ") => {}
            None => problem.details.push(without_inherited(line, given)),
        }
    }
    tips.extend(allowed.map(|allowed| format!("give {allowed}")));
    if tips.is_empty() {
        tips.push("`--help` behind the command lists what it takes".to_owned());
    }
    problem.help(tips.join("; "))
}

/// What can stand in the place of a value that is refused.
fn allowed(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::ValueValidation, _) => error.source().map(ToString::to_string),
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(values))) if !values.is_empty() => {
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            Some(format!("one of {}", values.join(", ")))
        }
        (ErrorKind::InvalidValue, _) => {
            Some("a value after it, with a space or `=` between".to_owned())
        }
        _ => None,
    }
}

/// A line of usage without the options that come from variables: clap shows them as if they had been given.
fn without_inherited(line: &str, given: &[OsString]) -> String {
    let mut line = line.to_owned();
    for option in Cli::command().get_arguments().filter(|option| option.get_env().is_some()) {
        let Some(name) = option.get_long().map(|name| format!("--{name}")) else { continue };
        let is_given = |argument: &OsString| {
            let rest = argument.to_str().and_then(|text| text.strip_prefix(&name));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        if line.starts_with("Usage:") && !given.iter().any(is_given) {
            let values = option.get_value_names().unwrap_or_default();
            let shown = values.iter().map(|value| format!(" <{value}>")).collect::<String>();
            line = line.replace(&format!(" {name}{shown}"), "");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use clap::Parser as _;

    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from(arguments).unwrap_err();
        let given: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let Problem { exit, code, message, details, help } = problem(&error, &given);
        assert_eq!((exit, code), (Exit::Input, "E1000"));
        format!("{message}\n{}\nhelp: {}\n", details.join("\n"), help.unwrap())
    }

    #[test]
    fn each_wrong_use_has_a_fix() {
        let uses: [&[&str]; 11] = [
            &["cbuild", "bild", "."],
            &["cbuild", "build"],
            &["cbuild", "build", ".", "--ofline"],
            &["cbuild", "build", ".", "--jobs", "many"],
            &["cbuild", "build", ".", "--jobs", "0"],
            &["cbuild", "build", ".", "--max-time", "1h"],
            &["cbuild", "build", ".", "--max-memory", "0"],
            &["cbuild", "build", ".", "--color", "blue"],
            &["cbuild", "build", ".", "--color"],
            &["cbuild", "store", "gc", "--older-than", "1y"],
            &["cbuild", "build", ".", "--check", "--dry-run"],
        ];
        insta::assert_snapshot!(uses.map(refused).join("\n"));
    }

    #[test]
    fn options_from_variables_are_not_in_the_usage() {
        let line = "Usage: cbuild build --root <DIR> --offline <TARGET>...";
        let plain = "Usage: cbuild build --offline <TARGET>...";
        let given = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(without_inherited(line, &given("cbuild build --offline")), plain);
        assert_eq!(without_inherited(line, &given("cbuild build --root x --offline")), line);
        assert_eq!(without_inherited(line, &given("cbuild build --root=x --offline")), line);
        assert_eq!(without_inherited(plain, &given("cbuild --rooted")), plain);
    }
}
