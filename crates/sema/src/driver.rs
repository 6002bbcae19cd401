//! The order of the phases: load, check each module after those it imports, lower.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::{Diagnostic, SourceId, Sources, Span};
use cbuild_syntax::ast;

use crate::checker::{Checker, GlobalTy, Scope, Value};
use crate::followups::drop_followups;
use crate::index::{Index, Remains};
use crate::library::{self, Cut};
use crate::modules::{Graph, GraphLoader, Loaded, ModIdx};
use crate::unchanged::{self, Unchanged};
use crate::{Bodies, Checked, CheckedExpr, LoadError, Loader, Memory, ModuleKey, codes, edits, ir};

/// The name of the global that holds a lone expression; no identifier is spelt so.
pub(crate) const EXPRESSION: &str = "(expression)";

pub(crate) fn check_entries(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    memory: &mut Memory,
    entries: &[ModuleKey],
    bodies: Bodies<'_>,
) -> Checked {
    if matches!(bodies, Bodies::All)
        && let Some(checked) = check_cut(sources, loader, memory, entries)
    {
        return checked;
    }
    let selective = matches!(bodies, Bodies::Changed);
    let mut graph = GraphLoader::new(sources, loader, memory, selective);
    let prelude = load_or_report(&mut graph, &prelude_key());
    let entries: Vec<ModIdx> =
        entries.iter().filter_map(|entry| load_or_report(&mut graph, entry)).collect();
    let graph = graph.finish();
    let entry = entries.first().copied();
    let chosen: Vec<bool> = match bodies {
        Bodies::All => vec![true; graph.modules.len()],
        Bodies::Only(chosen) => graph.modules.iter().map(|module| chosen(&module.key)).collect(),
        Bodies::Changed => return check_changed(sources, memory, graph, prelude, entry),
    };
    let depths = depths(&graph, prelude, &entries, &chosen);
    finish(sources, graph, &depths, prelude, entry, &Parents::new(), |_| ()).0
}

/// Checks modules with as little of the standard library as they need; `None` if something is wrong, or
/// if they need all of it.
fn check_cut(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    memory: &mut Memory,
    entries: &[ModuleKey],
) -> Option<Checked> {
    let before = sources.count();
    let cut = library::load(sources, loader, memory, entries, None);
    let checked = cut.map(|Cut { graph, prelude, entries, library, .. }| {
        let depths = cut_depths(graph.modules.len(), library);
        let entry = entries.first().copied();
        finish(sources, graph, &depths, Some(prelude), entry, &Parents::new(), |_| ()).0
    });
    let checked = checked.filter(|checked| !checked.has_errors());
    if checked.is_none() {
        sources.truncate(before);
    }
    checked
}

fn cut_depths(modules: usize, library: usize) -> Vec<Depth> {
    let depth = |index| if index < library { Depth::Reached } else { Depth::Bodies };
    (0..modules).map(depth).collect()
}

/// Checks what has changed since the checks that the memory knows.
fn check_changed(
    sources: &Sources,
    memory: &mut Memory,
    mut graph: Graph,
    prelude: Option<ModIdx>,
    entry: Option<ModIdx>,
) -> Checked {
    let unchanged = Unchanged::new(&graph, memory, prelude);
    let depths = depths(&graph, prelude, &[], unchanged.changed());
    unchanged::complete(&mut graph, &depths, sources, memory);
    let checked = finish(sources, graph, &depths, prelude, entry, &Parents::new(), |_| ()).0;
    unchanged.remember(memory, &checked);
    checked
}

/// As [`check_entries`], but makes an index instead of a program.
pub(crate) fn index_entries(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    memory: &mut Memory,
    entries: &[ModuleKey],
    chosen: &dyn Fn(&ModuleKey) -> bool,
) -> (Vec<Diagnostic>, Index) {
    let mut graph = GraphLoader::new(sources, loader, memory, false);
    let prelude = load_or_report(&mut graph, &prelude_key());
    let entries: Vec<ModIdx> =
        entries.iter().filter_map(|entry| load_or_report(&mut graph, entry)).collect();
    let graph = graph.finish();
    let chosen: Vec<bool> = graph.modules.iter().map(|module| chosen(&module.key)).collect();
    let depths = depths(&graph, prelude, &entries, &chosen);
    let mut checker = Checker::new(&graph.modules, prelude);
    checker.recorder = Some(Box::default());
    for (index, depth) in depths.iter().enumerate() {
        checker.module = index;
        if let Some(recorder) = &mut checker.recorder {
            recorder.active = *depth == Depth::Bodies;
        }
        check_module(&mut checker, *depth, None);
    }
    let mut diagnostics = graph.diagnostics;
    diagnostics.append(&mut checker.diagnostics);
    drop_followups(&mut diagnostics, sources, &graph.modules);
    edits::fit(&mut diagnostics, &graph.modules);
    diagnostics.sort_by_key(|d| d.labels.first().map(|l| (l.source, l.span.start)));
    let recorded = depths.iter().map(|depth| *depth == Depth::Bodies).collect();
    let remains = Remains::take(&mut checker, recorded);
    (diagnostics, Index::new(graph.modules, remains))
}

