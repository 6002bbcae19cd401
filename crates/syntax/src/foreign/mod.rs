//! What people write who come from another language, and the words that help them.
//!
//! It works on the tokens around a syntax error: where these are a known form of Nix, Python, JavaScript,
//! Rust, Elm or Gleam, the error says how the same is written here, with the change where that is certain,
//! and the errors that only follow from it are left out. Each change is tried before it is offered: one
//! that leaves an error of its own is not. It accepts nothing; that is the grammar's to say.

mod check;
mod conditions;
mod functions;
mod lists;
mod place;
mod records;
mod texts;
mod tokens;
mod words;

use std::collections::BTreeSet;

use cbuild_diag::{Diagnostic, Edit, Label, Severity, SourceId, Span};

use self::place::Place;
use self::tokens::{Token, tokens};
use crate::grammar::Rule;
use crate::scan;
use crate::words::is_name;

/// Bytes of source in which changes are tried, for one text. Later errors of a text with very many are told
/// without a change.
const MAX_TRIED: usize = 256 << 10;

/// A form of another language.
struct Habit {
    /// Message, label, help, and the bytes that these are about; `None` if the error's own are right.
    told: Option<(String, String, String, (usize, usize))>,
    /// Errors up to this byte only follow.
    until: usize,
    /// Places of further errors that say the same.
    also: Vec<usize>,
    edits: Vec<check::Change>,
    /// Whether the change calls the standard library.
    std: bool,
    /// Whether the change is one of what is a comment.
    of_comments: bool,
}

/// How the standard library is imported.
#[derive(Clone)]
struct Std<'t> {
    name: &'t str,
    /// Where the import has to be added, if there is none.
    add: Option<usize>,
}

/// Recognises a form of another language.
type Form = fn(&Place<'_>) -> Option<Habit>;

/// Forms by how they are recognised; the first that fits counts.
const FORMS: [Form; 49] = [
    texts::url,
    texts::hash_with_colon,
    texts::bare_digest,
    texts::prefix,
    texts::backticks,
    texts::quotes,
    words::block_comment,
    words::hash_comment,
    words::dash_comment,
    functions::lambda_word,
    functions::lambda_of_fields,
    functions::lambda_colon,
    functions::lambda_in_parentheses,
    functions::arm_arrow,
    functions::lambda_arrow,
    functions::backslash,
    functions::bars,
    functions::unnamed_function,
    conditions::branches,
    functions::body_in_braces,
    conditions::case_of,
    conditions::conditional,
    conditions::has_field,
    conditions::elif,
    lists::comprehension,
    lists::spread,
    conditions::alternatives,
    records::spread,
    records::update,
    records::inherit,
    records::colons,
    lists::type_brackets,
    lists::slice,
    lists::key,
    lists::index,
    words::bindings,
    words::separators,
    words::default_value,
    words::or,
    words::pipe,
    words::and,
    words::not,
    words::returned,
    words::equality,
    words::unequal,
    words::with_scope,
    words::double_colon,
    words::walrus,
    words::final_semicolon,
];

/// Forms of what stands where an item is expected.
const ITEMS: [Form; 2] = [words::value_item, words::function_item];

/// The diagnostics of a source, in its order, in which the known forms are told as such.
pub(crate) fn explain(
    source: SourceId,
    text: &str,
    rule: Rule,
    found: Vec<Diagnostic>,
) -> Vec<Diagnostic> {
    if !found.iter().any(Diagnostic::is_error) || text.len() > crate::MAX_SOURCE_BYTES {
        return found;
    }
    let mut reader = Reader::new(source, text, rule);
    let mut explained = Vec::with_capacity(found.len());
    for diagnostic in found {
        let at = diagnostic.labels.first().map(|label| label.span.start as usize);
        let Some(at) = at.filter(|_| diagnostic.severity == Severity::Error) else {
            explained.push(diagnostic);
            continue;
        };
        if at >= reader.silent && !reader.also.contains(&at) {
            explained.push(reader.read(diagnostic, at));
        }
    }
    explained
}

/// Reads the errors of a text one after another.
struct Reader<'t> {
    source: SourceId,
    text: &'t str,
    rule: Rule,
    /// Where items start.
    starts: Vec<usize>,
    std: Option<Std<'t>>,
    /// The item that was read last, and its tokens.
    item: (usize, usize),
    tokens: Vec<Token>,
    /// The hole of a text around the error that is read, or else the item.
    within: (usize, usize),
    /// Errors up to this byte, and those at these, were told already.
    silent: usize,
    also: BTreeSet<usize>,
    /// Bytes in which changes were tried.
    tried: usize,
}

impl<'t> Reader<'t> {
    fn new(source: SourceId, text: &'t str, rule: Rule) -> Self {
        let starts = if rule == Rule::file { scan::scan(text).starts } else { Vec::new() };
        let std = standard_library(text, rule, &starts);
        Self {
            source,
            text,
            rule,
            starts,
            std,
            item: (0, 0),
            tokens: Vec::new(),
            within: (0, 0),
            silent: 0,
            also: BTreeSet::new(),
            tried: 0,
        }
    }

