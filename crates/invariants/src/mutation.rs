//! Changes to a source that keep it close to being a program: they move whole parts of its tree.
//!
//! Bytes that are changed at random hardly ever get past the parser. Here a part is replaced by a
//! part of the same kind, wrapped in a form of the language, left out, doubled or renamed, so
//! that the checker and the evaluator see most of the results.

use arbitrary::{Result, Unstructured};
use cbuild_diag::SourceId;
use cbuild_syntax::{SyntaxKind, SyntaxNode};

/// A part of a text.
struct Part {
    kind: SyntaxKind,
    start: usize,
    end: usize,
}

/// Forms that take an expression, which stands where the `@` is.
const FORMS: &[&str] = &[
    "(@)",
    "[@]",
    "[@, @]",
    "{ a = @ }",
    "{ a = @, b = @ }.a",
    "Some(@)",
    "(if true then @ else @)",
    "(let q = @ in q)",
    "(let q = @ p = q in p)",
    "(@ |> (q => q))",
    "\"#{@}\"",
    "sh\"x #{@}\"",
    "(match @ { _ => 1 })",
    "(match @ { Some(x) => x, None => @ })",
    "(() => @)()",
    "(q => @)",
    "(@ with { a = 1 })",
    "(@).name",
    "(@)(1)",
    "(-@)",
    "(!@)",
    "(@ ++ @)",
    "(@ == @)",
    "(@ + 1)",
    "(@ < @)",
    "std.list.map([@], q => q)",
    "std.list.fold([1, 2], @, (x, y) => x)",
    "std.list.sort(@, (x, y) => @)",
    "std.map.from_list([{ key = \"a\", value = @ }])",
    "std.option.or_else(Some(@), @)",
    "fix((self) => @)",
    "members(set((final) => @))",
    "(set((final) => @) |> extend((final, prev) => @))",
    "abort(\"#{@}\")",
    "// c\n@",
];

/// What is put in anywhere, or in place of an expression.
const WORDS: &[&str] = &[
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "true",
    "\"\"",
    "\"\\u{e9}\"",
    "sh\"\"",
    "[]",
    "{}",
    "None",
    "./missing",
    "./dir/file",
    "abort(\"x\")",
    "x",
    "_",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    ";",
    "=",
    "=>",
    "->",
    "|",
    "|>",
    "||",
    "&&",
    "==",
    "<",
    "++",
    ".",
    "..",
    ":",
    "?",
    "#{",
    "\"",
    "sh\"",
    "\"\"\"",
    "let ",
    " in ",
    "if ",
    " then ",
    " else ",
    "match ",
    " with ",
    "fn ",
    "pub ",
    "type ",
    "import ",
    "test ",
    "protocol ",
    "decode<Int>(./a.json)",
    "\n",
    "\r\n",
    "\t",
    "// c\n",
    "/// d\n",
    "//! e\n",
    "\nlet x = 1\n",
    "\u{feff}",
    "é",
    "Int",
    "List<Int>",
    "Option<a>",
    "{ a: Int | r }",
    "(a) -> a",
    "Set<r>",
    "Part<r>",
    "Package",
    "Map<Str>",
    "sha256-MeBmE3lipnbonwbTtl04Ot54qep7j5EryULqcuDFF7s=",
];

fn parts(tree: &SyntaxNode) -> Vec<Part> {
    let elements = tree.descendants_with_tokens();
    let parts = elements.map(|element| {
        let range = element.text_range();
        Part { kind: element.kind(), start: range.start().into(), end: range.end().into() }
    });
    parts.filter(|part| part.start < part.end && part.kind != SyntaxKind::File).collect()
}

/// The text with one change; `donor` is another source, parts of which may be put in.
///
/// # Errors
/// When `choices` are used up, which only ends a row of changes.
pub fn mutate(text: &str, donor: &str, choices: &mut Unstructured<'_>) -> Result<String> {
    let tree = cbuild_syntax::parse(SourceId(0), text).tree;
    let own = parts(&tree);
    let Some(part) = choose(&own, choices)? else { return Ok(donor.to_owned()) };
    let inside = &text[part.start..part.end];
    let (before, after) = (&text[..part.start], &text[part.end..]);
    Ok(match choices.int_in_range(0..=11)? {
        0..=2 => {
            let others = parts(&cbuild_syntax::parse(SourceId(0), donor).tree);
            let alike: Vec<&Part> = others.iter().filter(|other| other.kind == part.kind).collect();
            match choose(&alike, choices)? {
                Some(other) => format!("{before}{}{after}", &donor[other.start..other.end]),
                None => format!("{before}{after}"),
            }
        }
        3 | 4 => {
            let alike: Vec<&Part> = own.iter().filter(|other| other.kind == part.kind).collect();
            let other = choose(&alike, choices)?.map_or("", |other| &text[other.start..other.end]);
            format!("{before}{other}{after}")
        }
        5..=7 => {
            let form = choices.choose(FORMS)?.replace('@', inside);
            format!("{before}{form}{after}")
        }
        8 => format!("{before}{after}"),
        9 => format!("{before}{inside}, {inside}{after}"),
        10 => format!("{before}{}{after}", choices.choose(WORDS)?),
        _ => format!("{before}{}{inside}{after}", choices.choose(WORDS)?),
    })
}

fn choose<'p, T>(parts: &'p [T], choices: &mut Unstructured<'_>) -> Result<Option<&'p T>> {
    if parts.is_empty() { Ok(None) } else { choices.choose(parts).map(Some) }
}

/// The text after some changes, as many as the choices are enough for, but at most `most`.
pub fn mutated(text: &str, donor: &str, choices: &mut Unstructured<'_>, most: usize) -> String {
    let mut text = text.to_owned();
    for _ in 0..most {
        match mutate(&text, donor, choices) {
            Ok(changed) if changed.len() <= LONGEST => text = changed,
            _ => break,
        }
        if choices.is_empty() {
            break;
        }
    }
    text
}

/// Longest text that changes are tried on, in bytes.
const LONGEST: usize = 1 << 14;
