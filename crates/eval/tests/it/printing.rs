//! Values as JSON, and as targets.

use cbuild_eval::Limits;

use crate::support::{fault, with_value};

#[track_caller]
fn json(items: &str, expr: &str) -> String {
    let json =
        with_value(items, expr, Limits::default(), |evaluator, value| evaluator.to_json(&value));
    json.unwrap().to_string()
}

#[test]
fn data_becomes_json() {
    assert_eq!(
        json("", r##"{ a = [1, -2], b = "x\n", c = true }"##),
        r##"{"a":[1,-2],"b":"x\n","c":true}"##
    );
    assert_eq!(json("", "[Some(1), None]"), "[1,null]");
    assert_eq!(
        json("type T = A | B(Int, Str)", "[A, B(1, \"x\")]"),
        r##"[{"type":"variant","tag":"A","fields":[]},{"type":"variant","tag":"B","fields":[1,"x"]}]"##
    );
    assert_eq!(json("", "./a/b"), r##"{"type":"path","path":"./a/b"}"##);
    assert_eq!(json("let m: Map<Int> = { x = 1 }", "m"), r##"{"x":1}"##);
    assert_eq!(json("", "sh\"a #{\"b c\"}\""), r##"{"type":"script","text":"a 'b c'"}"##);
    assert_eq!(
        json("protocol Http = \"org.ietf.http\"", "Http"),
        r##"{"type":"protocol","identity":"org.ietf.http"}"##
    );
}

#[test]
fn packages_carry_their_derivation() {
    let text = json("import std", "std.tree.text_file(\"motd\", sh\"hello\")");
    let (target, ..) =
        crate::support::derivation("import std", "std.tree.text_file(\"motd\", sh\"hello\")");
    assert_eq!(text, format!(r##"{{"type":"package","name":"motd","drv":"{}"}}"##, target.drv));
    assert!(!target.image);
}

#[test]
fn functions_are_not_json() {
    let result = with_value("", "{ f = x => x + 1 }", Limits::default(), |evaluator, value| {
        assert_eq!(evaluator.field_names(&value), ["f"]);
        assert_eq!(evaluator.buildable(&value), None);
        assert_eq!(evaluator.show(&value)?, "{ f = <function> }");
        evaluator.to_json(&value)
    });
    assert!(result.unwrap_err().starts_with("E0412"));
}

#[test]
fn comparing_functions_in_data_is_an_error() {
    let error = fault("fn same<a>(x: a, y: a) -> Bool = x == y", "same(x => x + 1, x => x + 1)");
    assert!(error.starts_with("E0412"), "{error}");
}

#[test]
fn long_values_are_broken_into_lines() {
    let shown =
        crate::support::show("import std", "{ numbers = std.list.range(1000, 1020), x = 1 }");
    insta::assert_snapshot!(shown.unwrap());
}
