//! `decode<T>`: values of all three formats, and errors that point into the file.

use cbuild_diag::Sources;
use cbuild_eval::{Evaluator, Limits};
use proptest::prelude::*;

use crate::support::{TestWorld, checked, describe};

/// Decodes a text as a type and shows the value or the error.
fn decode(ty: &str, file: &str, text: &[u8]) -> Result<String, String> {
    let items = "type Level = Quiet | Loud(Int) | Both(Int, Str)
type Tree = Leaf | Node(List<Tree>)
type Dep = { name: Str, version?: Str, strip: Int = 1 }";
    let (checked, mut sources): (_, Sources) = checked(items, &format!("decode<{ty}>(./{file})"));
    let mut world = TestWorld::default();
    world.texts.insert(format!("./{file}"), text.to_vec());
    let mut evaluator = Evaluator::new(&checked.checked.program, &mut world, Limits::default());
    let shown = evaluator.global(checked.value).and_then(|value| evaluator.show(&value));
    for file in evaluator.decoded() {
        sources.put(file.id, file.name.clone(), file.text.clone());
    }
    shown.map_err(|diagnostic| {
        let label = &diagnostic.labels[0];
        let place = label.span.start as usize..label.span.end as usize;
        assert!(sources.text(label.source).get(place).is_some(), "{diagnostic}: outside");
        let (line, column) = sources.line_column(label.source, label.span.start as usize);
        format!("{line}:{column} {}", describe(&diagnostic, &sources))
    })
}

#[track_caller]
fn gives(ty: &str, file: &str, text: &str, expected: &str) {
    match decode(ty, file, text.as_bytes()) {
        Ok(shown) => assert_eq!(shown, expected),
        Err(error) => panic!("{text}\n{error}"),
    }
}

/// `expected` is how the error begins: place, code, message.
#[track_caller]
fn fails(ty: &str, file: &str, text: &str, expected: &str) {
    match decode(ty, file, text.as_bytes()) {
        Ok(shown) => panic!("{text} gives {shown}"),
        Err(error) => assert!(error.starts_with(expected), "{text}\n{error}"),
    }
}

#[test]
fn the_same_data_in_three_formats() {
    let ty = "{ deps: List<Dep>, level: Level, flags: Map<Bool>, none?: Int }";
    let expected = r#"{
  deps = [{ name = "a", strip = 1, version = Some("1") }, { name = "b", strip = 2, version = None }],
  flags = { "x-y" = true },
  level = Loud(3),
  none = None,
}"#;
    // Only the layout may differ.
    let normal = |text: &str| text.split_whitespace().collect::<String>().replace(",]", "]");
    let toml = "other = 1.5\nlevel = { Loud = 3 }\n[[deps]]\nname = 'a'\nversion = '1'\n[[deps]]\nname = 'b'\nstrip = 2\n[flags]\nx-y = true\n";
    let json = r#"{ "deps": [{"name": "a", "version": "1"}, {"name": "b", "strip": 2, "version": null}], "level": {"Loud": 3}, "flags": {"x-y": true}, "other": 1.5 }"#;
    let yaml = "deps:\n- name: a\n  version: '1'\n- {name: b, strip: 0x2}\nlevel:\n  Loud: 3\nflags: {x-y: true}\nnone: ~\n";
    for (file, text) in [("f.toml", toml), ("f.json", json), ("f.yaml", yaml)] {
        let shown = decode(ty, file, text.as_bytes()).unwrap();
        assert_eq!(normal(&shown), normal(expected), "{file}");
    }
}

/// Found by fuzzing: the parser let control characters in texts through, and a place at the end of a
/// file was one byte behind it.
#[test]
fn files_are_read_strictly_and_faults_stay_inside_of_them() {
    fails("Str", "f.json", "\"a\tb\"", "1:3 E0421: this is not valid JSON");
    fails("Map<Str>", "f.json", "{\"é\":\n\"a\u{1}\"}", "2:3 E0421: this is not valid JSON");
    fails("Str", "f.yaml", "a: [é", "1:6 E0421: this is not valid YAML");
}

