//! What a name stands for.

use cbuild_diag::Span;
use cbuild_syntax::ast;

use crate::checker::{Checker, Entry, Extend, Scope, TypeDef, Value};
use crate::codes;
use crate::foreign;
use crate::index::Target;
use crate::modules::ModIdx;
use crate::suggest::{Fix, meant};
use crate::types::{BUILTIN, ConId, Place};

/// Most names of a module that a message lists.
const SHOWN_MEMBERS: usize = 30;

/// Errors of a program after which no near names are looked for.
const MOST_SUGGESTED: usize = 1000;

/// A module that a path leads to.
#[derive(Clone, Copy)]
pub(crate) enum ModuleRef {
    Module(ModIdx),
    /// A problem that was already reported.
    Broken,
}

/// Kinds of names, for messages and codes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Value,
    Type,
    Module,
}

impl Kind {
    fn of_value(name: &str) -> (&'static str, &'static str) {
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            (codes::UNKNOWN_CONSTRUCTOR, "constructor")
        } else {
            (codes::UNKNOWN_NAME, "name")
        }
    }
}

/// The constructors that are there without any declaration.
pub(crate) fn builtin_constructor(name: &str) -> Option<Value> {
    match name {
        "None" => Some(Value::Constructor(ConId::OPTION, 0)),
        "Some" => Some(Value::Constructor(ConId::OPTION, 1)),
        _ => None,
    }
}

