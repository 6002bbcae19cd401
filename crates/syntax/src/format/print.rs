//! From a document to text.

use super::doc::{Doc, Line, Style, Value};
use super::output::Output;
use super::{INDENT, WIDTH};

/// How the lines of a document are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// On one line.
    Flat,
    /// Each line breaks.
    Broken,
    /// Only for measuring: on one line, but what must break may.
    Tight,
}

#[derive(Clone, Copy)]
struct Command<'d, 's> {
    indent: usize,
    mode: Mode,
    doc: &'d Doc<'s>,
}

/// Prints a document; the result has no line break at its end.
pub(super) fn print(doc: &Doc<'_>, mode: Mode) -> String {
    let mut printer = Printer { out: Output::default(), stack: Vec::new() };
    printer.stack.push(Command { indent: 0, mode, doc });
    while let Some(command) = printer.stack.pop() {
        printer.command(command);
    }
    printer.out.finish()
}

struct Printer<'d, 's> {
    out: Output<'s>,
    stack: Vec<Command<'d, 's>>,
}

impl<'d, 's> Printer<'d, 's> {
    fn command(&mut self, command: Command<'d, 's>) {
        let Command { indent, mode, doc } = command;
        match doc {
            Doc::Nil => {}
            Doc::Text(text) => self.out.text(text, indent),
            Doc::Gap => self.out.space(),
            Doc::Concat(parts) => {
                self.stack.extend(parts.iter().rev().map(|doc| Command { indent, mode, doc }));
            }
            Doc::Line(_) if mode == Mode::Broken => self.out.newline(indent),
            Doc::Line(Line::Soft) => {}
            Doc::Line(_) => self.out.space(),
            Doc::Blank if mode == Mode::Broken => self.out.blank(),
            Doc::Blank => {}
            Doc::Indent(doc) => self.stack.push(Command { indent: indent + INDENT, mode, doc }),
            Doc::Group { content, broken } => {
                let flat = Command { indent, mode: Mode::Flat, doc: content };
                let fits = mode == Mode::Flat || !broken && self.fits(flat);
                let mode = if fits { Mode::Flat } else { Mode::Broken };
                self.stack.push(Command { indent, mode, doc: content });
            }
            Doc::IfBroken(text) if mode == Mode::Broken => self.out.text(text, indent),
            Doc::IfBroken(_) => {}
            Doc::Comment { text, blank } => self.out.comment(text, *blank, indent),
            Doc::Suffix(text) => self.out.suffix(text, indent),
            Doc::Block(block) => self.out.block(block, indent),
            Doc::Value(value) => self.value(indent, mode, value),
            Doc::Hug(hug) => {
                let doc = self.alternative(indent, mode, &hug.plain, &hug.hugged);
                self.stack.push(Command { indent, mode, doc });
            }
            Doc::Flat(doc) => self.stack.push(Command { indent, mode: Mode::Flat, doc }),
            Doc::Tight(doc) => self.stack.push(Command { indent, mode, doc }),
        }
    }

    fn alternative(
        &self,
        indent: usize,
        mode: Mode,
        plain: &'d Doc<'s>,
        hugged: &'d Doc<'s>,
    ) -> &'d Doc<'s> {
        if mode != Mode::Broken || self.fits(Command { indent, mode: Mode::Flat, doc: plain }) {
            return plain;
        }
        let head = Command { indent, mode: Mode::Broken, doc: hugged };
        if self.fits(head) { hugged } else { plain }
    }

    fn value(&mut self, indent: usize, mode: Mode, value: &'d Value<'s>) {
        let doc = &value.content;
        let column = self.out.column() + 1;
        let flat = Command { indent, mode: Mode::Flat, doc };
        if mode != Mode::Broken || self.fits_at(column, flat) {
            self.out.space();
            return self.stack.push(flat);
        }
        let below = Command { indent: indent + INDENT, mode: Mode::Flat, doc };
        let stays = Command { indent, mode: Mode::Broken, doc };
        let next = value.style == Style::Next && self.fits_at(indent + INDENT, below);
        if value.style != Style::Below && !next && self.fits_at(column, stays) {
            self.out.space();
            return self.stack.push(stays);
        }
        self.out.newline(indent + INDENT);
        self.stack.push(Command { mode: Mode::Broken, ..below });
    }

