//! Each kind of input of an evaluation is changed, and the change is seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Parser as _;

use super::*;
use crate::args::Cli;
use crate::commands::build::built_if;
use crate::evaluation::{built_before, evaluate};
use crate::stop::Stop;
use crate::target;

/// A package with everything that an evaluation can read.
const FILES: &[(&str, &str)] = &[
    (
        "main.cbuild",
        r##"import std
import ./lib.cbuild as lib
import ext.other
type Config = { word: Str }
let config: Config = decode<Config>(./config.json)
pub let default: Package =
  std.tree.text_file("all", sh"#{lib.word} #{config.word} #{other.word} #{./src} #{./link}")
"##,
    ),
    ("lib.cbuild", "pub let word: Str = \"one\"\n"),
    ("config.json", "{ \"word\": \"two\" }"),
    ("src/a.txt", "a"),
    ("src/inner/b.txt", "b"),
    (
        "cbuild.mod",
        r#"module = "example.org/app/v0"

[require]
"example.org/other/v1" = { version = "1.0.0", source = "git+file:///nowhere" }

[override]
"example.org/other/v1" = "../other"
"#,
    ),
    ("../other/cbuild.mod", "module = \"example.org/other/v1\"\n"),
    ("../other/main.cbuild", "pub let word: Str = \"three\"\n"),
    ("../another/cbuild.mod", "module = \"example.org/other/v1\"\n"),
    ("../another/main.cbuild", "pub let word: Str = \"four\"\n"),
];

