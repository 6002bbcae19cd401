//! Programs written from the specification: chapter by chapter, those that must check and those
//! that must not, with the real standard library.

use cbuild_diag::Sources;
use cbuild_sema::{ModuleKey, check};

use crate::files::{REAL_STD, codes, files, render};

fn run(source: &str) -> (Vec<&'static str>, String) {
    let mut sources = Sources::default();
    let mut files = files(source, REAL_STD);
    let checked = check(&mut sources, &mut files, &ModuleKey::root("main.cbuild"));
    (codes(&checked), render(&sources, &checked.diagnostics))
}

/// Programs without a problem.
const ACCEPTED: &[&str] = &[
    // Names and modules.
    "let a = 1\nlet b = let a = \"s\" in a ++ \"\"\npub let c: Int = a",
    "import std as s\npub let x: Int = s.list.length([1])",
    "import std\nfn std_list(xs) = std.list.length(xs)\npub let n: Int = std_list([\"a\"])",
    "fn f(_: Int, _: Str) -> Int = 1\npub let x: Int = f(1, \"\")",
    "//- main.cbuild\nimport ./a.cbuild\npub let x: a.T = a.make(1)\n//- a.cbuild\npub type T = | T(Int)\npub fn make(n: Int) -> T = T(n)",
    "//- main.cbuild\nimport ./a.cbuild\npub let x: Int = a.b.n\n//- a.cbuild\npub import ./b.cbuild\n//- b.cbuild\npub let n: Int = 1",
    "//- main.cbuild\nimport ./x/a.cbuild\npub let x: Int = a.n\n//- x/a.cbuild\nimport ../b.cbuild\npub let n: Int = b.n\n//- b.cbuild\npub let n: Int = 2",
    "type T_1 = Int\npub let x_Y: T_1 = 1",
    "pub fn abort_it() -> Int = abort(\"no\")",
    "fn abort(n: Int) -> Int = n\npub let x: Int = abort(1)",
    "fn set(n: Int) -> Int = n\npub let x: Int = set(1)",
    "type A = None | Much\npub fn f(a: A) -> Int = match a { A.None => 0, A.Much => 1 }",
    // Members of variant types.
    "type L = Low | High\npub let x: L = L.Low",
    "type L = Low | High(Int)\npub let x: L = L.High(3)",
    "type L = Low | High\npub fn f(t: Str) -> Option<L> = L.parse(t)",
    "import std\ntype L = Low | High\npub let x: List<Str> = std.list.map(L.all, L.show)",
    "//- main.cbuild\nimport ./a.cbuild\npub fn f(l: a.L) -> Int = match l { a.L.Low => 0, a.L.High => 1 }\npub let x: a.L = a.L.High\n//- a.cbuild\npub type L = Low | High",
    "type Box<a> = | Box(a)\npub let x: Box<Int> = Box.Box(1)\npub fn f(b: Box<Int>) -> Int = match b { Box.Box(n) => n }",
    "pub let x: Option<Int> = Option.Some(1)\npub let y: Option<Int> = Option.None",
    "type A = X | Y\ntype B = Z | W\npub let a: List<A> = [A.X, Y]\npub let b: List<B> = [B.Z, W]",
    // Types and items.
    "type F = (Int, Str) -> Bool\npub let f: F = (n, s) => n > 0 && s == \"\"",
    "type R<a> = { v: a }\ntype S = R<R<Int>>\npub let s: S = { v = { v = 1 } }",
    "type L<a> = Nil | Cons(a, L<a>)\nfn len<a>(l: L<a>) -> Int = match l { Nil => 0, Cons(_, t) => 1 + len(t) }\npub let n: Int = len(Cons(1, Cons(2, Nil)))",
    "type A = | A(B)\ntype B = | B(List<A>)\npub let x: A = A(B([]))",
    "protocol P = \"p\"\nprotocol Q = \"p\"\npub let x: Protocol<P> = Q",
    "pub let x: List<List<Option<Int>>> = [[None, Some(1)], []]",
    "pub let x: (Int) -> (Int) -> Int = a => b => a + b",
    "pub let x: {} = {}",
    "pub let m: Map<Map<Int>> = { a = { b = 1 }, c = {} }",
    "pub let m: Map<Int> = { \"a-b\" = 1, Upper = 2 }",
    // Inference.
    "fn compose(f, g) = x => f(g(x))\npub let h: (Int) -> Str = compose(s => s ++ \"!\", n => \"#{n}\")",
    "fn const(x, y) = x\npub let a: Int = const(1, \"\")\npub let b: Str = const(\"\", 1)",
    "fn apply(f, x) = f(x)\npub let a: Int = apply(n => n + 1, 1)",
    "fn swap(p) = { a = p.b, b = p.a }\npub let x: { a: Str, b: Int } = swap({ a = 1, b = \"\" })",
    "fn get_a(r) = r.a\nfn get_b(r) = get_a(r).b\npub let x: Int = get_b({ a = { b = 1, c = 2 }, d = 3 })",
    "fn loop(n) = if n == 0 then n else loop(n - 1)\npub let x: Int = loop(3)",
    "pub let x: Int = let fact = n => if n == 0 then 1 else n * fact(n - 1) in fact(5)",
    "fn pick(b, x, y) = if b then x else y\npub let a: List<Int> = pick(true, [], [1])",
    "fn bump<r>(x: { n: Int | r }) -> { n: Int | r } = x with { n = 1 }\npub let a: { n: Int, m: Int } = bump({ n = 0, m = 2 })",
    "fn both<a, b>(x: a, f: (a) -> b) -> { x: a, y: b } = { x, y = f(x) }\npub let p: { x: Int, y: Str } = both(1, n => \"#{n}\")",
    // Operators and holes.
    "pub let x: Bool = [1] == [2] || { a = 1 } != { a = 2 }",
    "pub let x: Bool = \"a\" < \"b\" && 1 <= 2 && !(3 > 4)",
    "pub let x: Script = sh\"a\" ++ sh\"b\"",
    "pub let x: List<Int> = [1] ++ [] ++ [2]",
    "pub let x: Str = \"#{1}#{true}#{\"a\"}\"",
    "pub fn f(p: Package, q: Path) -> Script = sh\"#{p} #{q} #{[p]} #{[1, 2]} #{sh\"x\"} #{true}\"",
    "fn show(x) = \"<#{x}>\"\npub let s: Str = show(\"a\")",
    "pub let x: Int = -1 - -2 * (3 % 2) / 1",
    "import std\npub let x: Int = [1, 2] |> std.list.map(n => n + 1) |> std.list.length",
    // Literals against known types.
    "type O = { a?: Option<Int>, b: Int = 1 }\npub let x: O = { a = Some(None) }",
    "type O = { a?: { b: Int } }\npub let x: O = { a = { b = 1 } }",
    "type O = { xs: List<{ n: Int = 0 }> = [{}] }\npub let x: O = {}\npub let y: O = { xs = [{}, { n = 1 }] }",
    "type O<c> = { c: c = {}, n: Int = 0 }\npub let x: O<{}> = {}\npub let y: O<Int> = { c = 1 }",
    "type O = { n: Int = 0 }\nfn f(o: O) -> Int = o.n\npub let x: Int = f({}) + f { n = 1 }",
    "type O = { f: (Int) -> Int = n => n }\npub let x: O = {}\npub let y: O = { f = n => n + 1 }",
    "type O = { e: Map<Script> = {} }\npub let x: O = { e = { CC = sh\"gcc\" } }",
    "type O = { a?: Int }\npub fn f(n: Option<Int>) -> O = { a = n }\npub fn g(n: Int) -> O = { a = n }",
    "type O = { n: Int = 0 }\npub fn f(b: Bool) -> O = if b then {} else let m = 1 in { n = m }",
    "type O = { n: Int = 0 }\npub fn f(b: Option<Int>) -> O = match b { Some(n) => { n }, None => {} }",
    "type O = { n: Int = 0 }\npub let x: Option<O> = Some({})",
    "type O = { n: Int = 0 }\npub let x: List<O> = [{}] ++ [{ n = 1 }]",
    // Calls.
    "fn f(a: Int, b: Int = a, c: Int = a + b) -> Int = c\npub let x: Int = f(1, c = 2) + f(b = 1, a = 2) + f(3)",
    "fn f() -> Int = 1\npub let x: Int = f()",
    "import std\npub let x: Int = std.list.fold([{ n = 1 }], { t = 0 }, (s, i) => { t = s.t + i.n }).t",
    "type P = | P(Int, Str)\nlet make = P\npub let x: P = make(1, \"\")",
    // Matches.
    "pub fn f(x: { a: Option<Int> }) -> Int = match x.a { Some(-1) => 0, Some(n) => n, None => 1 }",
    "pub fn f(s: Str) -> Int = match s { \"\" => 0, \"a\" => 1, _ => 2 }",
    "type T = A(Bool, Bool) | B\npub fn f(t: T) -> Int = match t { A(true, _) => 1, A(_, true) => 2, A(false, false) => 3, B => 4 }",
    "pub fn f(n: Int) -> Int = match n { 0 => 1, n => n }",
    // Sets, parts and recipes.
    "pub let s: Set<{ a: Int, b: Int }> = set((final) => { a = 1, b = final.a })\npub let x: Int = s.b",
    "type P = { a: Int, b: Str }\npub fn o(s: Set<P>) -> Set<P> = extend(s, (final, prev) => {})",
    "type P = { a: Int, b: Str }\nfn up(final: P, prev: P) -> Part<P> = { b = \"#{final.a}\" }\npub fn o(s: Set<P>) -> Set<P> = s |> extend(up) |> extend(up)",
    "type P = { a: Int, b: Str }\npub fn o(s: Set<P>) -> Set<P> = s |> extend((final, prev) => prev with { a = 2 })",
    "type P = { a: Int, b: Str }\nlet part = { a = 1 }\npub fn o(s: Set<P>, yes: Bool) -> Set<P> = s |> extend((final, prev) => if yes then part else {})",
    "type P = { a: Int, o?: Str }\npub fn o(s: Set<P>) -> Set<P> = s |> extend((final, prev) => { o = \"x\" })",
    "pub fn all(s: Set<{ a: Int }>) -> { a: Int } = members(s)",
    "pub fn p(o: Overridable<{ n: Int }>) -> Package = o\npub fn n(o: Overridable<{ n: Int }>) -> Int = o.recipe.n\npub fn t(o: Overridable<{}>) -> Str = o.name ++ o.version",
    "type R = { deps: List<Package> = [], main?: Package }\npub fn r(o: Overridable<{}>, p: Package) -> R = { deps = [o, p], main = o }",
    "import std\npub fn o(o: Overridable<std.cc.Recipe>) -> Package = o |> override((r) => r with { version = \"2\" })",
    "pub let x: { a: Int, b: Int } = fix((r) => { a = 1, b = r.a })",
    // Decoding.
    "pub let x: List<Int> = decode<List<Int>>(./a.json)",
    "type T = Leaf | Node(List<T>)\npub let x: T = decode<T>(./a.yaml)",
    "type D = { name: Str, tag?: Int, n: Int = 3 }\npub let x: Str = decode<Map<D>>(./a.toml) |> f\nfn f(m: Map<D>) -> Str = \"\"",
    "type B<a> = { v: a }\npub let x: Int = decode<B<B<Int>>>(./a.json).v.v",
    "fn read(p: Path) -> Hash = decode<Hash>(p)\npub let x: Hash = read(./h.json)",
    "let decode = 1\npub let x: Bool = decode < 2",
];

