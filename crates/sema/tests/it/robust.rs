//! Whatever the input, the checker answers: it neither panics nor hangs, and points into the text.

use proptest::prelude::*;

use crate::files::{check_source, render};

const WORDS: &[&str] = &[
    "x",
    "y",
    "f",
    "r.a",
    "std",
    "std.list.map",
    "1",
    "\"t\"",
    "\"#{x}\"",
    "sh\"#{y}\"",
    "true",
    "./p",
    "Some",
    "None",
    "Red",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    ",",
    "=",
    "=>",
    "==",
    "++",
    "+",
    "|>",
    ".a",
    "with",
    "match",
    "if",
    "then",
    "else",
    "let",
    "in",
    "x => x",
    "{ a = 1 }",
    "f(x)",
    "_",
    ":",
    "Int",
    "List<a>",
    "{ a: Int | r }",
    "(a) -> a",
    "\nlet",
    "\nfn f<a>(x: a) -> a =",
    "\ntype T<a> =",
    "|",
    "\npub let",
    "\nimport std\n",
    "\ntest \"t\" {",
    "T<Int>",
    "<",
    ">",
    "-",
    "!",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn soups_of_words_are_answered(words in proptest::collection::vec(0..WORDS.len(), 0..40)) {
        let text: Vec<&str> = words.iter().map(|index| WORDS[*index]).collect();
        let source = format!("import std\nlet y = 1\nlet x = {}", text.join(" "));
        let (sources, checked) = check_source(&source);
        for diagnostic in &checked.diagnostics {
            let label = diagnostic.labels.first().expect("a diagnostic has a place");
            prop_assert!(label.span.end as usize <= sources.text(label.source).len());
        }
        prop_assert!(render(&sources, &checked.diagnostics).len() < 1_000_000);
    }
}

/// Every sound program with any one word left out must be answered, too.
#[test]
fn programs_with_a_word_missing_are_answered() {
    let source = "import std
pub type Color<a> = Red | Blue(a)
type R<c> = { name: Str, size: Int = 1, tag?: Str, more: c = {} }
fn f<a, r>(x: { n: a | r }, xs: List<a>) -> List<a> = xs ++ [x.n]
pub let out: R<{}> = { name = \"a#{1 + 2}\", tag = match Blue(1) { Red => None, Blue(_) => Some(\"b\") } }
let g = (a, b) => if a == b then f({ n = a }, [b]) else std.list.map([a], y => y)
let h = g(1, 2) |> std.list.filter(n => n > 1)
pub fn s(p: Package) -> Script = sh\"#{p} #{[p]}\" ++ sh\"x\"
test \"t\" { (out with { size = 2 }).size == 2 }";
    let words: Vec<&str> = source.split(' ').collect();
    for left_out in 0..words.len() {
        let mut rest = words.clone();
        rest.remove(left_out);
        let (_, checked) = check_source(&rest.join(" "));
        assert!(checked.diagnostics.iter().all(|d| !d.labels.is_empty()));
    }
    let (sources, checked) = check_source(source);
    assert!(checked.diagnostics.is_empty(), "{}", render(&sources, &checked.diagnostics));
}
