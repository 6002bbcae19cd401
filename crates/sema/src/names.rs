//! The names that a place can use, with their types and documentation, for tools.

use cbuild_syntax::ast;

use crate::checker::{Checker, Def, Entry, GlobalTy, Scope, TypeDef, Value};
use crate::ir::GlobalId;
use crate::modules::ModIdx;
use crate::resolve::ModuleRef;
use crate::types::{BUILTIN, ConId, Ty, TyId};

/// A name, as told to a reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// The name itself.
    pub name: String,
    /// What it stands for.
    pub kind: NameKind,
    /// Its type, as `Int` or `(items: List<a>) -> Int`; for types and modules how they are declared.
    pub ty: String,
    /// Text of its documentation comments.
    pub doc: String,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    /// A value that is no function.
    Value,
    /// A function.
    Function,
    /// A case of a variant type.
    Constructor,
    /// A type.
    Type,
    /// A module.
    Module,
    /// A field of a record.
    Field,
}

/// The names in scope of the module that was checked last, or what `base`, its value, has.
pub(crate) fn list(checker: &mut Checker<'_>, base: Option<&str>) -> Vec<Name> {
    let mut names = match base {
        Some(_) => members(checker),
        None => in_scope(checker),
    };
    names.retain(|name| !name.name.starts_with('('));
    names.sort();
    names.dedup_by(|a, b| {
        a.name == b.name && (a.kind == NameKind::Type) == (b.kind == NameKind::Type)
    });
    names
}

fn in_scope(checker: &Checker<'_>) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for (scope, private) in checker.visible(checker.module) {
        for name in of_scope(checker, scope, private) {
            let types = |name: &Name| name.kind == NameKind::Type;
            let hidden =
                names.iter().any(|known| known.name == name.name && types(known) == types(&name));
            if !hidden {
                names.push(name);
            }
        }
    }
    let builtin = |name: &str, kind, ty: &str| Name {
        name: name.to_owned(),
        kind,
        ty: ty.to_owned(),
        doc: String::new(),
    };
    names.extend(BUILTIN.iter().map(|(name, ..)| builtin(name, NameKind::Type, "built in")));
    names.push(builtin("None", NameKind::Constructor, "Option<a>"));
    names.push(builtin("Some", NameKind::Constructor, "(a) -> Option<a>"));
    names
}

/// The names that a scope introduces; the private ones only if asked for.
fn of_scope(checker: &Checker<'_>, scope: &Scope, private: bool) -> Vec<Name> {
    let mut names = Vec::new();
    for (name, entry) in scope.values.iter().filter(|(_, e)| private || e.public) {
        names.push(match entry.what {
            Value::Global(id) => value(checker, name, id),
            Value::Constructor(con, case) => constructor(checker, con, case),
        });
    }
    for (name, entry) in scope.types.iter().filter(|(_, e)| private || e.public) {
        names.push(type_name(checker, name, entry));
    }
    for (name, entry) in scope.modules.iter().filter(|(_, e)| private || e.public) {
        let Some(module) = entry.what else { continue };
        let loaded = &checker.modules[module];
        let (ty, doc) = (format!("module {}", loaded.key), loaded.file.doc.clone());
        names.push(Name { name: name.to_string(), kind: NameKind::Module, ty, doc });
    }
    names
}

fn value(checker: &Checker<'_>, name: &str, id: GlobalId) -> Name {
    let global = checker.global(id);
    let ty = match &global.ty {
        GlobalTy::Known(scheme) => Some(scheme.ty),
        GlobalTy::Mono(ty) => Some(*ty),
        GlobalTy::Unknown => None,
    };
    let shown = match (global.def, ty.map(|ty| checker.types.get(ty))) {
        (Def::Fn(def), Some(Ty::Fn(params, result))) => function(checker, def, &params, result),
        (_, Some(_)) => ty.map(|ty| checker.types.show(ty)).unwrap_or_default(),
        (_, None) => "?".to_owned(),
    };
    let function = ty.is_some_and(|ty| matches!(checker.types.get(ty), Ty::Fn(..)));
    let kind = if function { NameKind::Function } else { NameKind::Value };
    let doc = doc_of(checker, global.module, |item| match &item.kind {
        ast::ItemKind::Let(def) => def.name.text == name,
        ast::ItemKind::Fn(def) => def.name.text == name,
        ast::ItemKind::Protocol { name: declared, .. } => declared.text == name,
        _ => false,
    });
    Name { name: name.to_owned(), kind, ty: shown, doc }
}