#[test]
fn plain_values() {
    gives("List<Int>", "f.json", "[1, -2, 9223372036854775807]", "[1, -2, 9223372036854775807]");
    gives("Str", "f.yaml", "|\n  a\n  b\n", "\"a\\nb\\n\"");
    gives("Map<Str>", "f.yml", "a: &x é\nb: *x\n", "{ \"a\" = \"é\", \"b\" = \"é\" }");
    gives("Option<Int>", "f.yaml", "", "None");
    gives(
        "List<Level>",
        "f.json",
        "[\"Quiet\", {\"Both\": [1, \"x\"]}]",
        "[Quiet, Both(1, \"x\")]",
    );
    gives("Tree", "f.json", "{\"Node\": [\"Leaf\", {\"Node\": []}]}", "Node([Leaf, Node([])])");
    gives("{ v: Int }", "Cargo.lock", "v = 0x10\n", "{ v = 16 }");
    gives("{ v: Int }", "f.toml", "\u{feff}v = 1\n", "{ v = 1 }");
    let hash = "sha256-jRBBDeC9cbSFPVLXF2RrLdjNJSuzFnuSBwEx4BLkjpQ=";
    gives("Hash", "f.json", &format!("\"{hash}\""), hash);
}

#[test]
fn errors_point_into_the_file() {
    fails("{ port: Int }", "f.toml", "a = 1\nport = '80'\n", "2:8 E0422: `port` must be a number");
    fails("List<Dep>", "f.json", "[\n {\"name\": 1}]", "2:11 E0422: `[0].name` must be a text");
    fails(
        "{ deps: List<Dep> }",
        "f.yaml",
        "deps:\n- version: é\n",
        "2:3 E0423: `deps[0]` has no `name`",
    );
    fails("Map<Int>", "f.yaml", "é: ü\n", "1:4 E0422: `é` must be a number");
    fails("Level", "f.json", "\"Lout\"", "1:1 E0424: the file is none of the cases: `Lout`");
    fails("Level", "f.json", "{\"Quiet\": 1}", "1:1 E0424: the case `Quiet` has no payload");
    fails("Level", "f.json", "\"Loud\"", "1:1 E0424: the case `Loud` needs its payload");
    fails("Level", "f.json", "{\"Both\": [1]}", "1:10 E0424: `Both` has 2 parts, but 1 are given");
    fails("Hash", "f.json", "\"sha256-x\"", "1:1 E0424");
    fails("Int", "f.json", "1.5", "1:1 E0422: the file must be a number, but it is a fraction");
    fails("Int", "f.json", "9223372036854775808", "1:1 E0422");
    fails("Str", "f.yaml", "1.10", "1:1 E0422: the file must be a text, but it is a fraction");
    fails("{ a: Int }", "f.json", "{\"a\": null}", "1:7 E0422");
}

#[test]
fn texts_that_are_not_of_their_format() {
    fails("Map<Int>", "f.toml", "a = 1\nb =\n", "2:");
    fails("Map<Int>", "f.toml", "a = 1\na = 2\n", "2:1 E0421");
    fails("Map<Int>", "f.json", "{\"a\": 1,}", "1:");
    fails(
        "Map<Int>",
        "f.json",
        "{\"a\": 1, \"a\": 2}",
        "1:10 E0421: this is not valid JSON: the key `a`",
    );
    fails("Int", "f.json", "// c\n1", "1:");
    fails("Int", "f.json", "", "1:1 E0421");
    fails("Map<Int>", "f.yaml", "a: 1\na: 2\n", "2:1 E0421: this is not valid YAML: the key `a`");
    fails(
        "Int",
        "f.yaml",
        "1\n---\n2\n",
        "2:1 E0421: this is not valid YAML: there is more than one",
    );
    fails("Int", "f.yaml", "a: [1\n", "");
    fails("Int", "f.yaml", "!custom 1", "1:");
    fails("List<Int>", "f.json", &"[".repeat(100_000), "1:");
    fails("List<Int>", "f.yaml", &"[".repeat(100_000), "");
    fails("Map<Int>", "f.toml", &format!("a = {}", "[".repeat(100_000)), "1:");
}

/// The end of a file adds no line feed to a block scalar (YAML 1.2.2, `b-chomped-last`).
#[test]
fn block_scalars_at_the_end_of_a_file() {
    let cases = [
        ("a: |\n  x", "x"),
        ("a: |+\n  x", "x"),
        ("a: >\n  x", "x"),
        ("a: >+\n  x\n  y", "x y"),
        ("a: |-\n  x", "x"),
        ("a: |\n  x\n", "x\\n"),
        ("a: |\n  x\n\n", "x\\n"),
        ("a: |+\n  x\n\n", "x\\n\\n"),
        ("a: |\r\n  x\r\n", "x\\n"),
        ("a: |\r\n  x", "x"),
        ("a: |\n  x\n  ", "x\\n"),
        ("a: |\n  x\n ", "x\\n"),
        ("a: |\n  x\n    ", "x\\n  \\n"),
        ("a: |\n  é\n  ü", "é\\nü"),
        ("a: |\n  x\n# end", "x\\n"),
        ("a: |\n  x\n...", "x\\n"),
    ];
    for (text, expected) in cases {
        gives("{ a: Str }", "f.yaml", text, &format!("{{ a = \"{expected}\" }}"));
    }
    gives("List<Str>", "f.yaml", "- |\n x", "[\"x\"]");
    gives("Str", "f.yaml", "--- |\n x", "\"x\"");
    gives("List<Str>", "f.yaml", "- x\n- |+\n   ", "[\"x\", \"\\n\"]");
}

