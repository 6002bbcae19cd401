//! `cbuild fmt` on files, folders, links and standard input.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::harness::{Done, cbuild, cbuild_command};

const UNTIDY: &str = "let a=[1,2] // x\n";
const TIDY: &str = "let a = [1, 2] // x\n";

fn piped(input: &str, args: &[&str]) -> Done {
    let root = tempfile::tempdir().unwrap();
    let mut command = cbuild_command(root.path());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn files_are_formatted_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, link] = ["a.cbuild", "sub/b.cbuild", "link.cbuild"].map(|f| folder.path().join(f));
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    std::fs::write(&a, UNTIDY).unwrap();
    std::fs::set_permissions(&a, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.cbuild", &link).unwrap();
    std::fs::write(&b, TIDY).unwrap();
    let path = folder.path().to_str().unwrap();
    let root = tempfile::tempdir().unwrap();

    let done = cbuild(root.path(), ["fmt", "--check", path]).fails(1, "E1050");
    assert!(done.stdout.contains("-let a=[1,2] // x\n+let a = [1, 2] // x"), "{}", done.stdout);
    let steering = piped("let  a = \"\u{1b}[31m\"\n", &["fmt", "--check", "-"]).fails(1, "E1050");
    assert!(!steering.stdout.contains('\u{1b}'), "{}", steering.stdout);
    assert!(!done.stdout.contains("b.cbuild"), "only what differs is listed: {}", done.stdout);
    assert_eq!(std::fs::read_to_string(&a).unwrap(), UNTIDY, "nothing is written");

    let untouched = b.metadata().unwrap().modified().unwrap();
    cbuild(root.path(), ["fmt", path, link.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_to_string(&a).unwrap(), TIDY);
    assert_eq!(a.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert_eq!(b.metadata().unwrap().modified().unwrap(), untouched);
    assert_eq!(folder.path().read_dir().unwrap().count(), 3, "no temporary file is left");
    cbuild(root.path(), ["fmt", "--check", path]).ok();
}

#[test]
fn broken_files_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (broken, other) = (folder.path().join("a.cbuild"), folder.path().join("b.cbuild"));
    std::fs::write(&broken, "let a =[\n").unwrap();
    std::fs::write(&other, UNTIDY).unwrap();
    let root = tempfile::tempdir().unwrap();
    let done = cbuild(root.path(), ["fmt", folder.path().to_str().unwrap()]).fails(2, "E1017");
    assert!(done.stderr.contains("a.cbuild:1:8"), "{}", done.stderr);
    assert_eq!(std::fs::read_to_string(&broken).unwrap(), "let a =[\n");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), TIDY);
    cbuild(root.path(), ["fmt", "/nonexistent.cbuild"]).fails(2, "E1051");
}

#[test]
fn standard_input() {
    assert_eq!(piped(UNTIDY, &["fmt", "-"]).ok().stdout, TIDY);
    assert_eq!(piped(TIDY, &["fmt", "--check", "-"]).ok().stdout, "");
    piped(UNTIDY, &["fmt", "--check", "-"]).fails(1, "E1050");
    let broken = piped("let", &["fmt", "-"]).fails(2, "E0");
    assert_eq!(broken.stdout, "");
}