/// How far a module is looked into. Each one includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// It is only known to be there.
    Loaded,
    /// What its items declare: types and signatures.
    Declared,
    /// As much of it as others refer to. Modules that are looked into so are the first ones.
    Reached,
    /// Everything.
    Bodies,
}

/// How far to look into each module, given those that are chosen for all of it: what they import,
/// directly or not, must be declared, and so must the prelude and what is asked for.
fn depths(graph: &Graph, prelude: Option<ModIdx>, asked: &[ModIdx], chosen: &[bool]) -> Vec<Depth> {
    let depth = |chosen: &bool| if *chosen { Depth::Bodies } else { Depth::Loaded };
    let mut depths: Vec<Depth> = chosen.iter().map(depth).collect();
    let prelude = prelude.filter(|_| chosen.contains(&true) || !asked.is_empty());
    for index in prelude.iter().chain(asked) {
        depths[*index] = depths[*index].max(Depth::Declared);
    }
    // Imported modules come before those that import them.
    for index in (0..depths.len()).rev() {
        if depths[index] == Depth::Loaded {
            continue;
        }
        for target in graph.modules[index].imports.iter().flatten() {
            depths[*target] = depths[*target].max(Depth::Declared);
        }
    }
    depths
}

fn prelude_key() -> ModuleKey {
    ModuleKey::std(library::PRELUDE)
}

/// A module that nobody imports, so that there is no place to point to but the file itself.
fn load_or_report(graph: &mut GraphLoader<'_>, key: &ModuleKey) -> Option<ModIdx> {
    let error = match graph.load(key) {
        Ok(index) => return Some(index),
        Err(error) => error,
    };
    let shown = graph.shown_name(key);
    let source = graph.add_text(&shown, "");
    let diagnostic = match error {
        LoadError::NotFound => Diagnostic::error(
            codes::MISSING_FILE,
            source,
            Span::default(),
            format!("there is no file `{shown}`"),
            "not found",
        ),
        LoadError::Unreadable(why) => Diagnostic::error(
            codes::UNREADABLE_FILE,
            source,
            Span::default(),
            format!("cannot read `{shown}`: {why}"),
            "cannot be read",
        ),
    };
    graph.report(diagnostic);
    None
}

/// What an expression is checked in: the modules around it, the innermost last.
pub(crate) struct Prompt<'a> {
    pub(crate) sources: &'a mut Sources,
    pub(crate) loader: &'a mut dyn Loader,
    pub(crate) memory: &'a mut Memory,
    pub(crate) scopes: &'a [ModuleKey],
}

/// Checks an expression with as little of the standard library as it needs, if nothing is wrong.
pub(crate) fn check_expression(prompt: Prompt<'_>, text: &str) -> CheckedExpr {
    let Prompt { sources, loader, memory, scopes } = prompt;
    let before = sources.count();
    if let Some(cut) = library::load(sources, loader, memory, scopes, Some(text)) {
        let source = sources.add(EXPRESSION, text);
        let (expr, problems) = cbuild_syntax::parse_expr(source, text);
        let Cut { mut graph, prelude, main, entries, library } = cut;
        if problems.is_empty() {
            let parents = graph.enclose(scopes, &entries, main, (source, expr));
            let depths = cut_depths(graph.modules.len(), library);
            let entry = graph.modules.len() - 1;
            let checked =
                finish(sources, graph, &depths, Some(prelude), Some(entry), &parents, |_| ()).0;
            if !checked.has_errors() {
                return the_expression(checked, entry);
            }
        }
    }
    sources.truncate(before);
    check_lone_expr(Prompt { sources, loader, memory, scopes }, text, |_| ()).0
}

