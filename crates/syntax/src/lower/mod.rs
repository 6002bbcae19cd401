//! From the parse to the lowered syntax.
//!
//! Nodes that stand for errors (`missing_*`, `wrong_*`, `junk*`) are reported by [`crate::report`];
//! here they are dropped, or become an `Error` node where something must stand. What the grammar
//! cannot say (ranges of numbers, escapes, hashes, the order of arguments) is checked here.

mod expr;
mod item;
mod literal;
mod operators;
mod pattern;
mod text;
mod types;

use cbuild_diag::{Diagnostic, SourceId, Span};

use crate::ast::{Expr, ExprKind, Ident};
use crate::grammar::Rule;
use crate::node::Node;
use crate::source::Piece;
use crate::{MAX_DEPTH, MAX_LINKS};

/// How deep something stands in the lowered tree of its item.
#[derive(Clone, Copy, Default)]
struct Depth {
    /// Expressions, types and patterns around it.
    nested: usize,
    /// Links of chains in front of it: operators, fields, calls and `else if`, which make the tree
    /// deeper but are no nesting.
    links: usize,
}

impl Depth {
    fn inner(self) -> Self {
        self.deeper(1)
    }

    fn deeper(self, levels: usize) -> Self {
        Self { nested: self.nested + levels, ..self }
    }

    fn links(self, count: usize) -> Self {
        Self { links: self.links + count, ..self }
    }
}

/// Lowers the nodes of one piece of a source text.
pub(crate) struct Lower<'d> {
    source: SourceId,
    /// Where the piece starts in the source.
    base: u32,
    diagnostics: &'d mut Vec<Diagnostic>,
    /// Whether the item was said to be too deep, which is said once.
    refused: bool,
}

impl<'d> Lower<'d> {
    /// A lowering of a piece of a source.
    pub(crate) fn new(
        source: SourceId,
        piece: &Piece<'_>,
        diagnostics: &'d mut Vec<Diagnostic>,
    ) -> Self {
        Self { source, base: piece.base as u32, diagnostics, refused: false }
    }

    fn span(&self, node: &Node<'_>) -> Span {
        self.range(node.start(), node.end())
    }

    /// A range of the piece as a span of the source. Sources are limited to
    /// [`crate::MAX_SOURCE_BYTES`], so the numbers fit.
    fn range(&self, start: usize, end: usize) -> Span {
        Span { start: self.base + start as u32, end: self.base + end as u32 }
    }

    fn ident(&self, node: &Node<'_>) -> Ident {
        Ident { text: node.as_str().to_owned(), span: self.span(node) }
    }

    fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::error(code, self.source, span, message, label).help(help);
        self.diagnostics.push(diagnostic);
    }

    /// Whether the lowered tree would get too deep here, which is then reported once an item.
    fn too_deep(&mut self, span: Span, depth: Depth) -> bool {
        let (message, label, help) = if depth.nested > MAX_DEPTH {
            let label = format!("more than {MAX_DEPTH} levels of expressions");
            ("this is nested too deeply", label, "give a part of it a name with `let`")
        } else if depth.links > MAX_LINKS {
            let label = format!("more than {MAX_LINKS} parts");
            let help = "give a part of it a name with `let`, or make a list of its parts";
            ("this chain is too long", label, help)
        } else {
            return false;
        };
        if !std::mem::replace(&mut self.refused, true) {
            self.error("E0102", span, message, label, help);
        }
        true
    }
}

fn broken(span: Span) -> Expr {
    Expr { span, kind: ExprKind::Error }
}

/// The children that matter to the lowering. What only marks an error is left out, except where it
/// stands in the place of something.
fn kids(node: Node<'_>) -> impl Iterator<Item = Node<'_>> + Clone {
    node.children().filter(|kid| !only_marks(kid.as_rule()))
}

/// What the children of a node are lowered to. The list is made for that many: later phases keep it,
/// and the room that a growing list has to spare would be most of their memory.
fn each<'i, T>(node: Node<'i>, lower: impl FnMut(Node<'i>) -> T) -> Vec<T> {
    let mut list = Vec::with_capacity(kids(node).count());
    list.extend(kids(node).map(lower));
    list
}

/// Whether a rule marks an error without standing for a name, a type or an expression.
fn only_marks(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::missing_item
            | Rule::missing_module
            | Rule::missing_extern
            | Rule::missing_params
            | Rule::missing_eq
            | Rule::missing_colon
            | Rule::missing_comma
            | Rule::missing_in
            | Rule::missing_then
            | Rule::missing_else
            | Rule::missing_arrow
            | Rule::missing_text
            | Rule::missing_body
            | Rule::missing_close
            | Rule::missing_quote
            | Rule::wrong_separator
            | Rule::wrong_let_separator
            | Rule::wrong_colon
            | Rule::wrong_equals
            | Rule::wrong_arrow
            | Rule::wrong_tuple
            | Rule::junk
            | Rule::junk_item
            | Rule::junk_top
            | Rule::junk_group
            | Rule::EOI
    )
}

/// Whether a node stands in the place of a name, right or wrong.
fn is_name(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::name
            | Rule::type_name
            | Rule::missing_name
            | Rule::wrong_dashed
            | Rule::wrong_case
            | Rule::wrong_type_case
            | Rule::wrong_reserved
            | Rule::wrong_field
    )
}
