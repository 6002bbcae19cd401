//! Whole workspaces: real git repositories, archives, a real store, no network.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cbuild_fetch::{Fetcher, MirrorSource, Mirrors, Options};
use cbuild_modules::{
    Entry, Error, Import, Lock, Means, Packages, Pin, Source, Version, Workspace, codes,
};
use cbuild_store::Store;

/// A folder with repositories, a root module and a store.
struct Place {
    folder: tempfile::TempDir,
    store: Store,
    fetcher: Fetcher,
    fetched: RefCell<Vec<String>>,
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("root")).unwrap();
        let options = Options { offline: true, ..Options::default() };
        let fetcher = Fetcher::new(MirrorSource::Table(Mirrors::default()), options);
        fs::create_dir(folder.path().join("app")).unwrap();
        Self { folder, store, fetcher, fetched: RefCell::default() }
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.folder.path().join(rest)
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.path(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn git(&self, name: &str, args: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(args);
        run(command.current_dir(self.path(name)).env("GIT_CONFIG_GLOBAL", "/dev/null"));
    }

    /// Commits a version of the module `e.org/NAME/v1`, with requirements as lines.
    fn release(&self, name: &str, version: &str, require: &str) {
        if !self.path(name).join(".git").exists() {
            fs::create_dir_all(self.path(name)).unwrap();
            self.git(name, &["init", "-q", "-b", "main", "."]);
        }
        self.write(
            &format!("{name}/cbuild.mod"),
            &format!("module = \"e.org/{name}/v1\"\n[require]\n{require}"),
        );
        self.write(&format!("{name}/main.cbuild"), &format!("// {name} {version}\n"));
        self.git(name, &["add", "-A"]);
        self.git(name, &["commit", "-q", "-m", version]);
        self.git(name, &["tag", &format!("v{version}")]);
    }

    /// A line that requires a version of a module.
    fn line(&self, name: &str, version: &str) -> String {
        let url = format!("git+file://{}", self.path(name).display());
        format!("\"e.org/{name}/v1\" = {{ version = \"{version}\", source = \"{url}\" }}\n")
    }

    fn app(&self, require: &str) {
        self.write("app/cbuild.mod", &format!("module = \"e.org/app/v1\"\n[require]\n{require}"));
    }

    fn with<T>(&self, work: impl FnOnce(&Workspace<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let notice = |module: &cbuild_modules::ModuleVersion, _: &cbuild_modules::Source| {
            self.fetched.borrow_mut().push(module.to_string());
        };
        let (store, fetcher) = (&self.store, &self.fetcher);
        let means = Means { store, fetcher, notice: &notice, warn: &|_| () };
        work(&Workspace::open(&self.path("app"), Path::new("app"), means)?)
    }

    fn lock(&self) -> String {
        self.with(|workspace| workspace.lock()).unwrap();
        fs::read_to_string(self.path("app/cbuild.lock")).unwrap()
    }

    fn load(&self) -> Result<Packages, Error> {
        self.with(|workspace| workspace.load())
    }

    fn code(&self) -> &'static str {
        self.load().unwrap_err().code()
    }

    /// Modules that were fetched since the last call.
    fn fetched(&self) -> Vec<String> {
        self.fetched.take()
    }
}

fn labels(packages: &Packages) -> Vec<String> {
    packages.list.iter().map(|package| package.label()).collect()
}

/// `app` requires `a` and `b`; both require `c`, `b` a newer one.
fn diamond() -> Place {
    let place = Place::new();
    place.release("c", "1.0.0", "");
    place.release("c", "1.1.0", "");
    place.release("a", "1.0.0", &place.line("c", "1.0.0"));
    place.release("b", "1.0.0", &place.line("c", "1.1.0"));
    place.app(&(place.line("a", "1.0.0") + &place.line("b", "1.0.0")));
    place
}

