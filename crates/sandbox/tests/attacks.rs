//! What a hostile builder tries, by system call.
//!
//! Each attack runs inside the sandbox and prints a line when it gets anything else than the
//! expected refusal. The log must be empty at the end but for "done".

#![expect(unsafe_code, reason = "attacks make system calls that no safe function offers")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the machine itself"
)]

mod support;

use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use support::{Place, SELF, Test};

const TESTS: &[Test] = &[
    ("privileged_file_modes_are_refused", || attack("modes")),
    ("device_nodes_are_refused", || attack("nodes")),
    ("mounting_is_refused", || attack("mounts")),
    ("namespaces_are_refused", || attack("namespaces")),
    ("other_processes_are_out_of_reach", || attack("processes")),
    ("kernel_interfaces_are_refused", || attack("interfaces")),
    ("foreign_sockets_are_refused", || attack("sockets")),
    ("attributes_are_refused", || attack("attributes")),
    ("privileges_cannot_be_gained", || attack("privileges")),
    ("kernel_settings_cannot_be_changed", || attack("settings")),
    ("nothing_is_inherited", || attack("descriptors")),
    ("inputs_cannot_be_linked_or_moved", || attack("links")),
    ("other_abis_are_killed", || attack("abis")),
    ("ordinary_calls_work", || attack("ordinary")),
];

fn main() {
    support::run(TESTS, inside);
}

fn attack(what: &str) {
    let place = Place::new();
    let folder = place.path("in").join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("file"), "content").unwrap();
    let spec = place
        .inside(&[what])
        .bind_read_only(folder, "/cbuild/store/folder")
        .bind_read_only(place.input("file", "content"), "/cbuild/store/file");
    assert_eq!(place.output(&spec), "done\n", "{what}");
}

fn inside(what: &str, _: &[String]) {
    match what {
        "modes" => modes(),
        "nodes" => nodes(),
        "mounts" => mounts(),
        "namespaces" => namespaces(),
        "processes" => processes(),
        "interfaces" => interfaces(),
        "sockets" => sockets(),
        "attributes" => attributes(),
        "privileges" => privileges(),
        "settings" => settings(),
        "descriptors" => descriptors(),
        "links" => links(),
        "abis" => abis(),
        "x32" => drop(call(0x4000_0000 | libc::SYS_getpid, &[])),
        "i386" => call_by_interrupt(),
        "ordinary" => ordinary(),
        other => panic!("nothing to do for {other}"),
    }
    println!("done");
}

/// The result of a system call, or its `errno` as a negative number.
fn call(number: i64, arguments: &[i64]) -> i64 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: every pointer among the arguments comes from `text` or `buffer` and stays valid. The
    // calls are expected to fail; those that do not are no danger to this process's memory.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 {
        -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap())
    } else {
        result
    }
}

fn text(text: &'static CStr) -> i64 {
    text.as_ptr() as i64
}

/// Zeroed memory that nobody else uses.
fn buffer() -> i64 {
    Box::leak(Box::new([0_u64; 64])).as_mut_ptr() as i64
}

/// Prints a line unless the call is refused with `errno`.
fn refused(what: &str, errno: i32, number: i64, arguments: &[i64]) {
    let found = call(number, arguments);
    if found != -i64::from(errno) {
        println!("{what}: {found} instead of {}", -errno);
    }
}

