//! Each syntax error with its source and its rendering.

use cbuild_diag::{RenderOptions, Sources, render};

/// Renders what is wrong with a source, for a snapshot of both.
fn shown(source: &str) -> String {
    let mut sources = Sources::default();
    let id = sources.add("main.cbuild", source);
    let parse = cbuild_syntax::parse(id, source);
    assert_eq!(parse.tree.text().to_string(), source, "the tree holds the text");
    assert!(!parse.diagnostics.is_empty(), "expected a diagnostic for:\n{source}");
    let mut out = format!("{}\n", source.trim_end());
    for diagnostic in &parse.diagnostics {
        assert!(diagnostic.help.is_some(), "{diagnostic} has no fix");
        out.push_str("--------\n");
        out.push_str(&render(&sources, diagnostic, RenderOptions::plain()));
    }
    out
}

macro_rules! cases {
    ($($name:ident: $source:expr,)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(shown($source));
            }
        )*
    };
}

cases! {
    absolute_path: "pub let a = local(/etc/passwd, ~/notes)\n",
    bad_escape: "let a = \"C:\\dir\"\nlet b = \"\\u{110000}\"\n",
    bad_hash: "let a = sha256-abc=\nlet b = sha1-da39a3ee5e6b4b0d3255bfef95601890afd80709\n\
        let c = sha256-jRBBDeC9cbSFPVLXF2RrLdjNJSuzFnuSBwEx4BLkjp!=\n",
    bound_name_upper_case: "pub let HttpPort: Int = 80\nfn f(Int) -> Int = 1\n",
    closing_nothing: "let a = f(1))\nlet b = 2\n",
    colon_for_equals: "let a = { name: \"zlib\", version = \"1\" }\n",
    comparison_chain: "let a = 1 < b < 3\n",
    dash_in_name: "let my-tool = { no-ssl = 1 }\n",
    equals_for_colon: "type A = { name = Str }\n",
    errors_in_several_items: "pub let a 1\n\nfn b( = 2\n\ntype c = Int\n\npub let d = 4\n",
    extern_without_kind: "extern let a = 1\n",
    field_access_reserved: "let a = b.type\n",
    field_without_value: "let a = { \"key\", b }\n",
    foreign_lambda: "let f = x: x + 1\nlet g = { a, b }: a + b\nlet h = lambda x, y: x + y\nlet i = (x) -> x\n",
    foreign_or: "let a = r.b or 2\nlet b = c or d\nlet e = c and d\nlet f = not d\n",
    foreign_inherit: "let a = { inherit b c; }\nlet d = { inherit (e) f; g = 1; }\n",
    foreign_with: "import std\nlet a = with std; list.map(xs, f)\n",
    foreign_text: "let a = f\"{n} and {m}\"\nlet b = `${n}`\nlet c = r\"x\"\nlet d = ''\n  x ${y}\n''\n",
    foreign_condition: "let a = c ? 1 : 2\nlet b = f(x == 1 ? y : z)\nlet d = f(1)?\n",
    foreign_braces: "let a = if b { 1 } else { 2 }\nlet c = if d then 1 elif e then 2 else 3\n",
    foreign_index: "import std\nlet a = xs[0]\nlet b = f(r.ys[i + 1])\nlet c = f(x)[0]\n",
    foreign_comprehension: "let a = [x * 2 for x in xs]\nlet b = [x for x in xs if x > 1]\n",
    foreign_spread: "let a = { ...r, b = 2 }\nlet c = [...xs, 1]\nlet d = { b = 1, ...r }\n",
    foreign_equality: "let a = 1 === 1\nlet b = 1 !== 2\nlet c = 1 <> 2\n",
    foreign_return: "fn f(x: Int) -> Int = return x\n",
    foreign_let: "let a = let b = 1; c = 2; in b + c\nlet d =\n  let\n    e = 1;\n    f = 2;\n  in e\n",
    foreign_separators: "let a = { b = 1; c = 2; }\nlet d = 1;\nlet e = std::list\nlet f = 1 # c\n",
    foreign_numbers: "let a = 0x1f\nlet b = 1e16\nlet c = 1e+16\nlet d = 0b12\n",
    foreign_functions: "let a = \\x -> x\nlet b = f(|x| x)\nlet c = fn(x) { x }\nlet d = f([1], x: x + 1)\nlet e = { a, b ? 2 }: a\n",
    foreign_bodies: "fn f(x: Int) -> Int { return x; }\nlet a = if b == c {\n  1\n} else {\n  2\n}\nlet d = case e of\n  Just y -> y\n",
    foreign_updates: "let a = { r | b = 2 }\nlet c = { r with d = 2 }\nlet e = { \"f\": 1, \"g\": 2 }\n",
    foreign_comments: "-- one\nlet a = 1 /* two */\nlet b = 2 -- three four\n",
    foreign_items: "const a = 1\ndef f(x) = x\nlet b := 2\n",
    foreign_brackets: "import std\nlet a: List[Int] = []\nlet b = xs[1:]\nlet c = r[\"a\"]\nlet d = [r.b ?? 2]\n",
    foreign_bare: "let a = https://example.org/a\nlet b = sha256:8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92\nlet c = 8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92\nlet d = ''foo''\n",
    turned_direction: "// a\u{202e}b\nlet a = \"\u{2066}\"\n",
    comment_for_division: "let a = 7 // 2\nlet b = f(x) // 3 of them\nlet c = x // 10\ntype T = Int // 64\n",
    comment_for_update: "let a = r // { b = 2 }\nlet c = 1 // { sic }\n// { b = 1 }\nlet d = r //  { b = 1, c = 2 }\n",
    comment_for_update_by_name: "let s = 1\nfn f(t: Int) -> Int = s\nlet a = r // s\nlet b = r // f(s)\n\
        let c = { a = 1 } // (if s then t else s)\nlet d = r // t.a\n\
        let e = r // http\nlet g = 80 // s\nlet h = \"a\" // s\nlet i = r // see s\nlet j = r // (deprecated)\n",
    comment_for_update_of_nix: "let a = r // { b = 2; }\nlet c = r // { inherit d; }\nlet e = r // rec { b = 2 }\n\
        let f = r // {}\nlet g = r //\n  { b = \";\" }\nlet h = r // { b = \"x;y\"; }\nlet i = r // { b = { c = 1; }; }\n",
    comment_for_division_of_a_sum: "let a = n // 2 + 1\nlet b = f(n // 2)\nlet c = [n // 2]\n",
    comment_for_update_on_lines: "let d = r // {\n  b = 2\n}\nlet e = 1\n",
    fractional_number: "let a = 1.5\n",
    function_type_without_parentheses: "let f: Int -> Int = g\n",
    function_without_parameters: "fn f = 1\n",
    function_with_braces: "fn f(a: Int) -> Int { a }\n",
    hash_comment: "# a comment\nlet a = 1\n",
    if_as_operand: "let a = [1] ++ if b then [2] else []\n",
    if_with_one_equals: "let a = if b = 1 then 2 else 3\n",
    if_without_else: "let a = if b then c\nlet d = 1\n",
    import_needs_name: "import ./my-lib.cbuild\n",
    import_nothing: "import\nlet a = 1\n",
    lambda_default: "let a = (x, y: Int = 1) => x\n",
    let_with_commas: "let a = let b = 1, c = 2 in b + c\n",
    let_without_in: "pub let a =\n  let b = 1\n  b + 1\n",
    match_arm_arrow: "let a = match b { Some(x) -> x, None => 0 }\n",
    match_without_braces: "let a = match b\n  Some(x) => x\n",
    missing_comma: "let a = { b = 1 c = 2 }\nlet d = [1 2]\nlet e = f(1 2)\n",
    missing_equals: "let a 1\n",
    missing_operand: "let a = b ++\nlet c = (1 + )\n",
    missing_type: "let a: = 1\n",
    missing_value: "let a =\n\nlet b = { c = , d = 1 }\n",
    nested_too_deeply: &format!("let a = {}1{}\nlet b = @\n", "(".repeat(100), ")".repeat(100)),
    not_an_item: "def f(x):\n  return x\n\nlet a = 1\n",
    number_too_big: "let a = 9223372036854775808\nlet b = -9223372036854775808\n",
    number_with_letters: "let a = 0x1f\n",
    pipe_into_literal: "let a = [1] |> \"text\"\n",
    plain_application: "let a = f x\n",
    positional_after_named: "let a = f(1, b = 2, 3)\n",
    protocol_without_text: "protocol Redis = io.redis\n",
    pub_without_item: "pub a = 1\n\nlet a = 1\n",
    public_test: "pub test \"a\" { true }\n",
    reserved_as_name: "let type = 1\nlet a = { import = 1 }\nfn f(in: Int) -> Int = 1\n",
    semicolons: "import std;\nlet a = f(1; 2);\n",
    single_constructor: "type A = B(Int)\n",
    single_quotes: "let a = 'text'\n",
    stray_character: "let a = $out\nlet b = f(ü)\n",
    test_without_braces: "test \"a\" true\n",
    text_hole_in_key: "let a = { \"k#{b}\" = 1 }\n",
    tuple: "let a = (1, 2)\nlet b = (x, y)\nlet c: (Int, Int) = 1\n",
    type_name_lower_case: "type http_port = Int\ntype A = | some(Int)\n",
    unclosed_block_text: "let a = sh\"\"\"\n  make\n  make install\n\npub let b = 1\npub let c @ 2\n",
    unclosed_bracket_at_end: "let a = f(\n  1,\n  [2, 3],\n\npub let b = 1\n",
    unclosed_bracket_in_line: "let a = f([1, 2)\nlet b = 1\n",
    unclosed_generics: "fn f<a(x: a) -> a = x\n",
    unclosed_hole: "let a = \"b #{c d\"\nlet e = 1\n",
    unclosed_text: "let a = \"text\nlet b = 1\n",
    underscore_as_value: "let a = _\n",
    with_without_record: "let a = b with c = 1\n",
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let text = "\u{feff}//! A file.\nlet a = 1\n";
    let id = Sources::default().add("main.cbuild", text);
    let parsed = cbuild_syntax::parse(id, text);
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert_eq!(parsed.file.doc, "A file.");
    assert_eq!(parsed.tree.text().to_string(), text);
    assert_eq!(cbuild_syntax::format(id, text).unwrap(), "//! A file.\n\nlet a = 1\n");
    for text in ["\u{feff}", "\u{feff}let a = @\nlet b = 1\n", "\u{feff}let a =\nlet b =\n"] {
        assert_eq!(cbuild_syntax::parse(id, text).tree.text().to_string(), text);
    }
}

