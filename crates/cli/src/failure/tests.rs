//! Every error of the store, the builder, the sandbox, the fetcher, the image and module crates, as
//! the command line shows it, in one snapshot for each kind. Each table is exhaustive: a variant
//! without a row does not compile, and a row without a fix fails.
#![allow(clippy::unwrap_used, reason = "tests")]

mod build;
mod fetch;
mod images;
mod modules;
mod sandbox;
mod store;

use std::io;

use super::*;

/// A value for each pattern of an enum, or several; the patterns together must cover the enum.
macro_rules! each {
    ($type:ty { $($pattern:pat => [$($value:expr),+ $(,)?]),+ $(,)? }) => {{
        // A variant without a row is not covered, which does not compile.
        let row = |value: &$type| match value { $($pattern => stringify!($pattern)),+ };
        let mut all: Vec<$type> = Vec::new();
        $($(
            let value: $type = $value;
            assert_eq!(row(&value), stringify!($pattern), "in the wrong row: {value:?}");
            all.push(value);
        )+)+
        all
    }};
}
pub(crate) use each;

/// The failures as text, each with its exit code and, apart from a user's own stop, a fix.
fn shown<E: Into<Failure>>(errors: Vec<E>) -> String {
    let mut text = String::new();
    for failure in errors.into_iter().map(Into::into) {
        let exit = failure.exit();
        let said = failure.text();
        assert!(said.contains("help: ") || exit == Exit::Cancelled, "there is no fix: {said}");
        assert!(exit != Exit::Defect, "a defect is no error of these: {said}");
        let _ = writeln!(text, "{said}  (exit code {})\n", exit as u8);
    }
    text
}

/// A builder chooses the bytes of its log and of file names.
#[test]
fn no_message_steers_the_terminal() {
    let mut problem = Problem::new(Exit::Failed, "E0504", "beside outputs: \u{1b}]0;title\u{7}");
    problem.details.push("| \u{1b}[2J\u{9b}1A\tred".to_owned());
    let text = Failure::from(problem).text();
    assert_eq!(text, "error[E0504]: beside outputs: ?]0;title?\n  | ?[2J?1A\tred\n");
}

/// What the system says of an error number.
fn system(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

const NOT_PERMITTED: i32 = 1;
const NO_SUCH_FILE: i32 = 2;
const NO_MEMORY: i32 = 12;
const NO_ACCESS: i32 = 13;
const NO_SPACE: i32 = 28;
