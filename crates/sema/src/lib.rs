//! Names, modules and types of the cbuild language.
//!
//! [`check`] loads the modules that an entry module reaches, resolves their names, infers and
//! checks their types, and lowers them to the typed core in [`ir`]. Everything that is wrong is
//! reported in one run; a broken part is given the error type, about which nothing more is said.
//!
//! This crate deliberately does not know where the texts of modules come from (that is a
//! [`Loader`]'s business), how expressions are evaluated, or that there is a store.
#![forbid(unsafe_code)]

mod bindings;
mod call;
mod checker;
pub mod codes;
mod convert;
mod declare;
mod decode;
mod driver;
mod edits;
mod exhaustive;
mod followups;
mod foreign;
mod free;
mod globals;
pub mod index;
mod infer;
pub mod ir;
mod kinds;
mod library;
mod literal;
mod memory;
mod modules;
mod names;
mod needs;
mod operators;
mod optional;
mod origin;
mod pattern;
mod print;
mod qualified;
mod record;
mod report;
mod resolve;
mod rows;
mod suggest;
mod types;
mod unchanged;
mod unify;
#[cfg(test)]
mod unify_tests;
mod watch;

pub use memory::Memory;
pub use modules::{LoadError, Loader, ModuleKey, Package};
pub use names::{Name, NameKind};
pub use suggest::did_you_mean;

use std::collections::BTreeMap;

use cbuild_diag::{Diagnostic, Severity, SourceId, Sources};

/// What came of checking a program.
#[derive(Debug)]
pub struct Checked {
    /// The typed core. It may only be run when [`Checked::has_errors`] is false.
    pub program: ir::Program,
    /// The module that was asked for.
    pub entry: ir::ModuleId,
    /// Everything that is wrong, in source order within each module.
    pub diagnostics: Vec<Diagnostic>,
    /// Which module each source text belongs to; needed to resolve path literals.
    pub keys: BTreeMap<SourceId, ModuleKey>,
    /// Where each module that was loaded is in the program.
    pub modules: BTreeMap<ModuleKey, ir::ModuleId>,
    /// The modules whose bodies were looked into.
    pub looked_into: Vec<ModuleKey>,
}

/// In which modules a check looks into bodies: the values of `let` and `fn` items and of tests.
///
/// What other modules see of a module says its type, so that a module can be checked without the
/// bodies of those that it imports. Of a module whose bodies are left out nothing that its bodies
/// do wrong is reported, and its globals have no values in the program. Modules that are neither
/// looked into nor reached by the imports of one that is are only loaded.
#[derive(Clone, Copy)]
pub enum Bodies<'a> {
    /// In all that are reached. Only then the program may be run.
    All,
    /// In those that are named.
    Only(&'a dyn Fn(&ModuleKey) -> bool),
    /// In those of which the [`Memory`] does not know that there is nothing wrong with them. The
    /// diagnostics are those of [`Bodies::All`].
    Changed,
}

impl Checked {
    /// Whether the program must not be run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// What came of checking a lone expression, as given to `cbuild eval -e`.
#[derive(Debug)]
pub struct CheckedExpr {
    /// The program with the expression in it; [`Checked::entry`] is the module made of the expression.
    pub checked: Checked,
    /// The global that holds the expression's value.
    pub value: ir::GlobalId,
    /// The expression's type as shown to a reader.
    pub ty: String,
}

/// Loads, checks and lowers the module `entry` and every module that it reaches.
///
/// Each text that is read is added to `sources` under [`Loader::shown_name`].
pub fn check(sources: &mut Sources, loader: &mut dyn Loader, entry: &ModuleKey) -> Checked {
    check_with(sources, loader, &mut Memory::default(), std::slice::from_ref(entry), Bodies::All)
}

/// As [`check`], with several modules to begin from, what is remembered of earlier checks, and a
/// choice of what to look into. [`Checked::entry`] is the first of `entries` that can be loaded.
pub fn check_with(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    memory: &mut Memory,
    entries: &[ModuleKey],
    bodies: Bodies<'_>,
) -> Checked {
    driver::check_entries(sources, loader, memory, entries, bodies)
}

/// As [`check_with`] for an editor: gives what is wrong, and an index of names and types instead of a
/// program. The modules for which `bodies` is true are recorded: all uses of names in them, and the types
/// of all their expressions. Of the others the index knows what they declare.
pub fn check_for_editor(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    memory: &mut Memory,
    entries: &[ModuleKey],
    bodies: &dyn Fn(&ModuleKey) -> bool,
) -> (Vec<Diagnostic>, index::Index) {
    driver::index_entries(sources, loader, memory, entries, bodies)
}

/// Checks an expression as if it stood at the end of `scope`, whose private names it sees too.
/// Without `scope` it sees the prelude alone; in any case `std` is imported unless `scope` gives
/// that name another meaning. Path literals are relative to the folder of `scope`, or to the
/// package root.
pub fn check_expr(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    scope: Option<&ModuleKey>,
    text: &str,
) -> CheckedExpr {
    let scopes = scope.map_or(&[][..], std::slice::from_ref);
    check_expr_in(sources, loader, &mut Memory::default(), scopes, text)
}

/// As [`check_expr`], in several modules of which each one sees all names of those before it, and
/// hides those of the same name. With what is remembered of earlier checks.
pub fn check_expr_in(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    memory: &mut Memory,
    scopes: &[ModuleKey],
    text: &str,
) -> CheckedExpr {
    let prompt = driver::Prompt { sources, loader, memory, scopes };
    driver::check_expression(prompt, text)
}

/// The names that an expression in the given modules can use: without `base` those that are in
/// scope, else what may stand after a dot behind `base`, such as the public names of a module, the cases
/// of a variant type or the fields of a value's type. Sorted by name; for completion and help.
pub fn names_in(
    loader: &mut dyn Loader,
    memory: &mut Memory,
    scopes: &[ModuleKey],
    base: Option<&str>,
) -> Vec<Name> {
    let mut sources = Sources::default();
    let prompt = driver::Prompt { sources: &mut sources, loader, memory, scopes };
    driver::check_lone_expr(prompt, base.unwrap_or("0"), |checker| names::list(checker, base)).1
}
