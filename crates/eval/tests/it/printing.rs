//! Values as JSON, and as targets.

use cbuild_eval::{Evaluator, Limits};
use cbuild_sema::ir::ModuleId;

use crate::support::{TestWorld, checked, describe, fault, with_value};

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

#[test]
fn exports_are_found_through_modules_and_fields() {
    let items = "pub import std\npub let settings: { a: { b: Int } } = { a = { b = 7 } }";
    let (found, sources) = checked(items, "1");
    let mut world = TestWorld::default();
    let program = &found.checked.program;
    let has = |name: &str| program.modules.iter().position(|m| m.exports.contains_key(name));
    let entry = ModuleId(u32::try_from(has("settings").unwrap()).unwrap());
    let mut evaluator = Evaluator::new(program, &mut world, Limits::default());
    let value = evaluator.export(entry, &["settings", "a", "b"]).unwrap();
    assert_eq!(evaluator.show(&value).unwrap(), "7");
    let text = evaluator.export(entry, &["std", "text", "trim"]).unwrap();
    assert_eq!(evaluator.show(&text).unwrap(), "<function>");
    let error = evaluator.export(entry, &["settings", "c"]).unwrap_err();
    insta::assert_snapshot!(describe(&error, &sources));
    let error = evaluator.export(entry, &["nothing"]).unwrap_err();
    assert_eq!(error.code, "E0413");
}

#[test]
fn tests_are_run_each_for_itself() {
    let items = "test \"good\" { 1 + 1 == 2 }\ntest \"bad\" { 1 > 2 }\ntest \"broken\" { 1 / 0 == 1 }\n\
                 test \"later\" { true }";
    let (found, _) = checked(items, "1");
    let program = &found.checked.program;
    let module = program.modules.iter().position(|m| !m.tests.is_empty()).unwrap();
    let mut world = TestWorld::default();
    let mut evaluator = Evaluator::new(program, &mut world, Limits::default());
    let results = evaluator.run_tests(ModuleId(u32::try_from(module).unwrap()));
    let results: Vec<_> = results
        .iter()
        .map(|(name, result)| (name.as_str(), result.as_ref().map_err(|error| error.code).copied()))
        .collect();
    let expected =
        [("good", Ok(true)), ("bad", Ok(false)), ("broken", Err("E0404")), ("later", Ok(true))];
    assert_eq!(results, expected);
}
