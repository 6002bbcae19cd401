//! The derivations that a program describes.

use cbuild_drv::{Action, FetchKind, Input};

use cbuild_eval::Limits;
use cbuild_sema::ir::Export;

use crate::support::{TestWorld, check_items, checked, derivation, describe, fault};

const HASH: &str = "sha256-MeBmE3lipnbonwbTtl04Ot54qep7j5EryULqcuDFF7s=";

fn tarball(fields: &str) -> String {
    format!("std.fetch.tarball {{ {fields}, hash = {HASH} }}")
}

#[test]
fn a_tarball_is_named_after_its_address() {
    let expr = tarball("urls = [\"https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz\"]");
    let (target, found, _) = derivation("import std", &expr);
    assert_eq!(found.name.as_str(), "hello-2.10");
    let Action::Fetch(fetch) = &found.action else { panic!("not a fetch") };
    assert_eq!(fetch.urls, ["https://ftp.gnu.org/gnu/hello/hello-2.10.tar.gz"]);
    assert_eq!(fetch.kind, FetchKind::Archive { strip: 1 });
    assert_eq!(fetch.hash.to_string(), HASH);
    insta::assert_snapshot!(target.drv);
    check_items("import std", &expr, "<package hello-2.10>");
}

#[test]
fn the_address_is_no_part_of_the_identity() {
    let ids: Vec<_> = ["https://a.org/x.tar.gz", "https://b.org/mirror/x.tar.gz"]
        .iter()
        .map(|url| derivation("import std", &tarball(&format!("urls = [\"{url}\"]"))).0.drv)
        .collect();
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn name_and_version_make_the_label() {
    let expr =
        tarball("urls = [\"https://a.org/x.zip\"], name = \"redis\", version = \"7.0\", strip = 0");
    check_items("import std", &expr, "<package redis-7.0>");
    check_items(
        "import std",
        &format!("[({expr}).name, ({expr}).version]"),
        "[\"redis\", \"7.0\"]",
    );
}

#[test]
fn a_file_is_fetched_as_it_is() {
    let expr = format!("std.fetch.url(\"https://a.org/tool.gz\", {HASH})");
    let (_, found, _) = derivation("import std", &expr);
    assert_eq!(found.name.as_str(), "tool.gz");
    let Action::Fetch(fetch) = &found.action else { panic!("not a fetch") };
    assert_eq!(fetch.kind, FetchKind::File { executable: false });
}

#[test]
fn bad_downloads_are_refused() {
    for (fields, code) in [
        ("urls = []", "E0410"),
        ("urls = [\"no scheme\"]", "E0410"),
        ("urls = [\"ftp://example.org/a\"]", "E0410"),
        ("urls = [\"https://a.org/\"]", "E0409"),
        ("urls = [\"https://a.org/x\"], name = \"a b\"", "E0409"),
        ("urls = [\"https://a.org/x\"], strip = -1", "E0410"),
    ] {
        let error = fault("import std", &tarball(fields));
        assert!(error.starts_with(code), "{fields}: {error}");
    }
}

const STEP: &str = r##"import std
let dep = std.tree.text_file("dep", sh"x")
let step = std.build.derivation {
  name = "app", version = "1", root = dep, program = sh"/bin/sh",
  args = [sh"-c", sh"cat #{dep} #{./src/file.c} > $out"],
  env = { CFLAGS = sh"-I#{dep}/include", WORD = sh"#{"a b"}" },
  files = { build = sh"make" }, inputs = [dep],
}
"##;

#[test]
fn a_step_carries_its_references() {
    let (target, found, graph) = derivation(STEP, "step");
    assert_eq!(found.name.as_str(), "app-1");
    assert_eq!(found.system.as_str(), "x86_64-linux");
    let Action::Exec(exec) = &found.action else { panic!("not a program") };
    let text = |t: &cbuild_drv::Template<Input>| {
        t.render(
            |input| match input {
                Input::Object(path) => format!("<{}>", path.name()),
                Input::Output { drv, .. } => format!("<{}>", graph.get(drv).unwrap().name),
            },
            ToString::to_string,
        )
    };
    assert_eq!(text(&exec.program), "/bin/sh");
    let args: Vec<String> = exec.args.iter().map(&text).collect();
    assert_eq!(args, ["-c", "cat <dep> <file.c> > $out"]);
    assert_eq!(text(&exec.env["CFLAGS"]), "-I<dep>/include");
    assert_eq!(text(&exec.env["WORD"]), "'a b'");
    assert_eq!(text(&exec.files["build"]), "make");
    assert_eq!(exec.inputs.len(), 1);
    assert!(exec.root.is_some());
    assert_eq!(found.references().len(), 2);
    assert_eq!(graph.len(), 2);
    insta::assert_snapshot!(target.drv);
}

const OUTPUTS: &str = r##"import std
let tool = std.tree.text_file("tool", sh"x")
let app = std.build.derivation {
  name = "app", program = sh"/bin/sh", outputs = ["bin", "dev", "out"], forbidden = [tool],
  limits = { wall = 60, memory = 4096 },
}
let dev = std.build.output(app, "dev")
let user = std.build.derivation { name = "user", program = sh"/bin/sh", inputs = [app, dev] }
"##;

#[test]
fn a_step_has_the_outputs_that_it_names() {
    let (target, found, graph) = derivation(OUTPUTS, "app");
    assert_eq!(target.output.as_str(), "bin", "the first is the package itself");
    let names: Vec<&str> = found.outputs.iter().map(|output| output.as_str()).collect();
    assert_eq!(names, ["bin", "dev", "out"]);
    let Action::Exec(exec) = &found.action else { panic!("not a program") };
    assert_eq!(exec.forbidden.len(), 1);
    assert_eq!((exec.limits.wall, exec.limits.memory), (Some(60), Some(4096)));
    assert_eq!((exec.limits.silence, exec.limits.disk, exec.limits.processes), (None, None, None));
    let (other, same, _) = derivation(OUTPUTS, "dev");
    assert_eq!((other.output.as_str(), same.id()), ("dev", found.id()));
    let (_, user, _) = derivation(OUTPUTS, "user");
    let wanted = user.references().into_iter().map(|input| match input {
        Input::Output { drv, output } => (graph.get(&drv).is_some(), output.to_string()),
        Input::Object(path) => panic!("{path}"),
    });
    assert_eq!(wanted.collect::<Vec<_>>(), [(true, "bin".to_owned()), (true, "dev".to_owned())]);
}

#[test]
fn limits_are_no_part_of_the_identity_and_forbidden_references_are() {
    let id = |rest: &str| {
        let source = format!(
            "import std\nlet tool = std.tree.text_file(\"tool\", sh\"x\")\n\
             let app = std.build.derivation {{ name = \"a\", program = sh\"x\"{rest} }}\n"
        );
        derivation(&source, "app").0.drv
    };
    assert_eq!(
        id(""),
        id(", limits = { wall = 1, silence = 2, disk = 3, processes = 4, cpu = 5 }")
    );
    assert_ne!(id(""), id(", forbidden = [tool]"));
    assert_eq!(id(""), id(", forbidden = [], outputs = [\"out\"]"));
}

#[test]
fn bad_outputs_and_limits_are_refused() {
    for (fields, what) in [
        ("outputs = []", "the step has no output"),
        ("outputs = [\"a\", \"a\"]", "there twice"),
        ("outputs = [\"a-b\"]", "environment variable"),
        ("outputs = [\"\"]", "environment variable"),
        ("outputs = [\"PATH\"]", "`PATH` cannot be the name of an output"),
        ("outputs = [\"out\", \"HOME\"]", "`HOME` cannot be the name of an output"),
        ("outputs = [\"LD_PRELOAD\"]", "`LD_PRELOAD` cannot be the name of an output"),
        ("outputs = [\"GCONV_PATH\"]", "`GCONV_PATH` cannot be the name of an output"),
        ("outputs = [\"GLIBC_TUNABLES\"]", "`GLIBC_TUNABLES` cannot be the name of an output"),
        ("outputs = [\"LANGUAGE\"]", "`LANGUAGE` cannot be the name of an output"),
        ("outputs = [\"PYTHONPATH\"]", "`PYTHONPATH` cannot be the name of an output"),
        ("outputs = [\"PERL5LIB\"]", "`PERL5LIB` cannot be the name of an output"),
        ("outputs = [\"CBUILD_CORES\"]", "`CBUILD_CORES` cannot be the name of an output"),
        ("outputs = [\"dev\"], env = { dev = sh\"x\" }", "`dev` is both an output and a variable"),
        ("env = { out = sh\"x\" }", "`out` is both an output and a variable"),
        ("args = [sh\"-c\", std.script.raw(\"a\\u{0}b\")]", "argument 2 of `args` holds a NUL"),
        ("args = [sh\"#{\"a\\u{0}b\"}\"]", "argument 1 of `args` holds a NUL"),
        ("env = { A = std.script.raw(\"\\u{0}\") }", "the variable `A` holds a NUL"),
        ("files = { \"a\\u{0}b\" = sh\"x\" }", "`a\\0b` cannot be the path of a file"),
        (
            "files = { a = sh\"x\", \"a-b\" = sh\"x\", \"a/b/c\" = sh\"x\" }",
            "`a` is a file in `files`, and `a/b/c` would be a file in it",
        ),
        ("limits = { wall = 0 }", "the limit `wall` is 0"),
        ("limits = { disk = -1 }", "the limit `disk` is -1"),
    ] {
        let step = format!("std.build.derivation {{ name = \"a\", program = sh\"x\", {fields} }}");
        let error = fault("import std", &step);
        assert!(error.starts_with("E0410") && error.contains(what), "{fields}: {error}");
    }
    let output =
        "std.build.output(std.build.derivation { name = \"a\", program = sh\"x\" }, \"dev\")";
    let error = fault("import std", output);
    assert!(error.starts_with("E0410") && error.contains("`a` has no output `dev`"), "{error}");
    assert!(error.contains("it has `out`"), "{error}");
}

#[test]
fn bad_steps_are_refused() {
    for (fields, code) in [
        ("name = \"a\", program = sh\"\"", "E0410"),
        ("name = \"\", program = sh\"x\"", "E0409"),
        ("name = \"a\", program = std.script.raw(\"/x\\u{0}\")", "E0410"),
        ("name = \"a\", program = sh\"x\", system = \"a b\"", "E0409"),
        ("name = \"a\", program = sh\"x\", system = \"x86_64\"", "E0409"),
        ("name = \"a\", program = sh\"x\", system = \"any\"", "E0409"),
        (
            "name = \"a\", program = sh\"x\", env = { A = sh\"\" }, files = { x = sh\"\" }, version = \"/\"",
            "E0409",
        ),
    ] {
        let error = fault("import std", &format!("std.build.derivation {{ {fields} }}"));
        assert!(error.starts_with(code), "{fields}: {error}");
    }
    let files = "std.build.derivation { name = \"a\", program = sh\"x\", \
                 files = std.map.from_list([{ key = \"../x\", value = sh\"\" }]) }";
    assert!(fault("import std", files).starts_with("E0410"));
    let env = "std.build.derivation { name = \"a\", program = sh\"x\", \
               env = std.map.from_list([{ key = \"A-B\", value = sh\"\" }]) }";
    assert!(fault("import std", env).starts_with("E0410"));
}

#[test]
fn links_lead_somewhere() {
    let links = |target: &str| {
        fault(
            "import std",
            &format!("std.tree.assemble {{ name = \"a\", links = {{ l = {target} }} }}"),
        )
    };
    insta::assert_snapshot!(links("sh\"\""));
    for target in ["std.script.raw(\"\")", "std.script.raw(\"a\\u{0}\")"] {
        assert!(links(target).starts_with("E0410"), "{target}");
    }
    assert!(links("std.script.raw(std.text.repeat(\"a\", 4096))").contains("4096 bytes"));
}

#[test]
fn a_composition_has_layers_links_and_files() {
    let expr = r##"std.tree.assemble {
      name = "root", version = "2",
      layers = [{ tree = dep, into = "etc" }], exclude = ["**/*.a"],
      links = { bin = sh"usr/bin" }, files = { motd = sh"hi #{dep}" },
      programs = { run = sh"exec" }, directories = ["tmp"],
    }"##;
    let (target, found, _) = derivation(STEP, expr);
    let Action::Assemble(tree) = &found.action else { panic!("not a composition") };
    assert_eq!(tree.layers[0].into, "etc");
    assert_eq!(tree.exclude, ["**/*.a"]);
    assert!(tree.files["run"].executable && !tree.files["motd"].executable);
    assert!(tree.directories.contains("tmp"));
    assert_eq!(tree.links["bin"].segments().len(), 1);
    insta::assert_snapshot!(target.drv);
}

