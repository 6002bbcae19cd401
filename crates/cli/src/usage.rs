//! The command line, read: what clap refuses becomes a problem with a code like all others.

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Color};
use crate::failure::{Exit, Failure, Problem};
use crate::session::wants_color;

/// Reads the arguments of this process. Help and version are printed here and end the process, and so
/// does a wrong use, as text or JSON as far as the arguments tell.
pub(crate) fn arguments() -> Cli {
    Cli::try_parse().unwrap_or_else(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            let failure = Failure::from(problem(&error.render().to_string()));
            failure.report(json, wants_color(Color::Auto));
            std::process::exit(failure.exit() as i32)
        }
    })
}

/// A problem of what clap says: a line with what is wrong, more about it, tips and the usage.
fn problem(said: &str) -> Problem {
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the command line is wrong");
    let mut problem = Problem::new(Exit::Input, "E1000", first.trim_start_matches("error: "));
    let mut tips = Vec::new();
    for line in lines {
        match line.strip_prefix("tip: ") {
            Some(tip) => tips.push(tip.to_owned()),
            None if line.starts_with("For more information") => {}
            None => problem.details.push(line.to_owned()),
        }
    }
    if tips.is_empty() {
        tips.push("`--help` behind the command lists what it takes".to_owned());
    }
    problem.help(tips.join("; "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from(arguments).unwrap_err();
        let Problem { exit, code, message, details, help } = problem(&error.render().to_string());
        assert_eq!((exit, code), (Exit::Input, "E1000"));
        format!("{message}\n{}\nhelp: {}\n", details.join("\n"), help.unwrap())
    }

    #[test]
    fn each_wrong_use_has_a_fix() {
        let uses: [&[&str]; 6] = [
            &["cbuild", "bild", "."],
            &["cbuild", "build"],
            &["cbuild", "build", ".", "--ofline"],
            &["cbuild", "build", ".", "--jobs", "many"],
            &["cbuild", "build", ".", "--color", "blue"],
            &["cbuild", "build", ".", "--check", "--dry-run"],
        ];
        insta::assert_snapshot!(uses.map(refused).join("\n"));
    }
}
