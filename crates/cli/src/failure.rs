//! Why a command failed, and how that is said: as text or JSON on standard error, and as the exit code.

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;

use cbuild_build::{ExitClass, RunError};
use cbuild_diag::{Diagnostic, MAX_SHOWN_ERRORS, RenderOptions, Shown, Sources, limited};
use cbuild_fetch::FetchError;
use serde_json::json;

use crate::output::{tell, tell_line};
use crate::stop;

/// Columns of a rendered diagnostic on a terminal.
const DIAGNOSTIC_WIDTH: usize = 100;

/// Exit codes, as specified in the book's command-line chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A build, test or check failed.
    Failed = 1,
    /// Wrong use, or input that does not parse or type-check.
    Input = 2,
    /// The environment lacks something.
    Environment = 3,
    /// The network did not give what was wanted.
    Network = 4,
    /// A defect in cbuild.
    Defect = 70,
    /// Stopped by the user.
    Cancelled = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<ExitClass> for Exit {
    fn from(class: ExitClass) -> Self {
        match class {
            ExitClass::Failed => Self::Failed,
            ExitClass::Environment => Self::Environment,
            ExitClass::Network => Self::Network,
            ExitClass::Cancelled => Self::Cancelled,
        }
    }
}

/// How failures are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// As JSON, a line each.
    pub(crate) json: bool,
    /// With colour.
    pub(crate) color: bool,
    /// All errors of a file, however many.
    pub(crate) all_errors: bool,
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something is wrong in source text.
    Source {
        /// What, each with its places.
        diagnostics: Vec<Diagnostic>,
        /// The texts that the places are in.
        sources: Box<Sources>,
    },
    /// Anything else; several when independent things failed.
    Problems(Vec<Problem>),
}

