//! `cbuild fmt`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cbuild_diag::Sources;
use cbuild_syntax::{FormatError, MAX_SOURCE_BYTES};
use serde_json::json;
use similar::TextDiff;

use super::check::files;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::{Session, shown};
use crate::stop;

/// Lines of context around a change in a printed difference.
const CONTEXT: usize = 3;

/// How long the shortest difference is looked for, before a longer one will do.
const SEARCH: Duration = Duration::from_millis(500);

/// Formats files, and all `.cbuild` files below folders; `-` formats standard input to standard
/// output. With `check` nothing is written, and files that would change are listed.
pub(crate) fn fmt(session: &Session, paths: &[PathBuf], check: bool) -> Result<(), Failure> {
    if paths == [PathBuf::from("-")] {
        return standard_input(check);
    }
    let (mut broken, mut different) = (0_usize, 0_usize);
    for file in files(paths)? {
        // Between two files, so that none is left half-written when the process has to end.
        if session.stop.is_asked() {
            return Err(session.stop.problem(stop::CODE, None).into());
        }
        match one(session, &file, check) {
            Ok(changed) => different += usize::from(changed),
            Err(failure @ Failure::Source { .. }) => {
                failure.report(session.manner());
                broken += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
    if broken > 0 {
        let message = format!("{} with errors, left as they are", counted(broken));
        return Err(Problem::new(Exit::Input, "E1017", message).into());
    }
    if check && different > 0 {
        return Err(unformatted(&counted(different)).into());
    }
    Ok(())
}

fn counted(files: usize) -> String {
    format!("{files} {}", if files == 1 { "file" } else { "files" })
}

fn unformatted(what: &str) -> Problem {
    Problem::new(Exit::Failed, "E1050", format!("{what} not formatted"))
        .help("run `cbuild fmt` without `--check`")
}

/// Formats one file; whether it was not formatted before.
fn one(session: &Session, file: &Path, check: bool) -> Result<bool, Failure> {
    let text = read(file)?;
    let printed = formatted(&shown(file), &text)?;
    let changed = printed != text;
    if changed && !check {
        write(file, &printed)?;
    }
    if session.options.json {
        output::json(&json!({"file": shown(file), "changed": changed}))?;
    } else if changed && check {
        output::line(difference(&shown(file), &text, &printed).trim_end())?;
    } else if changed && session.options.verbose {
        output::line(&shown(file))?;
    }
    Ok(changed)
}

fn standard_input(check: bool) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let limit = MAX_SOURCE_BYTES as u64 + 1;
    std::io::stdin()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| failed("read", Path::new("-"), &error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| failed("read", Path::new("-"), "it is not UTF-8 text"))?;
    let printed = formatted("standard input", &text)?;
    if check && printed != text {
        output::line(difference("standard input", &text, &printed).trim_end())?;
        return Err(unformatted("standard input is").into());
    }
    if check {
        return Ok(());
    }
    let written = std::io::stdout().lock().write_all(printed.as_bytes());
    written.map_err(|error| failed("write", Path::new("-"), &error.to_string()))
}

fn formatted(name: &str, text: &str) -> Result<String, Failure> {
    let mut sources = Sources::default();
    let source = sources.add(name, text);
    cbuild_syntax::format(source, text).map_err(|error| refused(name, error, sources))
}

fn refused(name: &str, error: FormatError, sources: Sources) -> Failure {
    match error {
        FormatError::Broken(diagnostics) => {
            Failure::Source { diagnostics, sources: Box::new(sources) }
        }
        FormatError::Changed(_) => {
            let message = format!("formatting `{name}` would change what it means; it is kept");
            Problem::defect("E1052", message).into()
        }
    }
}

fn difference(name: &str, old: &str, new: &str) -> String {
    let difference = TextDiff::configure()
        .timeout(SEARCH)
        .diff_lines(old, new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(name, &format!("{name} (formatted)"))
        .to_string();
    // What a file holds neither steers the terminal nor lets a reader of a log in.
    cbuild_diag::without_secrets(cbuild_diag::clean(&difference))
}

fn read(file: &Path) -> Result<String, Failure> {
    let length = file.metadata().map_err(|error| failed("read", file, &error.to_string()))?.len();
    if length > MAX_SOURCE_BYTES as u64 {
        let why = format!("it has more than {} MiB", MAX_SOURCE_BYTES >> 20);
        return Err(failed("read", file, &why));
    }
    std::fs::read_to_string(file).map_err(|error| failed("read", file, &error.to_string()))
}

/// Replaces the text of a file in one step, so that a reader sees the old or the new text. A link
/// stays a link, and the file keeps its permissions.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let replace = || -> std::io::Result<()> {
        let file = file.canonicalize()?;
        let folder = file.parent().unwrap_or(Path::new("/"));
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().set_permissions(file.metadata()?.permissions())?;
        new.as_file().sync_all()?;
        new.persist(&file)?;
        Ok(())
    };
    replace().map_err(|error| failed("write", file, &error.to_string()))
}

fn failed(what: &str, file: &Path, why: &str) -> Failure {
    let message = format!("cannot {what} `{}`: {why}", file.display());
    // What is read was named by the user.
    let exit = if what == "read" { Exit::Input } else { Exit::Environment };
    Problem::new(exit, "E1051", message)
        .help("check that the file is there and that you may read and write it")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_meaning_is_a_defect_and_what_cannot_be_read_has_a_fix() {
        let changed = FormatError::Changed("let a = 2\n".to_owned());
        let mut shown = refused("main.cbuild", changed, Sources::default()).text();
        shown += &failed("write", Path::new("main.cbuild"), "No space left on device").text();
        insta::assert_snapshot!(shown);
    }
}
