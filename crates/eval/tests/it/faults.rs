//! How evaluation errors read.

use insta::assert_snapshot;

use crate::support::fault;

#[test]
fn a_cycle_of_globals_is_named() {
    let items = "let a: Int = b + 1\nlet b: Int = c * 2\nlet c: Int = a - 1";
    assert_snapshot!(fault(items, "a"));
}

#[test]
fn a_cycle_through_fields_is_named() {
    let items = "let set = { a = set.b + 1, b = set.c, c = 1 + set.a }";
    assert_snapshot!(fault(items, "set.a"));
}

#[test]
fn a_cycle_of_bindings_points_at_the_binding() {
    assert_snapshot!(fault("", "let x = y + 1 y = x * 2 in x"));
}

#[test]
fn a_trace_names_the_globals() {
    let items = "import std\nfn inner(n: Int) -> Int = 10 / n\nfn outer(n: Int) -> Int = 1 + inner(n - 3)\n\
                 let all: List<Int> = std.list.map([1, 2, 3], outer)";
    assert_snapshot!(fault(items, "all"));
}

#[test]
fn arithmetic() {
    assert_snapshot!(fault("let n: Int = 9223372036854775807", "n * 2"));
    assert_snapshot!(fault("", "1 / (2 - 2)"));
}

#[test]
fn abort() {
    assert_snapshot!(fault("", "if 1 < 2 then abort(\"the flag `tls` needs openssl\") else 1"));
}

#[test]
fn a_missing_path() {
    assert_snapshot!(fault("", "sh\"cat #{./missing}\""));
}

#[test]
fn bad_names_and_paths() {
    let std = "import std";
    assert_snapshot!(fault(std, "std.tree.text_file(\"a/b\", sh\"\")"));
    assert_snapshot!(fault(std, "std.tree.assemble { name = \"x\", directories = [\"../up\"] }"));
}

/// An error in the standard library also points at what of the package led there: a field, a function or
/// a value, but not at what lies further out.
#[test]
fn errors_in_the_library_point_at_the_package_too() {
    let items = "import std\n\
                 let port: Option<Int> = None\n\
                 fn checked(port: Option<Int>) -> Int = std.option.expect(port, \"no port\")\n\
                 let server = { port = std.option.expect(port, \"no port\") }\n";
    let cases = ["std.option.expect(port, \"no port\")", "checked(port)", "server.port + 1"];
    insta::assert_snapshot!(cases.map(|expr| fault(items, expr)).join("\n"));
}
