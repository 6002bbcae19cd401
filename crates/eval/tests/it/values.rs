//! What expressions evaluate to.

use crate::support::{check_eval, check_fault, check_items};

#[test]
fn arithmetic() {
    check_eval("1 + 2 * 3 - 4", "3");
    check_eval("-7 / 2", "-3");
    check_eval("-7 % 2", "-1");
    check_eval("9223372036854775807", "9223372036854775807");
    check_eval("-(3)", "-3");
    check_fault("9223372036854775807 + 1", "E0403");
    check_fault("(-9223372036854775807 - 1) / -1", "E0403");
    check_fault("-(-9223372036854775807 - 1)", "E0403");
    check_fault("9223372036854775807 * 2", "E0403");
    check_fault("1 / 0", "E0404");
    check_fault("1 % 0", "E0404");
    check_eval("(-9223372036854775807 - 1) % -1", "0");
    check_eval("(n => n % -1)(-9223372036854775807 - 1)", "0");
    check_eval("[(-9223372036854775807 - 1) % -1, 7 % -1]", "[0, 0]");
}

#[test]
fn comparison() {
    check_eval("[1 < 2, 2 <= 2, 3 > 4, 4 >= 5]", "[true, true, false, false]");
    check_eval(r##"["a" < "b", "b" < "a", "é" > "z"]"##, "[true, false, true]");
    check_eval("[1, 2] == [1, 2]", "true");
    check_eval("{ a = 1, b = [2] } == { b = [2], a = 1 }", "true");
    check_eval("{ a = 1 } != { a = 2 }", "true");
    check_eval("Some(1) == None", "false");
    check_eval("Some([1]) == Some([1])", "true");
    check_eval(r##"sh"a#{"b"}" == sh"ab""##, "true");
}

#[test]
fn logic_is_lazy_on_the_right() {
    check_eval("false && abort(\"no\")", "false");
    check_eval("true || abort(\"no\")", "true");
    check_eval("!false && true", "true");
    check_fault("true && abort(\"yes\")", "E0405");
}

#[test]
fn text_and_holes() {
    check_eval(r##""a#{1 + 1}b#{true}c#{"d"}""##, r##""a2btruecd""##);
    check_eval(r##""a" ++ "b" ++ "c""##, r##""abc""##);
    check_eval(r##""tab\t quote\" \#{x} \u{1f600}""##, "\"tab\\t quote\\\" \\#{x} 😀\"");
    check_eval(
        r##"{ "\u{1b}[31m" = 1, "\n" = "x", "a b" = 2, "if" = 3, T = 4, c = 5 }"##,
        r##"{ "\n" = "x", "\u{1b}[31m" = 1, T = 4, "a b" = 2, c = 5, "if" = 3 }"##,
    );
    check_eval(r##""\u{2028}\u{2029}\u{202e}""##, r##""\u{2028}\u{2029}\u{202e}""##);
}

#[test]
fn scripts_quote_their_holes() {
    check_eval(r##"sh"echo #{"two words"}""##, r##"sh"echo 'two words'""##);
    check_eval(r##"sh"#{["a", "b c"]} #{3} #{false}""##, r##"sh"a 'b c' 3 false""##);
    check_eval(r##"sh"x #{sh"a b"}""##, r##"sh"x a b""##);
    check_eval(r##"sh"$HOME \n""##, r##"sh"$HOME \n""##);
    check_eval(r##"sh"a" ++ sh"b""##, r##"sh"ab""##);
}

#[test]
fn records_and_lists_are_lazy() {
    check_eval("{ a = 1, b = abort(\"no\") }.a", "1");
    check_items("import std", "std.list.length([abort(\"no\"), 1])", "2");
    check_eval("({ a = abort(\"no\"), b = 2 } with { a = 1 })", "{ a = 1, b = 2 }");
    check_eval("let x = abort(\"no\") in 3", "3");
    check_eval("(x => 4)(abort(\"no\"))", "4");
    check_eval("[1] ++ [2, 3]", "[1, 2, 3]");
}

/// Suspended code captures fields of records that are evaluated, lazy, or globals not evaluated yet.
#[test]
fn fields_that_suspended_code_captures() {
    let items = "
type Config = { port: Int, host: Str }
fn add(n: Int, m: Int) -> Int = n + m
let config: Config = { port = add(80, 0), host = abort(\"unused\") }
fn next(c: Config) -> { a: Int, b: List<Int>, c: Int } = {
  a = add(c.port, 1),
  b = [add(c.port, c.port), let n = add(c.port, 3) in add(n, c.port)],
  c = let f = (n: Int) => n + c.port in add(f(c.port), add(c.port, 1)),
}";
    let expected = "{ a = 81, b = [160, 163], c = 241 }";
    check_items(items, "next(config)", expected);
    check_items(items, "next({ port = 80, host = abort(\"unused\") })", expected);
    check_items(items, "next({ port = add(79, 1), host = \"\" })", expected);
    check_items(items, "next(if add(1, 1) == 2 then config else abort(\"never\"))", expected);
    check_items(items, "let r = { x = r.y + 1, y = add(r.z, r.z), z = 4 } in add(r.x, r.y)", "17");
}

#[test]
fn bindings_are_recursive_and_in_any_order() {
    check_eval("let b = a + 1 a = 1 in b", "2");
    let parity = "let even = n => if n == 0 then true else odd(n - 1) \
                      odd = n => if n == 0 then false else even(n - 1) in [even(10), odd(10)]";
    check_eval(parity, "[true, false]");
    check_eval(
        "let go = (n, sum) => if n == 0 then sum else go(n - 1, sum + n) in go(10, 0)",
        "55",
    );
    let items = "let set: { a: Int, b: Int } = { a = set.b + 1, b = c }\nlet c: Int = 41";
    check_items(items, "set.a", "42");
}

#[test]
fn closures_keep_what_they_captured() {
    check_eval("let add = a => b => a + b in add(1)(2)", "3");
    check_eval("let f = (a, b) => () => [a, b] in f(1, 2)()", "[1, 2]");
    let twice = "let twice = f => x => f(f(x)) in twice(twice(x => x * 2))(1)";
    check_eval(twice, "16");
}

#[test]
fn default_parameters_see_the_ones_before() {
    let items = "fn f(a: Int, b: Int = a + 1, c: List<Int> = [a, b]) -> List<Int> = c";
    check_items(items, "f(1)", "[1, 2]");
    check_items(items, "f(1, b = 5)", "[1, 5]");
    check_items(items, "f(1, c = [])", "[]");
    check_items("fn f(a: Int = abort(\"no\")) -> Int = 3", "f()", "3");
}

#[test]
fn matches() {
    let items = "type Shape = Circle(Int) | Box(Int, Option<Int>) | Empty\n\
        fn area(s: Shape) -> Int = match s { Circle(r) => 3 * r * r, Box(w, Some(h)) => w * h, \
          Box(w, None) => w * w, Empty => 0 }";
    check_items(items, "area(Circle(2))", "12");
    check_items(items, "area(Box(2, Some(5)))", "10");
    check_items(items, "area(Box(2, None))", "4");
    check_items(items, "area(Empty)", "0");
    check_items(items, "Box(1, Some(2))", "Box(1, Some(2))");
    check_eval("match 3 { 1 => \"one\", 3 => \"three\", _ => \"many\" }", "\"three\"");
    check_eval("match \"b\" { \"a\" => 1, other => 2 }", "2");
    check_eval("match true { true => 1, false => 2 }", "1");
    check_eval("match Some(abort(\"no\")) { Some(_) => 1, None => 2 }", "1");
}

#[test]
fn record_types_fill_in_fields() {
    let items = "type Point = { x: Int, y: Int = 7, label?: Str }\nfn id(p: Point) -> Point = p";
    check_items(items, "id { x = 1 }", "{ label = None, x = 1, y = 7 }");
    check_items(items, "id { x = 1, label = \"a\" }.label", "Some(\"a\")");
}

#[test]
fn pipes_insert_the_first_argument() {
    check_items("import std", "[1, 2] |> std.list.map(x => x + 1) |> std.list.length", "2");
}

#[test]
fn what_is_surely_needed_is_still_needed_in_order() {
    let items = "fn check(n: Int, value: Int) -> Int = if n == 0 then abort(\"zero\") else value";
    let error = crate::support::fault(items, "check(0, 1 / 0)");
    assert!(error.starts_with("E0405: zero"), "{error}");
}