/// What is said of files is said of single expressions, too.
#[test]
fn expressions_of_the_command_line() {
    let mut out = String::new();
    for text in [
        "import std",
        "1 pub let a = 2",
        "7 // 2",
        "{ a = 1 } // { b = 2 }",
        "\"\u{202e}\"",
        "fn",
        "fn(x) => x",
        "1 + extern",
        "x: x + 1",
        "|x| x",
        "# x",
        "xs | f",
        "xs | std.list.length",
        "r.b ?: 2",
        "match n { 0 | 1 => 1, _ => 2 }",
        "'\\d'",
        "'a\nb'",
    ] {
        let mut sources = Sources::default();
        let id = sources.add("(expression)", text);
        for found in cbuild_syntax::parse_expr(id, text).1 {
            assert!(found.help.is_some(), "{found} has no fix");
            out.push_str(&render(&sources, &found, RenderOptions::plain()));
        }
    }
    insta::assert_snapshot!(out);
    let (_, found) = cbuild_syntax::parse_expr(cbuild_diag::SourceId(0), "\u{feff}1 + 1");
    assert!(found.is_empty(), "{found:?}");
}

/// A comment behind a value that is none of these.
#[test]
fn comments_that_mean_nothing_else() {
    for text in [
        "fn f(a: Int) -> { b: Int } = { b = a }\nlet c = f(1) // {\n",
        "type T = { a: Int } // { b = 1 }\n",
        "let a = match b { 1 => 2, _ => 3 } // {\n",
        "let a = \"https://example.org\"\n",
        "let a = [1, // first\n  2] // last\n",
        "type T = { a: Int } // {}\n",
        "let a = f(x) // 2024-01-01\n",
        "let a = f(x) // 1/2\n",
        "let a = f(x) // record { a; b }\n",
        "let a = f(x) // { a; b }\n",
        "let a = f(x) //\nlet b = 2\n",
    ] {
        let (_, found) = cbuild_syntax::parse_file_only(cbuild_diag::SourceId(0), text);
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}