/// One thing that went wrong outside of source text.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Exit code of the command.
    pub(crate) exit: Exit,
    /// Stable code.
    pub(crate) code: &'static str,
    /// What happened, with the place.
    pub(crate) message: String,
    /// Further lines, such as the end of a log.
    pub(crate) details: Vec<String>,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Problem {
    /// A problem without details.
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), details: Vec::new(), help: None }
    }

    /// A defect of cbuild, which no input should be able to show.
    pub(crate) fn defect(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Defect, code, message)
            .help("this is a defect in cbuild; please report it with the command and the files")
    }

    /// Sets what to do.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Writes the problem to standard error.
    pub(crate) fn report(&self, json: bool) {
        tell(&self.said(json));
    }

    /// The problem as it is written, lines of text or one of JSON.
    pub(crate) fn said(&self, json: bool) -> String {
        if json { format!("{}\n", self.to_json()) } else { self.to_text() }
    }

    fn to_text(&self) -> String {
        let mut text = format!("error[{}]: {}\n", self.code, self.message);
        for detail in &self.details {
            let _ = writeln!(text, "  {detail}");
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "  help: {help}");
        }
        cbuild_diag::clean(&text)
    }

    fn to_json(&self) -> serde_json::Value {
        json!({
            "severity": "error",
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "help": self.help,
        })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl From<&cbuild_store::Error> for Exit {
    fn from(error: &cbuild_store::Error) -> Self {
        match error {
            cbuild_store::Error::Cancelled => Self::Cancelled,
            cbuild_store::Error::NotInStore { .. }
            | cbuild_store::Error::RootTaken { .. }
            | cbuild_store::Error::StoreInside { .. } => Self::Input,
            _ => Self::Environment,
        }
    }
}

impl From<cbuild_store::Error> for Failure {
    fn from(error: cbuild_store::Error) -> Self {
        let mut problem = Problem::new(Exit::from(&error), error.code(), error.to_string());
        problem.help = error.help();
        problem.into()
    }
}

impl From<cbuild_explain::Error> for Failure {
    fn from(error: cbuild_explain::Error) -> Self {
        match error {
            cbuild_explain::Error::Store(error) => error.into(),
            error => {
                let mut problem = Problem::new(Exit::Environment, error.code(), error.to_string());
                problem.help = error.help();
                problem.into()
            }
        }
    }
}

impl From<&FetchError> for Exit {
    fn from(error: &FetchError) -> Self {
        match error {
            FetchError::NoneWorked { .. }
            | FetchError::Offline { .. }
            | FetchError::NotReached { .. }
            | FetchError::NoNetwork { .. }
            | FetchError::Git { .. }
            | FetchError::Registry { .. }
            | FetchError::Denied { .. }
            | FetchError::TokenServer { .. }
            | FetchError::Elsewhere { .. } => Exit::Network,
            FetchError::MirrorEntry { .. } => Exit::Input,
            FetchError::Cancelled => Exit::Cancelled,
            FetchError::Io { .. }
            | FetchError::GitMissing { .. }
            | FetchError::MirrorTable { .. }
            | FetchError::UnknownMirror { .. } => Exit::Environment,
            _ => Exit::Failed,
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let mut problem = Problem::new(Exit::from(&error), error.code(), error.to_string());
        problem.help = error.help();
        problem.into()
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = Exit::from(error.exit_class());
        match error {
            RunError::Cancelled => {
                Problem::new(exit, "E0532", "stopped; nothing half-done is left").into()
            }
            RunError::Setup(error) => step_problem(exit, None, &error).into(),
            RunError::Steps { failures, skipped } => {
                let mut problems: Vec<Problem> = failures
                    .iter()
                    .map(|failure| step_problem(exit, Some(failure), &failure.error))
                    .collect();
                if let Some(last) = problems.last_mut()
                    && !skipped.is_empty()
                {
                    let names: Vec<&str> = skipped.iter().map(|name| name.as_str()).collect();
                    last.details.push(format!("not built because of this: {}", names.join(", ")));
                }
                Self::Problems(problems)
            }
        }
    }
}

fn step_problem(
    exit: Exit,
    failure: Option<&cbuild_build::BuildFailure>,
    error: &cbuild_build::StepError,
) -> Problem {
    let message = failure.map_or_else(|| error.to_string(), ToString::to_string);
    let mut problem = Problem::new(exit, error.code(), message);
    problem.help = error.help();
    if let Some(log) = error.log() {
        problem.details.extend(log.lines.iter().map(|line| format!("| {line}")));
        if let Some(path) = &log.path {
            problem.details.push(format!("whole log: {}", path.display()));
        }
    }
    problem
}

impl Failure {
    /// Exit code of the command.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Source { .. } => Exit::Input,
            Self::Problems(problems) => {
                problems.first().map_or(Exit::Defect, |problem| problem.exit)
            }
        }
    }

    /// The code to tell when the user has stopped the command: that of the operation that was ended,
    /// as far as it says so.
    pub(crate) fn stop_code(&self) -> &'static str {
        match self {
            Self::Problems(problems) => {
                let stopped = problems.iter().find(|problem| problem.exit == Exit::Cancelled);
                stopped.map_or(stop::CODE, |problem| problem.code)
            }
            Self::Source { diagnostics, .. } => {
                let cancelled = cbuild_eval::codes::CANCELLED;
                let stopped = diagnostics.iter().any(|found| found.code == cancelled);
                if stopped { cancelled } else { stop::CODE }
            }
        }
    }

    /// The failure as it is written where standard error is no terminal.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Source { diagnostics, sources } => diagnostics
                .iter()
                .map(|found| cbuild_diag::render(sources, found, RenderOptions::plain()))
                .collect(),
            Self::Problems(problems) => problems.iter().map(Problem::to_text).collect(),
        }
    }

    /// Writes the failure to standard error.
    pub(crate) fn report(&self, how: Manner) {
        match self {
            Self::Source { diagnostics, sources } => report_diagnostics(diagnostics, sources, how),
            Self::Problems(problems) => {
                problems.iter().for_each(|problem| problem.report(how.json))
            }
        }
    }
}

/// Writes diagnostics to standard error, and how many errors of a file are left out.
fn report_diagnostics(diagnostics: &[Diagnostic], sources: &Sources, how: Manner) {
    let most = if how.all_errors { usize::MAX } else { MAX_SHOWN_ERRORS };
    let Shown { shown, hidden } = limited(diagnostics, most);
    for diagnostic in shown {
        report_diagnostic(diagnostic, sources, how);
    }
    for (source, count) in hidden {
        let noun = if count == 1 { "error" } else { "errors" };
        let file = sources.name(source);
        let message = format!("{count} more {noun} in `{file}`; `--all-errors` shows all");
        if how.json {
            let line = json!({"severity": "note", "message": message, "file": file, "more": count});
            tell_line(&line.to_string());
        } else {
            tell_line(&cbuild_diag::clean(&message));
        }
    }
}

/// Writes one diagnostic to standard error.
pub(crate) fn report_diagnostic(diagnostic: &Diagnostic, sources: &Sources, how: Manner) {
    if how.json {
        match serde_json::to_string(&cbuild_diag::to_json(sources, diagnostic)) {
            Ok(line) => tell_line(&line),
            // Plain data always serialises; if not, the message must not be lost.
            Err(_) => tell_line(&diagnostic.to_string()),
        }
        return;
    }
    let options = if std::io::stderr().is_terminal() {
        RenderOptions { colour: how.color, ..RenderOptions::terminal(DIAGNOSTIC_WIDTH) }
    } else {
        RenderOptions { colour: how.color, ..RenderOptions::plain() }
    };
    tell(&cbuild_diag::render(sources, diagnostic, options));
}
