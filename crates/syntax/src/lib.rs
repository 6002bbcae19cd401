//! Grammar, lossless tree and lowered syntax of the cbuild language.
//!
//! [`parse`] never fails: it gives a tree that holds every byte of the text, the lowered
//! [`ast::File`] that later phases work on, and a diagnostic for each syntax error. The grammar is
//! `lang-spec/cbuild.pest`, and two parsers share the work: the one that pest makes from it reads what
//! is wrong with a text, and expressions of the command line; a quicker one, written by hand, reads
//! texts that are in the language. Only this crate names pest and rowan, so that either can be replaced
//! without a caller noticing. It deliberately knows nothing of names, modules, types or files: it
//! is given a text and reads nothing.
#![forbid(unsafe_code)]

pub mod ast;
mod declarations;
pub mod deep;
mod direct;
mod docs;
mod foreign;
mod format;
mod grammar;
mod hash;
mod literal;
mod lower;
mod messages;
mod node;
mod oddities;
mod report;
mod scan;
pub mod shell;
mod source;
mod tree;
mod words;

use cbuild_diag::{Diagnostic, SourceId, Span};

pub use crate::declarations::{Outline, parse_declarations, parse_imports};
pub use crate::format::{FormatError, format};
use crate::grammar::Rule;
pub use crate::hash::is_hash;
pub use crate::literal::{field_name, quoted};
use crate::node::Node;
use crate::source::{Content, Parsers, Piece};
pub use crate::tree::{SyntaxKind, SyntaxNode, SyntaxToken};
use crate::words::BYTE_ORDER_MARK;

/// The deepest nesting of lowered expressions, types and patterns. Later phases may recurse over
/// the lowered tree; this and [`MAX_LINKS`] bound their stack, which grows (see [`deep`]).
pub const MAX_DEPTH: usize = 256;

/// The most links of chains (operators, fields, calls, `else if`) around one part of the lowered tree.
/// Chains are no nesting to a reader, but they make the tree deeper.
pub const MAX_LINKS: usize = 100_000;

/// The deepest nesting of brackets, and of `if`, `let` and `match` outside of brackets, in a
/// source text. What nests deeper is not parsed.
pub const MAX_NESTING: usize = 64;

/// The size of the largest source text, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// What [`parse`] gives.
#[derive(Debug)]
pub struct Parse {
    /// The lossless tree: its text is the source text, whatever is wrong with it.
    pub tree: SyntaxNode,
    /// The lowered syntax.
    pub file: ast::File,
    /// What is wrong, in source order; warnings are among it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses a source file.
pub fn parse(source: SourceId, text: &str) -> Parse {
    parse_by(source, text, Parsers::Both)
}

/// Parses a source file with nothing but the parser that is made from the normative grammar. It
/// gives what [`parse`] gives, and takes longer; tests and benchmarks compare the two.
pub fn parse_by_grammar(source: SourceId, text: &str) -> Parse {
    parse_by(source, text, Parsers::Grammar)
}

fn parse_by(source: SourceId, text: &str, parsers: Parsers) -> Parse {
    let pieces = pieces(text, Rule::file, parsers);
    let tree = tree::build(text, &pieces);
    let (file, diagnostics) = lower_file(source, text, &pieces);
    Parse { tree, file, diagnostics }
}

/// Parses a source file without building its tree, for evaluation.
pub fn parse_file_only(source: SourceId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    lower_file(source, text, &pieces(text, Rule::file, Parsers::Both))
}

/// Parses one expression, as `cbuild eval -e` takes it.
pub fn parse_expr(source: SourceId, text: &str) -> (ast::Expr, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut expr = None;
    // A mark means nothing at the start, and blanks in its place keep all positions.
    let blank = text.strip_prefix(BYTE_ORDER_MARK).map(|rest| format!("   {rest}"));
    let text = blank.as_deref().unwrap_or(text);
    for piece in &pieces(text, Rule::expression, Parsers::Both) {
        if let Some(node) = reported_node(source, text, piece, &mut diagnostics) {
            expr = Some(lower::Lower::new(source, piece, &mut diagnostics).expression(node));
        }
    }
    oddities::report(source, text, Rule::expression, &mut diagnostics);
    sort(&mut diagnostics);
    let diagnostics = foreign::explain(source, text, Rule::expression, diagnostics);
    let span = Span { start: 0, end: text.len().min(MAX_SOURCE_BYTES) as u32 };
    (expr.unwrap_or(ast::Expr { span, kind: ast::ExprKind::Error }), diagnostics)
}

/// Whether brackets or multi-line texts are open at the end of a text, so that more must follow
/// before it can be parsed. Texts over [`MAX_SOURCE_BYTES`] are never open.
pub fn is_open(text: &str) -> bool {
    text.len() <= MAX_SOURCE_BYTES && scan::is_open(text)
}

fn pieces(text: &str, rule: Rule, parsers: Parsers) -> Vec<Piece<'_>> {
    if text.len() > MAX_SOURCE_BYTES {
        return vec![Piece { base: 0, text, content: Content::TooLarge }];
    }
    source::pieces(text, rule, parsers)
}

fn lower_file(source: SourceId, text: &str, pieces: &[Piece<'_>]) -> (ast::File, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut file = ast::File { doc: docs::top(text), items: Vec::new() };
    let mut items_end = 0;
    for piece in pieces {
        if let Some(node) = reported_node(source, text, piece, &mut diagnostics) {
            let mut lower = lower::Lower::new(source, piece, &mut diagnostics);
            lower.file(node, text, &mut items_end, &mut file);
        }
    }
    oddities::report(source, text, Rule::file, &mut diagnostics);
    sort(&mut diagnostics);
    (file, foreign::explain(source, text, Rule::file, diagnostics))
}

/// Code and place of each error of a text, without a look at what other languages write.
fn plain_errors(text: &str, rule: Rule) -> Vec<(&'static str, usize)> {
    let source = SourceId(0);
    let mut diagnostics = Vec::new();
    let mut file = ast::File { doc: String::new(), items: Vec::new() };
    let mut items_end = 0;
    for piece in &pieces(text, rule, Parsers::Both) {
        let Some(node) = reported_node(source, text, piece, &mut diagnostics) else { continue };
        let mut lower = lower::Lower::new(source, piece, &mut diagnostics);
        match rule {
            Rule::file => lower.file(node, text, &mut items_end, &mut file),
            _ => drop(lower.expression(node)),
        }
    }
    sort(&mut diagnostics);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    errors
        .filter_map(|error| Some((error.code, error.labels.first()?.span.start as usize)))
        .collect()
}

/// The number of errors that the grammar sees in a text.
fn syntax_errors(text: &str, rule: Rule) -> usize {
    let mut errors = Vec::new();
    for piece in &pieces(text, rule, Parsers::Both) {
        reported_node(SourceId(0), text, piece, &mut errors);
    }
    errors.len()
}

/// The root node of a piece that was parsed, after its errors were reported.
fn reported_node<'i>(
    source: SourceId,
    text: &str,
    piece: &'i Piece<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Node<'i>> {
    match &piece.content {
        Content::Parsed { entries, broken } => {
            let node = Node::root(piece.text, entries)?;
            if *broken {
                report::Report::new(source, text, piece, diagnostics).walk(&node);
            }
            Some(node)
        }
        refused => {
            diagnostics.push(messages::refused(source, piece, refused));
            None
        }
    }
}

fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span));
}
