//! What can be typed at a place.
//!
//! A name of our own is put where the cursor is, and the text is checked with it: then there is a whole
//! name in the syntax tree, however little was typed, and the check says what is known around it.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_diag::{SourceId, Span};
use cbuild_sema::Package;
use cbuild_sema::index::{FieldInfo, Kind, Members, Symbol};
use cbuild_syntax::ast::{ExprKind, FieldValue, PatternKind, TypeKind};
use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionTextEdit, Documentation, InsertTextFormat,
    MarkupContent, MarkupKind, Position, Range, TextEdit, Uri,
};

use crate::cursor::{Cursor, last_name, touches};
use crate::workspace::{Analysis, Workspace};

/// The name that stands for what is not typed yet. No program has it.
pub(crate) const MARKER: &str = "cbuild_cursor_here";

/// Words that begin an expression.
const EXPRESSION_WORDS: &[&str] = &["let", "if", "match", "true", "false", "decode"];

/// What an item can begin with.
const ITEM_WORDS: &[&str] = &["import", "let", "fn", "type", "protocol", "test", "pub"];

/// The text with the marker put in.
pub(crate) fn marked(text: &str, offset: u32) -> String {
    let (before, after) = text.split_at(offset as usize);
    format!("{before}{MARKER}{after}")
}

/// What is being completed.
struct Place<'a> {
    analysis: &'a Analysis,
    source: SourceId,
    /// A byte inside of the marker.
    inside: u32,
    /// What has been typed of the name.
    prefix: &'a str,
    /// Where that is, in the text of the editor.
    range: Range,
    found: Vec<CompletionItem>,
}

/// Everything that fits at a position.
pub(crate) fn complete(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    position: Position,
) -> Option<Vec<CompletionItem>> {
    let document = workspace.document(uri)?;
    let offset = document.lines.offset(&document.text, position);
    let text = document.text.clone();
    let before = &text[..offset as usize];
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    let key = document.place.key.clone();
    let word = word_before(before);
    let start = offset - u32::try_from(word.len()).unwrap_or(0);
    let range = document.lines.range(Span { start, end: offset });
    if in_comment(line) {
        return None;
    }
    if let Some(typed) = import_prefix(line) {
        let lines = document.lines.clone();
        let at = |length: usize| {
            let start = offset - u32::try_from(length).unwrap_or(0);
            lines.range(Span { start, end: offset })
        };
        return Some(imports(workspace, uri, typed, &at));
    }
    let analysis = workspace.analysis_with(uri, marked(&text, offset))?;
    let source = analysis.source(&key)?;
    let inside = offset + u32::try_from(MARKER.len()).unwrap_or(0);
    let mut place =
        Place { analysis: &analysis, source, inside, prefix: word, range, found: Vec::new() };
    let file = analysis.index.file(source)?;
    let cursor = Cursor::find(file, inside);
    if let Some(ExprKind::Path(path)) = cursor.exprs.last().map(|expr| &expr.kind) {
        let folder = path.replace(MARKER, "");
        let folder = folder.rsplit_once('/').map_or("./", |(folder, _)| folder).to_owned();
        return Some(paths(workspace, uri, &folder, range));
    }
    place.fill(&cursor, line);
    Some(place.found)
}

/// What has been typed of a name.
fn word_before(before: &str) -> &str {
    let start = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_ascii_alphanumeric() || *c == '_')
        .last()
        .map_or(before.len(), |(at, _)| at);
    &before[start..]
}

/// Whether the cursor is behind `//` that is not in a text.
fn in_comment(line: &str) -> bool {
    line.match_indices("//").any(|(at, _)| {
        let quotes = line[..at].bytes().filter(|byte| *byte == b'"').count();
        quotes % 2 == 0 && !line[..at].ends_with(':')
    })
}

/// What has been typed of an import's source, if the cursor is in one.
fn import_prefix(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub ").map_or(line, str::trim_start);
    let typed = line.strip_prefix("import")?;
    let typed = typed.strip_prefix([' ', '\t'])?.trim_start();
    (!typed.contains([' ', '\t'])).then_some(typed)
}

fn item(label: &str, kind: CompletionItemKind, range: Range) -> CompletionItem {
    CompletionItem {
        label: label.to_owned(),
        kind: Some(kind),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(range, label.to_owned()))),
        ..CompletionItem::default()
    }
}

