//! Scripts: text with references, joined without copying.

use std::fmt;
use std::rc::Rc;

use cbuild_drv::{Input, Segment, Template};

/// Text with references. Joining shares both sides.
#[derive(Clone, Default)]
pub struct Rope(Option<Rc<Node>>);

enum Node {
    Leaf(Segment<Input>),
    Join { parts: Vec<Rope>, len: usize },
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

    /// The path of a store object.
    pub fn reference(input: Input) -> Self {
        Self(Some(Rc::new(Node::Leaf(Segment::Reference(input)))))
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
        Self(Some(Rc::new(Node::Join { parts, len })))
    }

    /// Length in bytes, where a reference counts as a constant.
    pub fn len(&self) -> usize {
        match self.0.as_deref() {
            None => 0,
            Some(Node::Leaf(Segment::Text(text))) => text.len(),
            Some(Node::Leaf(_)) => REFERENCE_LEN,
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

    /// Calls a function with each segment in order, without recursion.
    pub fn each(&self, mut visit: impl FnMut(&Segment<Input>)) {
        let mut ahead = vec![self];
        while let Some(rope) = ahead.pop() {
            match rope.0.as_deref() {
                None => {}
                Some(Node::Leaf(segment)) => visit(segment),
                Some(Node::Join { parts, .. }) => ahead.extend(parts.iter().rev()),
            }
        }
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

/// Writes a text as one word of the shell: as it is when it needs no quotes, else in single quotes.
pub(crate) fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(rope: &Rope) -> String {
        rope.to_template().render(|_| "REF".to_owned(), |_| "OUT".to_owned())
    }

    #[test]
    fn words_are_quoted_when_they_need_it() {
        assert_eq!(quote("a/b-c_1.2"), "a/b-c_1.2");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("two words"), "'two words'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote("$HOME"), "'$HOME'");
        assert_eq!(quote("~"), "'~'");
        assert_eq!(quote("é"), "'é'");
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