/// Programs with problems, and the codes of these.
const REJECTED: &[(&str, &str)] = &[
    ("E0201", "import std\nlet f = (x) => y"),
    ("E0201", "let a = let b = 1 in b\nlet c = b"),
    ("E0201", "type T = { a: Int = later }\nlet f = (later) => 1"),
    ("E0203", "pub fn f(b: Bool) -> Int = match b { True => 1, _ => 2 }"),
    ("E0202", "pub fn f(x: List<Strin>) -> Int = 1"),
    ("E0214", "type T = A | B\nlet x = T"),
    ("E0215", "pub type T = { v: a }"),
    ("E0216", "type L = Low | High\nlet x = L.Medium"),
    ("E0216", "type L = Low | High\nfn f(l: L) = match l { L.Low => 1, L.Hihg => 2 }"),
    ("E0216", "type L = Low | High(Int)\nlet x = L.all"),
    (
        "E0208",
        "//- main.cbuild\nimport ./a.cbuild\nlet x = a.L.Low\n//- a.cbuild\ntype L = Low | High",
    ),
    ("E0218", "pub let x: Option = None"),
    ("E0218", "let x = decode<Int, Str>(./a.json)"),
    ("E0301", "pub let x: List<Int> = [1, \"2\"]"),
    ("E0301", "fn f(b) = if b then 1 else \"\""),
    ("E0301", "pub fn f(x: Option<Int>) -> Int = match x { Some(n) => n, None => \"\" }"),
    ("E0301", "let x = if 1 then 2 else 3"),
    ("E0301", "type A = X | Y\ntype B = Z | W\npub let a: A = B.Z"),
    ("E0301", "pub let p: Package = \"zlib\""),
    ("E0301", "type M = { m: Map<Int> }\npub let m: M = { m = { a = \"1\" } }"),
    ("E0301", "pub fn f(o: Overridable<{ n: Int }>) -> Str = o"),
    ("E0301", "pub fn f(p: Package) -> Overridable<{ n: Int }> = p"),
    ("E0301", "pub fn f(os: List<Overridable<{ n: Int }>>) -> List<Package> = os"),
    (
        "E0301",
        "pub fn f(o: Overridable<{ n: Int }>) -> Package = o |> override((r) => r with { n = \"\" })",
    ),
    ("E0301", "pub fn f(s: Set<{ a: Int }>) -> { a: Int } = s"),
    (
        "E0301",
        "type P = { a: Int, b: Int }\nlet part = { a = \"1\" }\npub fn f(s: Set<P>) -> Set<P> = s |> extend((final, prev) => part)",
    ),
    ("E0301", "pub let x: Str = decode<Int>(./a.json)"),
    ("E0302", "type R = { a: Int, b: Int }\npub fn f(r: R) -> Int = r.a\nlet x = f({ a = 1 })"),
    ("E0303", "type P = { a: Int }\nfn up(final: P, prev: P) -> Part<P> = { b = 1 }"),
    (
        "E0303",
        "type P = { a: Int, b: Int }\nlet part = { c = 1 }\npub fn f(s: Set<P>) -> Set<P> = s |> extend((final, prev) => part)",
    ),
    ("E0303", "type R = { a?: Int }\npub let r: R = { b = 1 }"),
    ("E0304", "fn f(a: Int) -> Int = a\nlet x = f(1, 2)"),
    ("E0304", "let x = decode<Int>(./a.json, ./b.json)"),
    ("E0305", "let f = (a) => a\nlet x = f(a = 1)"),
    ("E0306", "fn f(a: Int, b: Int) -> Int = a\nlet x = f(1, a = 2, b = 3)"),
    ("E0307", "let x = 1(2)"),
    ("E0308", "pub fn f(s: Set<{ ssl: Int }>) -> Int = s.sll"),
    ("E0308", "pub fn f(o: Overridable<{ n: Int }>) -> Int = o.recipes"),
    ("E0308", "let r = { a = 1 }\nlet x = r with { b = 2 }"),
    ("E0310", "pub fn f(x: Int) = x"),
    ("E0311", "type L = Low | High\nfn f(l) = match l { L.Low => 1 }"),
    ("E0311", "fn f(n: Int) -> Int = match n { 0 => 1 }"),
    ("E0312", "fn f(x: Option<Int>) -> Int = match x { Some(_) => 1, Some(2) => 2, None => 3 }"),
    ("E0313", "fn f(x) = [x, [x]]"),
    ("E0314", "fn f(xs: List<Int>) -> Str = \"#{xs}\""),
    ("E0314", "fn f(s: Set<{ a: Int }>) -> Script = sh\"#{s}\""),
    ("E0315", "let x = true + 1"),
    ("E0315", "let x = [1] < [2]"),
    ("E0316", "let x = Some(n => n) == None"),
    ("E0317", "pub fn f<a, b>(x: a) -> b = x"),
    ("E0318", "type T = A(Int) | B\nfn f(t: T) -> Int = match t { A => 1, B => 2 }"),
    ("E0319", "type R = { tags: List<Str> = [1] }"),
    ("E0320", "fn f<r>(s: Set<r>) -> Set<r> = extend(s, (final, prev) => { a = 1 })"),
    ("E0321", "let x = decode<(Int) -> Int>(./a.json)"),
    ("E0321", "fn f<r>(p: Path) -> { a: Int | r } = decode<{ a: Int | r }>(p)"),
    ("E0321", "let x = decode<{ s: Script }>(./a.json)"),
];

#[test]
fn programs_that_must_check() {
    let problems: Vec<String> = ACCEPTED
        .iter()
        .map(|source| (source, run(source)))
        .filter(|(_, (codes, _))| !codes.is_empty())
        .map(|(source, (_, shown))| format!("{source}\n\n{shown}"))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n======\n"));
}

#[test]
fn programs_that_must_not_check() {
    let problems: Vec<String> = REJECTED
        .iter()
        .map(|(code, source)| (code, source, run(source)))
        .filter(|(code, _, (found, _))| found.as_slice() != [**code])
        .map(|(code, source, (_, shown))| format!("{code}: {source}\n\n{shown}"))
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n======\n"));
}