fn modes() {
    let at = i64::from(libc::AT_FDCWD);
    fs::write("/build/file", "").unwrap();
    let file = text(c"/build/file");
    let fd = call(libc::SYS_openat, &[at, file, i64::from(libc::O_RDWR), 0]);
    for mode in [0o4755, 0o2755, 0o6777, 0o4000] {
        refused("fchmod", 1, libc::SYS_fchmod, &[fd, mode]);
        refused("fchmodat", 1, libc::SYS_fchmodat, &[at, file, mode]);
        refused("fchmodat2", 1, 452, &[at, file, mode, 0]);
        // Upper halves of registers, which the kernel ignores, must not hide the bits.
        refused("fchmod", 1, libc::SYS_fchmod, &[fd, mode | 1 << 40]);
        let create = i64::from(libc::O_CREAT | libc::O_WRONLY);
        refused("openat", 1, libc::SYS_openat, &[at, text(c"/build/new"), create, mode]);
        let unnamed = i64::from(libc::O_TMPFILE | libc::O_WRONLY);
        refused("openat", 1, libc::SYS_openat, &[at, text(c"/build"), unnamed, mode]);
        let regular = i64::from(libc::S_IFREG) | mode;
        refused("mknodat", 1, libc::SYS_mknodat, &[at, text(c"/build/new"), regular, 0]);
        #[cfg(target_arch = "x86_64")]
        {
            refused("chmod", 1, libc::SYS_chmod, &[file, mode]);
            refused("open", 1, libc::SYS_open, &[text(c"/build/new"), create, mode]);
            refused("creat", 1, libc::SYS_creat, &[text(c"/build/new"), mode]);
            refused("mknod", 1, libc::SYS_mknod, &[text(c"/build/new"), regular, 0]);
        }
    }
    let how = [libc::O_CREAT as u64 | libc::O_WRONLY as u64, 0o4755, 0];
    let how = [at, text(c"/build/new"), how.as_ptr() as i64, 24];
    refused("openat2", libc::ENOSYS, libc::SYS_openat2, &how);
    for program in ["chmod u+s", "chmod g+s", "chmod 4755", "install -m 2755 /bin/true"] {
        let script = format!("{program} /build/file 2>/dev/null");
        if Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success() {
            println!("{program} succeeded");
        }
    }
    let found = fs::metadata("/build/file").map(|data| std::os::unix::fs::MetadataExt::mode(&data));
    if found.is_ok_and(|mode| mode & 0o6000 != 0) {
        println!("the file has privileges");
    }
}

fn nodes() {
    let at = i64::from(libc::AT_FDCWD);
    for kind in [libc::S_IFCHR, libc::S_IFBLK] {
        for device in [0, 0x103, 0x800] {
            let mode = i64::from(kind | 0o666);
            refused("mknodat", 1, libc::SYS_mknodat, &[at, text(c"/build/node"), mode, device]);
        }
    }
    if call(libc::SYS_mknodat, &[at, text(c"/build/pipe"), i64::from(libc::S_IFIFO | 0o644), 0])
        != 0
    {
        println!("a named pipe is refused");
    }
}

fn mounts() {
    let bind = libc::MS_BIND as i64;
    let at = i64::from(libc::AT_FDCWD);
    refused("mount", 1, libc::SYS_mount, &[text(c"/cbuild/store"), text(c"/build"), 0, bind, 0]);
    let writable = (libc::MS_REMOUNT | libc::MS_BIND) as i64;
    refused("remount", 1, libc::SYS_mount, &[0, text(c"/cbuild/store/folder"), 0, writable, 0]);
    refused("umount2", 1, libc::SYS_umount2, &[text(c"/cbuild/store/folder"), 2]);
    refused("pivot_root", 1, libc::SYS_pivot_root, &[text(c"/build"), text(c"/build")]);
    refused("chroot", 1, libc::SYS_chroot, &[text(c"/build")]);
    refused("open_tree", 1, libc::SYS_open_tree, &[at, text(c"/"), 1]);
    refused("open_tree_attr", 1, 467, &[at, text(c"/"), 1, buffer(), 32]);
    refused("move_mount", 1, libc::SYS_move_mount, &[at, text(c"/"), at, text(c"/build"), 0]);
    refused("mount_setattr", 1, libc::SYS_mount_setattr, &[at, text(c"/"), 0, buffer(), 32]);
    refused("fsopen", 1, libc::SYS_fsopen, &[text(c"tmpfs"), 0]);
    refused("fspick", 1, libc::SYS_fspick, &[at, text(c"/"), 0]);
    refused("fsmount", 1, libc::SYS_fsmount, &[0, 0, 0]);
    refused("fsconfig", 1, libc::SYS_fsconfig, &[0, 0, 0, 0, 0]);
    refused("swapon", 1, libc::SYS_swapon, &[text(c"/build/file"), 0]);
    refused("quotactl", 1, libc::SYS_quotactl, &[0, 0, 0, 0]);
}

