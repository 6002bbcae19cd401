//! Programs that must be refused: their codes, and a snapshot of source and message for each.

use crate::files::{check_source, codes, render};

fn rejected(name: &str, expected: &[&str], source: &str) {
    let (sources, checked) = check_source(source);
    let text = format!("{source}\n\n----\n\n{}", render(&sources, &checked.diagnostics));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
    assert_eq!(codes(&checked), expected, "{text}");
}

macro_rules! rejected {
    ($($name:ident $($code:literal)+: $source:literal)*) => {
        $(#[test]
        fn $name() {
            rejected(stringify!($name), &[$($code),+], $source);
        })*
    };
}

// Names and modules.
rejected! {
    unknown_name "E0201": "let version = 1\npub let x: Int = verison"
    unknown_name_without_relatives "E0201": "pub let x: Int = zzz"
    unknown_local "E0201": "pub fn f(source: Int) -> Int = let other = 1 in sorce + other"
    forgotten_import "E0201": "pub let x: Int = std.list.length([])"
    absent_value_of_other_languages "E0201": "pub let x: Option<Int> = null"
    foreign_holes "E0219" "E0219" "E0219" "E0219" "E0219": "import std\nlet r = { a = { b = 1 } }\nlet x = [\"${r.a.b + 1}\", \"a ${HOME} ${n:-1} ${r.a.b} ${\", \"${std.version}\", \"${std} ${r ${a}\"]\nfn f(s: Str, n: Int) -> Int = match s { \"${n}\" => 1, _ => 2 }\ntest \"r is ${r}\" { r.a.b == 1 }"
    unknown_type "E0202": "type Color = | Red\npub let x: Colour = Red"
    variant_without_a_bar "E0202": "type Color = Red"
    type_of_other_languages "E0202": "pub let x: String = \"\""
    unknown_constructor "E0203": "pub let x: Option<Int> = Sone(1)"
    unknown_constructor_in_a_pattern "E0203": "pub fn f(x: Option<Int>) -> Int = match x { Sume(n) => n, None => 0 }"
    protocol_in_a_pattern "E0203": "protocol P = \"p\"\npub fn f(x: Option<Int>) -> Int = match x { P => 1, _ => 0 }"
    unknown_module "E0204": "import openssl as ssl\npub let x: Int = ssl.a"
    module_inside_std "E0204": "import std.list"
    missing_file "E0205": "import ./nothing.cbuild\npub let x: Int = nothing.a"
    import_cycle "E0206": "//- main.cbuild\nimport ./a.cbuild\n//- a.cbuild\nimport ./b.cbuild\n//- b.cbuild\nimport ./a.cbuild"
    import_of_itself "E0206": "import ./main.cbuild as me"
    import_leaves_the_package "E0207": "import ../secret.cbuild"
    private_value "E0208": "//- main.cbuild\nimport ./a.cbuild\npub let x: Int = a.hidden\n//- a.cbuild\nlet hidden = 1"
    private_type "E0208": "//- main.cbuild\nimport ./a.cbuild\npub let x: a.Hidden = 1\n//- a.cbuild\ntype Hidden = Int"
    private_constructor "E0208": "//- main.cbuild\nimport ./a.cbuild\nlet x = a.Red\n//- a.cbuild\ntype Color = Red | Blue"
    private_module "E0208": "//- main.cbuild\nimport ./a.cbuild\nlet x = a.std.list.length([])\n//- a.cbuild\nimport std"
    duplicate_item "E0209": "let x = 1\nlet x = 2"
    duplicate_constructor "E0209": "type A = X | Y\ntype B = X | Z"
    duplicate_type "E0209": "type A = Int\ntype A = Str"
    import_and_value_with_one_name "E0209": "import std\nlet std = 1"
    duplicate_field "E0210": "let x = { a = 1, a = 2 }"
    duplicate_field_in_a_type "E0210": "type A = { a: Int, a: Str }"
    duplicate_field_in_with "E0210": "fn f(r: { a: Int }) = r with { a = 1, a = 2 }"
    duplicate_parameter "E0211": "fn f(a, a) = 1"
    duplicate_binding "E0211": "let x = let a = 1 a = 2 in a"
    duplicate_pattern_variable "E0211": "type P = P(Int, Int) | Q\nfn f(p) = match p { P(a, a) => 1, Q => 2 }"
    duplicate_type_parameter "E0211": "fn f<a, a>(x: a) -> a = x"
    extern_outside_std "E0212": "extern fn f(x: Int) -> Int"
    extern_type_outside_std "E0212": "extern type T"
    alias_cycle "E0213": "type A = List<B>\ntype B = { a: A }"
    module_of_a_module_as_a_value "E0214": "import std\nlet x = std.list([])"
    alias_of_itself "E0213": "type A = A"
    module_as_a_value "E0214": "import std\nlet x = std"
    type_as_a_value "E0214": "type Color = Red | Blue\nlet x = Color"
    undeclared_type_variable "E0215": "fn f(x: a) -> a = x"
    type_in_small_letters "E0215": "fn f(x: int) -> Int = 1"
    no_such_member "E0216": "import std\nlet x = std.list.lenght([])"
    no_such_type_in_a_module "E0216": "import std\ntype A = std.oci.Spek<{}, {}, {}>"
    too_many_type_arguments "E0218": "type A = Int<Str>"
    too_few_type_arguments "E0218": "type Pair<a, b> = { x: a, y: b }\ntype A = Pair<Int>"
}