#[test]
fn a_diamond_is_locked_loaded_and_each_sees_its_own_requirements() {
    let place = diamond();
    assert_eq!(place.code(), codes::LOCK_MISSING);
    let lock = place.lock();
    assert_eq!(lock.lines().count(), 4);
    place.fetched();
    let packages = place.load().unwrap();
    assert_eq!(labels(&packages), ["e.org/a/v1@1.0.0", "e.org/b/v1@1.0.0", "e.org/c/v1@1.1.0"]);
    let names = |from: Option<u32>| -> Vec<(String, Import)> {
        let imports = packages.imports(from).unwrap();
        imports.iter().map(|(name, import)| (name.to_string(), *import)).collect()
    };
    assert_eq!(
        names(None),
        [("a".to_owned(), Import::Module(0)), ("b".to_owned(), Import::Module(1))]
    );
    assert_eq!(names(Some(0)), [("c".to_owned(), Import::Module(2))]);
    assert_eq!(names(Some(2)), []);
    let text = fs::read_to_string(packages.list[2].folder.join("main.cbuild")).unwrap();
    assert_eq!(text, "// c 1.1.0\n");
    // All of it is in the store.
    assert_eq!(place.fetched(), Vec::<String>::new());
    // Locking again changes nothing and fetches nothing that is selected.
    assert_eq!(place.lock(), lock);
    assert_eq!(place.fetched(), ["e.org/c/v1@1.0.0"]);
}

#[test]
fn a_new_store_is_filled_by_hash_from_the_lock_alone() {
    let place = diamond();
    place.lock();
    let other = Place { store: Store::open(&place.path("other")).unwrap(), ..place };
    other.fetched();
    assert_eq!(other.load().unwrap().list.len(), 3);
    // The superseded version of `c` is not needed for this.
    assert_eq!(other.fetched(), ["e.org/a/v1@1.0.0", "e.org/b/v1@1.0.0", "e.org/c/v1@1.1.0"]);
}

#[test]
fn a_tag_that_moved_changes_nothing_and_lost_commits_are_noticed() {
    let place = diamond();
    let lock = place.lock();
    place.git("c", &["tag", "-d", "v1.1.0"]);
    place.release("c", "1.1.0", "# evil\n");
    let other = Place { store: Store::open(&place.path("other")).unwrap(), ..place };
    let packages = other.load().unwrap();
    let text = fs::read_to_string(packages.list[2].folder.join("cbuild.mod")).unwrap();
    assert!(!text.contains("evil"));
    assert_eq!(other.lock(), lock);
    // Another tree than the pinned one is refused even where the source's own hash fits.
    let wrong: Vec<String> = lock
        .lines()
        .map(|line| {
            let mut words: Vec<&str> = line.split(' ').collect();
            let tree = "a".repeat(52);
            if words[0].starts_with("e.org/c/") {
                words[1] = &tree
            }
            words.join(" ")
        })
        .collect();
    other.write("app/cbuild.lock", &(wrong.join("\n") + "\n"));
    assert_eq!(other.code(), codes::WRONG_TREE);
}

#[test]
fn a_lock_that_does_not_fit_is_refused_with_its_place() {
    let place = diamond();
    place.lock();
    place.release("a", "1.2.0", &place.line("c", "1.0.0"));
    place.app(&(place.line("a", "1.2.0") + &place.line("b", "1.0.0")));
    let Err(Error::Text { diagnostics, sources }) = place.load() else { panic!("accepted") };
    let rendered =
        cbuild_diag::render(&sources, &diagnostics[0], cbuild_diag::RenderOptions::plain());
    let shown = rendered.replace(&place.folder.path().display().to_string(), "DIR");
    assert_eq!(diagnostics[0].code, codes::LOCK_OUTDATED);
    assert!(shown.contains("app/cbuild.mod:3:1") && shown.contains("cbuild lock"), "{shown}");
    // Required no longer, and required lower than before.
    place.lock();
    place.app(&place.line("a", "1.2.0"));
    assert_eq!(place.code(), codes::LOCK_OUTDATED);
    place.lock();
    place.app(&place.line("a", "1.0.0"));
    assert_eq!(place.code(), codes::LOCK_OUTDATED);
    assert!(place.lock().contains("e.org/c/v1@1.0.0 "));
    place.load().unwrap();
}