    fn fits(&self, command: Command<'d, 's>) -> bool {
        self.fits_at(self.out.column(), command)
    }

    /// Whether a document, with what follows it up to the next place where a line can break, fits
    /// into a line from `column` on.
    fn fits_at(&self, column: usize, command: Command<'d, 's>) -> bool {
        let mut measure = Measure { left: WIDTH.checked_sub(column), suffix: false };
        let mut todo = vec![command];
        let mut inside = true;
        let mut rest = self.stack.iter().rev();
        loop {
            let command = match todo.pop() {
                Some(command) => command,
                None => match rest.next() {
                    Some(command) => {
                        inside = false;
                        *command
                    }
                    None => return measure.left.is_some(),
                },
            };
            match measure.step(command, inside, &mut todo) {
                Some(fits) => return fits,
                None if measure.left.is_none() => return false,
                None => {}
            }
        }
    }
}

/// Columns that are left while a document is measured.
struct Measure {
    /// `None` once the line is too long.
    left: Option<usize>,
    /// Whether a comment that ends the line was seen.
    suffix: bool,
}

impl Measure {
    fn take(&mut self, columns: usize) {
        self.left = self.left.and_then(|left| left.checked_sub(columns));
    }

    /// Measures one document; `Some` when the answer is known.
    fn step<'d, 's>(
        &mut self,
        command: Command<'d, 's>,
        inside: bool,
        todo: &mut Vec<Command<'d, 's>>,
    ) -> Option<bool> {
        let Command { indent, mode, doc } = command;
        match doc {
            Doc::Nil | Doc::Blank => {}
            Doc::Text(text) => self.take(text.chars().count()),
            Doc::Gap => self.take(1),
            Doc::Concat(parts) => {
                todo.extend(parts.iter().rev().map(|doc| Command { indent, mode, doc }));
            }
            Doc::Line(_) if mode == Mode::Broken => return Some(true),
            Doc::Line(_) if self.suffix => return Some(mode == Mode::Tight || !inside),
            Doc::Line(Line::Forced) => return Some(mode == Mode::Tight || !inside),
            Doc::Line(Line::Space) => self.take(1),
            Doc::Line(Line::Soft) => {}
            Doc::Group { broken: true, .. } if mode == Mode::Flat && inside => return Some(false),
            Doc::Group { content: doc, broken: true } => {
                let mode = if mode == Mode::Flat { mode } else { Mode::Broken };
                todo.push(Command { indent, mode, doc });
            }
            Doc::Indent(doc) => todo.push(Command { indent: indent + INDENT, mode, doc }),
            Doc::Group { content: doc, .. } => todo.push(Command { indent, mode, doc }),
            Doc::IfBroken(text) if mode == Mode::Broken => self.take(text.len()),
            Doc::IfBroken(_) => {}
            Doc::Comment { .. } => return Some(mode != Mode::Flat || !inside),
            Doc::Suffix(_) => self.suffix = true,
            Doc::Block(block) => {
                self.take(block.first.chars().count());
                if let (Some(last), Some(_)) = (block.rest.last(), self.left) {
                    let last = last.rsplit('\n').next().unwrap_or_default().chars().count();
                    self.left = WIDTH.checked_sub(indent + INDENT + last);
                }
            }
            Doc::Value(value) => {
                // A value can always go to the next line, but a bracket that is opened for it should
                // have it on its own.
                if mode == Mode::Broken && (value.style != Style::Stay || !inside) {
                    return Some(true);
                }
                self.take(1);
                todo.push(Command { indent, mode, doc: &value.content });
            }
            Doc::Hug(hug) => todo.push(Command { indent, mode, doc: &hug.plain }),
            Doc::Flat(doc) => todo.push(Command { indent, mode: Mode::Flat, doc }),
            Doc::Tight(doc) => {
                let mode = if mode == Mode::Broken { Mode::Tight } else { mode };
                todo.push(Command { indent, mode, doc });
            }
        }
        None
    }
}