/// A package, a store and a cache.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        FILES.iter().for_each(|(path, text)| place.write(path, text));
        std::os::unix::fs::symlink("src/a.txt", place.path("link")).unwrap();
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix("../") {
            Some(outer) => self.0.path().join(outer),
            None => self.0.path().join("app").join(path),
        }
    }

    /// Writes a file; its times are always the same ones, so that nothing can go by them.
    fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::File::open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(path)).unwrap();
        assert!(text.contains(from), "{path}");
        self.write(path, &text.replace(from, to));
    }

    fn session(&self, more: &[&str]) -> Session {
        let (root, cache) = (self.0.path().join("root"), self.0.path().join("cache"));
        let mut words = vec!["cbuild".into(), "--quiet".into(), "--offline".into()];
        words.extend(["--root".into(), root.into_os_string(), "--cache".into()]);
        words.push(cache.into_os_string());
        words.extend(more.iter().map(Into::into));
        words.extend(["store".into(), "info".into()]);
        Session::new(Cli::try_parse_from(words).unwrap().global, Stop::new(String::new(), false))
            .unwrap()
    }

    fn target(&self) -> String {
        self.path("main.cbuild").display().to_string()
    }

    /// What the cache says.
    fn recalled(&self) -> Option<String> {
        let session = self.session(&[]);
        let name = target::parse(&self.target()).ok()?;
        let recall = Recall::new(&session, Purpose::Build).unwrap();
        Some(recall.find(&LazyStore::new(&session), &name)?.drv)
    }

    /// What an evaluation gives, which is kept unless the options forbid it.
    fn evaluated(&self, more: &[&str]) -> Option<String> {
        let session = self.session(more);
        let store = session.store().unwrap();
        let evaluated = evaluate(&session, &store, &[self.target()]).ok()?;
        Some(evaluated.targets[0].target.drv.to_string())
    }

    #[expect(clippy::disallowed_methods, reason = "there is one entry, or none")]
    fn entries(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.0.path().join("cache")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// A change of what an evaluation reads.
type Change = (&'static str, fn(&Place));

/// Each kind of input in turn.
const CHANGES: &[Change] = &[
    ("the module", |place| place.replace("main.cbuild", "\"all\"", "\"rest\"")),
    ("an imported module", |place| place.replace("lib.cbuild", "one", "eins")),
    ("a decoded file", |place| place.replace("config.json", "two", "zwei")),
    ("a file of a source", |place| place.write("src/a.txt", "A")),
    ("a file deep in a source", |place| place.write("src/inner/b.txt", "B")),
    ("a new file in a source", |place| place.write("src/c.txt", "c")),
    ("a file that is gone", |place| fs::remove_file(place.path("src/c.txt")).unwrap()),
    ("an executable", |place| executable(&place.path("src/a.txt"))),
    ("where a link leads", |place| {
        fs::remove_file(place.path("link")).unwrap();
        std::os::unix::fs::symlink("src/inner/b.txt", place.path("link")).unwrap();
    }),
    ("a module from outside", |place| place.replace("../other/main.cbuild", "three", "drei")),
    ("which module from outside", |place| place.replace("cbuild.mod", "../other", "../another")),
];

fn executable(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_change_of_anything_that_was_read_is_noticed() {
    let place = Place::new();
    assert_eq!(place.recalled(), None);
    let mut before = place.evaluated(&[]).unwrap();
    for (what, change) in CHANGES {
        assert_eq!(place.recalled().as_ref(), Some(&before), "before {what} is changed");
        change(&place);
        assert_eq!(place.recalled(), None, "{what} was changed");
        let after = place.evaluated(&[]).unwrap();
        assert_ne!(after, before, "{what} counts");
        assert_eq!(Some(&after), place.evaluated(&["--no-cache"]).as_ref(), "{what}");
        before = after;
    }
    place.write("unread.txt", "nobody reads it");
    assert_eq!(place.recalled(), Some(before));
}

#[test]
fn what_is_wrong_or_missing_is_never_taken_from_the_cache() {
    let place = Place::new();
    place.evaluated(&[]).unwrap();
    for path in ["lib.cbuild", "config.json", "src/inner/b.txt", "cbuild.mod"] {
        let (file, away) = (place.path(path), place.path("away"));
        let text = fs::read_to_string(&file).unwrap();
        fs::rename(&file, &away).unwrap();
        assert_eq!(place.recalled(), None, "{path} is gone");
        fs::rename(&away, &file).unwrap();
        assert!(place.recalled().is_some(), "{path} is back");
        place.write(path, "@");
        assert_eq!(place.recalled(), None, "{path} is damaged");
        place.write(path, &text);
        assert!(place.recalled().is_some(), "{path} is whole");
    }
    // What failed is not kept: the file that it looked for may be there the next time.
    place.replace("main.cbuild", "./lib.cbuild", "./new.cbuild");
    assert_eq!(place.evaluated(&[]), None);
    assert_eq!(place.recalled(), None);
    place.write("new.cbuild", "pub let word: Str = \"one\"\n");
    assert!(place.evaluated(&[]).is_some() && place.recalled().is_some());
}

#[test]
fn damaged_and_foreign_entries_count_as_absent() {
    let place = Place::new();
    let drv = place.evaluated(&[]);
    let [entry] = place.entries().try_into().unwrap();
    let whole = fs::read(&entry).unwrap();
    for cut in [0, 20, whole.len() / 2, whole.len() - 1] {
        fs::write(&entry, &whole[..cut]).unwrap();
        assert_eq!(place.recalled(), None, "cut at {cut}");
    }
    let session = place.session(&[]);
    let name = target::parse(&place.target()).unwrap();
    let recall = Recall::new(&session, Purpose::Build).unwrap();
    for content in ["", "{}", "[]", "{\"places\":\"\"}", "\u{0}"] {
        recall.cache.put(TARGET, &recall.key(&name), content.as_bytes());
        assert_eq!(place.recalled(), None, "{content}");
    }
    fs::write(&entry, &whole).unwrap();
    assert_eq!(place.recalled(), drv);
}

#[test]
fn outcomes_that_name_no_derivation_are_refused() {
    let outcome = |drv: &str, output: &str| {
        let (drv, output) = (drv.to_owned(), output.to_owned());
        Outcome { drv, output, image: false, shown: None }.buildable("x").is_some()
    };
    let drv = DrvId(Digest::of(b"")).to_string();
    assert!(outcome(&drv, "out"));
    assert!(!outcome("x", "out") && !outcome(&drv, "") && !outcome(&drv, "a/b"));
}

#[test]
fn without_the_cache_nothing_is_read_or_kept() {
    let place = Place::new();
    assert!(Recall::new(&place.session(&["--no-cache"]), Purpose::Build).is_none());
    place.evaluated(&["--no-cache"]).unwrap();
    assert!(place.entries().is_empty());
}

#[test]
fn what_is_printed_and_what_is_built_are_known_apart() {
    let place = Place::new();
    place.evaluated(&[]).unwrap();
    let session = place.session(&[]);
    let name = target::parse(&place.target()).unwrap();
    for json in [false, true] {
        let recall = Recall::new(&session, Purpose::Print { json }).unwrap();
        assert_eq!(recall.find(&LazyStore::new(&session), &name), None);
    }
}

#[test]
fn a_recalled_build_needs_its_output_to_be_there() {
    let place = Place::new();
    let targets = [place.target()];
    let build = || {
        let session = place.session(&[]);
        let store = session.store().unwrap();
        let known = built_before(&session, &store, &targets).unwrap().is_some();
        let built = built_if(&session, &store, &targets, |_| Ok(())).unwrap();
        (known, store.physical(&built[0].1))
    };
    let (known, output) = build();
    assert!(!known && output.is_file());
    assert_eq!(build(), (true, output.clone()));
    let text = fs::read_to_string(&output).unwrap();
    place.session(&[]).store().unwrap().gc(cbuild_store::GcOptions::default()).unwrap();
    assert!(!output.exists());
    let (known, again) = build();
    assert!(!known && again == output);
    assert_eq!(fs::read_to_string(&output).unwrap(), text);
    assert!(build().0);
}

#[test]
fn processes_share_a_cache_while_files_change() {
    let place = Place::new();
    let one = place.evaluated(&["--no-cache"]);
    let texts = ["pub let word: Str = \"one\"\n", "pub let word: Str = \"eins\"\n"];
    place.write("lib.cbuild", texts[1]);
    let other = place.evaluated(&["--no-cache"]);
    assert_ne!(one, other);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..6 {
                    let found = place.recalled();
                    assert!(found.is_none() || found == one || found == other);
                    let found = place.evaluated(&[]);
                    assert!(found == one || found == other);
                }
            });
        }
        for round in 0..20 {
            let new = place.path("new");
            fs::write(&new, texts[round % 2]).unwrap();
            fs::rename(new, place.path("lib.cbuild")).unwrap();
        }
    });
    place.write("lib.cbuild", texts[0]);
    assert!(place.recalled().is_none_or(|found| Some(found) == one));
    assert_eq!(place.evaluated(&[]), one);
    assert_eq!(place.recalled(), one);
}
