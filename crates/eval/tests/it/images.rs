//! Images and their contracts.

use cbuild_drv::image::ImageDocument;
use cbuild_drv::{Action, Derivation, Input};

use crate::support::{check_items, derivation, fault};

const ITEMS: &str = r##"import std
protocol Redis = "io.redis"
protocol Http = "org.ietf.http"
let app = std.tree.text_file("app", sh"x")
"##;

/// The document with its references replaced by fixed texts.
fn document(found: &Derivation<Input>) -> ImageDocument {
    let Action::Assemble(tree) = &found.action else { panic!("not a composition") };
    assert_eq!(tree.files.len(), 1);
    let json = tree.files[""].text.render(|_| "/REF".to_owned(), ToString::to_string);
    ImageDocument::parse(json.as_bytes()).unwrap()
}

const FULL: &str = r##"std.oci.image {
  name = "org/app", tag = "1.2",
  cmd = [sh"#{app}/bin/app", std.script.raw("say \"a b\""), sh"#{app}:#{app}"],
  vars = { GREETING = "\"hello\"\n" }, contents = [app], workdir = "/srv",
  listens = { web = std.oci.tcp(Http, 8080), dns = std.oci.udp(Http, 53) },
  connects = { cache = std.oci.needs(Redis) },
  env = { level = std.oci.variable("LOG_LEVEL") },
  volumes = { data = "/var/lib/app" },
}"##;

#[test]
fn an_image_is_a_document_with_references() {
    let (target, found, graph) = derivation(ITEMS, FULL);
    assert!(target.image);
    assert_eq!(graph.len(), 2);
    assert_eq!(found.references().len(), 1);
    insta::assert_snapshot!(document(&found).to_json().unwrap());
    insta::assert_snapshot!(target.drv);
    check_items(ITEMS, FULL, "<image org/app:1.2>");
}

#[test]
fn the_smallest_image() {
    let (_, found, _) =
        derivation(ITEMS, "std.oci.image { name = \"a\", cmd = [sh\"/bin/true\"] }");
    let document = document(&found);
    assert_eq!(document.user, "65532:65532");
    assert_eq!(document.cmd, ["/bin/true"]);
    assert!(document.contract.listens.is_empty());
}

#[track_caller]
fn refused(fields: &str, code: &str) -> String {
    let expr = format!("std.oci.image {{ name = \"a\", cmd = [sh\"/x\"], {fields} }}");
    let error = fault(ITEMS, &expr);
    assert!(error.starts_with(code), "{fields}: {error}");
    error
}

#[test]
fn contradicting_contracts_are_refused() {
    insta::assert_snapshot!(refused("listens = { web = std.oci.needs(Http) }", "E0411"));
    insta::assert_snapshot!(refused("connects = { web = std.oci.tcp(Http, 80) }", "E0411"));
    refused("listens = { web = 5 }", "E0411");
    refused("env = { level = \"x\" }", "E0411");
    let same = "listens = { a = std.oci.tcp(Http, 80), b = std.oci.tcp(Redis, 80) }";
    insta::assert_snapshot!(refused(same, "E0411"));
}

