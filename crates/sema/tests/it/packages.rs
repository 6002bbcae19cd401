//! Imports of packages from outside, which the loader resolves.

use std::collections::BTreeMap;

use cbuild_diag::Sources;
use cbuild_sema::{Checked, LoadError, Loader, ModuleKey, Package, check};

use crate::files::{SMALL_STD, codes, render, repository};

/// The root knows package 0 as `ext.tls`; package 0 knows package 1 as `ext.zlib`; 1 knows nothing.
struct Packages(BTreeMap<ModuleKey, &'static str>);

impl Loader for Packages {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        if key.package == Package::Std {
            let file = repository().join(SMALL_STD).join(&key.path);
            return std::fs::read_to_string(file).map_err(|_| LoadError::NotFound);
        }
        self.0.get(key).map(|text| (*text).to_owned()).ok_or(LoadError::NotFound)
    }

    fn shown_name(&self, key: &ModuleKey) -> String {
        match key.package {
            Package::External(0) => format!("tls@1.0.0/{}", key.path),
            Package::External(_) => format!("zlib@1.3.0/{}", key.path),
            _ => key.to_string(),
        }
    }

    fn resolve(&self, from: Package, name: &str) -> Option<ModuleKey> {
        let package = match (from, name) {
            (Package::Root, "ext.tls") => 0,
            (Package::External(0), "ext.zlib") => 1,
            _ => return None,
        };
        Some(external(package, "main.cbuild"))
    }

    fn importable(&self, from: Package) -> Vec<String> {
        match from {
            Package::Root => vec!["ext.tls".to_owned()],
            Package::External(0) => vec!["ext.zlib".to_owned()],
            _ => Vec::new(),
        }
    }
}

fn external(package: u32, path: &str) -> ModuleKey {
    ModuleKey { package: Package::External(package), path: path.to_owned() }
}

const TLS: &str = "import ext.zlib\nimport ./inner.cbuild\npub let level: Int = zlib.level + inner.one\nlet key = 1\n";

fn check_main(main: &'static str) -> (Sources, Checked) {
    let mut sources = Sources::default();
    let mut loader = Packages(BTreeMap::from([
        (ModuleKey::root("main.cbuild"), main),
        (external(0, "main.cbuild"), TLS),
        (external(0, "inner.cbuild"), "pub let one: Int = 1\n"),
        (external(1, "main.cbuild"), "pub let level: Int = 9\n"),
    ]));
    let checked = check(&mut sources, &mut loader, &ModuleKey::root("main.cbuild"));
    (sources, checked)
}

#[track_caller]
fn refused(main: &'static str, code: &str, message: &str) {
    let (sources, checked) = check_main(main);
    assert_eq!(codes(&checked), [code]);
    let shown = render(&sources, &checked.diagnostics);
    assert!(shown.contains(message), "{shown}");
}

#[test]
fn a_package_sees_its_own_requirements_and_files() {
    let (sources, checked) = check_main("import ext.tls\npub let x: Int = tls.level\n");
    assert!(checked.diagnostics.is_empty(), "{}", render(&sources, &checked.diagnostics));
    let packages: Vec<Package> = checked.keys.values().map(|key| key.package).collect();
    assert_eq!(packages.iter().filter(|p| **p == Package::External(0)).count(), 2);
    assert!(packages.contains(&Package::External(1)));
}

#[test]
fn private_names_of_a_package_stay_private() {
    refused("import ext.tls as t\npub let x: Int = t.key\n", "E0208", "tls@1.0.0/main.cbuild");
}

#[test]
fn requirements_of_a_requirement_are_not_seen() {
    refused("import ext.zlib\n", "E0204", "`cbuild mod add`");
    refused("import ext.tsl\n", "E0204", "did you mean `ext.tls`?");
    refused("import ext.tls.inner\n", "E0204", "as `tls.inner`");
    refused("import tls\n", "E0204", "this package can import std, ext.tls");
}

#[test]
fn externs_stay_with_the_standard_library() {
    let mut sources = Sources::default();
    let text = "extern fn leak() -> Str\n";
    let mut loader = Packages(BTreeMap::from([
        (ModuleKey::root("main.cbuild"), "import ext.tls\nlet x = 1\n"),
        (external(0, "main.cbuild"), text),
    ]));
    let checked = check(&mut sources, &mut loader, &ModuleKey::root("main.cbuild"));
    assert_eq!(codes(&checked), ["E0212"]);
}
