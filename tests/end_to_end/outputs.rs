//! Outputs of every shape: each is taken into the store, or refused with a code.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{assert_clean, cbuild, module, repository, run, shared_root};

const BUSYBOX: &str = r#"
import std

pub let default: Package = std.fetch.tarball {
  name = "busybox",
  urls = ["mirror://debian/pool/main/b/busybox/busybox-static_1.35.0-4+deb12u1+b1_amd64.deb"],
  hash = sha256-3d3fdbe91d4660c873e14b092c213fe81c1da6362daa236eb25d0171eb108744,
  strip = 0,
}
"#;

/// The steps that are refused, with the code. All others succeed.
const REFUSED: &[(&str, &str)] = &[
    ("hashname", "E0611"),
    ("outfifo", "E0607"),
    ("sparse-big", "E0620"),
    // The script says so itself: it is alone.
    ("stop", "E0501"),
    ("stopself", "E0502"),
];

/// Makes the folder `bb` that the file of cases has as its root: a busybox with all its names.
fn lay_busybox(folder: &Path) {
    let fetched = module(BUSYBOX);
    let object = cbuild(&shared_root(), ["build", fetched.path().to_str().unwrap()]).ok().path();
    let bin = folder.join("bb/bin");
    std::fs::create_dir_all(&bin).unwrap();
    let busybox = bin.join("busybox");
    std::fs::copy(object.join("bin/busybox"), &busybox).unwrap();
    let names = run(Command::new(&busybox).arg("--list")).ok().stdout;
    for name in names.lines().filter(|name| *name != "busybox") {
        symlink("busybox", bin.join(name)).unwrap();
    }
}

/// The cases, with less of what is only there to be much.
fn cases() -> String {
    let file = repository().join("tests/cases/store/output-tricks.cbuild");
    let text = std::fs::read_to_string(file).unwrap();
    text.replace("-lt 20000", "-lt 500").replace("-lt 1000", "-lt 20").replace("20G", "2G")
}

#[test]
fn each_output_is_taken_or_refused_with_a_code() {
    let folder = module(&cases());
    lay_busybox(folder.path());
    let root = tempfile::tempdir().unwrap();
    let targets = cases();
    let targets = targets.lines().filter_map(|line| line.strip_prefix("pub let "));
    let targets: Vec<String> = targets
        .map(|rest| {
            let name = rest.split(':').next().unwrap_or_default();
            format!("{}:{name}", folder.path().display())
        })
        .collect();
    assert!(targets.len() > 25, "{targets:?}");
    let options = ["build", "--keep-going", "--json", "--max-silence", "10"];
    let done = cbuild(root.path(), options.iter().map(|text| (*text).to_owned()).chain(targets));
    assert_eq!(done.code, Some(1), "{}", done.stderr);

    let mut failed = BTreeMap::new();
    let (mut warnings, mut told) = (Vec::new(), Vec::new());
    for line in done.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("failed") => drop(failed.insert(text("name"), text("code"))),
            Some("warning") => warnings.push((text("name"), text("code"), text("file"))),
            Some("reading") => told.push(text("name")),
            _ => {}
        }
    }
    let expected: BTreeMap<String, String> =
        REFUSED.iter().map(|(name, code)| ((*name).to_owned(), (*code).to_owned())).collect();
    assert_eq!(failed, expected, "{}", done.stderr);
    let hidden = ("encself".to_owned(), "E0621".to_owned(), "self.gz".to_owned());
    assert_eq!(warnings, [hidden]);
    assert!(told.iter().all(|name| name == "sparse") && told.len() == 8, "{told:?}");
    // Its input names another object in a compressed file alone, so that this is in the sandbox.
    let objects = std::fs::read_dir(root.path().join("store")).unwrap();
    let mut objects = objects.map(|entry| entry.unwrap().path());
    let need = objects.find(|path| path.to_str().unwrap().ends_with("-need")).unwrap();
    assert_eq!(std::fs::read_to_string(need.join("c")).unwrap(), "dep\n");
    assert_clean(root.path());
}

/// A store that an older cbuild has left: one line tells what was done with it.
#[test]
fn a_store_of_the_first_format_is_brought_up() {
    let root = tempfile::tempdir().unwrap();
    let folder = module(&cases());
    lay_busybox(folder.path());
    let target = format!("{}:dotdot", folder.path().display());
    let before = cbuild(root.path(), ["build", &target]).ok().path();
    std::fs::write(root.path().join("version"), "cbuild-store 1\n").unwrap();
    let done = cbuild(root.path(), ["store", "ls", "--quiet"]).ok();
    let line = "warning: the store was brought to format 2: 1 object that holds its own path";
    assert!(done.stderr.starts_with(line), "{}", done.stderr);
    assert!(!before.exists());
    assert_clean(root.path());
    assert_eq!(cbuild(root.path(), ["build", &target]).ok().path(), before);
    assert!(before.join("root").is_symlink());
}