fn namespaces() {
    for flag in [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
        0x80,
    ] {
        refused("unshare", 1, libc::SYS_unshare, &[i64::from(flag)]);
        let among_others = i64::from(flag | libc::CLONE_FS) | 1 << 40;
        refused("unshare", 1, libc::SYS_unshare, &[among_others]);
        if flag != 0x80 {
            refused("clone", 1, libc::SYS_clone, &[i64::from(flag | libc::SIGCHLD), 0, 0, 0, 0]);
        }
    }
    refused("clone3", libc::ENOSYS, libc::SYS_clone3, &[buffer(), 88]);
    let fd = call(libc::SYS_openat, &[0, text(c"/proc/self/ns/user"), 0, 0]);
    refused("setns", 1, libc::SYS_setns, &[fd, 0]);
    refused("sethostname", 1, libc::SYS_sethostname, &[text(c"x"), 1]);
    refused("setdomainname", 1, libc::SYS_setdomainname, &[text(c"x"), 1]);
}

fn processes() {
    refused("traceme", 1, libc::SYS_ptrace, &[0, 0, 0, 0]);
    refused("attach", 1, libc::SYS_ptrace, &[16, 1, 0, 0]);
    refused("seize", 1, libc::SYS_ptrace, &[0x4206, 1, 0, 0]);
    let memory = [buffer(), 8];
    let memory = memory.as_ptr() as i64;
    refused("process_vm_readv", 1, libc::SYS_process_vm_readv, &[1, memory, 1, memory, 1, 0]);
    refused("process_vm_writev", 1, libc::SYS_process_vm_writev, &[1, memory, 1, memory, 1, 0]);
    let init = call(libc::SYS_pidfd_open, &[1, 0]);
    refused("pidfd_getfd", 1, libc::SYS_pidfd_getfd, &[init, 1, 0]);
    refused("kcmp", 1, libc::SYS_kcmp, &[1, 2, 0, 0, 0]);
    for path in ["/proc/1/mem", "/proc/1/fd/3", "/proc/1/fd/4", "/proc/1/fd/5"] {
        if fs::File::options().write(true).open(path).is_ok() {
            println!("{path} can be opened");
        }
    }
    if fs::read_dir("/proc/1/root").is_ok()
        || fs::read("/proc/1/environ").is_ok_and(|text| !text.is_empty())
    {
        println!("init can be read");
    }
    // Everything that can be killed is inside; the builder itself is spared.
    let _ = call(libc::SYS_kill, &[-1, 9]);
}

fn interfaces() {
    refused("add_key", 1, libc::SYS_add_key, &[text(c"user"), text(c"k"), text(c"v"), 1, -4]);
    refused("request_key", 1, libc::SYS_request_key, &[text(c"user"), text(c"k"), 0, -4]);
    for operation in [0, 1, 3, 5, 11] {
        refused("keyctl", 1, libc::SYS_keyctl, &[operation, -3, 0, 0, 0]);
    }
    refused("bpf", 1, libc::SYS_bpf, &[0, buffer(), 64]);
    refused("perf_event_open", 1, libc::SYS_perf_event_open, &[buffer(), 0, -1, -1, 0]);
    refused("userfaultfd", 1, libc::SYS_userfaultfd, &[1]);
    refused("io_uring_setup", 1, libc::SYS_io_uring_setup, &[4, buffer()]);
    refused("io_uring_enter", 1, libc::SYS_io_uring_enter, &[0, 0, 0, 0, 0]);
    refused("io_uring_register", 1, libc::SYS_io_uring_register, &[0, 0, 0, 0]);
    refused("fanotify_init", 1, libc::SYS_fanotify_init, &[0, 0]);
    refused("kexec_load", 1, libc::SYS_kexec_load, &[0, 0, 0, 0]);
    refused("init_module", 1, libc::SYS_init_module, &[buffer(), 8, text(c"")]);
    refused("finit_module", 1, libc::SYS_finit_module, &[0, text(c""), 0]);
    refused("delete_module", 1, libc::SYS_delete_module, &[text(c"x"), 0]);
    // Magic numbers of 0 make a wrong call here harmless.
    refused("reboot", 1, libc::SYS_reboot, &[0, 0, 0, 0]);
    refused("acct", 1, libc::SYS_acct, &[0]);
    refused("syslog", 1, libc::SYS_syslog, &[3, buffer(), 8]);
    refused("open_by_handle_at", 1, libc::SYS_open_by_handle_at, &[0, buffer(), 0]);
    refused("clock_settime", 1, libc::SYS_clock_settime, &[0, buffer()]);
    refused("TIOCSTI", 1, libc::SYS_ioctl, &[0, libc::TIOCSTI as i64, text(c"x")]);
    refused("TIOCSTI", 1, libc::SYS_ioctl, &[0, libc::TIOCSTI as i64 | 1 << 40, text(c"x")]);
    refused("TIOCLINUX", 1, libc::SYS_ioctl, &[0, 0x541c, buffer()]);
}

