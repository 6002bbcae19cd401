//! Where a value goes after a `=`, and functions.

use std::rc::Rc;

use rowan::NodeOrToken;

use super::builder::{Builder, Element, kids, start};
use super::doc::{self, Doc, FORCED, GAP, Style};
use super::operators::{Chain, Hang, WITH, chain};
use super::shape;
use crate::SyntaxKind;

/// An expression taken apart: what stands in front of it, and its operands and operators.
#[derive(Clone)]
pub(super) struct Value {
    elements: Rc<[Element]>,
    /// The first element that belongs to it.
    from: usize,
    /// The first operand.
    split: usize,
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
        Self { elements: elements.into(), from: 0, split }
    }

    /// What stands in front.
    pub(super) fn heads(&self) -> &[Element] {
        &self.elements[self.from..self.split]
    }

    /// Operands and operators.
    pub(super) fn operands(&self) -> &[Element] {
        &self.elements[self.split..]
    }

    /// What follows the first head.
    pub(super) fn tail(&self) -> Self {
        Self { from: self.split.min(self.from + 1), ..self.clone() }
    }

    /// First byte.
    pub(super) fn start(&self) -> Option<usize> {
        self.elements.get(self.from).map(start)
    }

    pub(super) fn has_tall(&self) -> bool {
        self.elements[self.from..].iter().any(shape::has_tall)
    }

    fn stays(&self) -> bool {
        match chain(self.operands()) {
            Chain::Infix { strength, .. } => strength == WITH,
            operand => operand.only().is_some_and(shape::stays),
        }
    }

    fn style(&self) -> Style {
        if shape::is_braced_value(self) {
            return if self.stays() { Style::Stay } else { Style::Next };
        }
        match self.heads().first() {
            Some(head) if head.kind() == SyntaxKind::LambdaHead => Style::Next,
            Some(_) => Style::Below,
            None if chain(self.operands()).only().is_some() => Style::Next,
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
        let Some(NodeOrToken::Node(head)) = value.heads().first() else {
            return self.chain(&chain(value.operands()), hang);
        };
        let parts = kids(head);
        match head.kind() {
            SyntaxKind::LetHead => self.let_in(&parts, &value.tail()),
            SyntaxKind::IfHead => self.if_else(value),
            _ => {
                let params = self.params_of_lambda(&parts);
                let body = self.rhs_of(&value.tail());
                [Doc::tight(params), GAP, Doc::Text("=>"), body].into()
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

    /// A binding of a `let`, or a `let` item after its first word.
    pub(super) fn binding(&mut self, element: &Element) -> Doc<'s> {
        let Some(node) = element.as_node() else { return Doc::Nil };
        self.name_and_value(&kids(node))
    }
}
