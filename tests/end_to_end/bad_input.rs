//! Bad archives, hashes, mirrors, disks and index files give a clear error and leave a clean store.

use std::path::Path;
use std::process::Command;

use crate::harness::{assert_clean, cbuild, cbuild_command, module, run};

/// The SHA-256 of a file, as a hash literal.
fn sha256(file: &Path) -> String {
    let line = run(Command::new("sha256sum").arg(file)).ok().stdout;
    format!("sha256-{}", line.split(' ').next().unwrap())
}

fn fetching(url: &str, hash: &str) -> tempfile::TempDir {
    module(&format!(
        "import std\npub let default: Package = \
         std.fetch.tarball {{ name = \"bad\", urls = [\"{url}\"], hash = {hash}, strip = 0 }}\n"
    ))
}

/// Builds a fetch of a local archive, which must fail, and checks that nothing of it stays.
fn refused(archive: &Path, hash: &str, code: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let folder = fetching(&format!("file://{}", archive.display()), hash);
    let done = cbuild(root.path(), ["build".as_ref(), folder.path().as_os_str()]).fails(1, code);
    assert_clean(root.path());
    assert_eq!(cbuild(root.path(), ["store", "ls"]).ok().stdout, "");
    done.stderr
}

#[test]
fn a_wrong_hash_prints_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.tar");
    run(Command::new("tar").arg("-cf").arg(&file).args(["-C", "/etc", "hostname"])).ok();
    let wanted = format!("sha256-{}", "0".repeat(64));
    let message = refused(&file, &wanted, "E0701");
    // Both are shown in the notation of the language.
    assert!(
        message.contains("wanted sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        "{message}"
    );
    assert!(message.contains("got    sha256-"), "{message}");
}

#[test]
fn a_corrupt_archive_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.tar.gz");
    run(Command::new("tar").arg("-czf").arg(&file).args(["-C", "/usr/share", "common-licenses"]))
        .ok();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let message = refused(&file, &sha256(&file), "E0711");
    assert!(message.contains("a.tar.gz"), "{message}");
}

#[test]
fn archives_that_reach_outside_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Python's tarfile writes what no honest tool would.
    let script = r"
import io, sys, tarfile
def write(name, *members):
    with tarfile.open(sys.argv[1] + '/' + name, 'w') as tar:
        for path, kind, target in members:
            info = tarfile.TarInfo(path)
            info.type, info.linkname = kind, target
            data = b'evil' if kind == tarfile.REGTYPE else b''
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
F, L, H = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
write('parent.tar', ('a/../../escaped', F, ''))
write('absolute.tar', ('/tmp/cbuild-escaped', F, ''))
write('symlink.tar', ('a', L, '/tmp'), ('a/cbuild-escaped', F, ''))
write('hardlink.tar', ('a', H, '../../../etc/passwd'))
write('device.tar', ('null', tarfile.CHRTYPE, ''))
";
    run(Command::new("python3").args(["-c", script]).arg(folder.path())).ok();
    for name in ["parent.tar", "absolute.tar", "symlink.tar", "hardlink.tar", "device.tar"] {
        let archive = folder.path().join(name);
        let message = refused(&archive, &sha256(&archive), "E0710");
        assert!(message.contains(name), "{message}");
    }
    assert!(!Path::new("/tmp/cbuild-escaped").exists());
}

#[test]
fn a_missing_mirror_is_named() {
    let (root, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = fetching("mirror://nowhere/a.tar", &format!("sha256-{}", "0".repeat(64)));
    let mut command = cbuild_command(root.path());
    command.env("XDG_CONFIG_HOME", config.path()).arg("build").arg(folder.path());
    let done = run(&mut command).fails(3, "E0704");
    assert!(
        done.stderr.contains("nowhere") && done.stderr.contains("cbuild mirrors"),
        "{}",
        done.stderr
    );
    assert_clean(root.path());
}

#[test]
fn a_damaged_index_is_reported_and_rebuilt_from_the_files() {
    let root = tempfile::tempdir().unwrap();
    let folder =
        module("import std\npub let default: Package = std.tree.text_file(\"note\", sh\"kept\")\n");
    let build = || cbuild(root.path(), ["build".as_ref(), folder.path().as_os_str()]);
    let before = build().ok().stdout;
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(root.path().join(format!("index.sqlite{suffix}")));
    }
    std::fs::write(root.path().join("index.sqlite"), [0x55; 9000]).unwrap();
    let done = build().fails(3, "E0603");
    assert!(done.stderr.contains("store verify --rebuild-index"), "{}", done.stderr);
    cbuild(root.path(), ["store", "verify", "--rebuild-index"]).ok();
    assert_clean(root.path());
    let after = build().ok();
    assert_eq!((before, ""), (after.stdout, after.stderr.as_str()));
}