#[test]
fn bad_values_are_refused() {
    refused("user = \"root\"", "E0410");
    refused("user = \"4294967295:0\"", "E0410");
    refused("workdir = \"/a,b\"", "E0410");
    refused("vars = { A = \"a\\u{0}b\" }", "E0410");
    insta::assert_snapshot!(refused("system = \"amd64-linux\"", "E0409"));
    refused("workdir = \"srv\"", "E0410");
    for taken in ["/proc/1/x", "/dev", "/sys", "/a:ro", "/a\\u{1b}b"] {
        refused(&format!("workdir = \"{taken}\""), "E0410");
        refused(&format!("volumes = {{ data = \"{taken}\" }}"), "E0410");
    }
    insta::assert_snapshot!(refused("workdir = \"/proc/1/x\"", "E0410"));
    insta::assert_snapshot!(refused("volumes = { \"\" = \"/data\" }", "E0410"));
    refused("volumes = { data = \"/a/../b\" }", "E0410");
    refused("tag = \"a b\"", "E0409");
    let broken = refused("tag = \"a\\nb\\u{1b}\"", "E0409");
    assert!(broken.contains("`a\\nb\\u{1b}`"), "{broken}");
    refused("listens = { web = std.oci.tcp(Http, 0) }", "E0410");
    refused("listens = { web = std.oci.tcp(Http, 65536) }", "E0410");
    assert!(fault(ITEMS, "std.oci.image { name = \"a\", cmd = [] }").starts_with("E0410"));
    let relative = fault(ITEMS, "std.oci.image { name = \"a\", cmd = [sh\"app\"] }");
    assert!(
        relative.starts_with("E0410") && relative.contains("`app`, is no absolute path"),
        "{relative}"
    );
    assert!(fault(ITEMS, "std.oci.image { name = \"A\", cmd = [sh\"/x\"] }").starts_with("E0409"));
    assert!(fault(ITEMS, "std.oci.variable(\"A-B\")").starts_with("E0410"));
}

#[test]
fn volumes_have_places_of_their_own() {
    for taken in ["/", "/proc", "/proc/sys", "/sys/fs", "/dev/shm", "/cbuild", "/cbuild/store"] {
        refused(&format!("volumes = {{ data = \"{taken}\" }}"), "E0410");
    }
    insta::assert_snapshot!(refused("volumes = { data = \"/proc\" }", "E0410"));
    insta::assert_snapshot!(refused("volumes = { a = \"/data\", b = \"/data\" }", "E0410"));
    for other in ["/data/", "//data", "/./data", "/x/../data", "data"] {
        refused(&format!("volumes = {{ a = \"/data\", b = \"{other}\" }}"), "E0410");
    }
}

#[test]
fn a_variable_is_said_once() {
    let fields = "vars = { LEVEL = \"1\" }, env = { level = std.oci.variable(\"LEVEL\") }";
    insta::assert_snapshot!(refused(fields, "E0411"));
    let fields = "env = { a = std.oci.variable(\"LEVEL\"), b = std.oci.variable(\"LEVEL\") }";
    refused(fields, "E0411");
}

#[test]
fn names_follow_the_distribution_specification() {
    for name in ["a..b", "a___b", "-a", "a/", "Org/app", "a:80"] {
        let expr = format!("std.oci.image {{ name = \"{name}\", cmd = [sh\"/x\"] }}");
        assert!(fault(ITEMS, &expr).starts_with("E0409"), "{name}");
    }
    let expr = "std.oci.image { name = \"localhost:5000/a-_b\", cmd = [sh\"/x\"] }";
    insta::assert_snapshot!(fault(ITEMS, expr));
    let expr = "std.oci.image { name = \"localhost:5000/a--b/c\", cmd = [sh\"/x\"] }";
    check_items(ITEMS, expr, "<image localhost:5000/a--b/c:latest>");
    let longest = "x".repeat(255);
    let expr = format!("std.oci.image {{ name = \"{longest}\", cmd = [sh\"/x\"] }}");
    check_items(ITEMS, &expr, &format!("<image {longest}:latest>"));
}

#[test]
fn a_program_of_another_system_is_refused() {
    let step = "std.build.derivation { name = \"app\", version = \"1\", program = sh\"/bin/sh\" }";
    let image = |program: &str| {
        format!(
            "std.oci.image {{ name = \"a\", system = \"aarch64-linux\", cmd = [sh\"#{{{program}}}/bin/app\"] }}"
        )
    };
    insta::assert_snapshot!(fault(ITEMS, &image(step)));
    // What was made for another system than that of its step is given through a composition.
    let made = format!("std.tree.assemble {{ name = \"app\", layers = [{{ tree = {step} }}] }}");
    check_items(ITEMS, &image(&made), "<image a:latest>");
}
