//! What editors ask of a checked program: what a name stands for, where it is declared and used,
//! and the types of expressions.
//!
//! While modules are checked, a recorder remembers uses and types, for the modules that were asked for
//! and only if somebody asked; [`Index`] is what is left of the check, and answers by places in the
//! texts. It knows nothing of editors, of lines, or of how answers are shown.

use std::collections::BTreeMap;

use cbuild_diag::{SourceId, Span};
use cbuild_syntax::ast;

use crate::checker::{Checker, Def, Entry, GlobalTy, Scope, TypeDef, Value};
use crate::ir::GlobalId;
use crate::modules::{Loaded, ModIdx, ModuleKey};
use crate::types::{BUILTIN, ConId, Name, Presence, Ty, TyId, Types};

pub use self::answers::{Callable, Documentation, FieldInfo, Members, ParameterInfo};

mod answers;

/// A place in a source text.
pub type Place = (SourceId, Span);

/// What a name stands for, as the checker knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    Global(GlobalId),
    Case(ConId, usize),
    Con(ConId),
    /// Index into the checker's aliases.
    Alias(usize),
    /// The name's declaration, and the module that it leads to.
    Module(Place, Option<ModIdx>),
    /// Bound at this place of the same source.
    Local(Span),
    Parameter(Place),
    /// Where the field is declared, if it is, and its type.
    Field(Option<Place>, TyId),
}

impl From<Value> for Target {
    fn from(value: Value) -> Self {
        match value {
            Value::Global(id) => Target::Global(id),
            Value::Constructor(con, case) => Target::Case(con, case),
        }
    }
}

impl From<TypeDef> for Target {
    fn from(def: TypeDef) -> Self {
        match def {
            TypeDef::Con(con) => Target::Con(con),
            TypeDef::Alias(index) => Target::Alias(index),
        }
    }
}

/// What is remembered while modules are checked.
#[derive(Default)]
pub(crate) struct Recorder {
    /// Whether the module being checked was asked for.
    pub(crate) active: bool,
    uses: Vec<(SourceId, Span, Target)>,
    types: Vec<(SourceId, Span, TyId)>,
    locals: Vec<(SourceId, Span, Name, TyId)>,
}

impl Recorder {
    pub(crate) fn used(&mut self, source: SourceId, span: Span, target: Target) {
        if self.active {
            self.uses.push((source, span, target));
        }
    }

    pub(crate) fn typed(&mut self, source: SourceId, span: Span, ty: TyId) {
        if self.active {
            self.types.push((source, span, ty));
        }
    }

    pub(crate) fn bound(&mut self, (source, span): Place, name: &str, ty: TyId) {
        if self.active {
            self.locals.push((source, span, name.into(), ty));
        }
    }
}

/// Kinds of what a name can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A value declared with `let` at the top of a file.
    Value,
    /// A function declared with `fn`.
    Function,
    /// A case of a variant type.
    Constructor,
    /// A type.
    Type,
    /// A protocol.
    Protocol,
    /// An imported module.
    Module,
    /// A variable of a `let … in`, a lambda or a pattern, or inside a function its parameter.
    Local,
    /// A function's parameter as a call names it.
    Parameter,
    /// A field of a record.
    Field,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The name.
    pub name: String,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Its name in its declaration; `None` for what is built in, and for fields of records that no
    /// type declares.
    pub declared: Option<Place>,
    /// Its type, as a reader writes it.
    pub ty: Option<String>,
    /// The source of the module that an import leads to.
    pub module: Option<SourceId>,
}

/// A global as far as editors need it.
struct IndexedGlobal {
    name: Name,
    place: Place,
    kind: Kind,
    ty: Option<TyId>,
}

/// A module with its names.
struct IndexedModule {
    key: ModuleKey,
    source: SourceId,
    scope: Scope,
    loaded: usize,
}

/// What is known of a program after its check, by places in its texts.
pub struct Index {
    types: Types,
    loaded: Vec<Loaded>,
    modules: Vec<IndexedModule>,
    by_source: BTreeMap<SourceId, usize>,
    prelude: Option<ModIdx>,
    globals: Vec<IndexedGlobal>,
    cases: BTreeMap<(ConId, usize), Place>,
    cons: BTreeMap<ConId, Place>,
    aliases: BTreeMap<usize, (Name, Place)>,
    special: Special,
    /// Sorted by place.
    uses: Vec<(SourceId, Span, Target)>,
    /// Of each place the first that was recorded, sorted by place.
    expressions: Vec<(SourceId, Span, TyId)>,
    /// Sorted by place.
    locals: Vec<(SourceId, Span, Name, TyId)>,
}

/// Types whose fields are not those of a record.
#[derive(Clone, Copy, Default)]
struct Special {
    package: Option<ConId>,
    set: Option<ConId>,
    part: Option<ConId>,
    overridable: Option<ConId>,
}

