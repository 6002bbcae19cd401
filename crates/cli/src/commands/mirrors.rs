//! `cbuild mirrors`.

use cbuild_fetch::{Limits, Mirrors, detect_unless, shown_address};
use serde_json::json;

use crate::args::MirrorsCommand;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::{Session, mirrors_file};

/// Runs a command on the table of mirrors.
pub(crate) fn run(session: &Session, command: MirrorsCommand) -> Result<(), Failure> {
    match command {
        MirrorsCommand::List => {
            list(session, &Mirrors::load(&mirrors_file()?)?.unwrap_or_default())
        }
        MirrorsCommand::Detect => detect_and_save(session),
        MirrorsCommand::Set { name, urls } => {
            let file = mirrors_file()?;
            let mut table = Mirrors::load(&file)?.unwrap_or_default();
            table.set(&name, urls)?;
            Ok(table.save(&file)?)
        }
    }
}

fn list(session: &Session, table: &Mirrors) -> Result<(), Failure> {
    for (name, bases) in table.iter() {
        // The table may hold passwords.
        let bases: Vec<String> = bases.iter().map(|base| shown_address(base)).collect();
        if session.options.json {
            output::json(&json!({"name": name, "bases": bases}))?;
        } else {
            output::line(&format!("{name} = {}", bases.join(" ")))?;
        }
    }
    Ok(())
}

fn detect_and_save(session: &Session) -> Result<(), Failure> {
    let found = detect_unless(Some(&session.cancel), &Limits::default())?;
    for finding in &found.findings {
        if let Some(problem) = &finding.problem
            && !session.options.quiet
            && !session.options.json
        {
            output::tell_line(&format!("{}: {} ({problem})", finding.mirror, finding.source));
        }
    }
    if found.mirrors.iter().next().is_none() {
        return Err(none());
    }
    let file = mirrors_file()?;
    let mut table = Mirrors::load(&file)?.unwrap_or_default();
    table.merge(found.mirrors);
    table.save(&file)?;
    list(session, &table)
}

fn none() -> Failure {
    Problem::new(Exit::Environment, "E1024", "no mirror was found")
        .help("configure apt, pip, npm or cargo, or use `cbuild mirrors set NAME URL`")
        .into()
}

#[cfg(test)]
mod tests {
    use super::none;

    #[test]
    fn no_mirror() {
        insta::assert_snapshot!(none().text());
    }
}