/// Checks an expression, and looks into the finished check.
pub(crate) fn check_lone_expr<T>(
    prompt: Prompt<'_>,
    text: &str,
    look: impl FnOnce(&mut Checker<'_>) -> T,
) -> (CheckedExpr, T) {
    let mut graph = GraphLoader::new(prompt.sources, prompt.loader, prompt.memory, false);
    let prelude = load_or_report(&mut graph, &prelude_key());
    let load = |key: &ModuleKey| load_or_report(&mut graph, key);
    let scopes: Vec<ModIdx> = prompt.scopes.iter().filter_map(load).collect();
    let std = load_or_report(&mut graph, &ModuleKey::std(library::MAIN));
    let source = graph.add_text(EXPRESSION, text);
    let (expr, problems) = cbuild_syntax::parse_expr(source, text);
    problems.into_iter().for_each(|problem| graph.report(problem));
    let mut graph = graph.finish();
    let parents = graph.enclose(prompt.scopes, &scopes, std, (source, expr));
    let entry = graph.modules.len() - 1;
    let depths = vec![Depth::Bodies; graph.modules.len()];
    let (checked, seen) =
        finish(prompt.sources, graph, &depths, prelude, Some(entry), &parents, look);
    (the_expression(checked, entry), seen)
}

fn the_expression(checked: Checked, entry: ModIdx) -> CheckedExpr {
    let (value, ty) = match checked.program.modules[entry].exports.get(EXPRESSION) {
        Some(ir::Export::Value { global, ty }) => (*global, ty.clone()),
        _ => (ir::GlobalId(0), "?".to_owned()),
    };
    CheckedExpr { checked, value, ty }
}

impl Graph {
    /// Adds the module made of an expression, in the modules around it; gives what is around what.
    fn enclose(
        &mut self,
        keys: &[ModuleKey],
        scopes: &[ModIdx],
        std: Option<ModIdx>,
        (source, expr): (SourceId, ast::Expr),
    ) -> Parents {
        let key = keys.last().cloned().unwrap_or_else(|| ModuleKey::root(library::MAIN));
        let known = scopes.iter().any(|scope| declares(&self.modules[*scope], "std"));
        self.modules.push(expression_module(key, source, expr, std.filter(|_| !known)));
        let entry = self.modules.len() - 1;
        let mut parents: Parents =
            scopes.iter().copied().skip(1).zip(scopes.iter().copied()).collect();
        parents.extend(scopes.last().map(|last| (entry, *last)));
        parents
    }
}

/// The module around a module, whose private names it sees.
type Parents = BTreeMap<ModIdx, ModIdx>;

/// Whether a file gives a meaning to a name in front of a dot.
fn declares(module: &Loaded, name: &str) -> bool {
    module.file.items.iter().any(|item| match &item.kind {
        ast::ItemKind::Import(import) => import.name.text == name,
        ast::ItemKind::Let(def) => def.name.text == name,
        ast::ItemKind::Fn(def) => def.name.text == name,
        _ => false,
    })
}

/// A module that holds nothing but the expression.
fn expression_module(
    key: ModuleKey,
    source: SourceId,
    expr: ast::Expr,
    std: Option<ModIdx>,
) -> Loaded {
    let span = expr.span;
    let ident = |text: &str| ast::Ident { text: text.to_owned(), span };
    let item = |kind| ast::Item { doc: String::new(), public: false, span, kind };
    let mut items = Vec::new();
    let mut imports = Vec::new();
    if let Some(std) = std {
        let source = ast::ImportSource::Module(vec![ident("std")]);
        items.push(item(ast::ItemKind::Import(ast::Import { source, name: ident("std") })));
        imports.push(Some(std));
    }
    let name = ident(EXPRESSION);
    items.push(item(ast::ItemKind::Let(ast::Let { name, ty: None, value: expr })));
    Loaded {
        key,
        source,
        file: Rc::new(ast::File { doc: String::new(), items }),
        imports_only: false,
        imports,
    }
}

/// Checks the modules in order and puts the program together.
fn finish<T>(
    sources: &Sources,
    graph: Graph,
    depths: &[Depth],
    prelude: Option<ModIdx>,
    entry: Option<ModIdx>,
    parents: &Parents,
    look: impl FnOnce(&mut Checker<'_>) -> T,
) -> (Checked, T) {
    let mut program = ir::Program::default();
    let mut checker = Checker::new(&graph.modules, prelude);
    checker.library = depths.iter().take_while(|depth| **depth == Depth::Reached).count();
    for (index, depth) in depths.iter().enumerate() {
        checker.module = index;
        let tests = check_module(&mut checker, *depth, parents.get(&index).copied());
        let module = export(&mut checker, tests);
        program.modules.push(module);
    }
    checker.check_reached();
    lower(&mut checker, &mut program);
    let mut diagnostics = graph.diagnostics;
    diagnostics.append(&mut checker.diagnostics);
    drop_followups(&mut diagnostics, sources, &graph.modules);
    edits::fit(&mut diagnostics, &graph.modules);
    let seen = look(&mut checker);
    diagnostics.sort_by_key(|d| d.labels.first().map(|l| (l.source, l.span.start)));
    for diagnostic in diagnostics.iter_mut().filter(|diagnostic| diagnostic.help.is_none()) {
        diagnostic.help = codes::usual_fix(diagnostic.code).map(str::to_owned);
    }
    let keys = graph.modules.iter().map(|m| (m.source, m.key.clone())).collect();
    // The module made of a lone expression has the key of the one around it, which comes before it.
    let loaded = graph.modules.iter().enumerate().rev();
    let modules = loaded.map(|(index, module)| (module.key.clone(), module_id(index))).collect();
    let looked_into = graph.modules.iter().zip(depths);
    let looked_into = looked_into
        .filter(|(_, depth)| **depth == Depth::Bodies)
        .map(|(module, _)| module.key.clone())
        .collect();
    let entry = module_id(entry.unwrap_or(0));
    (Checked { program, entry, diagnostics, keys, modules, looked_into }, seen)
}

fn module_id(index: ModIdx) -> ir::ModuleId {
    ir::ModuleId(u32::try_from(index).unwrap_or(u32::MAX))
}

/// Checks the module whose turn it is; gives its tests.
fn check_module(
    checker: &mut Checker<'_>,
    depth: Depth,
    around: Option<ModIdx>,
) -> Vec<(String, ir::GlobalId)> {
    if depth == Depth::Loaded {
        checker.scopes.push(Scope::default());
        return Vec::new();
    }
    let first = checker.globals.len();
    let declared = checker.declare(around);
    checker.define_types(&declared);
    checker.declare_values(first);
    match depth {
        Depth::Bodies => checker.check_bodies(first),
        Depth::Reached => checker.infer_unwritten(first),
        _ => checker.infer_visible(first),
    }
    declared.tests
}

fn export(checker: &mut Checker<'_>, tests: Vec<(String, ir::GlobalId)>) -> ir::Module {
    let scope = &checker.scopes[checker.module];
    let (source, mut exports) = (checker.source(), BTreeMap::new());
    let library = checker.modules[checker.module].key.package == crate::Package::Std;
    // Nothing hands the names of a library on of which only a part is looked into.
    if checker.module < checker.library {
        return ir::Module { source, library, exports, tests: Vec::new() };
    }
    for (name, entry) in &scope.values {
        let Value::Global(global) = entry.what else { continue };
        if !entry.public && &**name != EXPRESSION {
            continue;
        }
        let ty = match &checker.global(global).ty {
            GlobalTy::Known(scheme) => checker.types.show(scheme.ty),
            _ => "?".to_owned(),
        };
        exports.insert(name.to_string(), ir::Export::Value { global, ty });
    }
    for (name, entry) in &scope.modules {
        if let (true, Some(target)) = (entry.public, entry.what) {
            exports.insert(name.to_string(), ir::Export::Module(module_id(target)));
        }
    }
    ir::Module { source, library, exports, tests }
}

/// The body of a global that was not looked into. To evaluate it is a defect, and reported as one.
fn left_out() -> ir::GlobalBody {
    ir::GlobalBody::Extern { name: "(left out)".to_owned(), arity: 0 }
}

fn lower(checker: &mut Checker<'_>, program: &mut ir::Program) {
    for index in 0..checker.globals.len() {
        let id = ir::GlobalId(u32::try_from(index).unwrap_or(u32::MAX));
        let name = checker.qualified(id);
        let span = checker.global_span(id);
        let global = &mut checker.globals[index];
        let body = global.body.take();
        program.globals.push(ir::Global {
            name,
            source: checker.modules[global.module].source,
            span,
            body: body.unwrap_or_else(left_out),
            locals: global.locals,
        });
    }
    program.symbols = std::mem::take(&mut checker.symbols.names);
}
