//! The functions that the evaluator supplies to the standard library, by name.
//!
//! `extern fn map…` in `stdlib/list.cbuild` is `list.map` here. Each entry says how many parameters
//! there are and which of them are surely needed.

mod args;
mod build;
mod fetch;
mod list;
mod map;
mod naming;
mod oci;
mod origin;
mod script;
mod text;
mod tree;

use std::fmt;

use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::value::{Slot, Value};

pub(crate) use origin::{call_of, members_of};

/// A function that the evaluator supplies.
pub struct Extern {
    name: &'static str,
    arity: usize,
    /// Parameters that are kept lazy, by position.
    lazy: &'static [usize],
    run: Run,
}

type Run = fn(&mut Machine<'_>, &[Slot], Place) -> Result<Value, Fault>;

impl Extern {
    const fn new(name: &'static str, arity: usize, run: Run) -> Self {
        Self { name, arity, lazy: &[], run }
    }

    const fn lazy(self, lazy: &'static [usize]) -> Self {
        Self { lazy, ..self }
    }

    /// Its name, such as `list.map`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Number of its parameters.
    pub fn arity(&self) -> usize {
        self.arity
    }

    /// Whether the argument at a position is surely needed.
    pub(crate) fn needs(&self, position: usize) -> bool {
        !self.lazy.contains(&position)
    }

    pub(crate) fn call(
        &self,
        machine: &mut Machine<'_>,
        args: &[Slot],
        place: Place,
    ) -> Result<Value, Fault> {
        if args.len() != self.arity {
            return Err(wrong_arity(self, args.len(), place));
        }
        (self.run)(machine, args, place)
    }
}

impl fmt::Debug for Extern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extern({})", self.name)
    }
}

static PRELUDE: &[Extern] = &[Extern::new("prelude.abort", 1, abort)];

static TABLES: [&[Extern]; 10] = [
    PRELUDE,
    list::TABLE,
    text::TABLE,
    map::TABLE,
    script::TABLE,
    fetch::TABLE,
    tree::TABLE,
    build::TABLE,
    oci::TABLE,
    origin::TABLE,
];

/// All functions that the evaluator supplies.
pub fn all() -> impl Iterator<Item = &'static Extern> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// The function of a name.
pub(crate) fn find(name: &str) -> Option<&'static Extern> {
    all().find(|function| function.name == name)
}

pub(crate) fn unknown(name: &str, place: Place) -> Fault {
    let message = format!("this cbuild has no extern function `{name}`");
    FaultBody::new(codes::EXTERN, place, message, "declared here")
        .help("use the standard library that belongs to this cbuild")
}

pub(crate) fn wrong_arity(function: &Extern, found: usize, place: Place) -> Fault {
    let Extern { name, arity, .. } = function;
    let message = format!("the extern function `{name}` takes {arity} arguments, not {found}");
    FaultBody::new(codes::EXTERN, place, message, "declared or called here")
        .help("use the standard library that belongs to this cbuild")
}

fn abort(machine: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let message = machine.text_arg(&args[0], place)?;
    Err(FaultBody::new(codes::ABORT, place, message.as_str(), "`abort` was called here"))
}
