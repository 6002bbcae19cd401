//! The state of one check, and what its parts share.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::{Diagnostic, SourceId, Span};
use cbuild_syntax::ast;

use crate::index::{Recorder, Target};
use crate::ir;
use crate::kinds::KindNeed;
use crate::modules::{Loaded, ModIdx};
use crate::needs::Pending;
use crate::pattern::PendingMatch;
use crate::suggest::Fix;
use crate::types::{ConId, Name, Place, Scheme, TyId, Types};

/// Everything that is known while modules are checked one after the other.
pub(crate) struct Checker<'a> {
    pub(crate) modules: &'a [Loaded],
    /// The module whose public names are in scope everywhere.
    pub(crate) prelude: Option<ModIdx>,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) types: Types,
    pub(crate) aliases: Vec<Alias<'a>>,
    pub(crate) globals: Vec<Global<'a>>,
    pub(crate) protocols: BTreeMap<String, ConId>,
    /// The standard library's `Package`, once it is declared.
    pub(crate) package: Option<ConId>,
    /// The prelude's `Set`, `Part` and `Overridable`, once they are declared.
    pub(crate) set: Option<ConId>,
    pub(crate) part: Option<ConId>,
    pub(crate) overridable: Option<ConId>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) symbols: Symbols,
    /// The module being checked.
    pub(crate) module: ModIdx,
    pub(crate) body: Body,
    /// Whether the types of the module are being defined.
    pub(crate) defining: bool,
    /// Arguments of types whose kinds are looked at when the types of the module are defined.
    pub(crate) kinds: Vec<KindNeed>,
    /// Whether signatures are complete, so that defaults met from now on are checked at once.
    pub(crate) in_bodies: bool,
    /// What is remembered for editors, if anybody asked for it.
    pub(crate) recorder: Option<Box<Recorder>>,
    /// How many modules, from the first one on, are those of a library of which bodies are checked only
    /// when they are referred to.
    pub(crate) library: usize,
    /// Globals of the library whose bodies are to be checked.
    pub(crate) reached: Vec<ir::GlobalId>,
}

/// Interned names of the program.
#[derive(Default)]
pub(crate) struct Symbols {
    pub(crate) names: Vec<Rc<str>>,
    index: BTreeMap<Rc<str>, ir::Symbol>,
}

impl Symbols {
    pub(crate) fn intern(&mut self, name: &str) -> ir::Symbol {
        if let Some(symbol) = self.index.get(name) {
            return *symbol;
        }
        let symbol = ir::Symbol(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let name: Rc<str> = name.into();
        self.names.push(name.clone());
        self.index.insert(name, symbol);
        symbol
    }
}

/// The names that a module's items introduce.
#[derive(Default)]
pub(crate) struct Scope {
    pub(crate) values: BTreeMap<Name, Entry<Value>>,
    pub(crate) types: BTreeMap<Name, Entry<TypeDef>>,
    pub(crate) modules: BTreeMap<Name, Entry<Option<ModIdx>>>,
    /// A scope around this one whose private names are visible, too.
    pub(crate) parent: Option<ModIdx>,
}

/// A declared name.
#[derive(Clone, Copy)]
pub(crate) struct Entry<T> {
    pub(crate) what: T,
    pub(crate) public: bool,
    pub(crate) span: Span,
}

/// What a value name stands for.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    Global(ir::GlobalId),
    /// A case of a variant type.
    Constructor(ConId, usize),
}

/// What a type name stands for.
#[derive(Clone, Copy)]
pub(crate) enum TypeDef {
    Con(ConId),
    /// Index into [`Checker::aliases`].
    Alias(usize),
}

/// A type alias, converted when it is first used.
pub(crate) struct Alias<'a> {
    pub(crate) name: Name,
    pub(crate) module: ModIdx,
    pub(crate) generics: &'a [ast::Ident],
    pub(crate) body: &'a ast::Type,
    pub(crate) state: AliasState,
}

#[derive(Clone)]
pub(crate) enum AliasState {
    Waiting,
    Converting,
    Done(Scheme),
}

/// A top-level value.
pub(crate) struct Global<'a> {
    /// Name within its module.
    pub(crate) name: Name,
    pub(crate) module: ModIdx,
    pub(crate) span: Span,
    pub(crate) public: bool,
    pub(crate) def: Def<'a>,
    pub(crate) ty: GlobalTy,
    /// Types of parameters and result of a function item, as far as annotated.
    pub(crate) signature: Option<Rc<Signature<'a>>>,
    pub(crate) body: Option<ir::GlobalBody>,
    pub(crate) locals: u32,
}

