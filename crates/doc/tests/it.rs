//! Documentation of real modules: the standard library and made-up ones.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use cbuild_doc::{Library, json, pages};
use cbuild_sema::{LoadError, Loader, ModuleKey, Package};
use insta::assert_snapshot;

/// Root modules from memory, the standard library from its folder.
struct Files(BTreeMap<String, String>);

impl Loader for Files {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match key.package {
            Package::Std => {
                let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../stdlib");
                #[expect(clippy::disallowed_methods, reason = "tests read the real library")]
                std::fs::read_to_string(path.join(&key.path)).map_err(|_| LoadError::NotFound)
            }
            _ => self.0.get(&key.path).cloned().ok_or(LoadError::NotFound),
        }
    }
}

fn library(modules: &[(&str, &str)]) -> Library {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    let mut files = Files(modules.iter().map(owned).collect());
    let keys: Vec<ModuleKey> = modules.iter().map(|(path, _)| ModuleKey::root(*path)).collect();
    Library::load("example", &mut files, &keys).unwrap()
}

/// The part of a page that is about its module.
fn main_part(page: &str) -> &str {
    let from = page.find("<main id=\"main\">").unwrap();
    &page[from..page.find("</main>").unwrap()]
}

const SHAPES: &str = r#"//! Shapes and their [`area`].
//!
//! # Heading
//!
//! Uses [`std.list.map`], [`lib.Unit`], `Shape`, [nothing] and <b>raw</b> <script>alert(1)</script>.
//! [bad](javascript:alert(1)) [good](https://example.org/?a=1&b=2) ![image](https://example.org/x.png)

import std
import ./lib.cbuild as lib

/// A shape.
///
/// ```cbuild test
/// area(Circle(1)) == 3
/// ```
pub type Shape =
  /// Round.
  | Circle(Int)
  | Square(lib.Unit)
  | Nothing

/// A record with everything.
pub type Spec<a> = { name: Str, size?: Int, shape: Shape = Nothing, tags: Map<List<a>> = {}, next: Option<Shape>, run: (Int, Shape) -> Package }

pub protocol Draw = "org.example.draw"

/// The unit, at port 80.
pub let unit: lib.Unit = lib.one

/// The area, roughly.
///
/// | shape | factor |
/// |---|---|
/// | circle | 3 |
pub fn area(shape: Shape) -> Int = match shape { Circle(r) => 3 * r * r, Square(_) => 1, Nothing => 0 }

/// Long, with `<` and "quotes".
pub fn draw<a>(shapes: List<Shape>, endpoint: Endpoint<Draw>, text: Str = "<&>", make: (a) -> Shape, hidden: Secret) -> Script = sh""

type Secret = | Secret
let private = 1
test "not shown" { true }
"#;

const LIB: &str =
    "//! The lib.\n\npub type Unit = { length: Int }\npub let one: Unit = { length = 1 }\n";

#[test]
fn a_page_has_signatures_links_and_safe_text() {
    let files = pages(&library(&[("main.cbuild", SHAPES), ("lib.cbuild", LIB)]));
    assert_snapshot!(main_part(&files["module/main.html"]));
}

#[test]
fn data_for_programs() {
    let library = library(&[("main.cbuild", SHAPES), ("lib.cbuild", LIB)]);
    let mut document = json(&library);
    document["modules"]
        .as_array_mut()
        .unwrap()
        .retain(|m| m["page"].as_str().unwrap().starts_with("module/"));
    assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

/// What an attribute is set to, all over a text.
fn values<'t>(page: &'t str, attribute: &str) -> Vec<&'t str> {
    let start = format!("{attribute}=\"");
    page.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

fn resolved(page: &str, href: &str) -> (String, String) {
    let (path, anchor) = href.split_once('#').unwrap_or((href, ""));
    if path.is_empty() {
        return (page.to_owned(), anchor.to_owned());
    }
    let mut folder: Vec<&str> = page.split('/').collect();
    folder.pop();
    for part in path.split('/') {
        match part {
            ".." => drop(folder.pop().unwrap()),
            part => folder.push(part),
        }
    }
    (folder.join("/"), anchor.to_owned())
}

#[test]
fn every_link_leads_somewhere_and_nothing_comes_from_outside() {
    let files =
        pages(&library(&[("main.cbuild", SHAPES), ("lib.cbuild", LIB), ("a/b.cbuild", LIB)]));
    let (mut inside, mut outside) = (0, BTreeSet::new());
    for (path, page) in files.iter().filter(|(path, _)| path.ends_with(".html")) {
        for address in values(page, "src") {
            assert!(files.contains_key(&resolved(path, address).0), "{path}: {address}");
        }
        for href in values(page, "href") {
            if href.starts_with("https://") {
                outside.insert(href);
                continue;
            }
            if href == "data:," {
                continue;
            }
            let (target, anchor) = resolved(path, href);
            let found = files.get(&target).unwrap_or_else(|| panic!("{path}: {href}"));
            let there = anchor.is_empty() || found.contains(&format!("id=\"{anchor}\""));
            assert!(there, "{path}: {href} has no such place");
            inside += 1;
        }
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{path}");
    }
    assert!(inside > 500, "{inside}");
    assert_eq!(outside.len(), 2, "{outside:?}");
}

#[test]
fn the_same_modules_give_the_same_bytes() {
    let build = || pages(&library(&[("main.cbuild", SHAPES), ("lib.cbuild", LIB)]));
    assert_eq!(build(), build());
}

#[test]
fn the_index_holds_names_with_places() {
    let files = pages(&library(&[("main.cbuild", SHAPES), ("lib.cbuild", LIB)]));
    let text = &files["index.js"];
    let rows =
        text.strip_prefix("window.cbuildIndex = ").unwrap().trim_end().strip_suffix(';').unwrap();
    let rows: Vec<[String; 5]> = serde_json::from_str(rows).unwrap();
    let find = |name: &str, module: &str| {
        rows.iter()
            .find(|row| row[0] == name && row[2] == module)
            .unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(find("map", "std.list")[3], "std/list.html#map");
    assert_eq!(find("Circle", "main")[3], "module/main.html#Shape");
    assert_eq!(find("Int", "std.prelude")[3], "std/prelude.html#Int");
    assert_eq!(find("area", "main")[4], "The area, roughly.");
    assert!(!rows.iter().any(|row| row[0] == "private" || row[0] == "Secret"));
}

#[test]
fn every_public_item_of_the_library_is_documented() {
    let document = json(&library(&[]));
    let mut missing = Vec::new();
    let (mut items, mut examples) = (0, 0);
    for module in document["modules"].as_array().unwrap() {
        if module["doc"] == "" {
            missing.push(module["name"].to_string());
        }
        for item in module["items"].as_array().unwrap() {
            items += 1;
            if item["doc"] == "" {
                missing.push(format!("{}.{}", module["name"], item["name"]));
            }
        }
        examples += module["examples"].as_array().unwrap().len();
    }
    assert!(missing.is_empty(), "write `///` for {missing:?}");
    assert!(items > 130 && examples > 90, "{items} items, {examples} examples");
}

#[test]
fn a_missing_module_is_named() {
    let mut files = Files(BTreeMap::new());
    let key = ModuleKey::root("main.cbuild");
    let (missing, error) = Library::load("x", &mut files, std::slice::from_ref(&key)).unwrap_err();
    assert_eq!((missing, error), (key, LoadError::NotFound));
}
