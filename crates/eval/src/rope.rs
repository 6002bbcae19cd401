//! Scripts: text with references, joined without copying.

use std::fmt;
use std::rc::Rc;

use cbuild_drv::{Input, Segment, Template};

use crate::quoting::{self, Piece};

/// Text with references, and values of holes that are quoted when the whole is known. Joining shares
/// both sides.
#[derive(Clone, Default)]
pub struct Rope(Option<Rc<Node>>);

enum Node {
    Leaf(Segment<Input>),
    /// The value of a hole, which is quoted for the place where it comes to stand.
    Value(Segment<Input>),
    Join {
        parts: Vec<Rope>,
        len: usize,
        /// Whether a part is or has a value.
        values: bool,
    },
}

/// Bytes that a reference counts for in [`Rope::len`], about the length of a store path.
const REFERENCE_LEN: usize = 100;

impl Rope {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self(None);
        }
        Self(Some(Rc::new(Node::Leaf(Segment::Text(text)))))
    }

    /// A text that is one word of the shell.
    pub fn word(text: impl Into<String>) -> Self {
        Self(Some(Rc::new(Node::Value(Segment::Text(text.into())))))
    }

    /// The path of a store object.
    pub fn reference(input: Input) -> Self {
        Self(Some(Rc::new(Node::Value(Segment::Reference(input)))))
    }

    /// Whether both are one object, and so the same text.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// The parts, one after the other.
    pub fn join(mut parts: Vec<Rope>) -> Self {
        // A node has two parts at least, so that there are no more nodes than pieces of text.
        parts.retain(|part| part.0.is_some());
        if parts.len() < 2 {
            return parts.pop().unwrap_or_default();
        }
        let len = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        let values = parts.iter().any(Rope::has_values);
        Self(Some(Rc::new(Node::Join { parts, len, values })))
    }

    fn has_values(&self) -> bool {
        match self.0.as_deref() {
            None | Some(Node::Leaf(_)) => false,
            Some(Node::Value(_)) => true,
            Some(Node::Join { values, .. }) => *values,
        }
    }

    /// Length in bytes, where a reference counts as a constant and quotes around a value as two.
    pub fn len(&self) -> usize {
        match self.0.as_deref() {
            None => 0,
            Some(Node::Leaf(Segment::Text(text))) => text.len(),
            Some(Node::Value(Segment::Text(text))) => text.len() + 2,
            Some(Node::Leaf(_) | Node::Value(_)) => REFERENCE_LEN,
            Some(Node::Join { len, .. }) => *len,
        }
    }

    /// The segments as the build side wants them.
    pub fn to_template(&self) -> Template<Input> {
        let mut template = Template::default();
        self.each(|segment| template.push(segment.clone()));
        template.shrink();
        template
    }

    /// Calls a function with each segment in order, values quoted, without recursion.
    pub fn each(&self, mut visit: impl FnMut(&Segment<Input>)) {
        let mut pieces = Vec::new();
        let quotes = self.has_values();
        let mut ahead = vec![self];
        while let Some(rope) = ahead.pop() {
            match rope.0.as_deref() {
                None => {}
                Some(Node::Leaf(segment)) if quotes => pieces.push(Piece::Script(segment)),
                Some(Node::Leaf(segment)) => visit(segment),
                Some(Node::Value(segment)) => pieces.push(Piece::Value(segment)),
                Some(Node::Join { parts, .. }) => ahead.extend(parts.iter().rev()),
            }
        }
        quoting::write(&pieces, &mut visit);
    }
}

impl Drop for Node {
    /// Takes chains of joins apart in a loop, so that long ones do not overflow the stack.
    fn drop(&mut self) {
        let Self::Join { parts, .. } = self else { return };
        let mut ahead = std::mem::take(parts);
        while let Some(rope) = ahead.pop() {
            if let Some(Ok(mut node)) = rope.0.map(Rc::try_unwrap)
                && let Self::Join { parts, .. } = &mut node
            {
                ahead.append(parts);
            }
        }
    }
}

impl fmt::Debug for Rope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rope({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(rope: &Rope) -> String {
        rope.to_template().render(|_| "REF".to_owned(), |_| "OUT".to_owned())
    }

    #[test]
    fn a_rope_keeps_the_order() {
        let ab = Rope::join(vec![Rope::text("a"), Rope::text("b")]);
        let all = Rope::join(vec![ab.clone(), Rope::text(""), ab, Rope::text("c")]);
        assert_eq!(plain(&all), "ababc");
        assert_eq!(all.len(), 5);
        assert_eq!(all.to_template().segments().len(), 1);
    }

    #[test]
    fn a_long_chain_of_joins_is_cheap_and_droppable() {
        let mut rope = Rope::default();
        for _ in 0..200_000 {
            rope = Rope::join(vec![rope, Rope::text("x")]);
        }
        assert_eq!(rope.to_template().segments().len(), 1);
        assert_eq!(rope.len(), 200_000);
    }
}