    fn read(&mut self, diagnostic: Diagnostic, at: usize) -> Diagnostic {
        self.enter(at);
        let hole = tokens::hole(self.text, &self.tokens, at);
        let inner = hole.map(|(start, end)| tokens(self.text, start, end));
        // What stands around a hole is not looked at.
        self.within = hole.unwrap_or(self.item);
        let text = hole.map_or(self.text, |(_, end)| &self.text[..end]);
        let tokens = inner.as_deref().unwrap_or(&self.tokens);
        let mut i = tokens.partition_point(|token| token.end <= at);
        // In parentheses what follows a colon was taken for a type.
        let typed = diagnostic.code == "E0116" && i > 0;
        if typed && tokens[i - 1].end - tokens[i - 1].start == 1 {
            i -= usize::from(text[tokens[i - 1].start..].starts_with(':'));
        }
        let (std, expression) = (self.std.clone(), self.rule == Rule::expression);
        let place = Place { text, tokens, at, i, code: diagnostic.code, expression, std };
        let forms: &[Form] = if diagnostic.code == "E0105" { &ITEMS } else { &[] };
        let Some(mut habit) = forms.iter().chain(&FORMS).find_map(|form| form(&place)) else {
            return diagnostic;
        };
        self.silent = self.silent.max(habit.until);
        self.also.extend(habit.also.drain(..));
        self.settle(&mut habit, (diagnostic.code, at));
        told(self.source, diagnostic, habit)
    }

    /// Reads the item around a byte.
    fn enter(&mut self, at: usize) {
        let next = self.starts.partition_point(|start| *start <= at);
        let start = next.checked_sub(1).map_or(0, |before| self.starts[before]);
        let end = self.starts.get(next).copied().unwrap_or(self.text.len());
        if self.item != (start, end) {
            self.item = (start, end);
            self.tokens = tokens(self.text, start, end);
        }
    }

    /// Keeps the changes of a form only if they mend it.
    fn settle(&mut self, habit: &mut Habit, (code, at): (&'static str, usize)) {
        habit.edits.retain(|(from, to, new)| from < to || !new.is_empty());
        let (start, end) = self.item;
        let inside = |(from, to, _): &check::Change| start <= *from && from <= to && *to <= end;
        let cost = 2 * (end - start);
        if habit.edits.is_empty() || !habit.edits.iter().all(inside) {
            habit.edits.clear();
            return;
        }
        let std = self.std.as_ref().filter(|_| habit.std);
        self.tried += cost;
        let shifted = habit.edits.iter().map(|(a, b, new)| (a - start, b - start, new.clone()));
        let shifted: Vec<check::Change> = shifted.collect();
        if habit.std && std.is_none()
            || self.tried > MAX_TRIED
            || !habit.of_comments && !self.keeps_comments(&habit.edits)
            || !check::mends(&self.text[start..end], self.rule, (code, at - start), &shifted)
        {
            habit.edits.clear();
        } else if let Some(add) = std.and_then(|std| std.add) {
            habit.edits.push((add, add, "import std\n".to_owned()));
        }
    }

    /// Whether some changes leave each comment where it is: none is lost, and none takes in what stood
    /// behind it.
    fn keeps_comments(&self, changes: &[check::Change]) -> bool {
        let (start, end) = self.within;
        let shifted = changes
            .iter()
            .map(|(a, b, new)| Some((a.checked_sub(start)?, b.checked_sub(start)?, new.clone())));
        let Some(shifted) = shifted.collect::<Option<Vec<_>>>() else { return false };
        check::keeps_comments(&self.text[start..end], &shifted)
    }
}

/// How the standard library is called in a text. An import can be added in front of others, or of the first
/// item if no comment belongs to that; an expression needs none.
fn standard_library<'t>(text: &'t str, rule: Rule, starts: &[usize]) -> Option<Std<'t>> {
    if rule != Rule::file {
        return Some(Std { name: "std", add: None });
    }
    let mut first = None;
    for start in starts {
        let line = text[*start..].lines().next().unwrap_or_default();
        let item = line.strip_prefix("pub ").unwrap_or(line);
        if let Some(module) = item.strip_prefix("import ") {
            first = first.or(Some(*start));
            let module = module.split("//").next().unwrap_or_default();
            let mut words = module.split_ascii_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("std"), Some("as"), Some(name)) if is_name(name) => {
                    return Some(Std { name, add: None });
                }
                (Some("std"), None, None) => return Some(Std { name: "std", add: None }),
                (_, Some("as"), Some("std")) => return None,
                (Some(path), None, None)
                    if path.ends_with("std") || path.contains("std.cbuild") =>
                {
                    return None;
                }
                _ => {}
            }
        }
        // Something else has the name.
        let name = item.split_once(' ').map(|(_, rest)| place::first_word(rest.trim_start()));
        if name == Some("std") {
            return None;
        }
    }
    let alone = |start: &usize| {
        text[..*start].trim_end().lines().last().is_none_or(|line| !line.starts_with("//"))
    };
    let add = first.or(starts.first().copied().filter(alone))?;
    Some(Std { name: "std", add: Some(add) })
}

fn told(source: SourceId, diagnostic: Diagnostic, habit: Habit) -> Diagnostic {
    let span = |(start, end): (usize, usize)| Span { start: start as u32, end: end as u32 };
    let edits = habit.edits.into_iter().map(|(start, end, text)| Edit {
        source,
        span: span((start, end)),
        text,
    });
    let edits = edits.collect();
    match habit.told {
        None => Diagnostic { edits, ..diagnostic },
        Some((message, label, help, place)) => Diagnostic {
            message,
            labels: vec![Label { source, span: span(place), text: label }],
            help: Some(help),
            edits,
            ..diagnostic
        },
    }
}
