//! Expressions that start with `let`, `if` or parameters, and where a value goes after a `=`.

use std::rc::Rc;

use rowan::NodeOrToken;

use super::builder::{Builder, Element, kids, start};
use super::doc::{self, Doc, FORCED, GAP, SPACE, Style};
use super::operators::{Hang, chain};
use super::shape;
use crate::SyntaxKind;

/// An expression taken apart: what stands in front of it, and its operands and operators.
pub(super) struct Value {
    pub(super) heads: Vec<Element>,
    pub(super) operands: Vec<Element>,
}

impl Value {
    pub(super) fn of(element: &Element) -> Self {
        let elements = match element {
            NodeOrToken::Node(node)
                if matches!(node.kind(), SyntaxKind::Expr | SyntaxKind::Scrutinee) =>
            {
                kids(node)
            }
            _ => vec![element.clone()],
        };
        let is_head = |element: &Element| {
            use SyntaxKind::{IfHead, LambdaHead, LetHead};
            matches!(element.kind(), LetHead | IfHead | LambdaHead)
        };
        let split = elements.iter().take_while(|element| is_head(element)).count();
        let mut heads = elements;
        let operands = heads.split_off(split);
        Self { heads, operands }
    }

    /// What follows the first head.
    pub(super) fn tail(&self) -> Self {
        let heads = self.heads.get(1..).unwrap_or_default().to_vec();
        Self { heads, operands: self.operands.clone() }
    }

    /// First byte.
    fn start(&self) -> Option<usize> {
        self.heads.first().or(self.operands.first()).map(start)
    }

    fn has_tall(&self) -> bool {
        self.heads.iter().chain(&self.operands).any(shape::has_tall)
    }

    fn style(&self) -> Style {
        if shape::is_braced_value(self) {
            return Style::Stay;
        }
        match self.heads.first() {
            Some(head) if head.kind() == SyntaxKind::LambdaHead => Style::Next,
            Some(_) => Style::Below,
            None if chain(&self.operands).only().is_some() => Style::Next,
            None => Style::Below,
        }
    }
}

impl<'s> Builder<'s> {
    /// What follows a `=` or `=>`, with the white space in front of it.
    pub(super) fn rhs(&mut self, element: &Element) -> Doc<'s> {
        self.rhs_of(&Value::of(element))
    }

    fn rhs_of(&mut self, value: &Value) -> Doc<'s> {
        let at = value.start().unwrap_or_default();
        if !self.has_comments(at) {
            let style = value.style();
            let content = self.value(value, Hang::Level);
            return Doc::Value(Rc::new(doc::Value { content, style }));
        }
        let suffixes = self.suffixes(at);
        let own = self.own_lines(at, false);
        let content = self.value(value, Hang::Level);
        [suffixes, Doc::indent([FORCED, own, content].into())].into()
    }

    /// An expression taken apart.
    pub(super) fn value(&mut self, value: &Value, hang: Hang) -> Doc<'s> {
        let Some(NodeOrToken::Node(head)) = value.heads.first() else {
            return self.chain(&chain(&value.operands), hang);
        };
        let parts = kids(head);
        match head.kind() {
            SyntaxKind::LetHead => self.let_in(&parts, &value.tail()),
            SyntaxKind::IfHead => {
                let broken = value.has_tall() || self.branch_starts_line(&parts);
                let content = self.if_else(&parts, &value.tail());
                Doc::group(content, broken)
            }
            _ => {
                let params = self.params_of_lambda(&parts);
                [params, GAP, Doc::Text("=>"), self.rhs_of(&value.tail())].into()
            }
        }
    }

    fn params_of_lambda(&mut self, parts: &[Element]) -> Doc<'s> {
        let params = match parts.first() {
            Some(NodeOrToken::Node(params)) => self.params(params),
            Some(name) => self.word(name),
            None => Doc::Nil,
        };
        let arrow = parts.last().map(|arrow| self.lead(start(arrow)));
        [params, arrow.unwrap_or_default()].into()
    }

    fn let_in(&mut self, parts: &[Element], tail: &Value) -> Doc<'s> {
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
        let line = tail.start().map(|at| self.before(at, SPACE)).unwrap_or_default();
        let own_tail = tail.start().map(|at| self.last_lines(at, false)).unwrap_or_default();
        let body = self.value(tail, Hang::Level);
        let head = [word, Doc::indent(docs.into()), suffixes, own, SPACE, last];
        Doc::group([head.into(), line, own_tail, body].into(), broken)
    }

    /// Whether a line break follows `then`.
    fn branch_starts_line(&self, parts: &[Element]) -> bool {
        parts.get(3).is_some_and(|branch| self.starts_line(start(branch)))
    }

    fn if_else(&mut self, parts: &[Element], tail: &Value) -> Doc<'s> {
        let [word, condition, then, branch, otherwise] = parts else { return Doc::Nil };
        let word = self.word(word);
        let condition = self.expr(condition, Hang::Indented);
        let before_then = self.before(start(then), GAP);
        let then = self.word(then);
        let branch = self.branch(&Value::of(branch));
        let before_else = self.before(start(otherwise), SPACE);
        let otherwise = self.word(otherwise);
        let is_if = tail.heads.first().is_some_and(|head| head.kind() == SyntaxKind::IfHead);
        let at = tail.start().unwrap_or_default();
        let last = match tail.heads.first() {
            Some(NodeOrToken::Node(head)) if is_if && !self.has_comments(at) => {
                let parts = kids(head);
                [GAP, self.if_else(&parts, &tail.tail())].into()
            }
            _ => self.branch(tail),
        };
        [word, GAP, condition, before_then, then, branch, before_else, otherwise, last].into()
    }

    fn branch(&mut self, value: &Value) -> Doc<'s> {
        let at = value.start().unwrap_or_default();
        let line = self.before(at, SPACE);
        let own = self.own_lines(at, false);
        Doc::indent([line, own, self.value(value, Hang::Level)].into())
    }

    /// A binding of a `let`, or a `let` item after its first word.
    pub(super) fn binding(&mut self, element: &Element) -> Doc<'s> {
        let Some(node) = element.as_node() else { return Doc::Nil };
        self.name_and_value(&kids(node))
    }
}
