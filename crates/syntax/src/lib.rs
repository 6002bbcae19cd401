//! Grammar, lossless tree and lowered syntax of the cbuild language.
//!
//! [`parse`] never fails: it gives a tree that holds every byte of the text, the lowered
//! [`ast::File`] that later phases work on, and a diagnostic for each syntax error. The grammar is
//! `lang-spec/cbuild.pest`. Only this crate names pest and rowan, so that either can be replaced
//! without a caller noticing. It deliberately knows nothing of names, modules, types or files: it
//! is given a text and reads nothing.

pub mod ast;
mod docs;
mod grammar;
mod hash;
mod lower;
mod report;
mod words;

use cbuild_diag::{Diagnostic, SourceId, Span};
use pest::Parser;

use crate::grammar::{Grammar, Rule};

/// The deepest nesting of lowered expressions, types and patterns. Later phases may recurse over
/// the lowered tree; this bounds their stack.
pub const MAX_DEPTH: usize = 256;

/// What [`parse`] gives.
#[derive(Debug)]
pub struct Parse {
    /// The lowered syntax.
    pub file: ast::File,
    /// What is wrong, in source order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses a source file.
pub fn parse(source: SourceId, text: &str) -> Parse {
    let mut diagnostics = Vec::new();
    let mut file = ast::File { doc: docs::top(text), items: Vec::new() };
    match Grammar::parse(Rule::file, text) {
        Ok(mut pairs) => {
            if pairs.clone().flatten().any(|pair| is_error(pair.as_rule())) {
                diagnostics.push(Diagnostic::error("E0131", source, Span::default(), "syntax error", "here"));
            }
            if let Some(node) = pairs.next() {
                lower::Lower::new(source, 0, &mut diagnostics).file(node, text, &mut file);
            }
        }
        Err(error) => diagnostics.push(Diagnostic::error(
            "E0103",
            source,
            Span::default(),
            error.to_string(),
            "here",
        )),
    }
    Parse { file, diagnostics }
}

fn is_error(rule: Rule) -> bool {
    let name = format!("{rule:?}");
    name.starts_with("missing") || name.starts_with("wrong") || name.starts_with("junk")
}

/// Parses one expression, as `cbuild eval -e` takes it.
pub fn parse_expr(source: SourceId, text: &str) -> (ast::Expr, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let expr = match Grammar::parse(Rule::expression, text) {
        Ok(mut pairs) => {
            if pairs.clone().flatten().any(|pair| is_error(pair.as_rule())) {
                diagnostics.push(Diagnostic::error("E0131", source, Span::default(), "syntax error", "here"));
            }
            pairs.next().map(|node| lower::Lower::new(source, 0, &mut diagnostics).expression(node))
        }
        Err(_) => None,
    };
    let expr = expr.unwrap_or(ast::Expr { span: Span::default(), kind: ast::ExprKind::Error });
    (expr, diagnostics)
}
