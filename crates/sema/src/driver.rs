//! The order of the phases: load, check, lower.

use std::collections::BTreeMap;

use cbuild_diag::Sources;

use crate::modules::GraphLoader;
use crate::{Checked, CheckedExpr, Loader, ModuleKey, ir};

pub(crate) fn check_entry(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    entry: &ModuleKey,
) -> Checked {
    let mut graph = GraphLoader::new(sources, loader);
    let _ = graph.load(entry);
    let graph = graph.finish();
    Checked {
        program: ir::Program::default(),
        entry: ir::ModuleId(0),
        diagnostics: graph.diagnostics,
        keys: BTreeMap::new(),
    }
}

pub(crate) fn check_lone_expr(
    sources: &mut Sources,
    loader: &mut dyn Loader,
    scope: Option<&ModuleKey>,
    text: &str,
) -> CheckedExpr {
    let entry = scope.cloned().unwrap_or_else(|| ModuleKey::root("main.cbuild"));
    let _ = text;
    let checked = check_entry(sources, loader, &entry);
    CheckedExpr { checked, value: ir::GlobalId(0), ty: String::new() }
}