impl Checker<'_> {
    /// The scopes that a module sees without qualification, innermost first; whether private names count.
    pub(crate) fn visible(&self, module: ModIdx) -> impl Iterator<Item = (&Scope, bool)> {
        let own = self.scopes.get(module);
        let around = |scope: &Scope| scope.parent.and_then(|p| self.scopes.get(p));
        let parents = std::iter::successors(own.and_then(around), move |scope| around(scope));
        let prelude = self.prelude.filter(|p| *p != module).and_then(|p| self.scopes.get(p));
        own.map(|s| (s, true))
            .into_iter()
            .chain(parents.map(|s| (s, true)))
            .chain(prelude.map(|s| (s, false)))
    }

    /// A value by its plain name.
    pub(crate) fn find_value(&self, module: ModIdx, name: &str) -> Option<Value> {
        self.visible(module)
            .find_map(|(scope, private)| scope.values.get(name).filter(|e| private || e.public))
            .map(|entry| entry.what)
            .or_else(|| builtin_constructor(name))
    }

    pub(crate) fn find_type(&self, module: ModIdx, name: &str) -> Option<TypeDef> {
        self.visible(module)
            .find_map(|(scope, private)| scope.types.get(name).filter(|e| private || e.public))
            .map(|entry| entry.what)
    }

    /// A module by its plain name.
    pub(crate) fn find_module(&self, name: &str) -> Option<ModuleRef> {
        self.visible(self.module)
            .find_map(|(scope, private)| scope.modules.get(name).filter(|e| private || e.public))
            .map(|entry| entry.what.map_or(ModuleRef::Broken, ModuleRef::Module))
    }

    /// Remembers what the first part of a path to a module stands for.
    fn note_module(&mut self, name: &ast::Ident) {
        if self.recorder.is_none() {
            return;
        }
        let own = Some(self.module);
        let parent = self.scopes.get(self.module).and_then(|scope| scope.parent);
        for index in [own, parent, self.prelude].into_iter().flatten() {
            let found = self.scopes.get(index).and_then(|s| s.modules.get(name.text.as_str()));
            if let Some(entry) = found {
                let declared = (self.modules[index].source, entry.span);
                self.note(name.span, Target::Module(declared, entry.what));
                return;
            }
        }
    }

    /// The module that an expression such as `std.list` names, if it begins with a module at all.
    pub(crate) fn as_module(&mut self, expr: &ast::Expr) -> Option<ModuleRef> {
        let mut path = Vec::new();
        let mut expr = expr;
        loop {
            match &expr.kind {
                ast::ExprKind::Field(base, name) => {
                    path.push(name);
                    expr = base;
                }
                ast::ExprKind::Name(name) => {
                    if self.is_value(&name.text) {
                        return None;
                    }
                    let mut module = self.find_module(&name.text)?;
                    self.note_module(name);
                    for part in path.into_iter().rev() {
                        module = self.submodule(module, part)?;
                    }
                    return Some(module);
                }
                _ => return None,
            }
        }
    }

    pub(crate) fn is_value(&self, name: &str) -> bool {
        self.body.locals.iter().any(|l| &*l.name == name)
            || self.find_value(self.module, name).is_some()
    }

    /// `None` if the member is no module.
    fn submodule(&mut self, module: ModuleRef, name: &ast::Ident) -> Option<ModuleRef> {
        let ModuleRef::Module(index) = module else { return Some(ModuleRef::Broken) };
        let entry = self.scopes[index].modules.get(name.text.as_str()).copied()?;
        if !entry.public {
            self.private(index, name, entry.span);
            return Some(ModuleRef::Broken);
        }
        let declared = (self.modules[index].source, entry.span);
        self.note(name.span, Target::Module(declared, entry.what));
        Some(entry.what.map_or(ModuleRef::Broken, ModuleRef::Module))
    }

    /// A module path in a type or pattern; reports what is wrong.
    fn lookup_module(&mut self, path: &[ast::Ident]) -> ModuleRef {
        let Some((first, rest)) = path.split_first() else { return ModuleRef::Broken };
        let Some(mut module) = self.find_module(&first.text) else {
            self.unknown(first, Kind::Module);
            return ModuleRef::Broken;
        };
        self.note_module(first);
        for part in rest {
            module = match self.submodule(module, part) {
                Some(next) => next,
                None => {
                    self.no_member(module, part, Kind::Module);
                    ModuleRef::Broken
                }
            };
        }
        module
    }

    /// A type by its path; reports an unknown one.
    pub(crate) fn lookup_type(&mut self, path: &[ast::Ident]) -> Option<TypeDef> {
        let (last, modules) = path.split_last()?;
        if modules.is_empty() {
            if let Some(found) = self.find_type(self.module, &last.text) {
                self.note(last.span, found.into());
                return Some(found);
            }
            if let Some((_, con, _)) = BUILTIN.iter().find(|(name, ..)| *name == last.text) {
                self.note(last.span, Target::Con(*con));
                return Some(TypeDef::Con(*con));
            }
            self.unknown(last, Kind::Type);
            return None;
        }
        let ModuleRef::Module(index) = self.lookup_module(modules) else { return None };
        match self.scopes[index].types.get(last.text.as_str()).copied() {
            Some(entry) => {
                self.note(last.span, entry.what.into());
                self.if_public(index, last, entry)
            }
            None => {
                self.no_member(ModuleRef::Module(index), last, Kind::Type);
                None
            }
        }
    }

    /// A value that a module has; reports what is wrong.
    pub(crate) fn member(&mut self, module: ModuleRef, name: &ast::Ident) -> Option<Value> {
        let ModuleRef::Module(index) = module else { return None };
        match self.scopes[index].values.get(name.text.as_str()).copied() {
            Some(entry) => {
                self.note(name.span, entry.what.into());
                self.if_public(index, name, entry)
            }
            None => {
                self.no_member(module, name, Kind::Value);
                None
            }
        }
    }

    pub(crate) fn if_public<T>(
        &mut self,
        module: ModIdx,
        name: &ast::Ident,
        entry: Entry<T>,
    ) -> Option<T> {
        if entry.public {
            return Some(entry.what);
        }
        self.private(module, name, entry.span);
        None
    }

    /// A constructor in a pattern.
    pub(crate) fn lookup_constructor(&mut self, path: &[ast::Ident]) -> Option<(ConId, usize)> {
        let (last, modules) = path.split_last()?;
        let of_type =
            modules.last().is_some_and(|m| m.text.starts_with(|c: char| c.is_ascii_uppercase()));
        if of_type {
            return self.lookup_case(modules, last);
        }
        let value = if modules.is_empty() {
            let found = self.find_value(self.module, &last.text);
            if found.is_none() {
                self.unknown(last, Kind::Value);
            }
            let value = found?;
            self.note(last.span, value.into());
            value
        } else {
            let module = self.lookup_module(modules);
            self.member(module, last)?
        };
        match value {
            Value::Constructor(con, case) => Some((con, case)),
            Value::Global(_) => {
                self.error(
                    codes::UNKNOWN_CONSTRUCTOR,
                    last.span,
                    format!("`{}` is not a constructor", last.text),
                    "a pattern needs a constructor here",
                );
                None
            }
        }
    }

    fn private(&mut self, module: ModIdx, name: &ast::Ident, declared: Span) {
        let there = &self.modules[module];
        let place: Place = (there.source, declared);
        let item = there
            .file
            .items
            .iter()
            .find(|item| item.span.start <= declared.start && declared.end <= item.span.end);
        let front = item.map(|item| Span { start: item.span.start, end: item.span.start });
        let key = there.key.to_string();
        self.error(
            codes::PRIVATE,
            name.span,
            format!("`{}` is private to `{key}`", name.text),
            "private",
        )
        .also(place, "declared here without `pub`")
        .fix("write `pub` in front of its declaration");
        if let (Some(front), Some(problem)) = (front, self.diagnostics.last_mut()) {
            problem.change((place.0, front), "pub ");
        }
    }

    fn no_member(&mut self, module: ModuleRef, name: &ast::Ident, kind: Kind) {
        let ModuleRef::Module(index) = module else { return };
        if kind == Kind::Value && self.is_other_member(index, name) {
            return;
        }
        let scope = &self.scopes[index];
        let what = match kind {
            Kind::Type => "type",
            Kind::Module => "module",
            Kind::Value => Kind::of_value(&name.text).1,
        };
        let fix = match kind {
            Kind::Type => meant(&name.text, public(&scope.types)),
            Kind::Module => meant(&name.text, public(&scope.modules)),
            Kind::Value => {
                let all = || public(&scope.values).chain(public(&scope.modules));
                meant(&name.text, all()).or_else(|| Some(Fix::from(members(all()))))
            }
        };
        let key = self.modules[index].key.to_string();
        self.error(
            codes::NO_MEMBER,
            name.span,
            format!("`{key}` has no {what} `{}`", name.text),
            "not found",
        )
        .maybe_fix(fix);
    }

    /// Reports a member that is a module or a type where a value is needed.
    fn is_other_member(&mut self, module: ModIdx, name: &ast::Ident) -> bool {
        let scope = &self.scopes[module];
        let inner = scope.modules.get(name.text.as_str()).filter(|entry| entry.public);
        let what = if inner.is_some() {
            "a module"
        } else if scope.types.get(name.text.as_str()).is_some_and(|entry| entry.public) {
            "a type"
        } else {
            return false;
        };
        let inner = inner.and_then(|entry| self.scopes.get(entry.what?));
        let example = inner.and_then(|inner| public(&inner.values).next());
        let example =
            example.map(|member| format!("name a member of it, such as `{}.{member}`", name.text));
        self.error(
            codes::NOT_A_VALUE,
            name.span,
            format!("`{}` is {what}, not a value", name.text),
            "a value is needed here",
        )
        .maybe_fix(example);
        true
    }

    /// Reports a plain name that is not in scope.
    pub(crate) fn unknown(&mut self, name: &ast::Ident, kind: Kind) {
        let text = name.text.as_str();
        let (code, what) = match kind {
            Kind::Value => Kind::of_value(text),
            Kind::Type => (codes::UNKNOWN_TYPE, "type"),
            Kind::Module => (codes::UNKNOWN_NAME, "module"),
        };
        let foreign = || (kind == Kind::Value).then(|| foreign::instead(text)).flatten();
        let near = meant(text, self.names_to_suggest(kind));
        // A module is no near name of a function.
        let module = |fix: &Fix| {
            let name = fix.replacement.as_deref();
            foreign().is_some() && name.is_some_and(|name| self.find_module(name).is_some())
        };
        let fix = near
            .filter(|fix| !module(fix))
            .or_else(|| self.hint(name, kind).map(Fix::from))
            .or_else(foreign);
        let import = (text == "std").then(|| self.place_for_import()).flatten();
        let other = replacement_of(text, kind);
        let span = name.span;
        let place = self.place(span);
        let capitals = self.hash_kind_before(span);
        let problem =
            self.error(code, span, format!("there is no {what} `{text}` here"), "not found");
        problem.maybe_fix(fix);
        if let (Some(start), Some(edit)) = (capitals, problem.edits.first_mut()) {
            edit.span.start = start;
        }
        match (import, other) {
            (Some(import), _) if problem.edits.is_empty() => {
                problem.change(import, "import std\n");
            }
            (_, Some(other)) if problem.edits.is_empty() => {
                problem.change(place, other);
            }
            _ => {}
        }
    }

    /// Where `SHA256-` in front of a name starts: it was told of as an unknown name right before.
    fn hash_kind_before(&self, name: Span) -> Option<u32> {
        let last = self.diagnostics.last()?;
        let span = last.labels.first().filter(|label| label.source == self.source())?.span;
        let kind = last.message.to_ascii_lowercase().contains("`sha256`");
        (kind && span.end + 1 == name.start && name.end - name.start == 64).then_some(span.start)
    }

    /// The names that stand where an unknown one does, the nearest scope first. None where so many errors
    /// were found that nobody reads them all: to compare each with all names takes long.
    fn names_to_suggest(&self, kind: Kind) -> Vec<&str> {
        let mut candidates: Vec<&str> = Vec::new();
        if self.diagnostics.len() >= MOST_SUGGESTED {
            return candidates;
        }
        if kind == Kind::Value {
            candidates.extend(self.body.locals.iter().rev().map(|l| &*l.name));
        }
        for (scope, private) in self.visible(self.module) {
            let seen = |public: bool| private || public;
            if kind == Kind::Type {
                let names = scope.types.iter().filter(|(_, e)| seen(e.public));
                candidates.extend(names.map(|(name, _)| &**name));
                continue;
            }
            if kind == Kind::Value {
                let names = scope.values.iter().filter(|(_, e)| seen(e.public));
                candidates.extend(names.map(|(name, _)| &**name));
            }
            let names = scope.modules.iter().filter(|(_, e)| seen(e.public));
            candidates.extend(names.map(|(name, _)| &**name));
        }
        if kind == Kind::Type {
            candidates.extend(BUILTIN.iter().map(|(name, ..)| *name));
        }
        if kind == Kind::Value {
            candidates.extend(["None", "Some"]);
        }
        candidates
    }

    fn place_for_import(&self) -> Option<Place> {
        let at = crate::edits::place_for_import(&self.modules[self.module].file.items)?;
        Some(self.place(Span { start: at, end: at }))
    }

    /// A fix for names that other languages have.
    fn hint(&self, name: &ast::Ident, kind: Kind) -> Option<String> {
        let mut aliases = self.aliases.iter().filter(|alias| alias.module == self.module);
        if let Some(alias) = aliases.find(|alias| alias.body.span == name.span) {
            let (alias, case) = (&alias.name, &name.text);
            return Some(format!(
                "a variant type with one case is written `type {alias} = | {case}`"
            ));
        }
        match (name.text.as_str(), kind) {
            ("std", _) => Some("write `import std` at the top of the file".to_owned()),
            ("String" | "Text" | "string", Kind::Type) => {
                Some("text has the type `Str`".to_owned())
            }
            ("Boolean", Kind::Type) => Some("truth values have the type `Bool`".to_owned()),
            ("Number" | "Integer" | "Float", Kind::Type) => {
                Some("numbers have the type `Int`".to_owned())
            }
            ("null" | "nil" | "undefined", Kind::Value) => {
                Some("an absent value is `None`, of type `Option<T>`".to_owned())
            }
            ("Just" | "Nothing" | "Nil", Kind::Value) => {
                Some("the cases of an `Option` are `Some(x)` and `None`".to_owned())
            }
            ("True" | "TRUE" | "yes" | "False" | "FALSE" | "no", Kind::Value) => {
                Some("truth values are `true` and `false`".to_owned())
            }
            _ => None,
        }
    }
}