#[test]
fn one_byte_order_mark_is_no_part_of_a_text() {
    for (file, text) in [("f.toml", "a = 1"), ("f.json", "{\"a\": 1}"), ("f.yaml", "a: 1")] {
        gives("Map<Int>", file, &format!("\u{feff}{text}"), "{ \"a\" = 1 }");
        fails("Map<Int>", file, &format!("\u{feff}\u{feff}{text}"), "1:1 E0421");
    }
}

#[test]
fn merge_keys_are_refused() {
    let ty = "{ svc: { name: Str, port: Int = 80, debug?: Bool } }";
    let text = "x: &base { port: 1, debug: true }\nsvc:\n  <<: *base\n  name: a\n";
    fails(ty, "f.yaml", text, "3:3 E0421: this is not valid YAML: merge keys (`<<`) are not read");
    fails("Map<Int>", "f.yaml", "{ <<: { a: 1 } }", "1:3 E0421");
    gives("Map<Int>", "f.yaml", "\"<<\": 1\n", "{ \"<<\" = 1 }");
    let named = "key: &k <<\nbase: { a: 1 }\nof:\n  *k : { b: 2 }\n";
    fails("{ key: Str, base: Map<Int>, of: Map<Map<Int>> }", "f.yaml", named, "4:3 E0421");
    gives("List<Str>", "f.yaml", "- &k <<\n- *k\n", "[\"<<\", \"<<\"]");
    gives("List<Map<Int>>", "f.yaml", "- &k \"<<\": 1\n", "[{ \"<<\" = 1 }]");
}

/// The same words have other values there.
#[test]
fn other_versions_of_yaml_are_refused() {
    let wrong = "1:1 E0421: this is not valid YAML: this is YAML 1.1; YAML 1.2 is read";
    fails("Map<Str>", "f.yaml", "%YAML 1.1\n---\na: yes\n", wrong);
    fails(
        "Map<Str>",
        "f.yaml",
        "\u{feff}# c\n\n%TAG ! x\n%YAML  1.1 # d\n---\na: yes\n",
        "4:1 E0421",
    );
    fails("Map<Str>", "f.yaml", "%YAML 1.3\n---\na: yes\n", "1:1 E0421");
    gives(
        "Map<Str>",
        "f.yaml",
        "%YAML 1.2\n---\na: yes\nb: |\n  %YAML 1.1\n",
        "{ \"a\" = \"yes\", \"b\" = \"%YAML 1.1\\n\" }",
    );
    gives("List<Str>", "f.yaml", "- <<\n", "[\"<<\"]");
}

#[test]
fn tags_that_say_something_else() {
    fails(
        "Str",
        "f.yaml",
        "!!int a",
        "1:1 E0421: this is not valid YAML: this is not what its tag `!!int` says",
    );
    fails(
        "Int",
        "f.yaml",
        "!!float 1",
        "1:1 E0422: the file must be a number, but it is a fraction",
    );
    gives("Int", "f.yaml", "!!int 12", "12");
    gives("Str", "f.yaml", "! 12", "\"12\"");
}

/// Also where nobody asks for the number.
#[test]
fn numbers_of_toml_without_digits() {
    for ty in ["{ a: Int }", "{ b: Int }"] {
        let message = "1:5 E0421: this is not valid TOML: this number has no digits";
        fails(ty, "f.toml", "a = 0x\nb = 1\n", message);
        fails(ty, "f.toml", "a = 0o\nb = 1\n", "1:5 E0421");
        fails(ty, "f.toml", "a = 0b_\nb = 1\n", "1:7 E0421");
        for digits in ["1\u{662}", "\u{661}", "0x\u{661}", "0xg"] {
            fails(ty, "f.toml", &format!("a = {digits}\nb = 1\n"), "1:");
        }
    }
    let large = "E0422: `a` must be a number, but it is a number that does not fit into 64 bits";
    fails("{ a: Int }", "f.toml", "a = 0xffffffffffffffff\n", &format!("1:5 {large}"));
    gives("{ a: Int }", "f.toml", "a = 0x7fff_ffff_ffff_ffff\n", "{ a = 9223372036854775807 }");
    fails(
        "Int",
        "f.json",
        "1e+16",
        "1:1 E0422: the file must be a number, but it is a number with an exponent",
    );
    fails(
        "Int",
        "f.yaml",
        "1e3",
        "1:1 E0422: the file must be a number, but it is a number with an exponent",
    );
}

