//! Assemblies of small trees: what results (as a listing and as golden tree digests), and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cbuild_drv::{Assemble, Digest, FileEntry, Layer, Name, Segment, StorePath, Template, Tree};

use super::layout::Node;
use super::*;

/// Trees on disk that stand for store objects.
struct World {
    folder: tempfile::TempDir,
}

fn object(name: &str) -> StorePath {
    let name_checked = Name::new(name).unwrap();
    StorePath::of_content(&name_checked, &Digest::of(name.as_bytes()), false, &BTreeSet::new())
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Makes an object. `path` is a file with its own path as content, `path=text` one with
    /// that text, `path*=text` an executable one, `path/` a directory, `path->target` a link.
    fn tree(&self, name: &str, entries: &[&str]) -> StorePath {
        let top = self.folder.path().join(object(name).base_name());
        fs::create_dir(&top).unwrap();
        for entry in entries {
            if let Some((path, target)) = entry.split_once("->") {
                let place = prepared(&top, path);
                symlink(target, place).unwrap();
            } else if let Some(path) = entry.strip_suffix('/') {
                fs::create_dir_all(top.join(path)).unwrap();
            } else {
                let (path, text) = entry.split_once('=').unwrap_or((entry, entry));
                let (path, mode) = match path.strip_suffix('*') {
                    Some(path) => (path, 0o555),
                    None => (path, 0o444),
                };
                let place = prepared(&top, path);
                fs::write(&place, text).unwrap();
                fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        object(name)
    }

    fn assemble(&self, spec: &Assemble<StorePath>) -> Result<(String, Digest), AssembleError> {
        let at = tempfile::tempdir().unwrap();
        let place = at.path().join("result");
        let physical = |path: &StorePath| self.folder.path().join(path.base_name());
        assemble(spec, &physical, &object("own"), &place)?;
        let (tree, mut listing) = (read_back(&place), String::new());
        list(&disk::read_layer(&place, &[], "result", 0).unwrap(), "", &mut listing);
        Ok((listing, tree.digest()))
    }

    #[track_caller]
    fn check(&self, spec: &Assemble<StorePath>, listing: &str) -> Digest {
        let (found, digest) = self.assemble(spec).unwrap();
        assert_eq!(found, listing.lines().map(|l| format!("{}\n", l.trim())).collect::<String>());
        digest
    }

    #[track_caller]
    fn refuse(&self, spec: &Assemble<StorePath>, code: &str) -> String {
        let error = self.assemble(spec).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        error.to_string()
    }
}

fn prepared(top: &Path, path: &str) -> PathBuf {
    let place = top.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    place
}

fn list(node: &Node, at: &str, listing: &mut String) {
    let line = match node {
        Node::Directory(children, _) => {
            if !at.is_empty() {
                listing.push_str(&format!("{at}/\n"));
            }
            for (name, child) in children {
                let name = String::from_utf8(name.clone()).unwrap();
                let below = if at.is_empty() { name } else { format!("{at}/{name}") };
                list(child, &below, listing);
            }
            return;
        }
        Node::Link(target, _) => format!("{at} -> {}", String::from_utf8_lossy(target)),
        Node::Stored { file, executable, .. } => {
            let star = if *executable { "*" } else { "" };
            format!("{at}{star} = {}", fs::read_to_string(file).unwrap())
        }
        Node::Text { .. } => unreachable!("nothing read from disk is a text"),
    };
    listing.push_str(line.trim_start());
    listing.push('\n');
}

fn read_back(place: &Path) -> Tree {
    fn tree(node: Node) -> Tree {
        match node {
            Node::Directory(children, _) => Tree::Directory(
                children.into_iter().map(|(name, child)| (name, tree(child))).collect(),
            ),
            Node::Link(target, _) => Tree::Symlink { target, own: Vec::new() },
            Node::Stored { file, executable, .. } => {
                let bytes = fs::read(file).unwrap();
                let (size, content) = (bytes.len() as u64, Digest::of(&bytes));
                Tree::File { executable, size, content, own: Vec::new() }
            }
            Node::Text { .. } => unreachable!("nothing read from disk is a text"),
        }
    }
    tree(disk::read_layer(place, &[], "result", 0).unwrap())
}

fn empty() -> Assemble<StorePath> {
    Assemble {
        layers: Vec::new(),
        exclude: Vec::new(),
        links: BTreeMap::new(),
        files: BTreeMap::new(),
        directories: BTreeSet::new(),
    }
}

fn layers(sources: &[&StorePath]) -> Assemble<StorePath> {
    let layer = |source: &&StorePath| Layer {
        source: (*source).clone(),
        from: String::new(),
        into: String::new(),
    };
    Assemble { layers: sources.iter().map(layer).collect(), ..empty() }
}

fn placed(source: &StorePath, from: &str, into: &str) -> Assemble<StorePath> {
    let layer = Layer { source: source.clone(), from: from.to_owned(), into: into.to_owned() };
    Assemble { layers: vec![layer], ..empty() }
}

fn with_links(mut spec: Assemble<StorePath>, links: &[(&str, &str)]) -> Assemble<StorePath> {
    spec.links = links.iter().map(|(path, to)| ((*path).to_owned(), Template::from(*to))).collect();
    spec
}

fn with_file(mut spec: Assemble<StorePath>, path: &str, text: &str) -> Assemble<StorePath> {
    let entry = FileEntry { text: Template::from(text), executable: false };
    spec.files.insert(path.to_owned(), entry);
    spec
}

#[test]
fn layers_merge_and_keep_links_and_modes() {
    let world = World::new();
    let a = world.tree("a", &["bin/run*=go", "share/doc", "empty/", "lib/x.so->x.so.1"]);
    let b = world.tree("b", &["lib/x.so.1=elf", "share/doc", "bin/run*=go"]);
    let digest = world.check(
        &layers(&[&a, &b]),
        "bin/
         bin/run* = go
         empty/
         lib/
         lib/x.so -> x.so.1
         lib/x.so.1 = elf
         share/
         share/doc = share/doc",
    );
    assert_eq!(digest.to_text(), "yhn6vrsoggy3l5sgqeu4jh5kqlqmnec57cxqbckfayuwzkh2kz3q");
}

#[test]
fn directories_merge_through_links() {
    let world = World::new();
    let a = world.tree("a", &["bin/sh*=sh", "lib/libc.so=c", "lib64/ld.so=ld"]);
    let b = world.tree("b", &["usr/bin/env*=env", "usr/lib/libm.so=m", "bin->usr/bin"]);
    let spec = layers(&[&a, &b]);
    let spec = with_links(spec, &[("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "/usr/lib")]);
    let digest = world.check(
        &spec,
        "bin -> usr/bin
         lib -> usr/lib
         lib64 -> /usr/lib
         usr/
         usr/bin/
         usr/bin/env* = env
         usr/bin/sh* = sh
         usr/lib/
         usr/lib/ld.so = ld
         usr/lib/libc.so = c
         usr/lib/libm.so = m",
    );
    assert_eq!(digest.to_text(), "wbyiipyklztiqiiv6pcd7oeb5uolxezz7ym7d2nqulfypptyllda");
}

#[test]
fn a_directory_merges_through_a_layers_link_to_a_directory() {
    let world = World::new();
    let a = world.tree("a", &["lib64->lib", "lib/one"]);
    let b = world.tree("b", &["lib64/two"]);
    world.check(&layers(&[&a, &b]), "lib/\nlib/one = lib/one\nlib/two = lib64/two\nlib64 -> lib");
    let dangling = world.tree("dangling", &["lib64->/nowhere/lib"]);
    let text = world.refuse(&layers(&[&dangling, &b]), "E0511");
    assert!(text.contains("lib64"), "{text}");
}

#[test]
fn parts_of_objects_go_where_they_are_told() {
    let world = World::new();
    let a = world.tree("a", &["usr/share/x/deep", "usr/bin/tool*=t", "link->usr"]);
    world.check(&placed(&a, "usr/share", "opt"), "opt/\nopt/x/\nopt/x/deep = usr/share/x/deep");
    world.check(&placed(&a, "link/bin/tool", "bin/t"), "bin/\nbin/t* = t");
    world.check(&placed(&a, "usr/bin/tool", ""), "* = t");
    let text = world.refuse(&placed(&a, "usr/none", ""), "E0512");
    assert!(text.contains("usr/none") && text.contains("-a`") || text.contains("-a has"), "{text}");
}

#[test]
fn conflicts_name_both_layers() {
    let world = World::new();
    let a = world.tree("first", &["etc/conf=1"]);
    let b = world.tree("second", &["etc/conf=2"]);
    let text = world.refuse(&layers(&[&a, &b]), "E0511");
    assert!(text.contains("-first") && text.contains("-second") && text.contains("etc/conf"));
    let mode = world.tree("mode", &["etc/conf*=1"]);
    world.refuse(&layers(&[&a, &mode]), "E0511");
    let link = world.tree("link", &["etc->usr/etc"]);
    let spec = layers(&[&a, &link]);
    assert!(world.refuse(&spec, "E0511").contains("a directory"));
    let error = world.assemble(&spec).unwrap_err();
    assert!(error.help().unwrap().contains("links"), "{error}");
    let file = world.tree("file", &["etc=x"]);
    world.refuse(&layers(&[&a, &file]), "E0511");
    world.refuse(&layers(&[&file, &a]), "E0511");
}

#[test]
fn excluded_paths_are_left_out() {
    let world = World::new();
    let a = world.tree(
        "a",
        &[
            "lib/a.a=1",
            "lib/a.so=1",
            "lib/sub/b.a=1",
            "share/man/man1/x=1",
            "share/info=1",
            "x.a=1",
        ],
    );
    let mut spec = with_links(layers(&[&a]), &[("lib", "usr/lib")]);
    spec.exclude = vec!["lib/*.a".into(), "share/{man,doc}".into(), "usr/lib/sub/*".into()];
    world.check(
        &spec,
        "lib -> usr/lib
         share/
         share/info = 1
         usr/
         usr/lib/
         usr/lib/a.so = 1
         usr/lib/sub/
         x.a = 1",
    );
    spec.exclude = vec!["**/*.a".into(), "share".into()];
    world.check(&spec, "lib -> usr/lib\nusr/\nusr/lib/\nusr/lib/a.so = 1\nusr/lib/sub/");
    spec.exclude = vec!["a[".into()];
    assert!(world.refuse(&spec, "E0513").contains("a["));
}

#[test]
fn files_replace_what_layers_bring_but_not_directories() {
    let world = World::new();
    let a = world.tree("a", &["etc/conf=old", "bin/sh->dash", "var/x"]);
    let mut spec = with_links(layers(&[&a]), &[("lib", "usr/lib")]);
    let text = [
        Segment::Reference(object("dep")),
        Segment::Text(" ".into()),
        Segment::Output(OutputName::out()),
    ];
    let entry = FileEntry { text: text.into_iter().collect(), executable: true };
    spec.files.insert("bin/sh".into(), entry);
    let spec = with_file(with_file(spec, "etc/conf", "new"), "lib/made", "m");
    let digest = world.check(
        &spec,
        &format!(
            "bin/
             bin/sh* = {} {}
             etc/
             etc/conf = new
             lib -> usr/lib
             usr/
             usr/lib/
             usr/lib/made = m
             var/
             var/x = var/x",
            object("dep"),
            object("own")
        ),
    );
    assert_eq!(digest.to_text(), "77ngii6xmbgmdtxc22nxqgr55hxql4qzkxr3a5jn655ms4rcgjba");
    world.refuse(&with_file(layers(&[&a]), "var", "x"), "E0511");
}

#[test]
fn one_file_alone_is_the_result() {
    let world = World::new();
    let digest = world.check(&with_file(empty(), "", "text"), "= text");
    assert_eq!(digest.to_text(), "rd5jy4cnlq7wejwcztfcpogptfrkqtqxt65w764qosreuihfofla");
    let mut both = with_file(empty(), "", "text");
    both.directories.insert("x".into());
    world.refuse(&both, "E0510");
    assert_eq!(
        world.check(&empty(), "").to_text(),
        "5jseypcwjorjnmqfigi5cfit5dl6rgdhbq23s7jbeduppzl2llsq"
    );
}

#[test]
fn nothing_leads_out_of_the_result() {
    let world = World::new();
    let a = world.tree("a", &["f"]);
    for bad in ["../x", "/x", "a/../../x", "a//b", "a/", "."] {
        world.refuse(&placed(&a, "", bad), "E0510");
        world.refuse(&placed(&a, bad, ""), "E0510");
        world.refuse(&with_links(empty(), &[(bad, "t")]), "E0510");
        world.refuse(&with_file(empty(), bad, "t"), "E0510");
        let mut spec = empty();
        spec.directories.insert(bad.to_owned());
        world.refuse(&spec, "E0510");
    }
    let spec = with_links(placed(&a, "", "up/x"), &[("up", "../..")]);
    world.refuse(&spec, "E0510");
    let spec = with_links(placed(&a, "", "loop/x"), &[("loop", "loop")]);
    world.refuse(&spec, "E0514");
    let outside = world.tree("outside", &["etc->/../../../etc", "abs->/etc"]);
    world.refuse(&placed(&outside, "etc/passwd", ""), "E0510");
    // An absolute link counts from the object's top, not from the host's.
    world.refuse(&placed(&outside, "abs/passwd", ""), "E0510");
}

#[test]
fn files_of_the_store_become_hard_links() {
    use std::os::unix::fs::MetadataExt;
    let world = World::new();
    let a = world.tree("a", &["data=x"]);
    let at = tempfile::tempdir_in(world.folder.path()).unwrap();
    let place = at.path().join("result");
    let physical = |path: &StorePath| world.folder.path().join(path.base_name());
    assemble(&layers(&[&a]), &physical, &object("own"), &place).unwrap();
    let inode = |path: PathBuf| fs::metadata(path).unwrap().ino();
    assert_eq!(inode(place.join("data")), inode(physical(&a).join("data")));
}