// Types.
rejected! {
    mismatch_with_annotation "E0301": "pub let x: Int = \"one\""
    mismatch_with_parameter "E0301": "fn f(port: Int) -> Int = port\nlet x = f(\"80\")"
    mismatch_with_result "E0301": "fn f(x: Int) -> Str = x"
    mismatch_between_branches "E0301": "fn f(b: Bool) = if b then 1 else \"two\""
    mismatch_between_arms "E0301": "fn f(b: Bool) = match b { true => 1, false => \"two\" }"
    mismatch_in_a_list "E0301" "E0301": "let xs = [1, \"two\", 3, true]"
    mismatch_in_a_condition "E0301": "let x = if 1 then 2 else 3"
    mismatch_in_a_field "E0301": "type R = { port: Int }\npub let r: R = { port = \"80\" }"
    mismatch_in_an_optional_field "E0301": "type R = { port?: Int }\npub let r: R = { port = \"80\" }"
    mismatch_in_a_map "E0301": "pub let m: Map<Str> = { a = 1 }"
    mismatch_in_a_pattern "E0301": "fn f(x: Int) = match x { \"a\" => 1, _ => 2 }"
    mismatch_in_a_test "E0301": "test \"x\" { 1 }"
    mismatch_deep_inside "E0301": "fn f(x: List<{ a: Option<Int> }>) -> List<{ a: Option<Str> }> = x"
    option_where_a_value_is_needed "E0301": "fn f(x: Option<Str>) -> Str = x"
    text_where_a_script_is_needed "E0301": "import std\npub let i: Image<{}, {}, {}> = std.oci.image { name = \"x\", cmd = [\"run\"] }"
    package_where_a_text_is_needed "E0301": "fn f(p: Package) -> Str = p"
    function_not_called "E0301": "fn f() = 1\npub let x: Int = f"
    types_of_one_name "E0301": "//- main.cbuild\nimport ./a.cbuild\ntype Mode = | Fast\npub let m: Mode = a.mode\n//- a.cbuild\npub type Mode = | Slow\npub let mode: Mode = Slow"
    two_protocols "E0301": "import std\nprotocol A = \"a\"\nprotocol B = \"b\"\npub let e: Endpoint<A> = std.oci.tcp(B, 1)"
    nominal_record_names "E0301": "type Recipe = { name: Str, steps: List<Str> }\nfn f(r: Recipe) -> Int = r"
    join_of_text_and_script "E0301": "let x = \"a\" ++ sh\"b\""
    comparison_of_different_types "E0301": "let x = 1 == \"1\""
    missing_field "E0302": "type R = { name: Str, hash: Hash, extra?: Int }\npub let r: R = { name = \"\" }"
    missing_field_of_a_value "E0302": "let small = { a = 1 }\nfn f(r: { a: Int, b: Int }) = r.a\nlet x = f(small)"
    optional_field_of_a_value "E0302": "type R = { a: Int, b?: Int }\nlet small = { a = 1 }\npub let r: R = small"
    unknown_field "E0303": "type R = { version: Str }\npub let r: R = { verison = \"1\" }"
    unknown_field_without_relatives "E0303": "type R = { version?: Str, name?: Str }\npub let r: R = { zzz = \"1\" }"
    unknown_field_of_a_value "E0303": "let big = { a = 1, b = 2 }\npub let r: { a: Int } = big"
    too_many_arguments "E0304": "fn f(x: Int) -> Int = x\nlet y = f(1, 2)"
    too_few_arguments "E0304": "fn f(x: Int, y: Int) -> Int = x + y\nlet z = f(1)"
    wrong_count_of_a_function_value "E0304": "fn f(g: (Int) -> Int) = g(1, 2)"
    unknown_argument "E0305": "fn f(port: Int) -> Int = port\nlet y = f(prot = 1)"
    named_argument_of_a_value "E0305": "let f = x => x\nlet y = f(x = 1)"
    argument_given_twice "E0306": "fn f(x: Int, y: Int = 1) -> Int = x + y\nlet z = f(1, x = 2)"
    not_a_function "E0307": "let x = 1\nlet y = x(2)"
    no_such_field "E0308": "let r = { name = 1, age = 2 }\nlet x = r.nmae"
    no_such_field_of_a_package "E0308": "fn f(p: Package) = p.nam"
    member_function_of_a_list "E0308": "import std\nlet n = [1, 2].length()"
    field_of_a_number "E0308": "let x = 1\nlet y = x.size"
    with_of_an_unknown_field "E0308": "let r = { name = \"\" }\nlet s = r with { nam = \"\" }"
    public_let_without_type "E0310": "pub let xs = [1]"
    public_function_without_types "E0310": "pub fn f(x, y = 1) = { x, y }"
    not_exhaustive "E0311": "fn f(x: Option<Int>) = match x { Some(n) => n }"
    not_exhaustive_nested "E0311": "type T = A | B(Option<Bool>) | C\nfn f(t: T) = match t { A => 1, C => 2, B(Some(true)) => 3, B(None) => 4 }"
    not_exhaustive_numbers "E0311": "fn f(n: Int) = match n { 0 => 1, 1 => 2 }"
    redundant_arm "E0312": "fn f(x: Option<Int>) = match x { _ => 1, None => 2 }"
    redundant_arm_after_all_cases "E0312": "fn f(x: Bool) = match x { true => 1, false => 2, _ => 3 }"
    infinite_type "E0313": "fn f(x) = x(x)"
    infinite_list "E0313": "let xs = [xs]"
    package_in_a_text "E0314": "fn f(p: Package) = \"#{p}/bin\""
    option_in_a_text "E0314": "fn f(x: Option<Str>) = \"#{x}\""
    record_in_a_script "E0314": "let x = sh\"#{{ a = 1 }}\""
    function_in_a_text "E0314": "let x = \"#{y => y}\""
    sum_of_texts "E0315": "let x = \"a\" + \"b\""
    sum_with_a_text "E0315": "let x = 1 + \"b\""
    join_of_numbers "E0315": "let x = 1 ++ 2"
    negated_text "E0315": "let x = -\"a\""
    not_of_a_number "E0315": "let x = !1"
    order_of_lists "E0315": "let x = [1] < [2]"
    and_of_a_number "E0315": "let x = true && 1"
    equality_of_functions "E0316": "let x = (y => y) == (z => z)"
    equality_of_functions_inside "E0316": "fn f(r: { g: (Int) -> Int }) = r == r"
    too_general_parameter "E0317": "fn f<a>(x: a) -> a = x + 1"
    too_general_result "E0317": "pub let xs: List<a> = [1]"
    two_type_parameters_mixed "E0317": "fn f<a, b>(x: a, y: b) -> a = y"
    too_general_row "E0308": "fn f<r>(x: { a: Int | r }) -> Int = x.b"
    type_parameter_leaves_its_scope "E0317": "fn f(x) = let g: (a) -> a = y => let z = [x, y] in y in g(1)"
    constructor_without_values_called "E0318" "E0318": "pub let x: Option<Int> = None()\npub fn f(x: Option<Int>) -> Int = match x { None() => 0, Some(n) => n }"
    constructor_with_too_few_arguments "E0318": "type P = P(Int, Int)| Q\nlet x = P(1)"
    constructor_pattern_with_too_many "E0318": "fn f(x: Option<Int>) = match x { Some(a, b) => a, None => 0 }"
    default_of_a_field "E0319": "type R = { port: Int = \"80\" }"
    default_of_a_parameter "E0319": "fn f(port: Int = \"80\") -> Int = port"
    several_at_once "E0301" "E0201" "E0315": "pub let a: Int = \"x\"\nlet b = unknown_thing\nlet c = true + 1\nlet d = b + a"
}