/// Modules and files that can be imported.
fn imports(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    typed: &str,
    at: &dyn Fn(usize) -> Range,
) -> Vec<CompletionItem> {
    let Some(document) = workspace.document(uri) else { return Vec::new() };
    let place = document.place.clone();
    if typed.starts_with('.') && typed.contains('/') {
        let (folder, rest) = typed.rsplit_once('/').unwrap_or((".", typed));
        return paths(workspace, uri, folder, at(rest.len()))
            .into_iter()
            .filter(|item| item.label.ends_with('/') || item.label.ends_with(".cbuild"))
            .collect();
    }
    let mut names = vec!["std".to_owned(), "./".to_owned(), "../".to_owned()];
    names.extend(workspace.outside.importable(&place.root, place.key.package));
    let range = at(typed.len());
    names.iter().map(|name| item(name, CompletionItemKind::MODULE, range)).collect()
}

/// Files and folders beside a module.
fn paths(
    workspace: &mut Workspace<'_>,
    uri: &Uri,
    folder: &str,
    range: Range,
) -> Vec<CompletionItem> {
    let Some(document) = workspace.document(uri) else { return Vec::new() };
    let place = document.place.clone();
    if place.key.package != Package::Root {
        return Vec::new();
    }
    let Some(folder) = place.key.relative(folder) else { return Vec::new() };
    let entries = workspace.outside.entries(&place.root, &folder.path);
    let own = place.key.path.rsplit('/').next().unwrap_or_default();
    entries
        .iter()
        .filter(|name| name.as_str() != own)
        .map(|name| match name.ends_with('/') {
            true => item(name, CompletionItemKind::FOLDER, range),
            false => item(name, CompletionItemKind::FILE, range),
        })
        .collect()
}

impl<'a> Place<'a> {
    fn fill(&mut self, cursor: &Cursor<'a>, line: &str) {
        if cursor.item.is_none() || line.trim() == self.prefix && !line.starts_with([' ', '\t']) {
            return self.words(ITEM_WORDS);
        }
        if let Some(TypeKind::Named { path, .. }) = cursor.types.last().map(|ty| &ty.kind) {
            return self.types(cursor, path);
        }
        if cursor.patterns.last().is_some() {
            return self.patterns(cursor);
        }
        let Some(expr) = cursor.exprs.last() else { return self.words(ITEM_WORDS) };
        match &expr.kind {
            ExprKind::Field(base, name) if touches(name.span, self.inside) => {
                let Some(last) = last_name(base) else {
                    let fields = self.analysis.index.fields_of(self.source, base.span);
                    return self.fields(&fields);
                };
                let index = &self.analysis.index;
                match index.members(self.source, base.span, last, false) {
                    Some(Members::Fields(fields)) => self.fields(&fields),
                    Some(Members::Module(all) | Members::Type(all)) => self.symbols(all, None),
                    None => {}
                }
            }
            ExprKind::Record(fields) => self.literal(fields, expr.span, cursor),
            ExprKind::With(base, fields) => {
                let known = self.analysis.index.fields_of(self.source, base.span);
                self.missing(fields, &known);
            }
            ExprKind::Name(name) if touches(name.span, self.inside) => self.name(cursor, name.span),
            // Inside of a text there is nothing to complete.
            ExprKind::Text(_) | ExprKind::Script(_) | ExprKind::Hash(_) | ExprKind::Int(_) => {}
            _ => self.expression(cursor, None),
        }
    }

