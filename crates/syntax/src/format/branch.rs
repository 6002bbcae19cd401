//! `let` and `if`.

use std::rc::Rc;

use super::builder::{Builder, Element, kids, start};
use super::doc::{Doc, GAP, SPACE, Table};
use super::operators::Hang;
use super::shape;
use super::value::Value;
use crate::SyntaxKind;

/// An `if` with all its `else if`, as it is put together.
struct Branches<'s> {
    /// Each branch below its condition.
    plain: Vec<Doc<'s>>,
    /// Each branch on the line of its condition.
    lines: Vec<Doc<'s>>,
    /// Whether there are no comments that need lines of their own.
    bare: bool,
    broken: bool,
}

impl<'s> Builder<'s> {
    /// `let … in` and what follows. One binding stands on the line of `let` and `in` if it fits;
    /// several have a line each.
    pub(super) fn let_in(&mut self, parts: &[Element], tail: &Value) -> Doc<'s> {
        let [word, bindings @ .., last] = parts else { return Doc::Nil };
        let mut docs = Vec::new();
        let mut broken = bindings.len() > 1 || bindings.iter().any(shape::has_tall);
        for (index, binding) in bindings.iter().enumerate() {
            let at = start(binding);
            broken |= index == 0 && self.starts_line(at);
            docs.push(self.before(at, SPACE));
            let blank = index > 0 && self.starts_blank(at);
            let own = self.own_lines(at, index > 0);
            if blank && own.is_nil() {
                docs.push(Doc::Blank);
            }
            docs.push(own);
            docs.push(self.binding(binding));
        }
        let word = self.word(word);
        let suffixes = self.suffixes(start(last));
        let own = Doc::indent(self.last_lines(start(last), true));
        let last = self.word(last);
        let head = [word, Doc::indent(docs.into()), suffixes, own, SPACE, last];
        let head = Doc::group(head.into(), broken);
        let line = tail.start().map(|at| self.before(at, SPACE)).unwrap_or_default();
        let own = tail.start().map(|at| self.last_lines(at, false)).unwrap_or_default();
        let body = self.value(tail, Hang::Level);
        Doc::group([head, line, own, body].into(), broken)
    }

    /// `if … then … else` and what follows.
    pub(super) fn if_else(&mut self, value: &Value) -> Doc<'s> {
        let mut branches =
            Branches { plain: Vec::new(), lines: Vec::new(), bare: true, broken: value.has_tall() };
        let mut lead = Doc::Nil;
        let mut rest = value.clone();
        while let Some(head) = rest.heads().first().filter(|head| head.kind() == SyntaxKind::IfHead)
        {
            // A comment in front of an `if` after `else` makes it a branch of its own.
            if !branches.plain.is_empty() && self.has_comments(start(head)) {
                break;
            }
            let parts = head.as_node().map(kids).unwrap_or_default();
            rest = rest.tail();
            lead = self.condition(&parts, lead, &mut branches);
        }
        self.branch(lead, &rest, true, &mut branches);
        let Branches { plain, lines, bare, broken } = branches;
        let plain = Doc::group(plain.into(), broken);
        // A table has at least three lines.
        if broken || !bare || lines.len() < 3 {
            return plain;
        }
        Doc::Table(Rc::new(Table { plain, lines }))
    }

    /// A condition and its branch, with `lead` in front; gives the `else` that follows.
    fn condition(
        &mut self,
        parts: &[Element],
        lead: Doc<'s>,
        branches: &mut Branches<'s>,
    ) -> Doc<'s> {
        let [word, condition, then, branch, otherwise] = parts else { return lead };
        branches.bare &= !parts.iter().any(|part| self.has_comments(start(part)));
        branches.broken |= self.starts_line(start(branch));
        let word = self.word(word);
        let condition = self.expr(condition, Hang::Indented);
        let before_then = self.before(start(then), GAP);
        let then = self.word(then);
        let lead = if lead.is_nil() { lead } else { [lead, GAP].into() };
        let head = [lead, word, GAP, condition, before_then, then];
        self.branch(head.into(), &Value::of(branch), false, branches);
        let line = self.before(start(otherwise), SPACE);
        branches.plain.push(line);
        self.word(otherwise)
    }

    /// What stands in front of a branch, and the branch.
    fn branch(&mut self, head: Doc<'s>, value: &Value, last: bool, branches: &mut Branches<'s>) {
        let at = value.start().unwrap_or_default();
        let bare = !self.has_comments(at);
        branches.bare &= bare;
        let line = self.before(at, SPACE);
        let own = self.own_lines(at, false);
        let content = self.value(value, Hang::Level);
        branches.lines.push([head.clone(), GAP, content.clone()].into());
        let is_match = matches!(value.operands(), [only] if only.kind() == SyntaxKind::Match);
        // As with `else if`, the branches of `else match` stand one step further, not two.
        let beside = last && is_match && value.heads().is_empty() && bare;
        branches.plain.extend([
            head,
            if beside { [GAP, content].into() } else { Doc::indent([line, own, content].into()) },
        ]);
    }
}