fn sockets() {
    let stream = i64::from(libc::SOCK_STREAM);
    let raw = i64::from(libc::SOCK_RAW);
    for family in 0..64 {
        let permitted = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
        if !permitted.contains(&family) {
            refused("socket", 1, libc::SYS_socket, &[i64::from(family), raw, 0]);
        }
    }
    for family in 2..64 {
        let kind = i64::from(libc::SOCK_SEQPACKET);
        refused("socketpair", 1, libc::SYS_socketpair, &[family, kind, 0, buffer()]);
    }
    if call(libc::SYS_socketpair, &[1, stream, 0, buffer()]) != 0 {
        println!("a pair of Unix sockets is refused");
    }
    let datagrams = i64::from(libc::SOCK_DGRAM);
    let six = call(libc::SYS_socket, &[i64::from(libc::AF_INET6), datagrams, 0]);
    refused("flow label", 1, libc::SYS_setsockopt, &[six, 41, 32, flow_label(), 32]);
    if six >= 0 && call(libc::SYS_setsockopt, &[six, 41, 26, buffer(), 4]) != 0 {
        println!("an ordinary socket option is refused");
    }
    refused("raw socket", 1, libc::SYS_socket, &[i64::from(libc::AF_INET), raw, 1]);
    for family in [libc::AF_UNIX, libc::AF_INET] {
        if call(libc::SYS_socket, &[i64::from(family), stream, 0]) < 0 {
            println!("family {family} is refused");
        }
    }
}

/// A `struct in6_flowlabel_req` that makes a label for everybody, which stays after its socket.
fn flow_label() -> i64 {
    let mut request = [0_u8; 32];
    (request[0], request[15]) = (0xfc, 1);
    request[16..20].copy_from_slice(&0x0004_2042_u32.to_be_bytes());
    // IPV6_FL_A_GET, IPV6_FL_S_ANY, IPV6_FL_F_CREATE; a minute each.
    (request[21], request[22]) = (255, 1);
    (request[24], request[26]) = (60, 60);
    Box::leak(Box::new(request)).as_ptr() as i64
}

