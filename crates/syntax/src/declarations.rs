//! Reading a file that was read before without its bodies.
//!
//! The [`Outline`] of a file says where its imports and the bodies of its items are. Who has kept it
//! together with the text can read again what the file declares, or only what it imports, in a
//! fraction of the time, as most of a file is bodies. An outline is made from a whole parse; one of
//! another text leads to a refusal or to nonsense, so that callers compare texts first.

use cbuild_diag::{SourceId, Span};

use crate::ast::{File, Fn, Item, ItemKind, Type, TypeBody, TypeKind};
use crate::direct;
use crate::lower_file;
use crate::source::{Content, Piece};

/// Where the parts of a file are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The import items, in source order.
    pub imports: Vec<Span>,
    /// The bodies of `let`, `fn` and `test` items that other items' types cannot depend on, in source
    /// order: those of items with all annotations, of tests, and of others where nothing asks for
    /// their types.
    pub bodies: Vec<Span>,
}

impl Outline {
    /// The outline of a file that was parsed without problems.
    pub fn of(file: &File) -> Self {
        // The default of a field in a type may name an item without annotation, whose type then is
        // part of what the file declares.
        let has_defaults = file.items.iter().any(|item| declares_default(&item.kind));
        let mut outline = Self::default();
        for item in &file.items {
            if matches!(item.kind, ItemKind::Import(_)) {
                outline.imports.push(item.span);
            }
            outline.bodies.extend(body(item, has_defaults));
        }
        outline
    }

    /// The pieces of the file's items that are not bodies: all that it declares. Comments and empty
    /// lines between items, documentation among them, are in no piece.
    pub fn declarations<'t>(&self, file: &File, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut bodies = self.bodies.iter().peekable();
        let pieces = file.items.iter().flat_map(move |item| {
            let Span { start, end } = item.span;
            // No item has two bodies, and both lists are in source order.
            let body = bodies.next_if(|body| body.end <= end);
            let body = body.copied().unwrap_or(Span { start: end, end });
            [(start, body.start), (body.end, end)]
        });
        pieces.map(|(start, end)| text.get(start as usize..end as usize).unwrap_or_default())
    }
}

/// The body of an item that can be left out.
fn body(item: &Item, has_defaults: bool) -> Option<Span> {
    let (value, annotated, end) = match &item.kind {
        ItemKind::Let(def) => (&def.value, def.ty.is_some(), item.span.end),
        ItemKind::Fn(def) => (def.body.as_ref()?, is_annotated(def), item.span.end),
        ItemKind::Test { body, .. } => (body, true, body.span.end),
        _ => return None,
    };
    let needed = !annotated && (item.public || has_defaults);
    (!needed).then_some(Span { start: value.span.start, end })
}

fn is_annotated(def: &Fn) -> bool {
    def.result.is_some() && def.params.iter().all(|param| param.ty.is_some())
}

fn declares_default(item: &ItemKind) -> bool {
    match item {
        ItemKind::Let(def) => def.ty.iter().any(has_default),
        ItemKind::Fn(def) => {
            def.params.iter().filter_map(|param| param.ty.as_ref()).any(has_default)
                || def.result.iter().any(has_default)
        }
        ItemKind::Type(def) => match &def.body {
            TypeBody::Variants(cases) => {
                cases.iter().flat_map(|case| &case.fields).any(has_default)
            }
            TypeBody::Alias(ty) => has_default(ty),
            TypeBody::Extern => false,
        },
        _ => false,
    }
}

/// Whether a type holds a record with a default. Types nest at most [`crate::MAX_DEPTH`] deep.
fn has_default(ty: &Type) -> bool {
    match &ty.kind {
        TypeKind::Named { args, .. } => args.iter().any(has_default),
        TypeKind::Record { fields, .. } => {
            fields.iter().any(|field| field.default.is_some() || has_default(&field.ty))
        }
        TypeKind::Function(params, result) => params.iter().any(has_default) || has_default(result),
        TypeKind::Error => false,
    }
}

/// Parses a file without the bodies of its outline; in their places are
/// [`crate::ast::ExprKind::Error`]s. `None` if the outline does not fit the text.
pub fn parse_declarations(source: SourceId, text: &str, outline: &Outline) -> Option<File> {
    let entries = direct::file_without(text, &outline.bodies, text.len() / 8 + 8).ok()?;
    lowered(source, text, &[Piece { base: 0, text, content: parsed(entries) }])
}

/// Parses the imports of a file alone, as a file without other items. `None` if the outline does
/// not fit the text.
pub fn parse_imports(source: SourceId, text: &str, outline: &Outline) -> Option<File> {
    let mut pieces = Vec::with_capacity(outline.imports.len());
    for span in &outline.imports {
        let (base, end) = (span.start as usize, span.end as usize);
        let text = text.get(base..end)?;
        let entries = direct::file_without(text, &[], 16).ok()?;
        pieces.push(Piece { base, text, content: parsed(entries) });
    }
    let file = lowered(source, text, &pieces)?;
    let fits = file.items.len() == outline.imports.len();
    (fits && file.items.iter().all(|item| matches!(item.kind, ItemKind::Import(_)))).then_some(file)
}

