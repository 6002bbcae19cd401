//! Results on standard output, as text or JSON, and everything else on standard error.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Exit, Failure, Problem};
use crate::session::Session;

/// Whether nobody reads standard output any more.
static UNREAD: AtomicBool = AtomicBool::new(false);

/// Writes one line of a result. When the reader went away (`| head`), the rest of the result is lost; the command
/// goes on with what else it does, such as roots, and its exit code is the true one.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    if UNREAD.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            UNREAD.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => {
            let message = format!("cannot write the result: {error}");
            Err(Problem::new(Exit::Environment, "E1020", message)
                .help("free some space where standard output leads, or send it elsewhere")
                .into())
        }
    }
}

/// Writes text to standard error as it is. Where nobody reads that any more, or it cannot be written,
/// the text is lost: the command goes on, and its exit code tells how it ended.
pub(crate) fn tell(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one line to standard error, see [`tell`].
pub(crate) fn tell_line(text: &str) {
    tell(&format!("{text}\n"));
}

/// Says on standard error what a result without a line means; nothing with `--quiet` or `--json`.
pub(crate) fn note(session: &Session, text: &str) {
    if !session.options.quiet && !session.options.json {
        tell_line(text);
    }
}

/// Writes a JSON document as one line.
pub(crate) fn json(value: &serde_json::Value) -> Result<(), Failure> {
    line(&value.to_string())
}
