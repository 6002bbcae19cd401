//! The strict grammar is the normative one with every rule for errors taken out. A text is in it
//! exactly if its parse has no error node: recovery neither hides an error nor invents one.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use cbuild_diag::SourceId;
use cbuild_syntax::parse;
use pest_vm::Vm;
use proptest::prelude::*;
use std::sync::OnceLock;

const GRAMMAR: &str = include_str!("../../../lang-spec/cbuild.pest");
const SKETCH: &str = include_str!("sources/sketch.cbuild");
const WIDE: &str = include_str!("sources/wide.cbuild");

/// Stands in no tested text, so that a rule that is nothing but this never matches.
const NEVER: &str = "\u{10fffe}";

/// The grammar with each error rule replaced by one that never matches.
fn strict_grammar() -> String {
    let mut grammar = String::new();
    let mut dropped = 0;
    for line in GRAMMAR.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        let is_error = ["missing_", "wrong_", "junk"].iter().any(|start| name.starts_with(start));
        if is_error && line.contains('=') {
            let sign = if line.contains("@{") { "@" } else { "" };
            assert!(line.trim_end().ends_with('}'), "an error rule is on one line: {line}");
            grammar.push_str(&format!("{name} = {sign}{{ \"{NEVER}\" }}\n"));
            dropped += 1;
        } else {
            grammar.push_str(line);
            grammar.push('\n');
        }
    }
    assert!(dropped > 30, "the error rules were found");
    grammar
}

fn strict() -> &'static Vm {
    static STRICT: OnceLock<Vm> = OnceLock::new();
    STRICT.get_or_init(|| {
        let (_, rules) = pest_meta::parse_and_optimize(&strict_grammar()).unwrap();
        Vm::new(rules)
    })
}

/// Checks that both readings agree; whether the text is in the language.
fn agree(text: &str) -> bool {
    let accepted = strict().parse("file", text).is_ok();
    let tree = parse(SourceId(0), text).tree;
    let error = tree.descendants_with_tokens().find(|element| element.kind().is_error());
    assert_eq!(accepted, error.is_none(), "{:?} in\n{text}", error.map(|error| error.kind()));
    accepted
}

#[test]
fn programs_are_in_the_strict_grammar() {
    assert!(agree(SKETCH));
    assert!(agree(WIDE));
}

#[test]
fn every_deletion_is_judged_alike() {
    let mut refused = 0;
    for program in [SKETCH, WIDE] {
        for (at, removed) in program.char_indices().step_by(3) {
            let after = &program[at + removed.len_utf8()..];
            refused += usize::from(!agree(&format!("{}{after}", &program[..at])));
        }
    }
    assert!(refused > 100, "some deletions break the program");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_small_change_is_judged_alike(
        at in any::<prop::sample::Index>(),
        inserted in prop::sample::select(vec![
            "", " ", "\n", "a", "A", "1", "(", ")", "{", "}", "[", "]", ",", "=", "=>", ":", ".", "\"",
            "#{", "+", "-", "|", "let ", "in ", "if ", "pub ", "match ", "with ", "//", "@", ";", "<",
        ]),
        removed in 0usize..6,
    ) {
        let start = floor(WIDE, at.index(WIDE.len()));
        let end = floor(WIDE, (start + removed).min(WIDE.len())).max(start);
        agree(&format!("{}{inserted}{}", &WIDE[..start], &WIDE[end..]));
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