/// 128 lists and tables may be within each other in every format, and of TOML 80 in one value.
#[test]
fn the_deepest_nesting() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for file in ["f.json", "f.yaml"] {
        let too_deep = format!(
            "1:129 E0421: this is not valid {}: it nests more than 128 levels deep",
            &file[2..].to_uppercase()
        );
        assert!(decode("List<Int>", file, nested(128).as_bytes()).unwrap_err().contains("E0422"));
        fails("List<Int>", file, &nested(129), &too_deep);
        assert!(
            decode("List<Int>", file, nested(5000).as_bytes())
                .unwrap_err()
                .contains("it nests more than 128 levels deep")
        );
    }
    let text = format!("[\"{}\"]", "[{\\\"".repeat(200));
    assert!(decode("List<Str>", "f.json", text.as_bytes()).is_ok());
    let error = |text: String| decode("{}", "f.toml", text.as_bytes()).unwrap_err();
    assert!(decode("{}", "f.toml", format!("a = {}", nested(80)).as_bytes()).is_ok());
    assert!(error(format!("a = {}", nested(81))).contains("it nests more than 80 levels deep"));
    let keys = |count| vec!["k"; count].join(".");
    assert!(error(format!("{} = 1", keys(81))).contains("E0421"));
    let both = |inner| format!("[{}]\n{} = {}", keys(60), keys(60), nested(inner));
    assert!(decode("{}", "f.toml", both(8).as_bytes()).is_ok());
    assert!(error(both(9)).contains("it nests more than 128 levels deep"));
}

/// Files that other programs read otherwise than cbuild once did.
#[test]
fn stored_files() {
    macro_rules! case {
        ($name:literal) => {
            include_str!(concat!("../../../../tests/cases/readers/", $name))
        };
    }
    let ends_without_a_line_feed = case!("05-yaml-block-no-final-newline.yaml");
    gives("{ a: Str }", "f.yaml", ends_without_a_line_feed, "{ a = \"x\" }");
    let ty = "{ svc: { name: Str, port: Int = 80, debug?: Bool } }";
    fails(ty, "f.yaml", case!("06-yaml-merge-key.yaml"), "3:3 E0421");
    fails("{ b: Int }", "f.toml", case!("07-toml-empty-hex.toml"), "1:5 E0421");
}

#[test]
fn files_that_cannot_be_read() {
    fails("Int", "f.txt", "1", "1:1 E0420: the name of `./f.txt` does not tell its format");
    let error = decode("Int", "f.json", &[b'"', 0xff, b'"']).unwrap_err();
    assert!(error.contains("E0420") && error.contains("byte 1"), "{error}");
    let error =
        decode("Int", "f.json", &vec![b' '; cbuild_eval::MAX_DECODED_BYTES + 1]).unwrap_err();
    assert!(error.contains("E0420") && error.contains("16 MiB"), "{error}");
}

#[test]
fn aliases_cannot_make_a_value_without_bounds() {
    let mut text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
    for i in 1..9 {
        let inner = vec![format!("*a{}", i - 1); 10].join(",");
        text.push_str(&format!("a{i}: &a{i} [{inner}]\n"));
    }
    let nested = (0..9).fold("Int".to_owned(), |ty, _| format!("List<{ty}>"));
    let error = decode(&format!("{{ a8: {nested} }}"), "f.yaml", text.as_bytes()).unwrap_err();
    assert!(error.contains("E0406"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_crash_it(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        file in prop_oneof![Just("f.toml"), Just("f.json"), Just("f.yaml")],
    ) {
        let _ = decode("Map<List<Dep>>", file, &bytes);
    }

    #[test]
    fn no_text_of_their_characters_crashes_it(
        text in "[\\[\\]{}:,\"' \n\\-#&*!|>=.a1é~?%@`\\\\]{0,50}",
        file in prop_oneof![Just("f.toml"), Just("f.json"), Just("f.yaml")],
    ) {
        let _ = decode("Map<List<Dep>>", file, text.as_bytes());
    }

    #[test]
    fn json_comes_back(numbers in proptest::collection::btree_map("[a-zé\"\\\\]{1,6}", any::<i64>(), 0..6)) {
        let text = serde_json::to_string(&numbers).unwrap();
        let shown = decode("Map<Int>", "f.json", text.as_bytes()).unwrap();
        for number in numbers.values() {
            prop_assert!(shown.contains(&number.to_string()));
        }
        prop_assert_eq!(decode("Map<Int>", "f.yaml", text.as_bytes()).unwrap(), shown);
    }
}
