//! Puts the names of a module's items into its scope, before anything is looked into.

use std::rc::Rc;

use cbuild_diag::Span;
use cbuild_syntax::ast;

use crate::checker::{
    Alias, AliasState, Checker, Def, Entry, Extend, GlobalTy, Scope, TypeDef, Value,
};
use crate::codes;
use crate::convert::TypeScope;
use crate::ir::GlobalId;
use crate::kinds::is_of_records;
use crate::modules::{ModIdx, Package};
use crate::types::{Case, Con, ConId, Name, Scheme, TyId};

/// What the items of a module became.
pub(crate) struct Declared<'a> {
    pub(crate) tests: Vec<(String, GlobalId)>,
    /// Variant types, whose payload types are converted once all names are known.
    variants: Vec<(ConId, &'a ast::TypeItem, &'a [ast::VariantCase])>,
}

impl<'a> Checker<'a> {
    pub(crate) fn declare(&mut self, parent: Option<ModIdx>) -> Declared<'a> {
        self.in_bodies = false;
        self.scopes.push(Scope { parent, ..Scope::default() });
        let mut declared = Declared { tests: Vec::new(), variants: Vec::new() };
        let module = &self.modules[self.module];
        let mut imports = module.imports.iter();
        for item in &module.file.items {
            match &item.kind {
                ast::ItemKind::Import(import) => {
                    let target = imports.next().copied().flatten();
                    self.declare_module(&import.name, item.public, target);
                }
                ast::ItemKind::Let(def) => {
                    self.declare_global(&def.name, item.public, Def::Let(def));
                }
                ast::ItemKind::Fn(def) => {
                    self.declare_global(&def.name, item.public, Def::Fn(def));
                    if def.body.is_none() {
                        self.only_in_std(def.name.span, "fn");
                    }
                }
                ast::ItemKind::Type(def) => self.declare_type(def, item.public, &mut declared),
                ast::ItemKind::Protocol { name, identity } => {
                    self.declare_protocol(name, identity, item.public);
                }
                ast::ItemKind::Test { name, body } => {
                    let title = format!("test {name:?}");
                    let id = self.add_global(title.into(), item.span, false, Def::Test(body));
                    self.global_mut(id).ty = GlobalTy::Known(Scheme::mono(TyId::BOOL));
                    declared.tests.push((name.clone(), id));
                }
            }
        }
        declared
    }

    fn only_in_std(&mut self, span: Span, what: &str) {
        if self.modules[self.module].key.package != Package::Std {
            self.error(
                codes::EXTERN_OUTSIDE_STD,
                span,
                format!("`extern {what}` is only allowed in the standard library"),
                "declared here",
            )
            .fix(format!("give it a definition: `{what} … = …`"));
        }
    }

    fn declare_module(&mut self, name: &ast::Ident, public: bool, target: Option<ModIdx>) {
        let entry = Entry { what: target, public, span: name.span };
        if !self.taken(name, false) {
            self.scopes[self.module].modules.insert(name.text.as_str().into(), entry);
        }
    }

    fn declare_global(&mut self, name: &ast::Ident, public: bool, def: Def<'a>) -> GlobalId {
        let id = self.add_global(name.text.as_str().into(), name.span, public, def);
        self.declare_value(name, public, Value::Global(id));
        id
    }

    fn declare_value(&mut self, name: &ast::Ident, public: bool, what: Value) {
        if !self.taken(name, false) {
            let entry = Entry { what, public, span: name.span };
            self.scopes[self.module].values.insert(name.text.as_str().into(), entry);
        }
    }

    fn declare_type_name(&mut self, name: &ast::Ident, public: bool, what: TypeDef) {
        if !self.taken(name, true) {
            let entry = Entry { what, public, span: name.span };
            self.scopes[self.module].types.insert(name.text.as_str().into(), entry);
        }
    }

    /// Whether the name is in use, which is then reported.
    fn taken(&mut self, name: &ast::Ident, is_type: bool) -> bool {
        let scope = &self.scopes[self.module];
        let text = name.text.as_str();
        let earlier = if is_type {
            scope.types.get(text).map(|e| e.span)
        } else {
            let value = scope.values.get(text).map(|e| e.span);
            value.or_else(|| scope.modules.get(text).map(|e| e.span))
        };
        let Some(earlier) = earlier else { return false };
        let place = self.place(earlier);
        self.error(
            codes::DUPLICATE_ITEM,
            name.span,
            format!("`{text}` is declared twice in this file"),
            "second declaration",
        )
        .also(place, "first declaration")
        .fix("rename one of them");
        true
    }

    fn home(&self) -> Name {
        self.modules[self.module].key.to_string().into()
    }

    fn declare_type(&mut self, def: &'a ast::TypeItem, public: bool, out: &mut Declared<'a>) {
        self.refuse_repeated(def.generics.iter(), "type parameter");
        match &def.body {
            ast::TypeBody::Alias(body) => {
                let alias = Alias {
                    name: def.name.text.as_str().into(),
                    module: self.module,
                    generics: &def.generics,
                    body,
                    state: AliasState::Waiting,
                };
                self.aliases.push(alias);
                let what = TypeDef::Alias(self.aliases.len() - 1);
                self.declare_type_name(&def.name, public, what);
            }
            ast::TypeBody::Extern => {
                self.only_in_std(def.name.span, "type");
                let con = self.new_con(&def.name, def.generics.len());
                let params = self.type_parameters(&def.generics).0;
                let key = &self.modules[self.module].key;
                if key.package == Package::Std && key.stem() == "prelude" {
                    self.remember_special(&def.name.text, con);
                    if is_of_records(&def.name.text) {
                        params.iter().for_each(|param| self.types.add_lacks(*param, []));
                    }
                }
                self.types.cons[con.0 as usize].params = params.into();
                self.declare_type_name(&def.name, public, TypeDef::Con(con));
            }
            ast::TypeBody::Variants(cases) => {
                let con = self.new_con(&def.name, def.generics.len());
                self.declare_type_name(&def.name, public, TypeDef::Con(con));
                for (index, case) in cases.iter().enumerate() {
                    self.declare_value(&case.name, public, Value::Constructor(con, index));
                }
                out.variants.push((con, def, cases));
            }
        }
    }

    /// Types of the prelude that the checker knows more about than their names.
    fn remember_special(&mut self, name: &str, con: ConId) {
        match name {
            "Package" => self.package = Some(con),
            "Set" => self.set = Some(con),
            "Part" => self.part = Some(con),
            "Overridable" => self.overridable = Some(con),
            _ => {}
        }
    }

    fn new_con(&mut self, name: &ast::Ident, arity: usize) -> ConId {
        let home = self.home();
        self.types.add_con(Con {
            name: name.text.as_str().into(),
            home,
            arity,
            cases: Vec::new(),
            params: Rc::new([]),
        })
    }

    /// Two protocols with the same identity are the same type.
    fn declare_protocol(&mut self, name: &'a ast::Ident, identity: &'a str, public: bool) {
        let con = match self.protocols.get(identity) {
            Some(con) => *con,
            None => {
                let con = self.new_con(name, 0);
                self.protocols.insert(identity.to_owned(), con);
                con
            }
        };
        self.declare_type_name(name, public, TypeDef::Con(con));
        let id = self.declare_global(name, public, Def::Protocol(identity));
        let phantom = self.types.con(con, []);
        let ty = self.types.con(ConId::PROTOCOL, [phantom]);
        self.global_mut(id).ty = GlobalTy::Known(Scheme::mono(ty));
    }

    /// Reports names that are given twice.
    pub(crate) fn refuse_repeated<'i>(
        &mut self,
        names: impl IntoIterator<Item = &'i ast::Ident>,
        what: &str,
    ) {
        let mut seen: std::collections::BTreeMap<&str, Span> = std::collections::BTreeMap::new();
        for name in names {
            if name.text == "_" {
                continue;
            }
            if let Some(first) = seen.get(name.text.as_str()) {
                let place = self.place(*first);
                self.error(
                    codes::DUPLICATE_BINDING,
                    name.span,
                    format!("the {what} `{}` is declared twice", name.text),
                    "second declaration",
                )
                .also(place, "first declaration")
                .fix("rename one of them");
            } else {
                seen.insert(&name.text, name.span);
            }
        }
    }

    /// Converts what type items say, now that the names of all of them are known.
    pub(crate) fn define_types(&mut self, declared: &Declared<'a>) {
        self.defining = true;
        let mut scopes = Vec::with_capacity(declared.variants.len());
        for (con, def, _) in &declared.variants {
            let (vars, scope) = self.type_parameters(&def.generics);
            self.types.cons[con.0 as usize].params = vars.into();
            scopes.push(TypeScope::new(scope));
        }
        for ((con, _, cases), mut scope) in declared.variants.iter().zip(scopes) {
            let mut built = Vec::new();
            for case in *cases {
                let fields = case.fields.iter().map(|ty| self.convert(ty, &mut scope)).collect();
                built.push(Case { name: case.name.text.as_str().into(), fields });
            }
            self.types.cons[con.0 as usize].cases = built;
        }
        for index in 0..self.aliases.len() {
            if self.aliases[index].module == self.module {
                let span = self.aliases[index].body.span;
                self.alias_scheme(index, span);
            }
        }
        self.defining = false;
        self.settle_kinds();
    }
}
