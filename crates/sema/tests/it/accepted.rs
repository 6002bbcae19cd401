//! Programs that must check, each for one rule.

use crate::files::{check_source, render};

macro_rules! accepted {
    ($($name:ident: $source:literal)*) => {
        $(#[test]
        fn $name() {
            let (sources, checked) = check_source($source);
            assert!(checked.diagnostics.is_empty(), "{}", render(&sources, &checked.diagnostics));
        })*
    };
}

accepted! {
    literals: "pub let a: Int = 1_000
pub let b: Str = \"x\"
pub let c: Bool = true
pub let d: Path = ./a.txt
pub let e: Script = sh\"echo $x\"
pub let f: List<Int> = [1, 2, 3,]
pub let g: {} = {}"
    inferred_let: "let a = 1\npub let b: Int = a + 1"
    order_does_not_matter: "pub let a: Int = b\nlet b = c\nlet c = 1"
    identity_is_polymorphic: "fn id(x) = x
pub let a: Int = id(1)
pub let b: Str = id(\"s\")"
    annotated_generic: "pub fn pair<a, b>(x: a, y: b) -> { x: a, y: b } = { x, y }
pub let p: { x: Int, y: Str } = pair(1, \"a\")"
    item_values_are_polymorphic: "let empty = []
pub let a: List<Int> = empty
pub let b: List<Str> = empty"
    implicit_type_parameters_of_a_let: "pub let none: Option<a> = None
pub let x: Option<Int> = none"
    local_lambda_is_polymorphic: "pub let x: { a: Int, b: Str } =
  let id = x => x in { a = id(1), b = id(\"s\") }"
    local_annotated_binding: "pub let x: Int = let f: (a) -> a = y => y in f(f)(1)"
    local_bindings_in_any_order: "pub let x: Int = let a = b + 1 b = 2 in a"
    mutual_recursion_at_the_top: "fn even(n) = if n == 0 then true else odd(n - 1)
fn odd(n) = if n == 0 then false else even(n - 1)
pub let x: Bool = even(4)"
    mutual_recursion_in_let: "pub let x: Bool =
  let even = n => if n == 0 then true else odd(n - 1)
      odd = n => if n == 0 then false else even(n - 1)
  in even(4)"
    polymorphic_recursion_with_annotation: "type Nest<a> = Flat(a) | Deep(Nest<List<a>>)
fn depth<a>(n: Nest<a>) -> Int = match n { Flat(_) => 0, Deep(m) => 1 + depth(m) }
pub let x: Int = depth(Deep(Flat([1])))"
    field_access_makes_an_open_record: "fn name(r) = r.name
pub let a: Str = name({ name = \"x\", age = 1 })
pub let b: Int = name({ name = 2 })"
    field_access_twice: "fn sum(r) = r.a + r.b\npub let x: Int = sum({ a = 1, b = 2, c = \"\" })"
    row_variable_in_annotation: "fn grow<r>(x: { n: Int | r }) -> { n: Int | r } = x with { n = x.n + 1 }
pub let x: { n: Int, s: Str } = grow({ n = 1, s = \"\" })"
    with_keeps_the_row: "fn rename(r) = r with { name = \"y\" }
pub let x: { name: Str, age: Int } = rename({ name = \"x\", age = 1 })"
    nested_with: "pub let x: { a: { b: Int } } = let r = { a = { b = 1 } } in r with { a = r.a with { b = 2 } }"
    alias_with_parameters: "type Pair<a, b> = { first: a, second: b }
pub let p: Pair<Int, Str> = { first = 1, second = \"x\" }
pub fn swap<a, b>(p: Pair<a, b>) -> Pair<b, a> = { first = p.second, second = p.first }"
    alias_of_alias: "type A = List<B>\ntype B = { x: Int }\npub let a: A = [{ x = 1 }]"
    alias_of_function: "type Fold<a> = (a, Int) -> a
pub let f: Fold<Int> = (x, y) => x + y"
    variants_and_match: "pub type Shape = Dot | Circle(Int) | Rect(Int, Int)
pub fn area(s: Shape) -> Int = match s { Dot => 0, Circle(r) => 3 * r * r, Rect(a, b) => a * b }"
    generic_variant: "type Tree<a> = Leaf | Node(Tree<a>, a, Tree<a>)
fn size<a>(t: Tree<a>) -> Int = match t { Leaf => 0, Node(l, _, r) => size(l) + 1 + size(r) }
pub let x: Int = size(Node(Leaf, \"x\", Leaf))"
    single_case_variant: "type Id = | Id(Int)\npub fn raw(i: Id) -> Int = match i { Id(n) => n }"
    constructor_as_a_function: "import std
pub let x: List<Option<Int>> = std.list.map([1, 2], Some)"
    constructor_of_two_as_a_function: "type P = P(Int, Str) | Q
let make: (Int, Str) -> P = P
pub let x: P = make(1, \"\")"
    nested_patterns: "pub fn f(x: Option<Option<Int>>) -> Int =
  match x { Some(Some(n)) => n, Some(None) => 0, None => 1 }"
    match_on_numbers_and_text: "pub fn f(n: Int, s: Str) -> Int =
  match n { 0 => 0, 1 => match s { \"a\" => 1, _ => 2 }, other => other }"
    match_on_bools: "pub fn f(b: Bool) -> Int = match b { true => 1, false => 0 }"
    optional_field_absent: "type R = { a?: Int }\npub let r: R = {}"
    optional_field_plain: "type R = { a?: Int }\npub let r: R = { a = 1 }"
    optional_field_given_an_option: "type R = { a?: Int }
pub fn f(a: Option<Int>) -> R = { a }
pub let r: R = { a = None }
pub let s: R = { a = Some(2) }"
    optional_field_through_branches: "type R = { a?: Int }
pub fn f(b: Bool) -> R = { a = if b then 1 else 2 }
pub fn g(b: Bool) -> R = { a = if b then Some(1) else None }
pub fn h(b: Bool) -> R = { a = let n = 1 in match b { true => n, false => 2 } }"
    optional_record_field: "type Inner = { x: Int = 1 }\ntype R = { inner?: Inner }
pub let r: R = { inner = {} }"
    default_field: "type R = { a: Int = 1, b: List<Str> = [], c: Str }\npub let r: R = { c = \"\" }"
    default_of_a_type_parameter: "type S<c> = { name: Str, c: c = {} }
pub fn f<c>(s: S<c>) -> c = s.c
pub let a: {} = f({ name = \"\" })
pub let b: { x: Int } = f({ name = \"\", c = { x = 1 } })"
    default_refers_to_an_item: "let standard = 8080\ntype R = { port: Int = standard }\npub let r: R = {}"
    default_refers_to_an_import: "import std\ntype R = { items: List<Int> = std.list.range(0, 3) }\npub let r: R = {}"
    defaults_in_lists_and_options: "type R = { a: Int = 1 }
pub let xs: List<R> = [{}, { a = 2 }]
pub let o: Option<R> = Some({})"
    defaults_in_branches: "type R = { a: Int = 1 }
pub fn f(b: Bool) -> R = if b then {} else { a = 2 }
pub fn g(b: Bool) -> R = match b { true => {}, false => { a = 2 } }
pub fn h() -> R = let x = 1 in { a = x }"
    defaults_through_function_types: "type R = { a: Int = 1 }
fn run(f: () -> R) -> Int = f().a
pub let x: Int = run(() => {})"
    map_from_record: "import std
pub let m: Map<Str> = { PATH = \"/bin\", \"odd name\" = \"x\" }
pub let v: Option<Str> = std.map.get(m, \"PATH\")"
    map_of_records: "type R = { a: Int = 1 }\npub let m: Map<R> = { x = {}, y = { a = 2 } }"
    named_arguments: "fn f(a: Int, b: Str) -> Str = \"#{a}#{b}\"\npub let x: Str = f(b = \"\", a = 1)
pub let y: Str = f(1, b = \"\")"
    default_arguments: "fn f(a: Int, b: Int = a + 1, c: Int = b) -> Int = a + b + c
pub let x: Int = f(1)
pub let y: Int = f(1, c = 2)"
    record_call: "type R = { a: Int, b: Int = 2 }\nfn f(r: R) -> Int = r.a + r.b\npub let x: Int = f { a = 1 }"
    pipe: "import std
pub let x: List<Int> = [1, 2, 3] |> std.list.filter(n => n > 1) |> std.list.map(n => n * 2)"
    lambdas_are_checked_last: "import std
pub let x: Int = std.list.fold([{ n = 1 }], 0, (sum, item) => sum + item.n)"
    package_fields: "pub fn f(p: Package) -> Str = p.name ++ \"-\" ++ p.version"
    text_holes: "pub fn f(s: Str, n: Int, b: Bool) -> Str = \"#{s} #{n} #{b} #{n + 1}\""
    script_holes: "pub fn f(p: Package, xs: List<Package>, q: Path, s: Script, n: Int) -> Script =
  sh\"#{p}/bin/x #{xs} #{q} #{s} #{n} #{[\"a\", \"b\"]} $HOME\""
    undetermined_hole_is_text: "fn f(x) = \"#{x}\"\npub let a: Str = f(\"s\")"
    hole_is_determined_later: "pub let x: Str = let f = (x, y) => let t = \"#{x}\" z = x + y in t in f(1, 2)"
    join_of_texts_scripts_lists: "pub let a: Str = \"a\" ++ \"b\" ++ \"c\"
pub let b: Script = sh\"a\" ++ sh\"b\"
pub let c: List<Int> = [1] ++ [] ++ [2, 3]"
    join_completes_literals: "type R = { a: Int = 1 }\npub let x: List<R> = [{}] ++ [{ a = 2 }] ++ [{}]"
    comparisons: "pub fn f(a: Int, s: Str) -> Bool = a < 1 && s >= \"x\" || !(a == 2) && [a] != []"
    equality_of_type_parameters: "pub fn same<a>(x: a, y: a) -> Bool = x == y"
    arithmetic: "pub let x: Int = -1 + 2 * 3 / 4 % 5 - 6"
    protocols: "pub protocol Redis = \"io.redis\"
import std
pub let e: Endpoint<Redis> = std.oci.tcp(Redis, 6379)"
    same_protocol_in_two_modules: "//- main.cbuild
import ./other.cbuild
import std
protocol Mine = \"io.redis\"
pub let e: Endpoint<Mine> = std.oci.tcp(other.Theirs, 6379)
//- other.cbuild
pub protocol Theirs = \"io.redis\""
    image_type: "import std
pub fn image(p: Package) -> Image<{}, {}, {}> = std.oci.image { name = \"x\", cmd = [sh\"#{p}/bin/x\"] }"
    image_with_environment: "import std
pub let i: Image<{}, {}, { level: Env<Str> }> = std.oci.image {
  name = \"x\", cmd = [], env = { level = std.oci.variable(\"LEVEL\") },
}"
    import_of_a_file: "//- main.cbuild
import ./lib/a.cbuild
import ./lib/a.cbuild as again
pub let x: Int = a.one + again.one
//- lib/a.cbuild
import ../b.cbuild as other
pub let one: Int = other.two - 1
//- b.cbuild
pub let two: Int = 2"
    qualified_types_and_constructors: "//- main.cbuild
import ./m.cbuild
pub fn f(c: m.Color) -> m.Pair<Int> = match c { m.Red => { x = 1, y = 2 }, m.Blue(n) => { x = n, y = n } }
pub let c: m.Color = m.Blue(3)
//- m.cbuild
pub type Color = Red | Blue(Int)
pub type Pair<a> = { x: a, y: a }"
    re_exported_modules: "//- main.cbuild
import ./a.cbuild
pub let x: Int = a.inner.value
pub let t: a.inner.T = 1
//- a.cbuild
pub import ./b.cbuild as inner
//- b.cbuild
pub let value: Int = 1
pub type T = Int"
    locals_shadow: "let x = \"text\"\npub fn f(x: Int) -> Int = let y = x in (x => x + y)(x)"
    own_names_shadow_the_prelude: "fn abort(n: Int) -> Int = n\npub let x: Int = abort(1)"
    abort_fits_everywhere: "pub let x: Int = abort(\"no\")\npub let y: List<Str> = [abort(\"no\")]"
    tests: "test \"one\" { 1 == 1 }\ntest \"two\" { let x = true in x }"
    function_values: "pub fn twice<a>(f: (a) -> a, x: a) -> a = f(f(x))
pub let x: Int = twice(n => n + 1, 1)
pub let y: (Int) -> Int = twice(f => f, n => n)"
    functions_in_records: "pub let r: { f: (Int) -> Int } = { f = n => n }\npub let x: Int = r.f(1)"
    no_parameters: "fn f() = 1\npub let x: Int = f()"
    lambda_annotations_see_the_type_parameters: "pub fn f<a>(x: a) -> a = ((y: a) => y)(x)"
    recursive_variant_through_a_record: "type Json = Null | Object(Map<Json>) | Array(List<Json>)
pub let x: Json = Object({ a = Null, b = Array([Null]) })"
    annotation_less_general_than_the_value: "pub let f: (Int) -> Int = x => x"
    value_that_refers_to_itself: "import std\npub let xs: List<Int> = std.list.map(xs, x => x)"
    default_in_a_local_type: "pub let x: Int = let r: { a: Int = 1, b: Int } = { b = 2 } in r.a + r.b"
}