fn attributes() {
    fs::write("/build/file", "").unwrap();
    let folder = call(libc::SYS_openat, &[0, text(c"/build"), i64::from(libc::O_DIRECTORY), 0]);
    // Synchronous, without times; a version; a project; a subvolume.
    for request in [0x4008_6602, 0x4004_6602, 0x4008_7602, 0x401c_5820, 0x5000_940e, 0x4008_941a] {
        let flags = Box::leak(Box::new([0x89_u64; 600])).as_ptr() as i64;
        refused("inode flags", 1, libc::SYS_ioctl, &[folder, request, flags]);
        refused("inode flags", 1, libc::SYS_ioctl, &[folder, request | 1 << 33, flags]);
    }
    if call(libc::SYS_ioctl, &[folder, 0x8008_6601, buffer()]) == -1 {
        println!("reading inode flags is refused");
    }
    let input = call(libc::SYS_openat, &[0, text(c"/cbuild/store/file"), 0, 0]);
    for lease in [libc::F_RDLCK, libc::F_WRLCK] {
        refused("lease", 1, libc::SYS_fcntl, &[input, 1024, i64::from(lease)]);
    }
    if call(libc::SYS_fcntl, &[input, i64::from(libc::F_GETFD)]) < 0 {
        println!("an ordinary fcntl is refused");
    }
    let (file, name) = (text(c"/build/file"), text(c"user.x"));
    let unsupported = libc::ENOTSUP;
    refused("setxattr", unsupported, libc::SYS_setxattr, &[file, name, name, 1, 0]);
    refused("lsetxattr", unsupported, libc::SYS_lsetxattr, &[file, name, name, 1, 0]);
    refused("fsetxattr", unsupported, libc::SYS_fsetxattr, &[1, name, name, 1, 0]);
    refused("setxattrat", unsupported, 463, &[0, file, 0, name, buffer(), 16]);
    refused("removexattr", unsupported, libc::SYS_removexattr, &[file, name]);
    refused("file_setattr", 1, 469, &[0, file, buffer(), 24, 0]);
}

fn privileges() {
    for call in [libc::SYS_setuid, libc::SYS_setgid] {
        refused("another id", libc::EINVAL, call, &[0]);
    }
    refused("setgroups", 1, libc::SYS_setgroups, &[0, 0]);
    let header: [u32; 2] = [0x2008_0522, 0];
    let sets = [u32::MAX; 6];
    refused("capset", 1, libc::SYS_capset, &[header.as_ptr() as i64, sets.as_ptr() as i64]);
    for resource in [libc::RLIMIT_NOFILE, libc::RLIMIT_CORE, libc::RLIMIT_NPROC] {
        let limit = [u64::MAX - 1, u64::MAX - 1];
        let arguments = [0, i64::from(resource), limit.as_ptr() as i64, 0];
        refused("prlimit", 1, libc::SYS_prlimit64, &arguments);
    }
    let priority = [1_i32];
    refused("real-time", 1, libc::SYS_sched_setscheduler, &[0, 1, priority.as_ptr() as i64]);
    refused("priority", libc::EACCES, libc::SYS_setpriority, &[0, 0, -20]);
    if call(libc::SYS_prctl, &[i64::from(libc::PR_SET_NO_NEW_PRIVS), 0, 0, 0, 0]) == 0 {
        println!("no_new_privs can be taken back");
    }
}

/// For a builder started by root, the file modes of `/proc` allow these.
fn settings() {
    let mut paths = vec![
        "/proc/sysrq-trigger".to_owned(),
        "/proc/sys/kernel/core_pattern".to_owned(),
        "/proc/sys/kernel/hostname".to_owned(),
        "/proc/sys/kernel/pid_max".to_owned(),
        "/proc/sys/vm/drop_caches".to_owned(),
        "/proc/sys/user/max_user_namespaces".to_owned(),
        "/proc/self/uid_map".to_owned(),
        "/proc/self/oom_score_adj".to_owned(),
        "/proc/irq/default_smp_affinity".to_owned(),
        "/proc/mtrr".to_owned(),
    ];
    paths.push(format!("/proc/{}/setgroups", std::process::id()));
    for path in paths {
        match fs::File::options().write(true).open(&path) {
            // What masks a file swallows what is written.
            Ok(file) if file.metadata().is_ok_and(|found| found.file_type().is_char_device()) => {}
            Ok(_) => println!("{path} can be written"),
            Err(error) if matches!(error.raw_os_error(), Some(2 | 13 | 30)) => {}
            Err(error) => println!("{path}: {error}"),
        }
    }
    let at = i64::from(libc::AT_FDCWD);
    for path in [c"/dev/null", c"/dev/urandom", c"/proc/sys", c"/", c"/etc/passwd", c"/bin/sh"] {
        let found = call(libc::SYS_fchmodat, &[at, text(path), 0o777]);
        if found != -30 {
            println!("chmod {path:?}: {found}");
        }
    }
}

