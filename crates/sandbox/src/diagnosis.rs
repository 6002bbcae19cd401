//! Whether this machine allows sandboxes, and if not, why and what to do.
//!
//! Gathering facts and judging them are two functions, so that the judgement can be tested for
//! machines that we do not have.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, SetupFailure, Step};
use crate::filter;
use crate::launcher::Launcher;
use crate::spec::SandboxSpec;
use crate::wire::Request;

/// Why a sandbox is not possible on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `user.max_user_namespaces` is 0, or as many exist as it allows.
    UserNamespaceLimit,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian before 11, hardened kernels).
    UnprivilegedClone,
    /// Ubuntu's `kernel.apparmor_restrict_unprivileged_userns`.
    AppArmor,
    /// A container's system-call filter or its missing rights, as in Docker's default.
    Container,
    /// `/proc` cannot be mounted because a container hides parts of the existing one.
    MaskedProc,
    /// There is no `/proc` here.
    NoProc,
    /// The process runs in a `chroot`, where the kernel refuses user namespaces.
    Chroot,
    /// The kernel was built without a kind of namespace, or is too old.
    Kernel,
    /// The kernel said no and none of the known causes fits.
    Unknown,
}

/// A sandbox is not possible on this machine; says why and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// The cause.
    pub cause: Cause,
    /// What was seen.
    pub facts: Facts,
}

/// What was seen when a sandbox could not be set up.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facts {
    /// The step that failed, if it came that far.
    pub failure: Option<SetupFailure>,
    /// Whether the caller is root in its own user namespace.
    pub root: bool,
    /// `/proc/sys/user/max_user_namespaces`.
    pub max_user_namespaces: Option<u64>,
    /// `/proc/sys/kernel/unprivileged_userns_clone`.
    pub unprivileged_userns_clone: Option<u64>,
    /// `/proc/sys/kernel/apparmor_restrict_unprivileged_userns`.
    pub apparmor_restrict: Option<u64>,
    /// Whether signs of a container were found.
    pub container: bool,
    /// Whether a system-call filter already applies to the caller.
    pub filtered: bool,
    /// Whether `/proc/self` exists.
    pub proc: bool,
    /// Whether `/` is not the root of a mount, as in a `chroot`.
    pub chroot: bool,
    /// Whether `/proc/self/ns/user` exists.
    pub user_namespaces: bool,
    /// The kernel's release, such as `6.1.0-18-amd64`.
    pub kernel: String,
}

impl Facts {
    /// Reads the facts of this machine after `failure`.
    pub fn gather(failure: SetupFailure) -> Self {
        Facts { failure: Some(failure), ..Self::read() }
    }

    /// The facts when the helper could not even be started.
    pub(crate) fn without_proc() -> Self {
        Self::read()
    }

    fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Facts {
            failure: None,
            root: rustix::process::geteuid().is_root(),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restrict: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            container: in_container(),
            filtered: status.lines().any(|line| line.replace('\t', " ") == "Seccomp: 2"),
            proc: !status.is_empty(),
            chroot: !mounts.is_empty() && !has_root_mount(&mounts),
            user_namespaces: Path::new("/proc/self/ns/user").exists(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        }
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn in_container() -> bool {
    let marked = ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists());
    let named = fs::read("/proc/1/environ").is_ok_and(|text| {
        text.split(|byte| *byte == 0).any(|line| line.starts_with(b"container="))
    });
    let grouped = fs::read_to_string("/proc/1/cgroup").is_ok_and(|text| {
        ["docker", "kubepods", "containerd", "libpod", "lxc"].iter().any(|name| text.contains(name))
    });
    marked || named || grouped
}

/// Whether the fifth field of some line of `mountinfo`, the mount point, is `/`.
fn has_root_mount(mountinfo: &str) -> bool {
    mountinfo.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

/// Whether a failure of this step tells about the machine and not about the specification.
pub(crate) fn is_policy_step(failure: &SetupFailure) -> bool {
    let refused = matches!(
        failure.errno,
        libc::EPERM | libc::EACCES | libc::ENOSPC | libc::ENOSYS | libc::EINVAL | libc::EUSERS
    );
    let denied = matches!(failure.errno, libc::EPERM | libc::EACCES);
    match failure.step {
        Step::Namespaces | Step::IdMap | Step::PrivateMounts | Step::RootMount => refused,
        Step::Proc => refused || failure.errno == libc::ENOENT,
        Step::Pivot | Step::HostName | Step::Capabilities | Step::Filter => denied,
        // A file of the caller can be closed to it, which is EACCES, but mounting is not its fault.
        Step::BindSource | Step::BindMount | Step::BindFlags | Step::Dev | Step::Tmp
            if failure.errno == libc::EPERM =>
        {
            true
        }
        // The kernel is too old, or a filter pretends that it is.
        _ => failure.errno == libc::ENOSYS,
    }
}

/// Names the cause for what was seen. A pure function of the facts.
pub fn diagnose(facts: &Facts) -> Unavailable {
    Unavailable { cause: cause(facts), facts: facts.clone() }
}

fn cause(facts: &Facts) -> Cause {
    if !facts.proc {
        return Cause::NoProc;
    }
    let Some(failure) = &facts.failure else { return Cause::Unknown };
    let denied = matches!(failure.errno, libc::EPERM | libc::EACCES);
    match (failure.step, failure.errno) {
        (Step::Proc, libc::ENOENT) => Cause::NoProc,
        (Step::Proc, _) if denied && facts.apparmor_restrict != Some(1) => Cause::MaskedProc,
        (Step::Namespaces, libc::ENOSPC | libc::EUSERS) => Cause::UserNamespaceLimit,
        (Step::Namespaces, _) if facts.max_user_namespaces == Some(0) => Cause::UserNamespaceLimit,
        (Step::Namespaces, libc::EINVAL) | (_, libc::ENOSYS) if !facts.filtered => Cause::Kernel,
        _ if !denied && failure.errno != libc::ENOSYS => Cause::Unknown,
        _ if facts.unprivileged_userns_clone == Some(0) && !facts.root => Cause::UnprivilegedClone,
        _ if facts.apparmor_restrict == Some(1) && !facts.root => Cause::AppArmor,
        (Step::Namespaces, _) if facts.chroot => Cause::Chroot,
        _ if facts.container || facts.filtered => Cause::Container,
        _ if !facts.user_namespaces => Cause::Kernel,
        _ => Cause::Unknown,
    }
}

impl Unavailable {
    /// The stable code, `E0801` to `E0809`.
    pub fn code(&self) -> &'static str {
        match self.cause {
            Cause::UserNamespaceLimit => "E0801",
            Cause::UnprivilegedClone => "E0802",
            Cause::AppArmor => "E0803",
            Cause::Container => "E0804",
            Cause::MaskedProc => "E0805",
            Cause::NoProc => "E0806",
            Cause::Chroot => "E0807",
            Cause::Kernel => "E0808",
            Cause::Unknown => "E0809",
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self.cause {
            Cause::UserNamespaceLimit => "as root: sysctl -w user.max_user_namespaces=15000; to keep it, write \
                 `user.max_user_namespaces = 15000` to /etc/sysctl.d/60-cbuild.conf"
                .to_owned(),
            Cause::UnprivilegedClone => "as root: sysctl -w kernel.unprivileged_userns_clone=1; to keep it, write \
                 `kernel.unprivileged_userns_clone = 1` to /etc/sysctl.d/60-cbuild.conf"
                .to_owned(),
            Cause::AppArmor => apparmor_help(),
            Cause::Container => "start the container with `--security-opt seccomp=unconfined --security-opt \
                 apparmor=unconfined --security-opt systempaths=unconfined`, or with a seccomp profile that allows \
                 unshare, clone, mount, umount2, pivot_root, open_tree, move_mount, mount_setattr and sethostname"
                .to_owned(),
            Cause::MaskedProc => "start the container with `--security-opt systempaths=unconfined` (Docker, Podman: \
                 `unmask=ALL`), or mount a complete proc file system somewhere in it"
                .to_owned(),
            Cause::NoProc => "mount it: mount -t proc proc /proc".to_owned(),
            Cause::Chroot => {
                "enter the tree with pivot_root or a container tool instead of chroot".to_owned()
            }
            Cause::Kernel => "use Linux 5.8 or newer with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS, \
                 CONFIG_UTS_NS and CONFIG_SECCOMP_FILTER"
                .to_owned(),
            Cause::Unknown => "find out whether `unshare --user --map-root-user --mount --pid --fork --mount-proc true` \
                 works here; a security module may forbid it, see the kernel's log"
                .to_owned(),
        }
    }
}

/// AppArmor profiles name an executable, so the remedy names ours.
fn apparmor_help() -> String {
    let executable =
        fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from("/usr/bin/cbuild"));
    let executable = executable.display();
    format!(
        "as root, write this to /etc/apparmor.d/cbuild and run `apparmor_parser -r /etc/apparmor.d/cbuild`: \
         `abi <abi/4.0>, include <tunables/global> profile cbuild \"{executable}\" flags=(unconfined) {{ userns, }}`; \
         or allow it for all programs: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    )
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("builds cannot be isolated on this machine: ")?;
        f.write_str(match self.cause {
            Cause::UserNamespaceLimit => {
                "no more user namespaces are allowed (user.max_user_namespaces"
            }
            Cause::UnprivilegedClone => {
                "only root may make user namespaces (kernel.unprivileged_userns_clone = 0"
            }
            Cause::AppArmor => {
                "AppArmor forbids user namespaces to programs without a profile \
                 (kernel.apparmor_restrict_unprivileged_userns = 1"
            }
            Cause::Container => {
                "the container's system-call filter or missing rights forbid namespaces ("
            }
            Cause::MaskedProc => {
                "a new /proc cannot be mounted because the container hides parts of its own ("
            }
            Cause::NoProc => "/proc is not mounted (",
            Cause::Chroot => "the kernel allows no user namespaces inside a chroot (",
            Cause::Kernel => "the kernel lacks namespaces that cbuild needs (",
            Cause::Unknown => "the kernel refused it (",
        })?;
        let separator = match self.cause {
            Cause::UserNamespaceLimit => {
                match self.facts.max_user_namespaces {
                    Some(limit) => write!(f, " = {limit}")?,
                    None => f.write_str(" reached")?,
                }
                "; "
            }
            Cause::UnprivilegedClone | Cause::AppArmor => "; ",
            _ => "",
        };
        f.write_str(separator)?;
        match &self.facts.failure {
            Some(failure) => write!(f, "{failure}; ")?,
            None => f.write_str("the helper could not be started; ")?,
        }
        write!(f, "Linux {})", self.facts.kernel)
    }
}

impl std::error::Error for Unavailable {}

/// Sets up a complete sandbox that runs nothing, to see whether this machine allows it.
///
/// Takes a few milliseconds.
///
/// # Errors
///
/// The cause and its remedy. Callers stop then; there is no weaker sandbox to fall back to.
pub fn probe() -> Result<(), Unavailable> {
    match try_probe() {
        Ok(()) => Ok(()),
        Err(Error::Unavailable(unavailable)) => Err(unavailable),
        Err(Error::Setup(failure)) => Err(diagnose(&Facts::gather(failure))),
        Err(_) => Err(diagnose(&Facts::without_proc())),
    }
}

fn try_probe() -> Result<(), Error> {
    let spec = SandboxSpec::new("/nothing");
    let request = Request { spec, probe: true, filter: filter::compiled()? };
    let log = File::options().write(true).open("/dev/null").map_err(Error::Helper)?;
    let exit = Launcher::new().start(&request, &log, &[])?.wait()?;
    if exit.success() { Ok(()) } else { Err(Error::Helper(io::Error::other("the probe failed"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine without any restriction, on which a step failed all the same.
    fn facts(step: Step, path: &str, errno: i32) -> Facts {
        Facts {
            failure: Some(SetupFailure { step, path: path.into(), errno }),
            max_user_namespaces: Some(15_000),
            proc: true,
            user_namespaces: true,
            kernel: "6.8.0".to_owned(),
            ..Facts::default()
        }
    }

    fn denied() -> Facts {
        facts(Step::Namespaces, "", libc::EPERM)
    }

    #[track_caller]
    fn check(facts: Facts, cause: Cause, code: &str, message: &str, help: &str) {
        let unavailable = diagnose(&facts);
        assert_eq!((unavailable.cause, unavailable.code()), (cause, code));
        let expected =
            format!("builds cannot be isolated on this machine: {message}; Linux 6.8.0)");
        assert_eq!(unavailable.to_string(), expected);
        assert!(unavailable.help().contains(help), "{}", unavailable.help());
    }

    #[test]
    fn limit_of_user_namespaces() {
        let none_allowed =
            Facts { max_user_namespaces: Some(0), ..facts(Step::Namespaces, "", libc::ENOSPC) };
        check(
            none_allowed,
            Cause::UserNamespaceLimit,
            "E0801",
            "no more user namespaces are allowed (user.max_user_namespaces = 0; \
             entering new namespaces: No space left on device (os error 28)",
            "sysctl -w user.max_user_namespaces=15000",
        );
        let used_up =
            Facts { max_user_namespaces: None, ..facts(Step::Namespaces, "", libc::ENOSPC) };
        check(
            used_up,
            Cause::UserNamespaceLimit,
            "E0801",
            "no more user namespaces are allowed (user.max_user_namespaces reached; \
             entering new namespaces: No space left on device (os error 28)",
            "/etc/sysctl.d/",
        );
    }

    #[test]
    fn unprivileged_clone_is_off() {
        let debian = Facts { unprivileged_userns_clone: Some(0), ..denied() };
        check(
            debian.clone(),
            Cause::UnprivilegedClone,
            "E0802",
            "only root may make user namespaces (kernel.unprivileged_userns_clone = 0; \
             entering new namespaces: Operation not permitted (os error 1)",
            "sysctl -w kernel.unprivileged_userns_clone=1",
        );
        // It does not apply to root, so something else stopped that one.
        assert_eq!(diagnose(&Facts { root: true, ..debian }).cause, Cause::Unknown);
    }

    /// Ubuntu lets the namespace be made and then takes all capabilities in it away.
    #[test]
    fn apparmor_restricts_what_a_namespace_may_do() {
        for (step, path, errno) in [
            (Step::Namespaces, "", libc::EPERM),
            (Step::IdMap, "/proc/self/uid_map", libc::EPERM),
            (Step::RootMount, "", libc::EACCES),
            (Step::Proc, "/proc", libc::EACCES),
        ] {
            let ubuntu = Facts { apparmor_restrict: Some(1), ..facts(step, path, errno) };
            assert_eq!(diagnose(&ubuntu).cause, Cause::AppArmor, "{step:?}");
        }
        let ubuntu = facts(Step::IdMap, "/proc/self/uid_map", libc::EPERM);
        check(
            Facts { apparmor_restrict: Some(1), ..ubuntu },
            Cause::AppArmor,
            "E0803",
            "AppArmor forbids user namespaces to programs without a profile \
             (kernel.apparmor_restrict_unprivileged_userns = 1; \
             writing /proc/self/uid_map: Operation not permitted (os error 1)",
            "flags=(unconfined) { userns, }",
        );
    }

    #[test]
    fn containers() {
        let message = "the container's system-call filter or missing rights forbid namespaces \
            (entering new namespaces: Operation not permitted (os error 1)";
        let help = "--security-opt seccomp=unconfined";
        let docker = Facts { container: true, filtered: true, root: true, ..denied() };
        check(docker, Cause::Container, "E0804", message, help);
        let only_filtered = Facts { filtered: true, ..denied() };
        check(only_filtered, Cause::Container, "E0804", message, help);
        let filter_says_missing =
            Facts { filtered: true, ..facts(Step::Namespaces, "", libc::ENOSYS) };
        assert_eq!(diagnose(&filter_says_missing).cause, Cause::Container);
        check(
            Facts { container: true, ..facts(Step::Proc, "/proc", libc::EPERM) },
            Cause::MaskedProc,
            "E0805",
            "a new /proc cannot be mounted because the container hides parts of its own \
             (mounting /proc: Operation not permitted (os error 1)",
            "systempaths=unconfined",
        );
    }

    #[test]
    fn missing_parts() {
        let no_proc = Facts { proc: false, failure: None, ..denied() };
        let message = "/proc is not mounted (the helper could not be started";
        check(no_proc, Cause::NoProc, "E0806", message, "mount -t proc proc /proc");
        check(
            Facts { chroot: true, ..denied() },
            Cause::Chroot,
            "E0807",
            "the kernel allows no user namespaces inside a chroot \
             (entering new namespaces: Operation not permitted (os error 1)",
            "pivot_root",
        );
        check(
            Facts { user_namespaces: false, ..facts(Step::Namespaces, "", libc::EINVAL) },
            Cause::Kernel,
            "E0808",
            "the kernel lacks namespaces that cbuild needs \
             (entering new namespaces: Invalid argument (os error 22)",
            "CONFIG_USER_NS",
        );
    }

    #[test]
    fn what_fits_nothing_is_not_guessed() {
        check(
            denied(),
            Cause::Unknown,
            "E0809",
            "the kernel refused it (entering new namespaces: Operation not permitted (os error 1)",
            "unshare --user",
        );
    }

    #[test]
    fn only_refusals_of_the_machine_are_diagnosed() {
        let failure = |step, errno| SetupFailure { step, path: PathBuf::new(), errno };
        assert!(is_policy_step(&failure(Step::Namespaces, libc::EPERM)));
        assert!(is_policy_step(&failure(Step::Proc, libc::EPERM)));
        assert!(!is_policy_step(&failure(Step::Namespaces, libc::ENOMEM)));
        assert!(!is_policy_step(&failure(Step::BindSource, libc::EACCES)));
        assert!(!is_policy_step(&failure(Step::WorkingDirectory, libc::ENOENT)));
        assert!(is_policy_step(&failure(Step::BindMount, libc::EPERM)));
        assert!(is_policy_step(&failure(Step::Create, libc::ENOSYS)));
        assert_eq!(diagnose(&facts(Step::Create, "/build", libc::ENOSYS)).cause, Cause::Kernel);
    }

    #[test]
    fn a_chroot_shows_in_mountinfo() {
        assert!(has_root_mount("27 1 254:0 / / rw - ext4 /dev/vda rw\n"));
        assert!(!has_root_mount("22 27 0:21 / /proc rw - proc proc rw\n"));
    }
}