// What follows from a syntax error alone is not reported.
rejected! {
    names_and_types_on_a_line_with_a_syntax_error "E0124" "E0131" "E0201": "type Level = Info({ verbose: Bool }) | Debug\nfn f(level: Level) -> Str =\n  match level {\n    Info { verbose } => if verbose { \"a\" } else { \"b\" },\n    Debug => debug,\n  }"
    rows_of_other_languages "E0131": "fn f<r>(c: { name: Str, ..r }) -> Str = c.name"
    constructors_beside_a_broken_type "E0131": "type Level = Debug | Info { verbose: Bool } | Failed(Str)\nfn f(level: Level) -> Str =\n  match level {\n    Failed(why) => why,\n    _ => \"fine\",\n  }"
}

// What people who come from other languages write.
rejected! {
    foreign_path_for_a_package "E0301": "fn f(src: Package) -> Str = src.name\npub let x: Str = f(./src)"
    foreign_hash_in_quotes "E0301": "fn f(hash: Hash) -> Int = 1\npub let x: Int = f(\"sha256-MeBmE3qWJnbon2nRtlOC3pWn732RS4y5VvQepy4PUWs=\")"
    foreign_hash_that_is_none "E0301": "fn f(hash: Hash) -> Int = 1\npub let x: Int = f(\"md5-abc\")"
    foreign_sum_with_an_absent_number "E0315": "type R = { a?: Int }\npub fn f(r: R) -> Int = r.a + 1"
    foreign_and_with_an_absent_truth "E0315": "type R = { a?: Bool }\npub fn f(r: R) -> Bool = true && r.a"
    foreign_method_of_a_text "E0308": "pub let x: Str = \"a\".upper()"
    foreign_method_under_another_name "E0308": "pub let x: Str = \"a\".toUpperCase()"
    foreign_length_as_a_field "E0308": "let xs = [1]\npub let x: Int = xs.len"
    foreign_length_as_a_function "E0201": "pub let x: Int = len([1])"
    foreign_text_of_a_number "E0201": "pub let x: Str = str(3)"
    foreign_map_as_a_global "E0201": "fn f(n: Int) -> Int = n\npub let x: List<Int> = map(f, [1])"
    foreign_map_in_the_right_order "E0201": "pub let x: List<Int> = map([1], n => n)"
    foreign_join_in_the_wrong_order "E0201": "pub let x: Str = join(\", \", [\"a\"])"
    foreign_range_with_one_end "E0201": "pub let x: List<Int> = range(3)"
    foreign_str_is_not_std "E0201": "import std\npub let x: Str = str(1)"
    absent_text_is_joined "E0315": "type R = { t?: Str }\npub fn f(r: R) -> Int = match r.t ++ \"a\" { _ => 1 }"
    absent_list_is_joined "E0315": "type R = { l?: List<Int> }\npub fn f(r: R) -> Int = match r.l ++ [1] { _ => 1 }"
    absent_text_is_ordered "E0315": "type R = { t?: Str }\npub fn f(r: R) -> Bool = r.t < \"a\""
    absent_number_in_a_condition "E0315": "type R = { b?: Int }\npub fn f(r: R) -> Bool = r.b || 2"
    foreign_function_first "E0301": "import std\npub let x: List<Int> = std.list.map((n) => n + 1, [1])"
    foreign_function_first_by_name "E0301": "import std\nfn f(n: Int) -> Int = n\npub let x: List<Int> = std.list.map(f, [1])"
    foreign_derivation "E0201": "pub let x: Package = mkDerivation({ name = \"a\" })"
    foreign_path_in_quotes_for_a_package "E0301": "import std\nfn f(src: Package) -> Str = src.name\npub let x: Str = f(\"./src\")"
    foreign_address_for_a_package "E0301": "import std\npub let q: Package = \"https://a/b.tgz\""
    foreign_digest_of_another_kind "E0301": "fn f(hash: Hash) -> Int = 1\npub let x: Int = f(\"d41d8cd98f00b204e9800998ecf8427e\")"
    foreign_digest_that_is_short "E0301": "fn f(hash: Hash) -> Int = 1\npub let x: Int = f(\"sha256:abc\")"
    foreign_digest_without_quotes "E0201": "fn f(hash: Hash) -> Int = 1\npub let x: Int = f(ed968e840d10d2d313a870bc131a4e2c311d7ad09bdf32b3418147221f51a6e2)"
    foreign_order_with_an_absent_number "E0315": "import std as s\ntype R = { a?: Int }\npub fn f(r: R) -> Bool = r.a > 1"
    foreign_not_of_an_absent_truth "E0315": "import std\ntype R = { a?: Bool }\npub fn f(r: R) -> Bool = !r.a"
    foreign_join_as_a_member "E0308": "pub let x: Str = [\"a\"].join(\",\")"
    foreign_separator_first "E0301": "fn join(parts: List<Str>, separator: Str) -> Str = separator\npub let x: Str = join(\",\", [\"a\"])"
    foreign_function_first_by_a_local_name "E0301": "import std\nlet f = n => n + 1\npub let x: List<Int> = let g = (n: Int) => n in std.list.map(g, [1])"
    foreign_function_first_by_a_value "E0301": "import std\nlet f = n => n + 1\npub let x: List<Int> = std.list.map(f, [1])"
    foreign_cases_of_an_option "E0203": "pub let x: Option<Int> = Just(1)"
    foreign_layers_of_paths "E0301": "fn f(layers: List<Package>) -> Int = 1\npub let x: Int = f([./src])"
    many_missing_fields "E0302": "type R = { a: Int, b: Int, c: Int, d: Int, e: Int, f: Int, g: Int, h: Int, i: Int, j: Int, k: Int, l: Int, m: Int, n: Int }\npub let r: R = {}"
}

