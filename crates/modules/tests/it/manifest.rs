//! `cbuild.mod`: what is accepted, and each message for what is not.

use cbuild_diag::{RenderOptions, Sources, render};
use cbuild_modules::{Manifest, codes};
use proptest::prelude::*;

fn parse(text: &str) -> (Option<Manifest>, String, Vec<&'static str>) {
    let mut sources = Sources::default();
    let source = sources.add("cbuild.mod", text);
    let (manifest, problems) = Manifest::parse(source, text);
    let shown: String =
        problems.iter().map(|p| render(&sources, p, RenderOptions::plain())).collect();
    (manifest, shown, problems.iter().map(|p| p.code).collect())
}

#[test]
fn everything_that_can_be_said() {
    let text = r#"
module = "example.org/redis-kit/v2"
cbuild = "0.1"

[require]
"example.org/tls/v1" = { version = "1.4.0", source = "git+https://example.org/tls#v1.4.0", as = "ssl" }
"example.org/z-lib/v0" = { version = "0.3.1", source = "https://example.org/z-lib-0.3.1.tar.gz" }

["require"."example.org/oci/v3"]
version = "3.0.0"
source = "oci://example.org/modules/oci"

[override]
"example.org/tls/v1" = "../tls"
"#;
    let (manifest, shown, _) = parse(text);
    let manifest = manifest.unwrap_or_else(|| panic!("{shown}"));
    let names: Vec<&str> = manifest.require.values().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["oci", "ssl", "z_lib"]);
    let sources: Vec<String> = manifest.require.values().map(|r| r.source.to_string()).collect();
    assert_eq!(sources[0], "oci://example.org/modules/oci:3.0.0");
    assert_eq!(manifest.overrides.values().next().unwrap().folder, "../tls");
    assert_eq!(manifest.module.major(), 2);
}

/// Each wrong file, with the codes that it gives; what is printed is in the snapshots.
macro_rules! refused {
    ($($name:ident $codes:expr, $text:expr;)*) => {$(
        #[test]
        fn $name() {
            let text = $text;
            let (manifest, shown, found) = parse(text);
            assert_eq!((manifest, found), (None, $codes.to_vec()), "{shown}");
            insta::assert_snapshot!(stringify!($name), format!("{text}\n----\n{shown}"));
        }
    )*};
}

refused! {
    not_toml [codes::SYNTAX], "module = \"a/b/v1\"\nrequire = [\n";
    a_key_twice [codes::SYNTAX], "module = \"a/b/v1\"\nmodule = \"a/c/v1\"\n";
    no_name [codes::SHAPE], "# nothing\n[require]\n";
    an_unknown_key [codes::SHAPE], "module = \"a/b/v1\"\nrequires = {}\n";
    no_major_version [codes::MODULE_PATH], "module = \"example.org/tls\"\n";
    a_bad_requirement_path [codes::MODULE_PATH], "module = \"a/b/v1\"\n[require]\n\"Tls\" = { version = \"1.0.0\", source = \"oci://e.org/a\" }\n";
    another_major_version [codes::VERSION], "module = \"a/b/v1\"\n[require]\n\"a/tls/v1\" = { version = \"2.0.0\", source = \"oci://e.org/a\" }\n";
    a_short_version [codes::VERSION], "module = \"a/b/v1\"\n[require]\n\"a/tls/v1\" = { version = \"1.2\", source = \"oci://e.org/a\" }\n";
    a_bad_source [codes::SOURCE], "module = \"a/b/v1\"\n[require]\n\"a/tls/v1\" = { version = \"1.0.0\", source = \"../tls\" }\n";
    a_missing_source [codes::SHAPE], "module = \"a/b/v1\"\n[require]\n\"a/tls/v1\" = { version = \"1.0.0\" }\n";
    a_version_alone [codes::SHAPE], "module = \"a/b/v1\"\n[require]\n\"a/tls/v1\" = \"1.0.0\"\n";
    a_bad_name [codes::IMPORT_NAME], "module = \"a/b/v1\"\n[require]\n\"a/tls/v1\" = { version = \"1.0.0\", source = \"oci://e.org/a\", as = \"Tls\" }\n";
    no_default_name [codes::IMPORT_NAME], "module = \"a/b/v1\"\n[require]\n\"a/7zip/v1\" = { version = \"1.0.0\", source = \"oci://e.org/a\" }\n";
    one_name_twice [codes::IMPORT_NAME], "module = \"a/b/v1\"\n[require]\n\"a/tls/v2\" = { version = \"2.0.0\", source = \"oci://e.org/a\" }\n\"a/tls/v1\" = { version = \"1.0.0\", source = \"oci://e.org/a\" }\n";
    a_newer_cbuild [codes::TOO_NEW], "module = \"a/b/v1\"\ncbuild = \"999.0\"\n";
    a_bad_override [codes::SHAPE], "module = \"a/b/v1\"\n[override]\n\"a/tls/v1\" = { path = \"../tls\" }\n";
    several_at_once [codes::VERSION, codes::SHAPE, codes::SOURCE], "module = \"a/b/v1\"\ncbuild = 1\n[require]\n\"a/tls/v1\" = { version = \"1.0.0\", sources = \"x\", source = \"x\" }\n";
}

proptest! {
    #[test]
    fn any_text_gives_an_answer(text in "(module = \"a/b/v1\"\n)?(\\[?(require|override)\\]?[\n .=])?[a-z\"/v1.={}\\[\\]\n# ü]{0,80}") {
        let (manifest, _, codes) = parse(&text);
        prop_assert_eq!(manifest.is_none(), !codes.is_empty());
    }
}
