//! Machines that forbid sandboxes, made from this one, and old kernels.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the machine itself"
)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use cbuild_sandbox::Error;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use support::{Place, Test, outside};

const TESTS: &[Test] = &[
    ("no_user_namespaces_are_left", no_user_namespaces_are_left),
    ("a_container_filters_unshare", a_container_filters_unshare),
    ("a_container_filters_mount", a_container_filters_mount),
    ("docker_filters_by_default", docker_filters_by_default),
    ("apparmor_restricts_namespaces", apparmor_restricts_namespaces),
    ("a_container_masks_proc", a_container_masks_proc),
    ("there_is_no_proc", there_is_no_proc),
    ("a_sandbox_works_without_mount_setattr", a_sandbox_works_without_mount_setattr),
    ("a_sandbox_works_in_a_user_namespace", a_sandbox_works_in_a_user_namespace),
];

fn main() {
    support::run(TESTS, inside);
}

fn inside(what: &str, arguments: &[String]) {
    match what {
        "probe" => show_probe(),
        "filtered" => {
            let call: i64 = arguments[0].parse().unwrap();
            forbid(call, arguments[1].parse().unwrap());
            inside(&arguments[2], &arguments[3..]);
        }
        "docker" => {
            forbid_as_docker();
            inside(&arguments[0], &arguments[1..]);
        }
        "read-only" => read_only_without_mount_setattr(),
        other => panic!("nothing to do for {other}"),
    }
}

/// Prints the verdict, and that a build gets the same one.
fn show_probe() {
    let Err(unavailable) = cbuild_sandbox::probe() else {
        println!("works");
        return;
    };
    println!("{:?} {} {unavailable}", unavailable.cause, unavailable.code());
    println!("{}", unavailable.help());
    let place = Place::new();
    let error = place.run(&place.shell("exit 0")).unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(error.code(), unavailable.code());
    assert_eq!(place.log_text(), "");
}

