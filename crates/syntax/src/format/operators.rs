//! Operands with operators between them.

use std::rc::Rc;

use super::builder::{Builder, Element, start};
use super::doc::{Doc, GAP, Hug, SPACE};
use crate::SyntaxKind;

/// Operands by precedence.
pub(super) enum Chain {
    /// An operand with its prefix operators.
    Operand(Vec<Element>),
    /// Operands with operators of the same strength between them.
    Infix { strength: u8, first: Box<Chain>, rest: Vec<(Element, Chain)> },
}

pub(super) const WITH: u8 = 0;
const PIPE: u8 = 1;

fn strength(element: &Element) -> Option<u8> {
    let token = element.as_token()?;
    match token.text() {
        "with" if element.kind() == SyntaxKind::Keyword => Some(WITH),
        _ if element.kind() != SyntaxKind::BinaryOp => None,
        "|>" => Some(PIPE),
        "||" => Some(2),
        "&&" => Some(3),
        "++" => Some(5),
        "+" | "-" => Some(6),
        "*" | "/" | "%" => Some(7),
        // Comparisons.
        _ => Some(4),
    }
}

/// The structure of the elements of an expression that are operands and operators.
pub(super) fn chain(elements: &[Element]) -> Chain {
    let least = elements.iter().filter_map(strength).min();
    let Some(strength_of_all) = least else { return Chain::Operand(elements.to_vec()) };
    let mut parts = Vec::new();
    let mut from = 0;
    let mut operator: Option<Element> = None;
    for (at, element) in elements.iter().enumerate() {
        if strength(element) == least {
            parts.push((operator.replace(element.clone()), chain(&elements[from..at])));
            from = at + 1;
        }
    }
    parts.push((operator, chain(&elements[from..])));
    let mut parts = parts.into_iter();
    let first = parts.next().map_or_else(|| Chain::Operand(Vec::new()), |(_, first)| first);
    let rest = parts.filter_map(|(operator, operand)| Some((operator?, operand))).collect();
    Chain::Infix { strength: strength_of_all, first: Box::new(first), rest }
}

impl Chain {
    /// First byte.
    fn start(&self) -> Option<usize> {
        match self {
            Self::Operand(elements) => elements.first().map(start),
            Self::Infix { first, .. } => first.start(),
        }
    }

    /// The only element, if it is one operand without prefix operators.
    pub(super) fn only(&self) -> Option<&Element> {
        match self {
            Self::Operand(elements) if elements.len() == 1 => elements.first(),
            _ => None,
        }
    }

    /// Whether it starts with a bracket and ends with it, or with a bracket after a short start.
    pub(super) fn is_braced(&self) -> bool {
        match self {
            Self::Operand(_) => self.only().is_some_and(super::shape::is_braced),
            Self::Infix { strength: WITH, first, .. } => {
                first.only().is_some_and(|first| !super::shape::is_braced(first))
            }
            Self::Infix { rest, .. } => self.braced_end(rest).is_some(),
        }
    }

    /// Of two operands, which has brackets that can break while the other stays on one line.
    fn braced_end(&self, rest: &[(Element, Chain)]) -> Option<End> {
        let (Self::Infix { first, .. }, [(_, last)]) = (self, rest) else { return None };
        match (first.only(), last.only()) {
            (_, Some(last)) if super::shape::is_braced(last) && !first.is_braced() => {
                Some(End::Last)
            }
            (Some(first), Some(_)) if super::shape::is_bracket(first) => Some(End::First),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// Where the lines after the first one of a broken chain start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hang {
    /// Below the first operand, which starts a line.
    Level,
    /// One step further.
    Indented,
}

impl<'s> Builder<'s> {
    /// Operands with operators.
    pub(super) fn chain(&mut self, chain: &Chain, hang: Hang) -> Doc<'s> {
        match chain {
            Chain::Operand(elements) => {
                let docs: Vec<Doc<'s>> =
                    elements.iter().map(|element| self.expr(element, hang)).collect();
                docs.into()
            }
            Chain::Infix { strength: WITH, first, rest } => {
                let mut docs = vec![self.chain(first, hang)];
                for (operator, record) in rest {
                    docs.extend([GAP, self.word(operator), GAP]);
                    docs.push(self.chain(record, hang));
                }
                docs.into()
            }
            Chain::Infix { strength, first, rest } => {
                let pipe_breaks = *strength == PIPE
                    && rest.first().is_some_and(|(pipe, _)| self.starts_line(start(pipe)));
                let end = chain.braced_end(rest).filter(|_| !pipe_breaks);
                let first = self.chain(first, hang);
                self.infix(first, rest, Infix { end, hang, broken: pipe_breaks })
            }
        }
    }

    fn infix(&mut self, first: Doc<'s>, rest: &[(Element, Chain)], how: Infix) -> Doc<'s> {
        let mut docs = Vec::new();
        let mut hug = None;
        for (operator, operand) in rest {
            let at = start(operator);
            let operand_at = operand.start().unwrap_or(at);
            let plain = !self.has_comments(at) && !self.has_comments(operand_at);
            let before = self.suffixes(at);
            let own = self.own_lines(at, true);
            // Comments between the operator and its operand go in front of the operator.
            let (suffixes, late) = (self.suffixes(operand_at), self.own_lines(operand_at, false));
            let operator = self.word(operator);
            let operand = self.chain(operand, Hang::Indented);
            if let (Some(end), true) = (how.end, plain)
                && (end == End::Last || !operand.must_break())
            {
                hug = Some(hugged(end, &first, &operator, &operand));
            }
            // Comments keep their order.
            let (early, suffixes) =
                if own.is_nil() { (suffixes, Doc::Nil) } else { (Doc::Nil, suffixes) };
            let line = SPACE;
            docs.push([before, early, line, own, suffixes, late, operator, GAP, operand].into());
        }
        let rest = if how.hang == Hang::Level { docs.into() } else { Doc::indent(docs.into()) };
        let plain = Doc::group([first, rest].into(), how.broken);
        match hug {
            Some(hugged) => Doc::Hug(Rc::new(Hug { plain, hugged, unless: None })),
            None => plain,
        }
    }
}

#[derive(Clone, Copy)]
struct Infix {
    end: Option<End>,
    hang: Hang,
    broken: bool,
}

fn hugged<'s>(end: End, first: &Doc<'s>, operator: &Doc<'s>, last: &Doc<'s>) -> Doc<'s> {
    let (first, operator, last) = (first.clone(), operator.clone(), last.clone());
    match end {
        End::Last => [Doc::flat([first, GAP, operator].into()), GAP, last].into(),
        End::First => [first, GAP, Doc::flat([operator, GAP, last].into())].into(),
    }
}
