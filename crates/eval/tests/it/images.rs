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
    refused("listens = { a = std.oci.tcp(Http, 80), b = std.oci.tcp(Redis, 80) }", "E0411");
}

#[test]
fn bad_values_are_refused() {
    refused("user = \"root\"", "E0410");
    refused("workdir = \"srv\"", "E0410");
    refused("volumes = { data = \"/a/../b\" }", "E0410");
    refused("tag = \"a b\"", "E0409");
    refused("listens = { web = std.oci.tcp(Http, 0) }", "E0410");
    refused("listens = { web = std.oci.tcp(Http, 65536) }", "E0410");
    assert!(fault(ITEMS, "std.oci.image { name = \"a\", cmd = [] }").starts_with("E0410"));
    assert!(fault(ITEMS, "std.oci.image { name = \"A\", cmd = [sh\"/x\"] }").starts_with("E0409"));
    assert!(fault(ITEMS, "std.oci.variable(\"A-B\")").starts_with("E0410"));
}
