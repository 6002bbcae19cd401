//! The prompt on a terminal: line editing, history, completion.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use rustyline::completion::{Completer, Pair};
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
use super::{Next, files, serve};
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
        if let Some(wanted) = files::wanted(before) {
            return Ok(self.paths(&wanted));
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

impl Prompt<'_> {
    /// Where the last name of a path begins, and what it can be.
    fn paths(&self, wanted: &files::Wanted<'_>) -> (usize, Vec<Pair>) {
        let from = match wanted.request {
            true => PathBuf::from("."),
            false => self.state.borrow().folder(),
        };
        let (folder, _) = files::split(wanted.partial);
        let found = files::names(&from, wanted).iter().map(|name| plain(name)).collect();
        (wanted.start + folder.len(), found)
    }
}

fn plain(name: &str) -> Pair {
    Pair { display: name.to_owned(), replacement: name.to_owned() }
}

/// Asks for inputs until the user leaves.
pub(super) fn run(mut state: State<'_>) -> Result<(), Failure> {
    state.talkative = !state.session().options.quiet;
    let session = state.session();
    session.stop.begin_prompt();
    let state = Rc::new(RefCell::new(state));
    let config = Config::builder().auto_add_history(false).build();
    let mut editor: Editor<Prompt<'_>, DefaultHistory> =
        Editor::with_config(config).map_err(|error| unusable(&error))?;
    editor.set_max_history_size(MAX_HISTORY).map_err(|error| unusable(&error))?;
    editor.set_helper(Some(Prompt { state: Rc::clone(&state) }));
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
        if !session.stop.serve_next() {
            return Err(super::stopped());
        }
        match served {
            Ok(Next::Go) => {}
            Ok(Next::Leave) => break,
            Err(failure) => failure.report(session.manner()),
        }
    }
    if let Some(history) = &history {
        save(&mut editor, history)?;
    }
    Ok(())
}

fn save<H: Helper>(
    editor: &mut Editor<H, DefaultHistory>,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use clap::Parser;

    use super::*;
    use crate::args::Cli;
    use crate::session::Session;
    use crate::stop::Stop;

    /// What Tab makes of an input in a package: each way to go on with it.
    fn completed(folder: &std::path::Path, inputs: &[String]) -> Vec<Vec<String>> {
        let session = Session::new(
            Cli::try_parse_from(["cbuild", "repl"]).unwrap().global,
            Stop::new(String::new(), false),
        )
        .unwrap();
        let mut state = State::new(&session).unwrap();
        state.load(folder.to_str().unwrap()).unwrap();
        let prompt = Prompt { state: Rc::new(RefCell::new(state)) };
        let history = DefaultHistory::new();
        let complete = |line: &String| {
            let context = Context::new(&history);
            let (start, found) = prompt.complete(line, line.len(), &context).unwrap();
            found
                .into_iter()
                .map(|pair| format!("{}{}", &line[..start], pair.replacement))
                .collect()
        };
        inputs.iter().map(complete).collect()
    }

    #[test]
    fn files_are_completed_where_paths_stand() {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["lib", "libs/deep", ".git"] {
            std::fs::create_dir_all(folder.path().join(sub)).unwrap();
        }
        for file in ["main.cbuild", "lib.cbuild", "lib.txt", "a b.cbuild", "libs/x.cbuild"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let at = folder.path().to_str().unwrap();
        let inputs =
            ["import ./li", "let n = [./libs/", "import ./libs/x", ":t fals", "import ./z"]
                .map(str::to_owned);
        let found = completed(folder.path(), &inputs);
        assert_eq!(found[0], ["import ./lib.cbuild", "import ./lib/", "import ./libs/"]);
        assert_eq!(found[1], ["let n = [./libs/deep/", "let n = [./libs/x.cbuild"]);
        assert_eq!(found[2], ["import ./libs/x.cbuild"]);
        assert_eq!(found[3], [":t false"]);
        assert_eq!(found[4], Vec::<String>::new());

        let loads = completed(folder.path(), &[format!(":load {at}/"), format!(":l {at}/l")]);
        let names = ["a b.cbuild", "lib.cbuild", "lib/", "libs/", "main.cbuild"];
        assert_eq!(loads[0], names.map(|name| format!(":load {at}/{name}")));
        let names = ["lib.cbuild", "lib/", "libs/"];
        assert_eq!(loads[1], names.map(|name| format!(":l {at}/{name}")));
    }

    #[test]
    fn what_the_terminal_and_the_history_refuse() {
        let mut editor: Editor<(), DefaultHistory> =
            Editor::with_config(Config::default()).unwrap();
        let nowhere = std::path::Path::new("/dev/null/cbuild/history");
        let mut shown = save(&mut editor, nowhere).unwrap_err().text();
        let refused = std::io::Error::from_raw_os_error(5);
        shown += &unusable(&ReadlineError::Io(refused)).text();
        insta::assert_snapshot!(shown);
    }
}