    /// A name in an expression; it may also be the short form of a field, or an argument's name.
    fn name(&mut self, cursor: &Cursor<'a>, name: Span) {
        let parent = cursor.exprs.len().checked_sub(2).map(|at| cursor.exprs[at]);
        match parent.map(|parent| (&parent.kind, parent.span)) {
            Some((ExprKind::Record(fields), span)) if is_short(fields, name) => {
                return self.literal(fields, span, cursor);
            }
            Some((ExprKind::With(base, fields), _)) if is_short(fields, name) => {
                let known = self.analysis.index.fields_of(self.source, base.span);
                return self.missing(fields, &known);
            }
            Some((ExprKind::Call { callee, args }, _))
                if args.iter().any(|arg| arg.name.is_none() && arg.value.span == name) =>
            {
                let last = last_name(callee).unwrap_or(callee.span);
                let callable = self.analysis.index.callable(self.source, callee.span, last);
                let given: BTreeSet<&str> = args
                    .iter()
                    .filter_map(|arg| arg.name.as_ref().map(|name| name.text.as_str()))
                    .collect();
                let position = args.iter().filter(|arg| arg.name.is_none()).count();
                for (at, parameter) in callable.iter().flat_map(|c| c.parameters.iter().enumerate())
                {
                    let Some(name) = &parameter.name else { continue };
                    if at + 1 >= position && !given.contains(name.as_str()) {
                        self.assignment(name, &parameter.ty, "2", CompletionItemKind::VARIABLE);
                    }
                }
            }
            _ => {}
        }
        self.expression(cursor, Some(name));
    }

    /// Values in scope, those of the expected type first.
    fn expression(&mut self, cursor: &Cursor<'a>, name: Option<Span>) {
        let index = &self.analysis.index;
        let expected = name.and_then(|name| index.type_of_expression(self.source, name));
        let expected = expected.filter(|ty| !matches!(ty.as_str(), "?" | "_"));
        let types: BTreeMap<Span, String> =
            index.locals_in(self.source).map(|(span, _, ty)| (span, ty)).collect();
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for local in cursor.locals.iter().rev() {
            if seen.insert(local.text.as_str()) && !local.text.contains(MARKER) {
                all.push(Symbol {
                    name: local.text.clone(),
                    kind: Kind::Local,
                    declared: Some((self.source, local.span)),
                    ty: types.get(&local.span).cloned(),
                    module: None,
                });
            }
        }
        let others = index.visible(self.source, false).into_iter();
        all.extend(others.filter(|symbol| !seen.contains(symbol.name.as_str())));
        self.symbols(all, expected.as_deref());
        self.words(EXPRESSION_WORDS);
    }

    /// Fields of a record literal.
    fn literal(&mut self, fields: &[FieldValue], literal: Span, cursor: &Cursor<'a>) {
        match self.analysis.index.literal_fields(self.source, literal) {
            Some(known) => self.missing(fields, &known),
            None => self.expression(cursor, None),
        }
    }

    fn missing(&mut self, given: &[FieldValue], known: &[FieldInfo]) {
        let given: BTreeSet<&str> = given.iter().map(|field| field.name.text.as_str()).collect();
        for field in known.iter().filter(|field| !given.contains(field.name.as_str())) {
            let rank = if field.required { "0" } else { "1" };
            self.assignment(&field.name, &field.ty, rank, CompletionItemKind::FIELD);
        }
    }

    /// `name = `, with the type beside it.
    fn assignment(&mut self, name: &str, ty: &str, rank: &str, kind: CompletionItemKind) {
        let mut found = item(name, kind, self.range);
        found.detail = Some(ty.to_owned());
        found.sort_text = Some(format!("{rank}{name}"));
        found.text_edit =
            Some(CompletionTextEdit::Edit(TextEdit::new(self.range, format!("{name} = "))));
        self.found.push(found);
    }

    fn fields(&mut self, fields: &[FieldInfo]) {
        for field in fields {
            let mut found = item(&field.name, CompletionItemKind::FIELD, self.range);
            found.detail = Some(field.ty.clone());
            self.found.push(found);
        }
    }

    fn types(&mut self, cursor: &Cursor<'a>, path: &[cbuild_syntax::ast::Ident]) {
        let index = &self.analysis.index;
        if let [.., module, _] = path {
            let members = index.members(self.source, module.span, module.span, true);
            if let Some(Members::Module(all)) = members {
                self.symbols(all, None);
            }
            return;
        }
        for generic in &cursor.generics {
            self.found.push(item(&generic.text, CompletionItemKind::TYPE_PARAMETER, self.range));
        }
        let mut all = index.visible(self.source, true);
        all.retain(|symbol| !symbol.name.contains(MARKER));
        self.symbols(all, None);
    }