#[test]
fn nothing_is_described_that_is_not_needed() {
    let (_, _, graph) = derivation(STEP, "dep");
    assert_eq!(graph.len(), 1);
}

#[test]
fn module_files_are_taken_once() {
    let (_, found, graph) = derivation("import std", "std.fetch.local(./src, \"source\")");
    assert_eq!(found.name.as_str(), "source");
    assert_eq!(graph.len(), 1);
    assert_eq!(found.references().len(), 1);
}

#[test]
fn reading_less_of_the_library_gives_the_same_derivations() {
    let step = "std.build.derivation { name = \"a\", program = sh\"#{std.zlib}/x\" }";
    for expr in ["std.hello", "std.redis", "std.c_toolchain", "std.zlib_source", step] {
        let (part, _, some) = derivation("import std", expr);
        let (whole, _, all) = derivation("pub import std", expr);
        assert_eq!(part.drv, whole.drv, "{expr}");
        assert!(some.iter().eq(all.iter()), "{expr}");
    }
}

#[test]
fn every_package_of_the_library_can_be_described() {
    // What hands the library on needs all of it.
    let (found, sources) = checked("pub import std", "std.hello");
    let program = &found.checked.program;
    let mut world = TestWorld::default();
    let mut evaluator = cbuild_eval::Evaluator::new(program, &mut world, Limits::default());
    let mut packages = 0;
    for module in &program.modules {
        for export in module.exports.values() {
            let Export::Value { global, ty } = export else { continue };
            let value =
                evaluator.global(*global).unwrap_or_else(|d| panic!("{}", describe(&d, &sources)));
            if ty == "Package" {
                let target = evaluator.buildable(&value).unwrap();
                assert!(evaluator.graph().get(&target.drv).is_some());
                packages += 1;
            }
        }
    }
    assert!(packages > 5, "{packages}");
    for (_, derivation) in evaluator.graph().iter() {
        for input in derivation.references() {
            let Input::Output { drv, .. } = input else { continue };
            assert!(evaluator.graph().get(&drv).is_some(), "{} is not closed", derivation.name);
        }
    }
}
