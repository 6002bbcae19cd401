//! Lists in brackets of any kind.

use std::rc::Rc;

use super::builder::{Builder, Element, is_sign, kids, start};
use super::doc::{Doc, FORCED, GAP, Hug, Line, SPACE};
use crate::{SyntaxKind, SyntaxNode};

/// How a list in brackets is printed.
#[derive(Clone, Copy)]
pub(super) struct Brackets {
    /// The line inside of the brackets.
    pub(super) pad: Line,
    /// Whether it is broken even if it fits. It is also broken if a line break follows the opening
    /// bracket in the source.
    pub(super) broken: bool,
}

impl Brackets {
    pub(super) const PADDED: Self = Self { pad: Line::Space, broken: false };
    pub(super) const TIGHT: Self = Self { pad: Line::Soft, broken: false };
}

/// How one element of a list, the last if nothing else is said, breaks while the others stay on one
/// line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Embrace {
    /// It ends with a bracket of its own.
    Braced,
    /// It is a function whose body goes to the next line.
    Lambda,
    /// Not the last, but the first one breaks, which is in brackets; the others are short.
    First,
}

/// A list in brackets, taken apart.
pub(super) struct Listed {
    open: Element,
    /// The elements, each with the comma that stands in front of it.
    pub(super) elements: Vec<(Option<Element>, Element)>,
    /// A comma after the last element.
    last_comma: Option<Element>,
    close: Element,
}

impl Listed {
    /// Whether there is nothing in the brackets.
    pub(super) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

/// Takes a list in brackets apart; `None` for a node that is not of that form.
pub(super) fn listed(node: &SyntaxNode) -> Option<Listed> {
    let mut parts = kids(node).into_iter();
    let open = parts.next()?;
    let close = parts.next_back()?;
    let mut elements = Vec::new();
    let mut comma = None;
    for part in parts {
        if is_sign(&part, ",") {
            comma = Some(part);
        } else {
            elements.push((comma.take(), part));
        }
    }
    Some(Listed { open, elements, last_comma: comma, close })
}

impl<'s> Builder<'s> {
    /// A list in brackets, with a comma after each element, the last one only if it is broken.
    pub(super) fn list(
        &mut self,
        node: &SyntaxNode,
        brackets: Brackets,
        mut element: impl FnMut(&mut Self, &Element) -> Doc<'s>,
    ) -> Doc<'s> {
        let Some(list) = listed(node) else { return Doc::Nil };
        let leads: Vec<_> = (0..list.elements.len()).map(|at| self.lead_of(&list, at)).collect();
        let elements = list.elements.iter().map(|(_, kid)| element(self, kid));
        let docs = leads.into_iter().zip(elements.collect::<Vec<_>>()).collect();
        self.assemble(&list, brackets, docs)
    }

