//! Lazily recursive sets, overlays, and packages that are overridden.

use cbuild_eval::Limits;

use crate::support::{check_items, derivation, fault, with_value};

const PKGS: &str = r##"
import std
type Recipe = { name: Str, flags: List<Str>, uses: List<Package> }
type Pkgs = { ssl: Overridable<Recipe>, redis: Overridable<Recipe>, other: Package }
fn make(r: Recipe) -> Package =
  std.build.derivation { name = r.name, program = sh"/bin/#{r.flags}", inputs = r.uses }
pub let pkgs: Set<Pkgs> = set((final) => {
  ssl = overridable({ name = "ssl", flags = [], uses = [] }, make),
  redis = overridable({ name = "redis", flags = [], uses = [final.ssl] }, make),
  other = make({ name = "other", flags = ["x"], uses = [] }),
})
pub let hardened: Set<Pkgs> = pkgs |> extend((final, prev) => {
  ssl = prev.ssl |> override((r) => r with { flags = r.flags ++ ["no-ssl3"] }),
})
"##;

fn drv(expr: &str) -> String {
    derivation(PKGS, expr).0.drv.to_string()
}

#[test]
fn changing_one_package_changes_its_dependents_and_nothing_else() {
    assert_ne!(drv("pkgs.ssl"), drv("hardened.ssl"));
    assert_ne!(drv("pkgs.redis"), drv("hardened.redis"));
    assert_eq!(drv("pkgs.other"), drv("hardened.other"));
    let (_, redis, graph) = derivation(PKGS, "hardened.redis");
    let ssl = drv("hardened.ssl");
    assert!(
        redis.references().iter().any(|input| format!("{input:?}").contains(&ssl)),
        "{redis:?}"
    );
    assert!(graph.len() >= 2);
}

#[test]
fn an_override_that_changes_nothing_gives_the_same_package() {
    check_items(PKGS, "(pkgs.ssl |> override((r) => r)).package == pkgs.ssl.package", "true");
    check_items(PKGS, "hardened.ssl.recipe.flags", "[\"no-ssl3\"]");
    check_items(PKGS, "[hardened.redis.name, pkgs.other.name]", "[\"redis\", \"other\"]");
}

#[test]
fn sets_are_lazy_and_see_the_final_values() {
    let items = "
let base: Set<{ a: Int, b: Int, c: Int }> =
  set((final) => { a = 1, b = final.a + 1, c = abort(\"never\") })";
    check_items(items, "base.b", "2");
    check_items(items, "(base |> extend((final, prev) => { a = 10 })).b", "11");
    check_items(items, "(base |> extend((final, prev) => { b = prev.b * 2, c = final.b })).c", "4");
    check_items(
        items,
        "let twice = base |> extend((f, p) => { a = p.a + 1 }) |> extend((f, p) => { a = p.a + 1 })
         in members(twice).b",
        "4",
    );
}

#[test]
fn a_set_that_needs_itself_is_a_cycle() {
    let error = fault("", "set((final) => { a = final.b, b = final.a }).a");
    assert!(error.starts_with("E0401"), "{error}");
}

#[test]
fn ten_thousand_overlays_need_neither_depth_nor_long() {
    let items = "
import std
let base: Set<{ a: Int, b: Int }> = set((final) => { a = 0, b = final.a * 2 })
let deep: Set<{ a: Int, b: Int }> =
  std.list.fold(std.list.range(0, 10000), base, (s, i) => extend(s, (final, prev) => { a = prev.a + 1 }))";
    check_items(items, "[deep.a, deep.b]", "[10000, 20000]");
}

/// An overlay that needs single fields of what is below does not keep the whole, which is then changed in
/// place; the values are the same as with one that does keep it.
#[test]
fn overlays_capture_fields_and_not_whole_sets() {
    let items = "
import std
type Pair = { a: Int, b: Int, c: Int }
fn add(n: Int, m: Int) -> Int = n + m
fn sum(p: Pair) -> Int = p.a + p.b
let base: Set<Pair> = set((final) => { a = 1, b = 2, c = add(3, 4) })
fn fields(s: Set<Pair>) -> Set<Pair> =
  s |> extend((final, prev) => { a = add(prev.a, prev.b), b = prev.b + final.c - final.c })
fn whole(s: Set<Pair>) -> Set<Pair> = s |> extend((final, prev) => { a = sum(prev), b = prev.b })
fn all(f: (Set<Pair>) -> Set<Pair>) -> Pair =
  members(std.list.fold(std.list.range(0, 100), base, (s, i) => f(s)))";
    for (expr, copied) in [("all(fields)", 0), ("all(whole)", 300)] {
        let counted = with_value(items, expr, Limits::default(), |evaluator, value| {
            evaluator.show(&value).map(|shown| (shown, evaluator.stats().copied))
        });
        assert_eq!(counted.unwrap(), ("{ a = 201, b = 2, c = 7 }".to_owned(), copied), "{expr}");
    }
}

#[test]
fn a_long_chain_of_sets_is_dropped() {
    let items = "
import std
type One = { a: Int }
let base: Set<One> = set((final) => { a = 0 })
fn layer(s: Set<One>, n: Int) -> Set<One> = s |> extend((final, prev) => { a = prev.a + n })
let chain: List<Set<One>> = [std.list.fold(std.list.range(0, 300000), base, layer)]";
    check_items(items, "std.list.length(chain) + std.list.fold(chain, 0, (n, s) => n + 1)", "2");
}

#[test]
fn fix_ties_a_knot() {
    check_items("", "fix((r) => { a = 1, b = r.a + 1 }).b", "2");
}