fn descriptors() {
    let names = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    // The fourth is the one that reads the folder.
    if names != ["0", "1", "2", "3"] {
        println!("descriptors {names:?}");
    }
    for (fd, expected) in [("0", "/dev/null"), ("1", "pipe:["), ("2", "pipe:[")] {
        let target = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
        if !target.to_str().unwrap().starts_with(expected) {
            println!("descriptor {fd} is {}", target.display());
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    for line in mounts.lines() {
        let flags = line.split(' ').nth(5).unwrap();
        let place = line.split(' ').nth(4).unwrap();
        let writable = ["/build", "/cbuild/store", "/tmp", "/dev/shm", "/dev/pts"];
        if !flags.split(',').any(|flag| flag == "ro") && !writable.contains(&place) {
            println!("{place} is writable");
        }
        if !flags.split(',').any(|flag| flag == "nosuid") {
            println!("{place} allows setuid");
        }
        // A mount of one device holds no names, so nobody can make another device there.
        let device = fs::metadata(place).is_ok_and(|found| found.file_type().is_char_device());
        let terminals = place == "/dev/pts";
        if !device && !terminals && !flags.split(',').any(|flag| flag == "nodev") {
            println!("{place} allows devices");
        }
    }
}

fn links() {
    for target in ["/cbuild/store/hard", "/build/hard", "/tmp/hard"] {
        if fs::hard_link("/cbuild/store/file", target).is_ok() {
            println!("a hard link to an input at {target}");
        }
    }
    for source in ["/cbuild/store/file", "/cbuild/store/folder", "/cbuild/store/folder/file"] {
        if fs::rename(source, "/cbuild/store/moved").is_ok() {
            println!("{source} was moved");
        }
    }
    // A folder that is a mount point cannot be taken away from below the mount.
    if fs::remove_dir_all("/cbuild/store/folder").is_ok()
        || fs::remove_file("/cbuild/store/file").is_ok()
    {
        println!("an input was removed");
    }
    if fs::rename("/cbuild/store", "/cbuild/other").is_ok() {
        println!("the store was moved");
    }
    let up = "../".repeat(100) + "etc/shadow";
    if fs::metadata(up).is_ok() {
        println!("the host's root can be reached");
    }
}

#[cfg(target_arch = "x86_64")]
fn call_by_interrupt() {
    let number: u32 = 20;
    let result: u32;
    // SAFETY: call 20 of the 32-bit interface is getpid, which touches no memory.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("eax") number => result, options(nostack));
    }
    println!("32-bit call: {result}");
}

#[cfg(not(target_arch = "x86_64"))]
fn call_by_interrupt() {
    std::process::abort();
}

fn abis() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    for (abi, signals) in [("x32", &[libc::SIGSYS][..]), ("i386", &[libc::SIGSYS, libc::SIGSEGV])] {
        let status = Command::new(SELF).args(["--inside", abi]).status().unwrap();
        if !status.signal().is_some_and(|signal| signals.contains(&signal)) {
            println!("{abi}: {status}");
        }
    }
    // No call at all is not another interface.
    refused("-1", libc::ENOSYS, -1, &[]);
}

/// The filter must not be in the way of what builds do.
fn ordinary() {
    let script = "set -e; cd /build; mkdir -p a/b; echo x > a/f; chmod 755 a/f; chmod 1777 a; ln a/f a/g; ln -s f a/h
        mv a/g a/i; cp -a a c; touch -d @0 c/f; tar cf a.tar a; tar xf a.tar; rm -r a c; mkfifo p; install -m 644 a.tar d
        (echo out; sleep 0) | cat > /dev/null; wait; nice true; env -i true; flock d true; timeout 5 true; stat d > /dev/null
        [ \"$(id -un)\" = builder ]; chown 1000:1000 d; umask 077; test -w /dev/shm; mktemp > /dev/null";
    let status = Command::new("/bin/sh").args(["-c", script]).status().unwrap();
    if !status.success() {
        println!("a script failed: {status}");
    }
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| ())).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    if call(libc::SYS_unshare, &[i64::from(libc::CLONE_FS | libc::CLONE_FILES)]) != 0 {
        println!("harmless unshare is refused");
    }
}