/// What is written here instead of a name that other languages have.
fn replacement_of(name: &str, kind: Kind) -> Option<&'static str> {
    match (name, kind) {
        ("String" | "Text" | "string", Kind::Type) => Some("Str"),
        ("Boolean", Kind::Type) => Some("Bool"),
        ("Number" | "Integer" | "Float", Kind::Type) => Some("Int"),
        ("null" | "nil" | "undefined", Kind::Value) => Some("None"),
        ("True" | "TRUE" | "yes", Kind::Value) => Some("true"),
        ("False" | "FALSE" | "no", Kind::Value) => Some("false"),
        ("Just", Kind::Value) => Some("Some"),
        ("Nothing" | "Nil", Kind::Value) => Some("None"),
        _ => None,
    }
}

/// Says what a module has, as far as there is room for it.
fn members<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(SHOWN_MEMBERS).map(|name| format!("`{name}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN_MEMBERS) {
        0 if names.is_empty() => "it has no public names".to_owned(),
        0 => format!("it has {shown}"),
        more => format!("it has {shown} and {more} more"),
    }
}

fn public<T>(
    entries: &std::collections::BTreeMap<crate::types::Name, Entry<T>>,
) -> impl Iterator<Item = &str> {
    entries.iter().filter(|(_, entry)| entry.public).map(|(name, _)| &**name)
}
