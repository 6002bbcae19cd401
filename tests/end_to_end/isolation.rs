//! A builder sees its declared inputs and nothing of the host.

use crate::harness::{assert_clean, cbuild, cbuild_command, module, run, shared_root};

const PROBE: &str = r##"
import std

pub let default: Package = std.cc.build {
  name = "probe",
  version = "1",
  src = std.zlib_source,
  script = sh"""
    {
      echo "top: $(cd / && echo *)"
      echo "store: $(ls /cbuild/store | sed 's/^[^-]*-//' | sort | tr '\n' ' ')"
      echo "user: $(id -u) host: $(cat /proc/sys/kernel/hostname) links: $(ls /sys/class/net 2>/dev/null)"
      echo "devices: $(echo /dev/*)"
      echo "processes: $(ls /proc | grep -c '^[0-9]')"
      tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '
      env | sort
    } > $out
    """,
}
"##;

#[test]
fn only_declared_inputs_are_visible() {
    let folder = module(PROBE);
    let mut command = cbuild_command(&shared_root());
    command.env("SECRET_OF_THE_HOST", "visible").arg("build").arg(folder.path());
    let path = run(&mut command).ok().path();
    let seen = std::fs::read_to_string(path).unwrap();
    let line = |prefix: &str| {
        seen.lines().find(|line| line.starts_with(prefix)).unwrap_or_default().to_owned()
    };
    assert_eq!(line("top:"), "top: bin build cbuild dev etc lib lib64 proc sbin tmp usr");
    assert_eq!(line("store:"), "store: c-toolchain-12 probe-1 zlib-source ");
    assert_eq!(line("user:"), "user: 1000 host: cbuild links: ");
    assert!(!line("devices:").contains("/dev/vd") && !line("devices:").contains("/dev/sd"));
    assert!(seen.lines().any(|l| l == "lo") && !seen.contains("eth"), "{seen}");
    assert!(!seen.contains("SECRET_OF_THE_HOST"), "{seen}");
    for fixed in ["SOURCE_DATE_EPOCH=1", "TZ=UTC", "HOME=/homeless"] {
        assert!(seen.lines().any(|line| line == fixed), "{fixed} is missing in {seen}");
    }
}

#[test]
fn a_normal_user_can_build_too() {
    // Where the tests run as root, the program is started as the user `nobody`.
    let id = run(std::process::Command::new("id").arg("-u")).ok();
    let folder = module(
        "import std\npub let default: Package = std.tree.text_file(\"greeting\", sh\"good morning\")\n",
    );
    if id.stdout.trim() != "0" {
        cbuild(&shared_root(), ["eval", "-e", "1"]).ok();
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("cbuild");
    std::fs::copy(env!("CARGO_BIN_EXE_cbuild"), &program).unwrap();
    let script = format!(
        "chmod 755 {home} {folder} && chown nobody {home} && cd {home} && \
         setpriv --reuid=nobody --regid=nogroup --clear-groups env HOME={home} PATH=$PATH \
         ./cbuild --root {home}/root build {folder}",
        home = home.path().display(),
        folder = folder.path().display(),
    );
    let done = run(std::process::Command::new("sh").args(["-c", &script])).ok();
    assert_eq!(std::fs::read_to_string(done.path()).unwrap().trim(), "good morning");
}

#[test]
fn a_machine_without_user_namespaces_is_refused_with_the_cause() {
    let folder = module(
        "import std\npub let default: Package = std.build.derivation {\n  name = \"nothing\",\n  \
         program = sh\"/bin/true\",\n}\n",
    );
    let root = tempfile::tempdir().unwrap();
    // Inside a user namespace of its own, root may forbid further ones, and nobody else notices.
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && exec {} --root {} build {}",
        env!("CARGO_BIN_EXE_cbuild"),
        root.path().display(),
        folder.path().display(),
    );
    let mut shell = std::process::Command::new("unshare");
    shell.args(["--user", "--map-root-user", "sh", "-c", &script]);
    let done = run(&mut shell).fails(3, "E080");
    assert!(done.stderr.contains("max_user_namespaces"), "{}", done.stderr);
    assert!(done.stderr.contains("help:"), "{}", done.stderr);
    assert_clean(root.path());
}
