//! What the formatter prints, as a document: text with places where a line may break.
//!
//! The algebra is that of Wadler and of most formatters since: a group is printed on one line
//! where it fits, otherwise its own lines break. Documents are shared, never copied, so that one
//! document can stand in several alternatives.

use std::rc::Rc;

/// A document. Cloning it is cheap.
#[derive(Clone, Debug, Default)]
pub(super) enum Doc<'s> {
    #[default]
    Nil,
    /// Text of the source or of the formatter, without a line break.
    Text(&'s str),
    /// A blank where no line may break.
    Gap,
    Concat(Rc<[Doc<'s>]>),
    Line(Line),
    /// An empty line, if a line was just broken.
    Blank,
    Indent(Rc<Doc<'s>>),
    Group {
        content: Rc<Doc<'s>>,
        /// Whether it is broken even if it fits.
        broken: bool,
    },
    /// Printed only if the enclosing group is broken.
    IfBroken(&'static str),
    /// A comment on a line of its own.
    Comment {
        text: &'s str,
        /// Whether an empty line stands in front.
        blank: bool,
    },
    /// A comment at the end of the line.
    Suffix(&'s str),
    /// A literal of several lines.
    Block(Rc<Block>),
    Value(Rc<Value<'s>>),
    Hug(Rc<Hug<'s>>),
    Table(Rc<Table<'s>>),
    /// Printed on one line, come what may.
    Flat(Rc<Doc<'s>>),
    /// What is in front of it rather breaks than this.
    Tight(Rc<Doc<'s>>),
}

/// A place where a line may break, and what it is otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A blank.
    Space,
    /// Nothing.
    Soft,
    /// Always a break, except in what is printed on one line, come what may.
    Forced,
}

/// A literal of several lines.
#[derive(Debug)]
pub(super) struct Block {
    /// What stands on the line on which the literal starts.
    pub(super) first: String,
    /// The other lines, without their common indentation. One may hold line breaks that are to
    /// stay as they are.
    pub(super) rest: Vec<String>,
    /// Whether the other lines are indented by one step more than the line of the first.
    pub(super) indented: bool,
}

/// What follows a `=` or `=>`.
#[derive(Debug)]
pub(super) struct Value<'s> {
    pub(super) content: Doc<'s>,
    pub(super) style: Style,
}

/// Where a value that does not fit goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Stays, because its brackets break well.
    Stay,
    /// To the next line if it fits there, otherwise it stays.
    Next,
    /// To the next line.
    Below,
}

/// Two ways to break: the second has a bracket that opens on the first line and closes on the last.
#[derive(Debug)]
pub(super) struct Hug<'s> {
    pub(super) plain: Doc<'s>,
    pub(super) hugged: Doc<'s>,
    /// If this fits on a line of its own, the first way is better.
    pub(super) unless: Option<Doc<'s>>,
}

/// Two ways to break: the second has a few long lines, and is better if all of them fit.
#[derive(Debug)]
pub(super) struct Table<'s> {
    pub(super) plain: Doc<'s>,
    pub(super) lines: Vec<Doc<'s>>,
}

pub(super) const GAP: Doc<'static> = Doc::Gap;
pub(super) const SPACE: Doc<'static> = Doc::Line(Line::Space);
pub(super) const SOFT: Doc<'static> = Doc::Line(Line::Soft);
pub(super) const FORCED: Doc<'static> = Doc::Line(Line::Forced);

impl<'s> Doc<'s> {
    pub(super) fn group(content: Doc<'s>, broken: bool) -> Self {
        Self::Group { content: Rc::new(content), broken }
    }

    pub(super) fn indent(content: Doc<'s>) -> Self {
        Self::Indent(Rc::new(content))
    }

    pub(super) fn flat(content: Doc<'s>) -> Self {
        Self::Flat(Rc::new(content))
    }

    pub(super) fn tight(content: Doc<'s>) -> Self {
        Self::Tight(Rc::new(content))
    }

    /// Whether it cannot stand on one line.
    pub(super) fn must_break(&self) -> bool {
        match self {
            Self::Group { broken: true, .. } | Self::Line(Line::Forced) => true,
            Self::Comment { .. } | Self::Suffix(_) => true,
            Self::Block(block) => !block.rest.is_empty(),
            Self::Concat(parts) => parts.iter().any(Self::must_break),
            Self::Indent(content) | Self::Flat(content) | Self::Tight(content) => {
                content.must_break()
            }
            Self::Group { content, .. } => content.must_break(),
            Self::Value(value) => value.content.must_break(),
            Self::Hug(hug) => hug.plain.must_break(),
            Self::Table(table) => table.plain.must_break(),
            Self::Nil | Self::Text(_) | Self::Gap | Self::Line(_) => false,
            Self::Blank | Self::IfBroken(_) => false,
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::Concat(parts) => parts.iter().all(Self::is_nil),
            _ => false,
        }
    }
}

impl<'s> From<Vec<Doc<'s>>> for Doc<'s> {
    fn from(parts: Vec<Doc<'s>>) -> Self {
        Self::Concat(parts.into())
    }
}

impl<'s, const N: usize> From<[Doc<'s>; N]> for Doc<'s> {
    fn from(parts: [Doc<'s>; N]) -> Self {
        Self::Concat(Rc::new(parts))
    }
}