/// What a global's value is made of.
#[derive(Clone, Copy)]
pub(crate) enum Def<'a> {
    Let(&'a ast::Let),
    Fn(&'a ast::Fn),
    Protocol(&'a str),
    Test(&'a ast::Expr),
    /// The default of a field in a record type, or of a parameter of an extern function; with its
    /// type as declared.
    Default(&'a ast::Expr, TyId),
}

/// The type of a global.
#[derive(Clone)]
pub(crate) enum GlobalTy {
    /// Not reached yet.
    Unknown,
    /// Being inferred.
    Mono(TyId),
    Known(Scheme),
}

/// The header of a function item.
pub(crate) struct Signature<'a> {
    pub(crate) params: Vec<SignatureParam<'a>>,
    /// Type variables in scope of the body.
    pub(crate) variables: BTreeMap<Name, TyId>,
    pub(crate) result: Option<TyId>,
}

/// A parameter of a function item.
pub(crate) struct SignatureParam<'a> {
    pub(crate) name: &'a ast::Ident,
    pub(crate) ty: Option<TyId>,
    pub(crate) default: ParamDefault,
}

/// How a call fills in a parameter that is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParamDefault {
    None,
    /// The function itself knows the default.
    InFunction,
    /// This global is the default, as extern functions have no place for it.
    Global(ir::GlobalId),
}

/// A local variable in scope.
#[derive(Clone)]
pub(crate) struct LocalEntry {
    pub(crate) name: Name,
    /// Where it is bound.
    pub(crate) span: Span,
    pub(crate) local: ir::Local,
    pub(crate) ty: Scheme,
}

/// What is collected while one global's body is checked.
#[derive(Default)]
pub(crate) struct Body {
    pub(crate) locals: Vec<LocalEntry>,
    pub(crate) count: u32,
    /// Type variables in scope.
    pub(crate) variables: BTreeMap<Name, TyId>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) matches: Vec<PendingMatch>,
    /// Whether the values of sub-expressions are of interest, as in tests.
    pub(crate) watching: bool,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(modules: &'a [Loaded], prelude: Option<ModIdx>) -> Self {
        Self {
            modules,
            prelude,
            scopes: Vec::new(),
            types: Types::new(),
            aliases: Vec::new(),
            globals: Vec::new(),
            protocols: BTreeMap::new(),
            package: None,
            set: None,
            part: None,
            overridable: None,
            diagnostics: Vec::new(),
            symbols: Symbols::default(),
            module: 0,
            body: Body::default(),
            defining: false,
            kinds: Vec::new(),
            in_bodies: false,
            recorder: None,
            library: 0,
            reached: Vec::new(),
        }
    }

    /// The source of the module being checked.
    pub(crate) fn source(&self) -> SourceId {
        self.modules[self.module].source
    }

    /// A place in the module being checked.
    pub(crate) fn place(&self, span: Span) -> Place {
        (self.source(), span)
    }

    /// Reports an error in the module being checked; returns it, so that details can be added.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        let diagnostic = Diagnostic::error(code, self.source(), span, message, label);
        self.push(diagnostic)
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        self.diagnostics.push(diagnostic);
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    /// Remembers what a name in the module being checked stands for.
    pub(crate) fn note(&mut self, span: Span, target: Target) {
        let source = self.source();
        if let Some(recorder) = &mut self.recorder {
            recorder.used(source, span, target);
        }
    }

    /// Remembers the type of an expression. Of several for the same place the first one counts.
    pub(crate) fn note_type(&mut self, span: Span, ty: TyId) {
        let source = self.source();
        if let Some(recorder) = &mut self.recorder {
            recorder.typed(source, span, ty);
        }
    }

    /// Remembers where a local variable is bound, and its type.
    pub(crate) fn note_local(&mut self, name: &ast::Ident, ty: TyId) {
        let place = self.place(name.span);
        if let Some(recorder) = &mut self.recorder {
            recorder.bound(place, &name.text, ty);
        }
    }

    pub(crate) fn new_local(&mut self) -> ir::Local {
        self.body.count += 1;
        ir::Local(self.body.count - 1)
    }

    /// Puts a local variable into scope.
    pub(crate) fn bind(&mut self, name: &ast::Ident, ty: Scheme) -> ir::Local {
        let local = self.new_local();
        self.note_local(name, ty.ty);
        let entry = LocalEntry { name: name.text.as_str().into(), span: name.span, local, ty };
        self.body.locals.push(entry);
        local
    }

    pub(crate) fn add_global(
        &mut self,
        name: Name,
        span: Span,
        public: bool,
        def: Def<'a>,
    ) -> ir::GlobalId {
        self.globals.push(Global {
            name,
            module: self.module,
            span,
            public,
            def,
            ty: GlobalTy::Unknown,
            signature: None,
            body: None,
            locals: 0,
        });
        ir::GlobalId(u32::try_from(self.globals.len() - 1).unwrap_or(u32::MAX))
    }

    pub(crate) fn global(&self, id: ir::GlobalId) -> &Global<'a> {
        &self.globals[id.0 as usize]
    }

    pub(crate) fn global_mut(&mut self, id: ir::GlobalId) -> &mut Global<'a> {
        &mut self.globals[id.0 as usize]
    }
}

/// Builders on a diagnostic that was already pushed.
pub(crate) trait Extend {
    fn also(&mut self, place: Place, text: impl Into<String>) -> &mut Self;
    fn fact(&mut self, text: impl Into<String>) -> &mut Self;
    fn fix(&mut self, text: impl Into<String>) -> &mut Self;
    /// As `fix`, if there is one.
    fn maybe_fix(&mut self, fix: Option<impl Into<Fix>>) -> &mut Self;
    /// A change that the fix makes.
    fn change(&mut self, place: Place, text: impl Into<String>) -> &mut Self;
}

impl Extend for Diagnostic {
    fn also(&mut self, (source, span): Place, text: impl Into<String>) -> &mut Self {
        self.labels.push(cbuild_diag::Label { source, span, text: text.into() });
        self
    }

    fn fact(&mut self, text: impl Into<String>) -> &mut Self {
        self.notes.push(text.into());
        self
    }

    fn fix(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = Some(text.into());
        self
    }

    fn maybe_fix(&mut self, fix: Option<impl Into<Fix>>) -> &mut Self {
        let Some(Fix { text, replacement }) = fix.map(Into::into) else { return self };
        self.help = Some(text);
        if let (Some(replacement), Some(wrong)) = (replacement, self.labels.first()) {
            let (source, span) = (wrong.source, wrong.span);
            self.edits = vec![cbuild_diag::Edit { source, span, text: replacement }].into();
        }
        self
    }

    fn change(&mut self, (source, span): Place, text: impl Into<String>) -> &mut Self {
        self.edits.push(cbuild_diag::Edit { source, span, text: text.into() });
        self
    }
}
