//! From a name to its declaration, and from a declaration to its uses.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use cbuild_diag::{SourceId, Span};
use cbuild_sema::index::{Kind, Place, Symbol};
use cbuild_sema::{ModuleKey, Package};
use cbuild_syntax::ast::{ExprKind, ImportSource, ItemKind};
use lsp_types::{DocumentHighlight, Location, Position, Range, Uri};

use crate::cursor::{Cursor, touches};
use crate::lines::Lines;
use crate::workspace::{Analysis, TOP, Workspace, uri_of};

/// Where the thing under the pointer is declared; for an import or a path the file.
pub(crate) fn definition(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    position: Position,
) -> Option<Location> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let offset = document.lines.offset(&document.text, position);
    let key = document.place.key.clone();
    let source = analysis.source(&key)?;
    if let Some((span, symbol)) = analysis.index.symbol_at(source, offset) {
        // An import leads to what it imports, and so do its uses.
        if let (Some(module), true) = (symbol.module, symbol.kind == Kind::Module) {
            return workspace.location(&analysis, (module, TOP));
        }
        let declared = symbol.declared.or_else(|| {
            let symbol = analysis.index.symbol_of(source, span)?;
            symbol.declared
        })?;
        return workspace.location(&analysis, declared);
    }
    let file = analysis.index.file(source)?;
    for item in &file.items {
        if let ItemKind::Import(import) = &item.kind
            && touches(import_span(&import.source), offset)
        {
            let module = analysis.index.symbol_of(source, import.name.span)?.module?;
            return workspace.location(&analysis, (module, TOP));
        }
    }
    let cursor = Cursor::find(file, offset);
    if let Some(ExprKind::Path(path)) = cursor.exprs.last().map(|expr| &expr.kind) {
        let target = key.relative(path)?;
        let uri = uri_of(&workspace.outside.file(&analysis.root, &target)?)?;
        return Some(Location { uri, range: Range::default() });
    }
    None
}

fn import_span(source: &ImportSource) -> Span {
    match source {
        ImportSource::File { span, .. } => *span,
        ImportSource::Module(path) => match (path.first(), path.last()) {
            (Some(first), Some(last)) => Span { start: first.span.start, end: last.span.end },
            _ => TOP,
        },
    }
}

/// A declaration and all names that mean it, as far as they are in the package.
pub(crate) struct Found {
    /// The check in which the uses are.
    pub(crate) analysis: Rc<Analysis>,
    pub(crate) symbol: Symbol,
    pub(crate) name: String,
    pub(crate) declared: Place,
    /// In order, the declaration among them where it is in the package.
    pub(crate) uses: Vec<Place>,
    /// The modules that were looked into.
    pub(crate) modules: Vec<ModuleKey>,
}

/// Finds what is under the pointer, and its uses in all files of the package that name it.
pub(crate) fn find(workspace: &mut Workspace<'_>, uri: &Uri, position: Position) -> Option<Found> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let offset = document.lines.offset(&document.text, position);
    let own = document.place.key.clone();
    let source = analysis.source(&own)?;
    let (at, symbol) = analysis.index.symbol_at(source, offset)?;
    let declared = symbol.declared?;
    let name = match symbol.name.as_str() {
        "" => analysis.text((source, at)).to_owned(),
        name => name.to_owned(),
    };
    if is_local(&analysis, source, &symbol, declared) {
        let uses = analysis.index.uses_of(declared);
        return Some(Found { analysis, symbol, name, declared, uses, modules: vec![own] });
    }
    let home = analysis.index.key(declared.0)?.clone();
    let root = analysis.root.clone();
    let mut modules = naming(workspace, &root, &name);
    for key in [&own, &home] {
        if key.package == Package::Root && !modules.contains(key) {
            modules.push(key.clone());
        }
    }
    if own.package != Package::Root {
        modules = vec![own.clone(), home.clone()];
    }
    let wide = Rc::new(workspace.check(&root, &modules, &BTreeMap::new()));
    let declared = (wide.source(&home)?, declared.1);
    let uses = wide.index.uses_of(declared);
    Some(Found { analysis: wide, symbol, name, declared, uses, modules })
}

/// Whether nothing outside of the file can name it.
fn is_local(analysis: &Analysis, source: SourceId, symbol: &Symbol, declared: Place) -> bool {
    if symbol.kind != Kind::Local || declared.0 != source {
        return false;
    }
    // Calls may name the parameters of functions.
    let file = analysis.index.file(source);
    let parameter = file.into_iter().flat_map(|file| &file.items).any(|item| match &item.kind {
        ItemKind::Fn(def) => def.params.iter().any(|param| param.name.span == declared.1),
        _ => false,
    });
    !parameter
}

/// The modules of a package whose texts have a word.
fn naming(workspace: &mut Workspace<'_>, root: &Path, word: &str) -> Vec<ModuleKey> {
    let modules = workspace.outside.modules(root);
    modules
        .into_iter()
        .filter(|key| workspace.text(root, key).is_some_and(|text| has_word(&text, word)))
        .collect()
}

fn has_word(text: &str, word: &str) -> bool {
    let part = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let before = at.checked_sub(1).map(|at| text.as_bytes()[at]);
            !part(before) && !part(text.as_bytes().get(at + word.len()).copied())
        })
}

/// All places that name what is under the pointer.
pub(crate) fn references(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    position: Position,
    with_declaration: bool,
) -> Option<Vec<Location>> {
    let found = find(workspace, uri, position)?;
    let uses = found.uses.iter().filter(|place| with_declaration || **place != found.declared);
    Some(uses.filter_map(|place| workspace.location(&found.analysis, *place)).collect())
}

/// All places of the same file that name what is under the pointer.
pub(crate) fn highlights(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    position: Position,
) -> Option<Vec<DocumentHighlight>> {
    let analysis = workspace.analysis(uri)?;
    let document = workspace.document(uri)?;
    let offset = document.lines.offset(&document.text, position);
    let source = analysis.source(&document.place.key)?;
    let (_, symbol) = analysis.index.symbol_at(source, offset)?;
    let lines = Lines::new(&document.text);
    let uses = analysis.index.uses_of(symbol.declared?).into_iter();
    let here = uses.filter(|(used, _)| *used == source);
    Some(here.map(|(_, span)| DocumentHighlight { range: lines.range(span), kind: None }).collect())
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn words_are_found_whole() {
        assert!(has_word("a.zlib(b)", "zlib"));
        assert!(has_word("zlib", "zlib"));
        assert!(!has_word("zlib_source xzlib", "zlib"));
        assert!(has_word("zlib2 zlib", "zlib"));
        assert!(!has_word("anything", ""));
    }
}