fn function(checker: &Checker<'_>, def: &ast::Fn, params: &[TyId], result: TyId) -> String {
    let params = def.params.iter().zip(params).map(|(param, ty)| {
        let default = if param.default.is_some() { " = …" } else { "" };
        format!("{}: {}{default}", param.name.text, checker.types.show(*ty))
    });
    let params: Vec<String> = params.collect();
    format!("({}) -> {}", params.join(", "), checker.types.show(result))
}

fn constructor(checker: &Checker<'_>, con: ConId, case: usize) -> Name {
    let info = checker.types.con_info(con);
    let case = &info.cases[case];
    let fields: Vec<String> = case.fields.iter().map(|ty| checker.types.show(*ty)).collect();
    let ty = match fields.as_slice() {
        [] => info.name.to_string(),
        fields => format!("({}) -> {}", fields.join(", "), info.name),
    };
    let module = checker.modules.iter().position(|module| module.key.to_string() == *info.home);
    let case_doc = |item: &ast::Item| match &item.kind {
        ast::ItemKind::Type(ast::TypeItem {
            name, body: ast::TypeBody::Variants(cases), ..
        }) if name.text == *info.name => {
            cases.iter().find(|known| known.name.text == *case.name).map(|known| known.doc.clone())
        }
        _ => None,
    };
    let doc = module.and_then(|at| checker.modules[at].file.items.iter().find_map(case_doc));
    let (name, doc) = (case.name.to_string(), doc.unwrap_or_default());
    Name { name, kind: NameKind::Constructor, ty, doc }
}

fn type_name(checker: &Checker<'_>, name: &str, entry: &Entry<TypeDef>) -> Name {
    let (ty, module) = match entry.what {
        TypeDef::Con(con) => {
            let info = checker.types.con_info(con);
            let cases: Vec<&str> = info.cases.iter().map(|case| &*case.name).collect();
            let home = checker.modules.iter().position(|m| m.key.to_string() == *info.home);
            (if cases.is_empty() { "extern type".to_owned() } else { cases.join(" | ") }, home)
        }
        TypeDef::Alias(alias) => ("alias".to_owned(), Some(checker.aliases[alias].module)),
    };
    let doc = module.map(|module| {
        doc_of(checker, module, |item| match &item.kind {
            ast::ItemKind::Type(def) => def.name.text == name,
            ast::ItemKind::Protocol { name: declared, .. } => declared.text == name,
            _ => false,
        })
    });
    Name { name: name.to_owned(), kind: NameKind::Type, ty, doc: doc.unwrap_or_default() }
}

fn doc_of(checker: &Checker<'_>, module: ModIdx, is: impl Fn(&ast::Item) -> bool) -> String {
    let items = &checker.modules[module].file.items;
    items.iter().find(|item| is(item)).map(|item| item.doc.clone()).unwrap_or_default()
}

/// What may stand behind a dot after the expression that was checked last.
fn members(checker: &mut Checker<'_>) -> Vec<Name> {
    let modules = checker.modules;
    let last = modules[checker.module].file.items.last();
    let Some(ast::ItemKind::Let(def)) = last.map(|item| &item.kind) else { return Vec::new() };
    if let Some(module) = checker.as_module(&def.value) {
        let ModuleRef::Module(index) = module else { return Vec::new() };
        return of_scope(checker, &checker.scopes[index], false);
    }
    if let Some(variant) = checker.as_variant(&def.value) {
        let Some(con) = variant else { return Vec::new() };
        let count = checker.types.con_info(con).cases.len();
        return (0..count).map(|case| constructor(checker, con, case)).collect();
    }
    match checker.globals.last().map(|global| &global.ty) {
        Some(GlobalTy::Known(scheme)) => fields(checker, scheme.ty),
        _ => Vec::new(),
    }
}

/// The fields of a type's values.
fn fields(checker: &Checker<'_>, ty: TyId) -> Vec<Name> {
    let field = |name: &str, ty: String| Name {
        name: name.to_owned(),
        kind: NameKind::Field,
        ty,
        doc: String::new(),
    };
    let text = || "Str".to_owned();
    match checker.types.get(ty) {
        Ty::Con(con, args) if Some(con) == checker.set => fields(checker, args[0]),
        Ty::Con(con, _) if Some(con) == checker.package => {
            vec![field("name", text()), field("version", text())]
        }
        Ty::Con(con, args) if Some(con) == checker.overridable => vec![
            field("name", text()),
            field("package", "Package".to_owned()),
            field("recipe", checker.types.show(args[0])),
            field("version", text()),
        ],
        Ty::Record(_) => {
            let row = checker.types.row(ty);
            let known = row.fields.iter();
            known.map(|(name, found)| field(name, checker.types.show(found.ty))).collect()
        }
        _ => Vec::new(),
    }
}