/// The program after the change that its first error offers.
fn mended(source: &str) -> String {
    let (_, checked) = check_source(source);
    let mut edits =
        checked.diagnostics.first().map(|error| error.edits.to_vec()).unwrap_or_default();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    edits.into_iter().fold(source.to_owned(), |mut text, edit| {
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        text
    })
}

/// A change leaves a program with nothing wrong: the library is imported and called by the name that it has, and a
/// field keeps its name.
#[test]
fn changes_fit_into_the_program() {
    let record = "type R = { src: Package, name: Str }\n";
    for (wrong, right) in [
        (
            format!("{record}fn f(r: R) -> Str = r.name\nlet src = ./src\nlet name = \"a\"\npub let x: Str = f({{ src, name }})"),
            format!("import std\n{record}fn f(r: R) -> Str = r.name\nlet src = ./src\nlet name = \"a\"\npub let x: Str = f({{ src = std.fetch.local(src, \"src\"), name }})"),
        ),
        (
            "import std as s\nfn f(src: Package) -> Str = src.name\npub let x: Str = f(./src)".to_owned(),
            "import std as s\nfn f(src: Package) -> Str = src.name\npub let x: Str = f(s.fetch.local(./src, \"src\"))".to_owned(),
        ),
        (
            "import std\nfn f(src: Package) -> Str = src.name\npub let x: Str = f(\"./src\")".to_owned(),
            "import std\nfn f(src: Package) -> Str = src.name\npub let x: Str = f(std.fetch.local(./src, \"src\"))".to_owned(),
        ),
        (
            "let name = 1\npub let x: { nmae: Int } = { nmae }".to_owned(),
            "let name = 1\npub let x: { nmae: Int } = { nmae = name }".to_owned(),
        ),
        (
            "pub let x: { null: Option<Int> } = { null }".to_owned(),
            "pub let x: { null: Option<Int> } = { null = None }".to_owned(),
        ),
        (
            "type R = { a?: Int }\npub fn f(r: R) -> Bool = r.a > 1".to_owned(),
            "import std\ntype R = { a?: Int }\npub fn f(r: R) -> Bool = std.option.or_else(r.a, 0) > 1".to_owned(),
        ),
        (
            "type R = { a?: Bool }\npub fn f(r: R) -> Bool = !r.a".to_owned(),
            "import std\ntype R = { a?: Bool }\npub fn f(r: R) -> Bool = !std.option.or_else(r.a, false)".to_owned(),
        ),
        (
            "import std as s\nlet f = n => n + 1\npub let x: List<Int> = map([1], f)".to_owned(),
            "import std as s\nlet f = n => n + 1\npub let x: List<Int> = s.list.map([1], f)".to_owned(),
        ),
        (
            "pub let x: Option<Int> = Just(1)".to_owned(),
            "pub let x: Option<Int> = Some(1)".to_owned(),
        ),
    ] {
        assert_eq!(mended(&wrong), right);
        let (sources, checked) = check_source(&right);
        // The library of these tests has no `fetch`.
        let known = codes(&checked).iter().all(|code| *code == "E0216");
        assert!(known, "{}", render(&sources, &checked.diagnostics));
    }
}