/// Makes one system call fail for this process and its children.
fn forbid(call: i64, errno: u32) {
    let rules = [(call, Vec::new())].into();
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let refuse = SeccompAction::Errno(errno);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

/// Makes calls fail as Docker's default profile does for a container without `CAP_SYS_ADMIN`:
/// `clone` with any flag of a new namespace and what mounts are made with are not permitted, and
/// `clone3` is unknown, because a filter cannot look at its flags.
fn forbid_as_docker() {
    let new_namespaces = 0x7e02_0000;
    let asks = |flag: u64| {
        let masked = SeccompCmpOp::MaskedEq(flag);
        SeccompRule::new(vec![
            SeccompCondition::new(0, SeccompCmpArgLen::Qword, masked, flag).unwrap(),
        ])
    };
    let flags = (0..32).map(|bit| 1_u64 << bit).filter(|flag| flag & new_namespaces != 0);
    let clone = (libc::SYS_clone, flags.map(|flag| asks(flag).unwrap()).collect());
    let refused = [
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_sethostname,
        libc::SYS_fsopen,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_mount_setattr,
    ];
    let rules = refused.into_iter().map(|call| (call, Vec::new())).chain([clone]).collect();
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
    forbid(libc::SYS_clone3, libc::ENOSYS.unsigned_abs());
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// Runs this program's function in new user and mount namespaces after a shell script.
fn after(script: &str, arguments: &[&str]) -> String {
    let inner = outside(arguments);
    let mut command = Command::new("unshare");
    // The descriptor keeps the program within reach when /proc is gone.
    let program = std::env::current_exe().unwrap();
    let place = Place::new();
    let copy = place.path("in").join("program");
    std::fs::copy("/proc/self/exe", &copy).unwrap_or_else(|_| panic!("{}", program.display()));
    command.args(["--user", "--map-root-user", "--mount", "sh", "-e", "-c"]);
    command.arg(format!("{script}\nexec \"$@\"")).arg("sh").arg(copy).args(inner.get_args());
    output(&mut command)
}

fn no_user_namespaces_are_left() {
    let text = after("echo 0 > /proc/sys/user/max_user_namespaces", &["probe"]);
    assert!(
        text.starts_with(
            "UserNamespaceLimit E0801 builds cannot be isolated on this machine: no more user namespaces are allowed \
             (user.max_user_namespaces = 0; entering new namespaces: No space left on device (os error 28); Linux "
        ),
        "{text}"
    );
    assert!(text.contains("sysctl -w user.max_user_namespaces="), "{text}");
}

fn a_container_filters_unshare() {
    let call = libc::SYS_unshare.to_string();
    let text = output(&mut outside(&["filtered", &call, "1", "probe"]));
    assert!(text.starts_with("Container E0804 "), "{text}");
    assert!(text.contains("--security-opt seccomp=unconfined"), "{text}");
}

fn a_container_filters_mount() {
    let call = libc::SYS_fsopen.to_string();
    for errno in [libc::EPERM, libc::ENOSYS] {
        let text = output(&mut outside(&["filtered", &call, &errno.to_string(), "probe"]));
        assert!(text.starts_with("Container E0804 "), "{text}");
    }
}

fn docker_filters_by_default() {
    let text = output(&mut outside(&["docker", "probe"]));
    assert!(text.starts_with("Container E0804 builds cannot be isolated"), "{text}");
    assert!(text.contains("entering new namespaces: Operation not permitted"), "{text}");
    assert!(text.contains("--security-opt seccomp=unconfined"), "{text}");
}

/// Ubuntu, as far as a program can see it: an ordinary user reads 1 from its setting, and is refused
/// either the namespace itself or, as since 24.04, all that needs a capability in it.
fn apparmor_restricts_namespaces() {
    let setting = "mount -t tmpfs none /proc/sys/kernel
        echo 1 > /proc/sys/kernel/apparmor_restrict_unprivileged_userns
        set -- unshare --user --map-user=1000 --map-group=1000 \"$@\"";
    for call in [libc::SYS_unshare, libc::SYS_fsopen] {
        let (call, errno) = (call.to_string(), libc::EPERM.to_string());
        let text = after(setting, &["filtered", &call, &errno, "probe"]);
        assert!(
            text.starts_with(
                "AppArmor E0803 builds cannot be isolated on this machine: AppArmor forbids user namespaces to programs \
                 without a profile (kernel.apparmor_restrict_unprivileged_userns = 1; "
            ),
            "{text}"
        );
        assert!(text.contains("/etc/apparmor.d/cbuild") && text.contains("userns,"), "{text}");
    }
}

/// Every complete `/proc` of a machine would do, such as one for a `chroot`; here none is left.
fn a_container_masks_proc() {
    let masks = "while read -r id parent device root place rest; do
            case \"$root $rest\" in '/ '*' - proc '*) mount -t tmpfs none \"$(printf %b \"$place\")/sys\";; esac
        done < /proc/self/mountinfo";
    let text = after(masks, &["probe"]);
    assert!(
        text.starts_with(
            "MaskedProc E0805 builds cannot be isolated on this machine: a new /proc cannot be mounted because the \
             container hides parts of its own (mounting /proc: Operation not permitted"
        ),
        "{text}"
    );
    assert!(text.contains("systempaths=unconfined"), "{text}");
}

fn there_is_no_proc() {
    let text = after("mount -t tmpfs none /proc", &["probe"]);
    assert!(text.starts_with("NoProc E0806 builds cannot be isolated"), "{text}");
    assert!(text.contains("mount -t proc proc /proc"), "{text}");
}

/// Runs on the host under a filter: inputs are read-only with all mounts below them.
fn read_only_without_mount_setattr() {
    let place = Place::new();
    let input = place.input("dep", "dependency");
    let script =
        "cd /cbuild/store; for f in dep dev/new dev/shm/new /new /bin/new; do echo x >> $f; done
        cat dep; echo x > out
        while read a b c d path options rest; do
            case $path in /cbuild/store/dev*) echo $path $options; esac
        done < /proc/self/mountinfo";
    let spec = place
        .shell(script)
        .bind_read_only(input, "/cbuild/store/dep")
        .bind_read_only("/dev", "/cbuild/store/dev");
    let exit = place.run(&spec).unwrap();
    let text = place.log_text();
    assert_eq!(text.matches("Read-only file system").count(), 5, "{exit:?} {text}");
    let (_, mounts) = text.split_once("dependency").unwrap();
    // Of several mounts in one place only the last can be reached.
    let reachable: BTreeMap<_, _> =
        mounts.lines().filter_map(|line| line.split_once(' ')).collect();
    assert!(reachable.contains_key("/cbuild/store/dev/shm"), "{mounts}");
    assert!(reachable.values().all(|flags| flags.starts_with("ro,nosuid,nodev")), "{mounts}");
    assert_eq!(std::fs::read_to_string(place.path("store/out")).unwrap(), "x\n");
    println!("read-only");
}

fn a_sandbox_works_without_mount_setattr() {
    let (call, errno) = (libc::SYS_mount_setattr.to_string(), libc::ENOSYS.to_string());
    let text = output(&mut outside(&["filtered", &call, &errno, "read-only"]));
    assert_eq!(text, "read-only\n");
}

/// As in a container that allows it: root there, and an ordinary user outside.
fn a_sandbox_works_in_a_user_namespace() {
    assert_eq!(after("true", &["probe"]), "works\n");
    assert_eq!(after("true", &["read-only"]), "read-only\n");
}