/// What of the checker goes into an index; it borrows nothing.
pub(crate) struct Remains {
    types: Types,
    scopes: Vec<Scope>,
    prelude: Option<ModIdx>,
    globals: Vec<IndexedGlobal>,
    special: Special,
    recorder: Recorder,
    wanted: Vec<bool>,
}

impl Remains {
    /// Takes what an index is made from out of a checker that has done its work; `wanted` tells for each
    /// module whether it was recorded.
    pub(crate) fn take(checker: &mut Checker<'_>, wanted: Vec<bool>) -> Self {
        let globals = checker.globals.iter().map(|global| IndexedGlobal {
            name: global.name.clone(),
            place: (checker.modules[global.module].source, global.span),
            kind: match global.def {
                Def::Fn(_) => Kind::Function,
                Def::Protocol(_) => Kind::Protocol,
                _ => Kind::Value,
            },
            ty: match &global.ty {
                GlobalTy::Known(scheme) => Some(scheme.ty),
                GlobalTy::Mono(ty) => Some(*ty),
                GlobalTy::Unknown => None,
            },
        });
        let special = Special {
            package: checker.package,
            set: checker.set,
            part: checker.part,
            overridable: checker.overridable,
        };
        Self {
            globals: globals.collect(),
            special,
            prelude: checker.prelude,
            types: std::mem::replace(&mut checker.types, Types::new()),
            scopes: std::mem::take(&mut checker.scopes),
            recorder: checker.recorder.take().map(|recorder| *recorder).unwrap_or_default(),
            wanted,
        }
    }
}

impl Index {
    /// Puts an index together from the modules and what is left of their check.
    pub(crate) fn new(loaded: Vec<Loaded>, remains: Remains) -> Self {
        let Recorder { mut uses, types: mut expressions, mut locals, .. } = remains.recorder;
        let mut cases = BTreeMap::new();
        let mut cons = BTreeMap::new();
        let mut aliases = BTreeMap::new();
        let mut modules = Vec::with_capacity(loaded.len());
        for (at, (module, scope)) in loaded.iter().zip(remains.scopes).enumerate() {
            let source = module.source;
            let wanted = remains.wanted.get(at).copied().unwrap_or(false);
            let mut declared = |entry_span: Span, target: Target| {
                if wanted {
                    uses.push((source, entry_span, target));
                }
            };
            for Entry { what, span, .. } in scope.values.values() {
                declared(*span, (*what).into());
                if let Value::Constructor(con, case) = what {
                    cases.entry((*con, *case)).or_insert((source, *span));
                }
            }
            for (name, Entry { what, span, .. }) in &scope.types {
                declared(*span, (*what).into());
                match what {
                    TypeDef::Con(con) => {
                        cons.entry(*con).or_insert((source, *span));
                    }
                    TypeDef::Alias(index) => {
                        aliases.insert(*index, (name.clone(), (source, *span)));
                    }
                }
            }
            for Entry { what, span, .. } in scope.modules.values() {
                declared(*span, Target::Module((source, *span), *what));
            }
            let key = module.key.clone();
            modules.push(IndexedModule { key, source, scope, loaded: at });
        }
        uses.sort_by_key(|(source, span, _)| (*source, *span));
        // A name may be looked up more than once; it stands for the same each time.
        uses.dedup_by_key(|(source, span, _)| (*source, *span));
        expressions.sort_by_key(|(source, span, _)| (*source, *span));
        expressions.dedup_by_key(|(source, span, _)| (*source, *span));
        // Of a variable that was noted twice the later type is the better one.
        locals.reverse();
        locals.sort_by_key(|(source, span, ..)| (*source, *span));
        locals.dedup_by_key(|(source, span, ..)| (*source, *span));
        let by_source = modules.iter().enumerate().map(|(at, m)| (m.source, at)).collect();
        Self {
            types: remains.types,
            by_source,
            loaded,
            modules,
            prelude: remains.prelude,
            globals: remains.globals,
            cases,
            cons,
            aliases,
            special: remains.special,
            uses,
            expressions,
            locals,
        }
    }

    /// The parsed file of a source of the program.
    pub fn file(&self, source: SourceId) -> Option<&ast::File> {
        let module = &self.modules[*self.by_source.get(&source)?];
        Some(&self.loaded[module.loaded].file)
    }

    /// Which module a source is.
    pub fn key(&self, source: SourceId) -> Option<&ModuleKey> {
        Some(&self.modules[*self.by_source.get(&source)?].key)
    }

    /// Sources of all modules, dependencies first.
    pub fn sources(&self) -> impl Iterator<Item = SourceId> {
        self.modules.iter().map(|module| module.source)
    }
}