    /// As [`Self::list`], where the last element may also be the only one that breaks.
    pub(super) fn hugging(
        &mut self,
        list: &Listed,
        brackets: Brackets,
        hug: Option<Embrace>,
        mut element: impl FnMut(&mut Self, &Element) -> Doc<'s>,
    ) -> Doc<'s> {
        let first = list.elements.first().map(|(_, first)| start(first));
        let starts_line = first.is_some_and(|first| self.starts_line(first));
        let how = hug;
        let mut hug = hug.is_some() && !brackets.broken && !starts_line;
        hug &= !self.has_comments(start(&list.open)) && !self.has_comments(start(&list.close));
        hug &= !list.last_comma.as_ref().is_some_and(|comma| self.has_comments(start(comma)));
        let mut leads = Vec::new();
        for index in 0..list.elements.len() {
            let lead = self.lead_of(list, index);
            hug &= lead.is_nil();
            leads.push(lead);
        }
        let elements: Vec<_> = list.elements.iter().map(|(_, kid)| element(self, kid)).collect();
        let hugged = how.filter(|_| hug).map(|how| self.hugged(list, &elements, how));
        let unless = if how == Some(Embrace::Lambda) { elements.last().cloned() } else { None };
        let plain = self.assemble(list, brackets, leads.into_iter().zip(elements).collect());
        match hugged {
            Some(hugged) => Doc::Hug(Rc::new(Hug { plain, hugged, unless })),
            None => plain,
        }
    }

    fn hugged(&self, list: &Listed, elements: &[Doc<'s>], how: Embrace) -> Doc<'s> {
        let mut docs = vec![Doc::Text(self.source(&list.open))];
        if let (Embrace::First, Some((first, others))) = (how, elements.split_first()) {
            docs.push(first.clone());
            let others = others.iter().map(|other| [Doc::Text(","), GAP, other.clone()].into());
            docs.push(Doc::flat(others.collect::<Vec<_>>().into()));
        } else if let Some((last, others)) = elements.split_last() {
            let others = others.iter().map(|other| [other.clone(), Doc::Text(","), GAP].into());
            docs.push(Doc::flat(others.collect::<Vec<_>>().into()));
            docs.push(last.clone());
        }
        if how == Embrace::Lambda {
            docs.push(FORCED);
        }
        docs.push(Doc::Text(self.source(&list.close)));
        docs.into()
    }

    /// Takes the comments in front of an element, so that they do not break what is in it.
    pub(super) fn lead_of(&mut self, list: &Listed, index: usize) -> ElementLead<'s> {
        let Some((comma, element)) = list.elements.get(index) else {
            return ElementLead::default();
        };
        let at = start(element);
        let (before_comma, moved) = self.comma(comma.as_ref());
        let mut after_comma = self.suffixes(at);
        let mut moved = moved;
        if !moved.is_nil() {
            // Comments keep their order.
            moved = [moved, std::mem::take(&mut after_comma)].into();
        }
        let own = self.own_lines(at, index > 0);
        let blank = index > 0 && own.is_nil() && self.starts_blank(at);
        let blank = if blank { Doc::Blank } else { Doc::Nil };
        ElementLead { before_comma, after_comma, own: [moved, blank, own].into() }
    }

    /// The comments in front of a comma: those on the line of the element, and the others.
    fn comma(&mut self, comma: Option<&Element>) -> (Doc<'s>, Doc<'s>) {
        let Some(comma) = comma else { return (Doc::Nil, Doc::Nil) };
        let at = start(comma);
        (self.suffixes(at), self.own_lines(at, true))
    }

    /// Puts the elements of a list between its brackets.
    pub(super) fn assemble(
        &mut self,
        list: &Listed,
        brackets: Brackets,
        docs: Vec<(ElementLead<'s>, Doc<'s>)>,
    ) -> Doc<'s> {
        let first = list.elements.first().map_or(&list.close, |(_, first)| first);
        let broken = !docs.is_empty() && (brackets.broken || self.starts_line(start(first)));
        let pad = Doc::Line(brackets.pad);
        let open = self.word(&list.open);
        let mut body = Vec::new();
        for (index, (lead, doc)) in docs.into_iter().enumerate() {
            body.push(lead.before_comma);
            // What follows the last field of a record type brings its own separator.
            let row = list.elements[index].1.kind() == SyntaxKind::Row;
            if index > 0 {
                body.push(if row { Doc::IfBroken(",") } else { Doc::Text(",") });
            }
            body.push(lead.after_comma);
            body.push(if index > 0 { SPACE } else { pad.clone() });
            body.push(lead.own);
            body.push(doc);
        }
        let last = list.elements.last();
        if last.is_some_and(|(_, last)| last.kind() != SyntaxKind::Row) {
            body.push(Doc::IfBroken(","));
        }
        let inside = !body.is_empty();
        let last_comma = list.last_comma.as_ref().map_or(start(&list.close), start);
        let (suffixes, moved) = (self.suffixes(last_comma), self.last_lines(last_comma, inside));
        let close = start(&list.close);
        let late = self.suffixes(close);
        let late = if moved.is_nil() { [late, moved] } else { [moved, late] };
        body.extend([suffixes, late.into(), self.last_lines(close, inside)]);
        let close = self.word(&list.close);
        if !inside && body.iter().all(Doc::is_nil) {
            return [open, close].into();
        }
        let pad = if inside { pad } else { Doc::Line(Line::Soft) };
        Doc::group([open, Doc::indent(body.into()), pad, close].into(), broken)
    }
}

/// The comments in front of an element of a list, by where they go.
#[derive(Default)]
pub(super) struct ElementLead<'s> {
    /// After the element before, in front of its comma.
    before_comma: Doc<'s>,
    /// After that comma, on its line.
    after_comma: Doc<'s>,
    /// On lines of their own.
    own: Doc<'s>,
}

impl ElementLead<'_> {
    /// Whether there are no comments.
    pub(super) fn is_nil(&self) -> bool {
        self.before_comma.is_nil() && self.after_comma.is_nil() && self.own.is_nil()
    }
}