    /// Cases of what is matched; those that have an arm already are left out.
    fn patterns(&mut self, cursor: &Cursor<'a>) {
        let (Some((matched, arms)), [outer, ..]) = (cursor.matched, cursor.patterns.as_slice())
        else {
            return;
        };
        let index = &self.analysis.index;
        if let PatternKind::Constructor { path, .. } = &outer.kind
            && let [.., qualifier, _] = path.as_slice()
        {
            let members = index.members(self.source, qualifier.span, qualifier.span, false);
            if let Some(Members::Module(all) | Members::Type(all)) = members {
                let cases = all.into_iter().filter(|s| s.kind != Kind::Function);
                self.symbols(cases.collect(), None);
            }
            return;
        }
        let covered: BTreeSet<&str> = arms
            .iter()
            .filter_map(|arm| match &arm.pattern.kind {
                PatternKind::Constructor { path, .. } => path.last().map(|name| name.text.as_str()),
                _ => None,
            })
            .collect();
        let nested = cursor.patterns.len() > 1;
        let cases = if nested { Vec::new() } else { index.cases_of(self.source, matched.span) };
        for (case, payload) in cases {
            if covered.contains(case.name.as_str()) {
                continue;
            }
            let mut found = item(&case.name, CompletionItemKind::ENUM_MEMBER, self.range);
            found.detail.clone_from(&case.ty);
            if payload > 0 {
                let names: Vec<String> = (1..=payload).map(|at| format!("${{{at}:_}}")).collect();
                let text = format!("{}({})", case.name, names.join(", "));
                found.text_edit = Some(CompletionTextEdit::Edit(TextEdit::new(self.range, text)));
                found.insert_text_format = Some(InsertTextFormat::SNIPPET);
            }
            found.documentation = self.documentation(&case);
            self.found.push(found);
        }
        if self.found.is_empty() {
            let all = index.visible(self.source, false).into_iter();
            self.symbols(all.filter(|s| s.kind == Kind::Constructor).collect(), None);
        }
    }

    fn symbols(&mut self, all: Vec<Symbol>, expected: Option<&str>) {
        for symbol in all.into_iter().filter(|symbol| !symbol.name.contains(MARKER)) {
            let mut found = item(&symbol.name, completion_kind(symbol.kind), self.range);
            found.detail.clone_from(&symbol.ty);
            found.documentation = self.documentation(&symbol);
            let rank = rank(&symbol, expected);
            found.sort_text = Some(format!("{rank}{}", symbol.name));
            self.found.push(found);
        }
    }

    fn documentation(&self, symbol: &Symbol) -> Option<Documentation> {
        let value = self.analysis.index.documentation(symbol).text;
        let markup = MarkupContent { kind: MarkupKind::Markdown, value };
        (!markup.value.is_empty()).then_some(Documentation::MarkupContent(markup))
    }

    fn words(&mut self, words: &[&str]) {
        for word in words {
            let mut found = item(word, CompletionItemKind::KEYWORD, self.range);
            found.sort_text = Some(format!("9{word}"));
            self.found.push(found);
        }
    }
}

/// Whether a name is a field in its short form, `{ name }`.
fn is_short(fields: &[FieldValue], name: Span) -> bool {
    fields.iter().any(|field| field.name.span == name && field.value.span == name)
}

/// What comes first: what has the expected type, what makes it, what is near.
fn rank(symbol: &Symbol, expected: Option<&str>) -> u8 {
    let fits = match (expected, &symbol.ty) {
        (Some(expected), Some(ty)) if ty == expected => return 0,
        (Some(expected), Some(ty)) => {
            ty.strip_suffix(expected).is_some_and(|rest| rest.ends_with("-> "))
        }
        _ => false,
    };
    match (fits, symbol.kind) {
        (true, _) => 1,
        (_, Kind::Local) => 3,
        (_, Kind::Value | Kind::Function | Kind::Module | Kind::Protocol) => 4,
        _ => 5,
    }
}

fn completion_kind(kind: Kind) -> CompletionItemKind {
    match kind {
        Kind::Value => CompletionItemKind::CONSTANT,
        Kind::Function => CompletionItemKind::FUNCTION,
        Kind::Constructor => CompletionItemKind::ENUM_MEMBER,
        Kind::Type => CompletionItemKind::CLASS,
        Kind::Protocol => CompletionItemKind::INTERFACE,
        Kind::Module => CompletionItemKind::MODULE,
        Kind::Local | Kind::Parameter => CompletionItemKind::VARIABLE,
        Kind::Field => CompletionItemKind::FIELD,
    }
}