#[test]
fn a_full_disk_is_reported_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zeros.tar");
    // The archive unpacks to more than the small file system below can take.
    let make = "head -c 20000000 /dev/urandom > big && tar -cf zeros.tar big && rm big";
    run(Command::new("sh").args(["-c", make]).current_dir(folder.path())).ok();
    let source = fetching(&format!("file://{}", file.display()), &sha256(&file));
    let mount = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=12m none {mount} && cd {mount} || exit 99
         {cbuild} --root {mount}/root build {source}; echo build=$?
         {cbuild} --root {mount}/root store verify; echo verify=$?",
        mount = mount.path().display(),
        cbuild = env!("CARGO_BIN_EXE_cbuild"),
        source = source.path().display(),
    );
    let mut shell = Command::new("unshare");
    shell.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]);
    let done = run(&mut shell).ok();
    assert!(done.stdout.contains("build=3"), "{done:?}");
    assert!(
        done.stdout.contains("clean: 0 objects") && done.stdout.contains("verify=0"),
        "{done:?}"
    );
    assert!(done.stderr.contains("space") && !done.stderr.contains("panicked"), "{}", done.stderr);
}

/// Each answer has an exit code, a stable code, the part of the request that is wrong, and a fix.
#[test]
fn hurried_users_get_an_answer() {
    let root = tempfile::tempdir().unwrap();
    for (args, code, named, fix) in [
        (vec!["build", "examples/rediss"], "E1011", "`examples/rediss`", "help: a target is"),
        (vec!["build", "examples/redis:imag"], "E1014", "`imag`", "help: did you mean `image`?"),
        (
            vec!["image", "export", "examples/hello", "-o", "x.tar"],
            "E1030",
            "examples/hello",
            "help: make an image of it",
        ),
        (vec!["build", "std:list"], "E1015", "`std:list`", "help: add the name"),
        (vec!["--system", "vax-vms", "build", "."], "E1001", "`vax-vms`", "help: leave `--system`"),
        (vec!["bild", "x"], "E1000", "'bild'", "help: a similar subcommand exists: 'build'"),
        (vec!["store", "info", "nonsense"], "E1027", "nonsense", "help: give a path as"),
    ] {
        let done = cbuild(root.path(), &args).fails(2, code);
        assert!(done.stderr.contains(named), "{args:?} does not name {named}:\n{}", done.stderr);
        assert!(done.stderr.contains(fix), "{args:?} does not say `{fix}`:\n{}", done.stderr);
    }
}

/// What is below a folder is one package with it where no `cbuild.mod` says otherwise.
#[test]
fn files_of_a_given_folder_are_one_package() {
    let folder = module("import ./lib/a.cbuild\npub let default: Int = a.two\n");
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("one.cbuild", "pub let one: Int = 1\n");
    write("lib/a.cbuild", "import ../one.cbuild\npub let two: Int = one.one + 1\n");
    write("tests/b.cbuild", "import ../lib/a.cbuild\ntest \"two\" { a.two == 2 }\n");
    write("tests/deep/c.cbuild", "import ../../lib/a.cbuild\ntest \"three\" { a.two + 1 == 3 }\n");
    let root = tempfile::tempdir().unwrap();
    let run =
        |args: &[&str]| run(cbuild_command(root.path()).current_dir(folder.path()).args(args));
    assert_eq!(run(&["eval", "."]).ok().stdout, "2\n");
    assert!(run(&["test", "."]).ok().stdout.ends_with("2 passed, 0 failed\n"));
    for paths in [&["."][..], &["lib", ".", "main.cbuild"], &["tests/deep", "."]] {
        let done = run(&[&["--json", "check"], paths].concat()).ok();
        assert_eq!(done.stdout.matches("\"ok\":true").count(), 5, "{}", done.stdout);
    }
    // A file that is given by itself belongs to its own folder, as for `build` and `eval`.
    run(&["check", "lib/a.cbuild"]).fails(2, "E0207");
    run(&["eval", "lib/a.cbuild:two"]).fails(2, "E0207");
    write("cbuild.mod", "module = \"example.org/a/v1\"\n");
    run(&["check", "lib/a.cbuild"]).ok();
    assert_eq!(run(&["eval", "lib/a.cbuild:two"]).ok().stdout, "2\n");
}