fn parsed(entries: Vec<crate::node::Entry>) -> Content {
    Content::Parsed { entries, broken: false }
}

fn lowered(source: SourceId, text: &str, pieces: &[Piece<'_>]) -> Option<File> {
    let (file, problems) = lower_file(source, text, pieces);
    problems.is_empty().then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::{Expr, ExprKind};
    use crate::parse_file_only;

    const TEXT: &str = r#"//! Top.
import std
// between
import ./lib.cbuild as other

/// A box.
pub type Box<a> = { content: List<a> = empty, n: Int = 1 }
let empty = []
pub let one: Int = (1 + 2) * 3
pub let both: Box<Int> = { n = let a = 1 in a }
fn f(a: Int, b: Int = 3) -> Int = if a > b then "}" else other.x
fn g(a) = a
extern fn h(a: Int) -> Int
test "it" { let x = 1 in x == 1 }
protocol P = "p"
type V = A | B(Int)
"#;

    fn parsed(text: &str) -> File {
        let (file, problems) = parse_file_only(SourceId(0), text);
        assert!(problems.is_empty(), "{problems:?}");
        file
    }

    /// The file with errors in place of the bodies of an outline, and as text. Where the place of
    /// a body that was left out is does not matter.
    fn blanked(mut file: File, outline: &Outline) -> String {
        for item in &mut file.items {
            let value = match &mut item.kind {
                ItemKind::Let(def) => Some(&mut def.value),
                ItemKind::Fn(def) => def.body.as_mut(),
                ItemKind::Test { body, .. } => Some(body),
                _ => None,
            };
            let is_out = |value: &Expr| {
                matches!(value.kind, ExprKind::Error)
                    || outline.bodies.iter().any(|body| body.start == value.span.start)
            };
            if let Some(value) = value.filter(|value| is_out(value)) {
                *value = Expr { span: Span::default(), kind: ExprKind::Error };
            }
        }
        format!("{file:?}")
    }

    #[test]
    fn what_is_left_out_is_only_bodies() {
        let file = parsed(TEXT);
        let outline = Outline::of(&file);
        let again = parse_declarations(SourceId(0), TEXT, &outline).unwrap();
        assert!(blanked(again, &outline) == blanked(file, &outline));
        let cut: Vec<&str> = outline
            .bodies
            .iter()
            .map(|body| &TEXT[body.start as usize..body.end as usize])
            .collect();
        assert!(cut.contains(&"let x = 1 in x == 1"), "{cut:?}");
        assert!(!cut.contains(&"[]"), "the default needs its type: {cut:?}");
    }

    #[test]
    fn imports_alone_are_those_of_the_file() {
        let mut file = parsed(TEXT);
        let outline = Outline::of(&file);
        let imports = parse_imports(SourceId(0), TEXT, &outline).unwrap();
        file.items.retain(|item| matches!(item.kind, ItemKind::Import(_)));
        let spans = |file: &File| file.items.iter().map(|item| item.span).collect::<Vec<_>>();
        assert_eq!(spans(&imports), spans(&file));
        assert_eq!(format!("{:?}", imports.items[1].kind), format!("{:?}", file.items[1].kind));
    }

    #[test]
    fn declarations_are_items_without_bodies_and_comments() {
        let declared = |text: &str| {
            let file = parsed(text);
            let outline = Outline::of(&file);
            let pieces: Vec<&str> = outline.declarations(&file, text).collect();
            pieces.join("|")
        };
        let plain = declared("let a: Int = 1\ntest \"t\" { true }\nfn f() -> Int = 22\n");
        assert_eq!(plain, "let a: Int = ||test \"t\" { | }|fn f() -> Int = |");
        let told = "//! Top.\n\n// A.\nlet a: Int = 3 // one\n\n\ntest \"t\" { 1 == 2 }\n\
            /// Documented.\nfn f() -> Int = 4\n// end";
        assert_eq!(declared(told), plain);
        // What stands inside of an item counts, and so does what looks like a comment in a text.
        assert_eq!(
            declared("pub let a = \"// x\"\ntype T = A"),
            "pub let a = \"// x\"||type T = A|"
        );
        for changed in ["pub let a: Int = 1", "let b: Int = 1", "let a: Str = \"1\""] {
            assert_ne!(declared(changed), declared("let a: Int = 1"), "{changed}");
        }
    }

    #[test]
    fn the_outline_of_another_text_makes_no_panic() {
        let outline = Outline::of(&parsed(TEXT));
        let other = TEXT.replace("List", "Liste").replace("Top", "Ä");
        for end in (0..other.len()).filter(|end| other.is_char_boundary(*end)) {
            let _ = parse_declarations(SourceId(0), &other[..end], &outline);
            let _ = parse_imports(SourceId(0), &other[..end], &outline);
        }
    }
}