#[test]
fn a_lock_is_missing_or_out_of_date() {
    let place = Place::new();
    let shown = || match place.load() {
        Err(Error::Text { diagnostics, sources }) => diagnostics
            .iter()
            .map(|found| cbuild_diag::render(&sources, found, cbuild_diag::RenderOptions::plain()))
            .collect::<String>(),
        other => panic!("{other:?}"),
    };
    place.app("\"e.org/a/v1\" = { version = \"1.2.0\", source = \"git+https://e.org/a\" }\n");
    insta::assert_snapshot!("no_lock", shown());
    let entry = Entry {
        version: Version::new(1, 0, 0),
        tree: cbuild_drv::Digest([1; 32]),
        source: Source::parse("git+https://e.org/a", &Version::new(1, 0, 0)).unwrap(),
        pin: Pin::parse(&format!("git:{}", "ab".repeat(20))).unwrap(),
        by: None,
    };
    let lock = Lock { entries: [("e.org/a/v1".parse().unwrap(), entry)].into() };
    place.write("app/cbuild.lock", &lock.to_text());
    insta::assert_snapshot!("an_old_lock", shown());
}

#[test]
fn overrides_take_the_place_of_a_module() {
    let place = diamond();
    place.write("mine/cbuild.mod", "module = \"e.org/c/v1\"\n");
    let required = place.line("a", "1.0.0") + &place.line("b", "1.0.0");
    place.app(&format!("{required}[override]\n\"e.org/c/v1\" = \"../mine\"\n"));
    assert_eq!(place.lock().lines().count(), 3);
    let packages = place.load().unwrap();
    assert_eq!(labels(&packages), ["e.org/a/v1@1.0.0", "e.org/b/v1@1.0.0", "e.org/c/v1"]);
    assert_eq!(packages.list[2].folder, place.path("mine").canonicalize().unwrap());
    place.write("mine/cbuild.mod", "module = \"e.org/d/v1\"\n");
    assert_eq!(place.code(), codes::OVERRIDE);
    fs::remove_file(place.path("mine/cbuild.mod")).unwrap();
    assert_eq!(place.code(), codes::OVERRIDE);
}

#[test]
fn vendored_modules_are_used_and_verified() {
    let place = diamond();
    place.lock();
    let folders = place.with(|workspace| workspace.vendor()).unwrap();
    assert_eq!(folders.len(), 3);
    // Neither the repositories nor the old store are needed now.
    for name in ["a", "b", "c"] {
        fs::remove_dir_all(place.path(name)).unwrap();
    }
    let other = Place { store: Store::open(&place.path("other")).unwrap(), ..place };
    other.fetched();
    assert_eq!(other.load().unwrap().list.len(), 3);
    assert_eq!(other.fetched(), Vec::<String>::new());
    other.write("app/vendor/e.org/c/v1/main.cbuild", "// changed\n");
    assert_eq!(other.code(), codes::VENDOR_CHANGED);
    // Vendoring anew does not start from what was changed.
    other.with(|workspace| workspace.vendor()).unwrap();
    other.load().unwrap();
    let text = fs::read_to_string(other.path("app/vendor/e.org/c/v1/main.cbuild")).unwrap();
    assert_eq!(text, "// c 1.1.0\n");
    let left = fs::read_dir(other.path("app")).unwrap().count();
    assert_eq!(left, 3, "nothing but cbuild.mod, cbuild.lock and vendor");
}

