//! The prompt on a terminal: line editing, history, completion.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper};

use super::completion::wanted;
use super::input::{self, REQUESTS};
use super::state::State;
use super::{Next, serve};
use crate::failure::{Exit, Failure, Problem};

/// Most inputs that are remembered from session to session.
const MAX_HISTORY: usize = 2_000;
const PROMPT: &str = "cbuild> ";
/// Words of the language that are completed as names are.
const WORDS: [&str; 14] = [
    "else", "false", "fn", "if", "import", "in", "let", "match", "protocol", "test", "then",
    "true", "type", "with",
];

struct Prompt<'s> {
    state: Rc<RefCell<State<'s>>>,
    files: FilenameCompleter,
}

impl Helper for Prompt<'_> {}
impl Highlighter for Prompt<'_> {}

impl Hinter for Prompt<'_> {
    type Hint = String;
}

impl Validator for Prompt<'_> {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if input::is_unfinished(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Completer for Prompt<'_> {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..position];
        if let Some(word) = before.strip_prefix(':')
            && !word.contains(' ')
        {
            let requests = REQUESTS.iter().filter(|(name, _)| name.starts_with(word));
            return Ok((1, requests.map(|(name, _)| plain(name)).collect()));
        }
        if before.starts_with(":l") {
            return self.files.complete_path(line, position);
        }
        let wanted = wanted(before);
        // What cannot be completed is no news: the error comes when the input is served.
        let names = self.state.borrow_mut().names(wanted.base).unwrap_or_default();
        let mut found: Vec<Pair> = names
            .iter()
            .filter(|name| name.name.starts_with(wanted.partial))
            .map(|name| plain(&name.name))
            .collect();
        if wanted.base.is_none() && !wanted.partial.is_empty() {
            let words = WORDS.iter().filter(|word| word.starts_with(wanted.partial));
            found.extend(words.map(|word| plain(word)));
        }
        found.dedup_by(|a, b| a.replacement == b.replacement);
        Ok((wanted.start, found))
    }
}

fn plain(name: &str) -> Pair {
    Pair { display: name.to_owned(), replacement: name.to_owned() }
}

/// Asks for inputs until the user leaves.
pub(super) fn run(mut state: State<'_>) -> Result<(), Failure> {
    state.talkative = !state.session().options.quiet;
    let session = state.session();
    let state = Rc::new(RefCell::new(state));
    let config = Config::builder().auto_add_history(false).build();
    let mut editor: Editor<Prompt<'_>, DefaultHistory> =
        Editor::with_config(config).map_err(|error| unusable(&error))?;
    editor.set_max_history_size(MAX_HISTORY).map_err(|error| unusable(&error))?;
    let files = FilenameCompleter::new();
    editor.set_helper(Some(Prompt { state: Rc::clone(&state), files }));
    let history = history_file();
    if let Some(history) = &history {
        // There is none at the first start.
        let _ = editor.load_history(history);
    }
    if !session.options.quiet {
        crate::output::line(":help tells what can be done here, :quit leaves")?;
    }
    loop {
        let text = match editor.readline(PROMPT) {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(unusable(&error)),
        };
        if !text.trim().is_empty() {
            let _ = editor.add_history_entry(text.trim_end());
        }
        let served = serve(&mut state.borrow_mut(), &text);
        state.borrow().rearm();
        match served {
            Ok(Next::Go) => {}
            Ok(Next::Leave) => break,
            Err(failure) => failure.report(session.options.json, session.color()),
        }
    }
    if let Some(history) = &history {
        save(&mut editor, history)?;
    }
    Ok(())
}

fn save(
    editor: &mut Editor<Prompt<'_>, DefaultHistory>,
    history: &std::path::Path,
) -> Result<(), Failure> {
    let folder = history.parent().unwrap_or(history);
    let made = std::fs::create_dir_all(folder).map_err(|error| error.to_string());
    let saved = made.and_then(|()| editor.save_history(history).map_err(|error| error.to_string()));
    saved.map_err(|error| {
        let message = format!("cannot write the history to `{}`: {error}", history.display());
        Problem::new(Exit::Environment, "E1066", message)
            .help("make the folder writable, or set XDG_STATE_HOME to another one")
            .into()
    })
}

fn unusable(error: &ReadlineError) -> Failure {
    Problem::new(Exit::Environment, "E1067", format!("cannot use the terminal: {error}"))
        .help("give the inputs on standard input, as in `echo '1 + 2' | cbuild repl`")
        .into()
}

/// Where inputs are remembered, in the user's folder for state.
#[expect(clippy::disallowed_methods, reason = "the command line reads where the user's state is")]
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = std::env::var_os(name).map(PathBuf::from)?;
        path.is_absolute().then_some(path)
    };
    let folder =
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    Some(folder?.join("cbuild/history"))
}
