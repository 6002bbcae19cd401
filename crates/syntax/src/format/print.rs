//! From a document to text.

use super::doc::{Block, Doc, FORCED, Hug, Line, Style, Table, Value};
use super::output::Output;
use super::{INDENT, WIDTH};

/// How the lines of a document are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// On one line.
    Flat,
    /// Each line breaks.
    Broken,
}

#[derive(Clone, Copy)]
struct Command<'d, 's> {
    indent: usize,
    mode: Mode,
    doc: &'d Doc<'s>,
}

impl<'d, 's> Command<'d, 's> {
    /// Another document, printed in the same way.
    fn of(self, doc: &'d Doc<'s>) -> Self {
        Self { doc, ..self }
    }
}

/// Prints a document; the result has no line break at its end.
pub(super) fn print(doc: &Doc<'_>, mode: Mode) -> String {
    let line = FORCED;
    let mut printer = Printer { out: Output::default(), stack: Vec::new(), line: &line };
    printer.stack.push(Command { indent: 0, mode, doc });
    while let Some(command) = printer.stack.pop() {
        printer.command(command);
    }
    printer.out.finish()
}

struct Printer<'d, 's> {
    out: Output<'s>,
    /// What is still to be printed, the next at the end.
    stack: Vec<Command<'d, 's>>,
    /// A line to break between others.
    line: &'d Doc<'s>,
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
                let doc = self.alternative(indent, mode, hug);
                self.stack.push(Command { indent, mode, doc });
            }
            Doc::Table(table) => self.table(indent, mode, table),
            Doc::Flat(doc) => self.stack.push(Command { indent, mode: Mode::Flat, doc }),
            Doc::Tight(doc) => self.stack.push(Command { indent, mode, doc }),
        }
    }

    fn alternative(&self, indent: usize, mode: Mode, hug: &'d Hug<'s>) -> &'d Doc<'s> {
        let plain = Command { indent, mode: Mode::Flat, doc: &hug.plain };
        if mode != Mode::Broken || self.fits(plain) {
            return &hug.plain;
        }
        let alone = |doc| {
            let indent = indent + INDENT;
            fits_alone(indent, Command { indent, mode: Mode::Flat, doc })
        };
        if hug.unless.as_ref().is_some_and(alone) {
            return &hug.plain;
        }
        let head = Command { indent, mode: Mode::Broken, doc: &hug.hugged };
        if self.fits(head) { &hug.hugged } else { &hug.plain }
    }

    fn table(&mut self, indent: usize, mode: Mode, table: &'d Table<'s>) {
        let whole = Command { indent, mode: Mode::Flat, doc: &table.plain };
        if mode != Mode::Broken || self.fits(whole) {
            return self.stack.push(whole);
        }
        let lines = table.lines.iter().map(|doc| Command { indent, mode: Mode::Flat, doc });
        let column = self.out.column();
        let mut all = lines.clone().enumerate();
        if !all.all(|(at, line)| fits_alone(if at == 0 { column } else { indent }, line)) {
            return self.stack.push(Command { mode, ..whole });
        }
        for (at, line) in lines.enumerate().collect::<Vec<_>>().into_iter().rev() {
            self.stack.push(line);
            if at > 0 {
                self.stack.push(Command { indent, mode, doc: self.line });
            }
        }
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
        measure(column, command, &self.stack)
    }
}

/// Whether a document fits into a line from `column` on, with a comma or bracket behind it.
fn fits_alone(column: usize, command: Command<'_, '_>) -> bool {
    measure(column + 1, command, &[])
}

fn measure<'d, 's>(column: usize, command: Command<'d, 's>, rest: &[Command<'d, 's>]) -> bool {
    let mut measure = Measure { left: WIDTH.checked_sub(column), suffix: false };
    let mut todo = vec![command];
    let mut inside = true;
    let mut rest = rest.iter().rev();
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
            Doc::Line(line) if self.suffix || *line == Line::Forced => return Some(!inside),
            Doc::Line(line) => self.take(usize::from(*line == Line::Space)),
            Doc::Group { broken: true, .. } if mode == Mode::Flat && inside => return Some(false),
            Doc::Group { content, .. } => todo.push(command.of(content)),
            Doc::Indent(doc) => todo.push(Command { indent: indent + INDENT, mode, doc }),
            Doc::IfBroken(text) if mode == Mode::Broken => self.take(text.len()),
            Doc::IfBroken(_) => {}
            Doc::Comment { .. } => return Some(mode == Mode::Broken || !inside),
            Doc::Suffix(_) => self.suffix = true,
            Doc::Block(block) => self.block(block, indent),
            Doc::Value(value) => {
                // A value can always go to the next line, but a bracket that is opened for it should
                // have it on its own.
                if mode == Mode::Broken && (value.style != Style::Stay || !inside) {
                    return Some(true);
                }
                self.take(1);
                todo.push(command.of(&value.content));
            }
            Doc::Hug(hug) => todo.push(command.of(&hug.plain)),
            Doc::Table(table) => todo.push(command.of(&table.plain)),
            Doc::Flat(doc) => todo.push(Command { indent, mode: Mode::Flat, doc }),
            // What follows breaks only if it does not fit on a line of its own.
            Doc::Tight(doc) => {
                let flat = Command { indent, mode: Mode::Flat, doc };
                let alone = inside || fits_alone(indent + INDENT, flat);
                todo.push(if alone { flat } else { command.of(doc) });
            }
        }
        None
    }

    /// The lines between the first and the last one do not matter.
    fn block(&mut self, block: &Block, indent: usize) {
        self.take(block.first.chars().count());
        if let (Some(last), Some(_)) = (block.rest.last(), self.left) {
            let last = last.rsplit('\n').next().unwrap_or_default().chars().count();
            self.left = WIDTH.checked_sub(indent + INDENT + last);
        }
    }
}