#[test]
fn archives_with_or_without_a_top_folder_have_the_digest_of_the_repository() {
    let place = Place::new();
    place.release("a", "1.0.0", "");
    // Left out of a module wherever it comes from.
    place.write("a/vendor/x/cbuild.mod", "module = \"e.org/x/v1\"\n");
    let mut trees = Vec::new();
    place.app(&place.line("a", "1.0.0"));
    let tree = |lock: String| lock.lines().nth(1).unwrap().split(' ').nth(1).unwrap().to_owned();
    trees.push(tree(place.lock()));
    for (name, args) in [("top.tar.gz", vec!["a"]), ("flat.tar", vec!["-C", "a", "."])] {
        let mut tar = Command::new("tar");
        run(tar.arg("-caf").arg(place.path(name)).args(args).current_dir(place.folder.path()));
        let url = format!("file://{}", place.path(name).display());
        place.app(&format!("\"e.org/a/v1\" = {{ version = \"1.0.0\", source = \"{url}\" }}\n"));
        let lock = place.lock();
        assert!(lock.contains(" sha256-"), "{lock}");
        trees.push(tree(lock));
    }
    assert_eq!((&trees[1], &trees[2]), (&trees[0], &trees[0]));
    // A changed archive is refused by its own hash.
    fs::write(place.path("flat.tar"), "other").unwrap();
    let other = Place { store: Store::open(&place.path("other")).unwrap(), ..place };
    assert_eq!(other.code(), "E0701");
}

#[test]
fn wrong_modules_and_conflicts_are_refused() {
    let place = diamond();
    let wrong = place.line("a", "1.0.0").replace("e.org/a/v1", "e.org/x/v1");
    place.app(&wrong);
    let code = |place: &Place| place.with(|workspace| workspace.lock()).unwrap_err().code();
    assert_eq!(code(&place), codes::WRONG_MODULE);
    place.app(&place.line("a", "9.0.0").replace("9.0.0", "1.9.0"));
    assert_eq!(code(&place), "E0715");
    place.write("plain/readme", "x");
    run(Command::new("tar")
        .arg("-cf")
        .arg(place.path("p.tar"))
        .arg("plain")
        .current_dir(place.folder.path()));
    let url = format!("file://{}", place.path("p.tar").display());
    place.app(&format!("\"e.org/p/v1\" = {{ version = \"1.0.0\", source = \"{url}\" }}\n"));
    assert_eq!(code(&place), codes::WRONG_MODULE);
    // `b` names another place for the same version of `c`.
    run(Command::new("cp").arg("-R").arg(place.path("c")).arg(place.path("fork")));
    place.release("b", "1.3.0", &place.line("fork", "1.0.0").replace("e.org/fork", "e.org/c"));
    place.app(&(place.line("a", "1.0.0") + &place.line("b", "1.3.0")));
    let error = place.with(|workspace| workspace.lock()).unwrap_err();
    assert_eq!(error.code(), codes::CONFLICT);
    assert!(error.help().unwrap().contains("e.org/c/v1@1.0.0"));
    // The root decides.
    place.app(&(place.line("a", "1.0.0") + &place.line("b", "1.3.0") + &place.line("c", "1.0.0")));
    place.lock();
    place.load().unwrap();
}

#[test]
fn the_newest_version_of_the_same_major_is_found() {
    let place = diamond();
    for version in ["1.10.0", "1.9.0", "1.11.0-rc.1", "2.0.0"] {
        place.release("c", version, "");
    }
    place.app(&place.line("c", "1.0.0"));
    place.lock();
    let (version, source) = place
        .with(|workspace| {
            let (path, requirement) = workspace.manifest().require.first_key_value().unwrap();
            workspace.newest(path, requirement)
        })
        .unwrap()
        .unwrap();
    assert_eq!(version.to_string(), "1.10.0");
    assert!(source.to_string().ends_with("#v1.10.0"), "{source}");
}

/// A file of a module that leads elsewhere is not read.
#[test]
fn a_manifest_that_is_a_link_is_refused() {
    let place = Place::new();
    place.release("a", "1.0.0", "");
    fs::remove_file(place.path("a/cbuild.mod")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", place.path("a/cbuild.mod")).unwrap();
    place.git("a", &["add", "-A"]);
    place.git("a", &["commit", "-q", "-m", "link"]);
    place.git("a", &["tag", "-f", "v1.0.0"]);
    place.app(&place.line("a", "1.0.0"));
    let code = place.with(|workspace| workspace.lock()).unwrap_err().code();
    assert!([codes::WRONG_MODULE, codes::FILE].contains(&code), "{code}");
}
