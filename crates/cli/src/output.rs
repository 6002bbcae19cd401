//! Results on standard output, as text or JSON.

use std::io::Write;

use crate::failure::{Exit, Failure, Problem};

/// Writes one line of a result. A reader that went away ends the command quietly.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            let message = format!("cannot write the result: {error}");
            Err(Problem::new(Exit::Environment, "E1020", message)
                .help("free some space where standard output leads, or send it elsewhere")
                .into())
        }
    }
}

/// Writes a JSON document as one line.
pub(crate) fn json(value: &serde_json::Value) -> Result<(), Failure> {
    line(&value.to_string())
}
