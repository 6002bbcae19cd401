//! The system-call filter of the builder.
//!
//! A build needs few privileges and the kernel refuses most others already, because all
//! capabilities are gone. The filter closes what remains: file modes that would be a danger once
//! an output is on the host's disk, doors into namespaces that give capabilities back, kernel
//! interfaces with a record of bugs, and state that outlives the sandbox, such as keyrings.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use seccompiler::{BackendError, BpfProgram, SeccompAction, sock_filter};

use crate::error::Error;
use crate::program::{Assembler, Label};

type Built<T> = Result<T, BackendError>;

/// System calls that came after the constants of the C library; the same on all architectures.
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const OPEN_TREE_ATTR: i64 = 467;
const FILE_SETATTR: i64 = 469;

/// Calls that fail with `EPERM` whatever their arguments are.
const FORBIDDEN: &[i64] = &[
    // The kernel's key store outlives the sandbox.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // The root and what is mounted on it.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_setns,
    // Other processes' memory, above all init's.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Large parts of the kernel that builds have no use for.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fanotify_init,
    // The machine.
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_open_by_handle_at,
    // Inode flags such as "immutable" would make an output undeletable.
    FILE_SETATTR,
];

#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[i64] =
    &[libc::SYS_kexec_file_load, libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[i64] = &[];

/// Calls that pretend not to exist, because their callers then take the older call, whose
/// arguments a filter can see.
const MISSING: &[i64] = &[libc::SYS_clone3, libc::SYS_openat2];

/// Calls that pretend that the file system does not support them.
const UNSUPPORTED: &[i64] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    SETXATTRAT,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    REMOVEXATTRAT,
];

/// Address families that remain; the network namespace makes the two of the internet harmless.
const FAMILIES: [u32; 4] =
    [libc::AF_UNIX as u32, libc::AF_INET as u32, libc::AF_INET6 as u32, libc::AF_NETLINK as u32];

/// A protocol that pretends not to exist, as on kernels without it. Alone among what a builder can
/// try in a network that is down, it is counted only where no other protocol is; see
/// [`network`](crate::network).
const NO_PROTOCOL: u32 = libc::IPPROTO_MPTCP as u32;

/// Terminal calls that type into, or paste from, a terminal; on the host's they would escape.
const TERMINAL_CALLS: [u32; 2] = [libc::TIOCSTI as u32, 0x541c];

/// Settings of files beside their permissions, such as flags, versions, verity and encryption. Some keep
/// a file from being removed, and those of a folder hold for what the next builder makes in it. The same
/// for what makes a subvolume or changes one.
const FILE_CALLS: [u32; 13] = [
    // FS_IOC_SETFLAGS for 64 and 32 bits, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION.
    0x4008_6602,
    0x4004_6602,
    0x401c_5820,
    0x4008_7602,
    0x4004_7602,
    // EXT4_IOC_SETVERSION, FS_IOC_ENABLE_VERITY, FS_IOC_SET_ENCRYPTION_POLICY.
    0x4008_6604,
    0x4080_6685,
    0x800c_6613,
    // BTRFS_IOC_SNAP_CREATE, _SUBVOL_CREATE, the second versions of both, _SUBVOL_SETFLAGS.
    0x5000_9401,
    0x5000_940e,
    0x5000_9417,
    0x5000_9418,
    0x4008_941a,
];

/// All of these.
const REFUSED_IOCTLS: [u32; 15] = {
    let mut all = [0; 15];
    (all[0], all[1]) = (TERMINAL_CALLS[0], TERMINAL_CALLS[1]);
    let mut at = 0;
    while at < FILE_CALLS.len() {
        all[at + 2] = FILE_CALLS[at];
        at += 1;
    }
    all
};

/// Leases on files, with which one builder could make another wait for an input that both have.
const LEASES: [u32; 2] = [libc::F_SETLEASE as u32, 1024 + 16];

/// Labels of IPv6 flows stay in the network namespace for a minute after the socket is gone, where the
/// next builder would find them, and nothing counts them.
const FLOW_LABELS: (u32, u32) = (libc::IPPROTO_IPV6 as u32, 32);

/// `CLONE_NEWTIME`, which only `unshare` and `clone3` know.
const NEW_TIME: u32 = 0x80;

/// The compiled filter as bytes. Compiled once per process.
///
/// # Errors
///
/// Never in practice: the rules are constants, and a test compiles them.
pub(crate) fn compiled() -> Result<Vec<u8>, Error> {
    static COMPILED: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(done) = COMPILED.get() {
        return Ok(done.clone());
    }
    let filter = compile().map_err(|error| Error::Helper(io::Error::other(error)))?;
    Ok(COMPILED.get_or_init(|| filter).clone())
}

/// One program for all rules: the kernel's work for a filter is a fixed one, one for each
/// instruction, and one for each instruction that the number of any call runs through. That is a
/// good part of what a small build costs, so the number is searched for.
fn compile() -> Built<Vec<u8>> {
    let program = assemble()?.ok_or(BackendError::FilterTooLarge(usize::MAX))?;
    Ok(to_bytes(&program))
}

/// Calls with one answer whatever their arguments are.
const UNCONDITIONAL: [(&[i64], i32); 4] = [
    (FORBIDDEN, libc::EPERM),
    (FORBIDDEN_HERE, libc::EPERM),
    (MISSING, libc::ENOSYS),
    (UNSUPPORTED, libc::ENOTSUP),
];

/// When a call fails with `EPERM`. Only the lower half of an argument counts; these are integers
/// of 32 bits to the kernel.
#[derive(Clone, Copy, Debug)]
enum Check {
    /// The argument has one of the bits.
    AnyBit { argument: u32, bits: u32 },
    /// The argument is one of the values.
    OneOf { argument: u32, values: &'static [u32] },
    /// The first argument is none of [`FAMILIES`]. With [`NO_PROTOCOL`] as the third one, the call
    /// fails with `EPROTONOSUPPORT`.
    Socket,
    /// The argument is not the value.
    Not { argument: u32, value: u32 },
    /// An argument and the next one have these two values.
    Both { argument: u32, values: (u32, u32) },
    /// The flags make a file, and the mode in the next argument has one of the special bits.
    Creation { flags: u32 },
    /// The mode is that of a device, or has one of the special bits.
    Node { mode: u32 },
}

/// No file may get these bits.
const SPECIAL: u32 = libc::S_ISUID | libc::S_ISGID;

/// The flags of `open` that make it look at its mode.
const CREATING: u32 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u32;

/// Every namespace that `clone` can make. A new user namespace would give capabilities back.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Calls that fail with `EPERM` for some arguments.
const CONDITIONAL: &[(i64, Check)] = &[
    // No file with setuid or setgid bits, neither by changing a mode nor by creating with one.
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, Check::AnyBit { argument: 1, bits: SPECIAL }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, Check::AnyBit { argument: 1, bits: SPECIAL }),
    (libc::SYS_fchmod, Check::AnyBit { argument: 1, bits: SPECIAL }),
    (libc::SYS_fchmodat, Check::AnyBit { argument: 2, bits: SPECIAL }),
    (FCHMODAT2, Check::AnyBit { argument: 2, bits: SPECIAL }),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Check::Creation { flags: 1 }),
    (libc::SYS_openat, Check::Creation { flags: 2 }),
    // No device nodes.
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, Check::Node { mode: 1 }),
    (libc::SYS_mknodat, Check::Node { mode: 2 }),
    (libc::SYS_clone, Check::AnyBit { argument: 0, bits: NAMESPACES }),
    (libc::SYS_unshare, Check::AnyBit { argument: 0, bits: NAMESPACES | NEW_TIME }),
    (libc::SYS_socket, Check::Socket),
    // Other families than Unix sockets would be tried, and their modules loaded.
    (libc::SYS_socketpair, Check::Not { argument: 0, value: libc::AF_UNIX as u32 }),
    (libc::SYS_setsockopt, Check::Both { argument: 1, values: FLOW_LABELS }),
    (libc::SYS_fcntl, Check::OneOf { argument: 1, values: &LEASES }),
    (libc::SYS_ioctl, Check::OneOf { argument: 1, values: &REFUSED_IOCTLS }),
];

/// Offsets in what a filter sees: the call's number, its interface, and its arguments.
const NUMBER: u32 = 0;
const INTERFACE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The kernel's name (`AUDIT_ARCH_*`) for the interface of this architecture.
fn interface() -> Built<u32> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(0xc000_003e),
        "aarch64" => Ok(0xc000_00b7),
        "riscv64" => Ok(0xc000_00f3),
        other => Err(BackendError::InvalidTargetArch(other.to_owned())),
    }
}

/// The x32 interface has numbers from here on, which pass for unknown ones otherwise. The last
/// number is no call at all; the kernel answers `ENOSYS`.
const X32: std::ops::Range<u32> = 0x4000_0000..u32::MAX;

/// The whole program; `None` when it has become too long for its jumps.
fn assemble() -> Built<Option<Vec<sock_filter>>> {
    let mut program = Assembler::default();
    let [allow, kill, refuse, absent, number] = [(); 5].map(|()| program.label());
    // Callers of the 32-bit interface are killed: its numbers mean other calls.
    program.load(INTERFACE);
    program.if_equal(interface()?, number, kill);
    program.place(number);
    program.load(NUMBER);
    let mut answers = vec![
        (allow, SeccompAction::Allow),
        (kill, SeccompAction::KillProcess),
        (refuse, SeccompAction::Errno(libc::EPERM.unsigned_abs())),
        (absent, SeccompAction::Errno(libc::EPROTONOSUPPORT.unsigned_abs())),
    ];
    let mut labels = BTreeMap::new();
    for (calls, errno) in UNCONDITIONAL {
        let label = if errno == libc::EPERM { refuse } else { program.label() };
        if label != refuse {
            answers.push((label, SeccompAction::Errno(errno.unsigned_abs())));
        }
        labels.extend(calls.iter().map(|call| (*call, label)));
    }
    let checks: Vec<_> =
        CONDITIONAL.iter().map(|(call, check)| (*call, *check, program.label())).collect();
    labels.extend(checks.iter().map(|(call, _, label)| (*call, *label)));
    program.search(&ranges(&labels, allow, kill));
    for (_, check, label) in checks {
        program.place(label);
        check.assemble(&mut program, &Answers { allow, refuse, absent });
    }
    for (label, answer) in answers {
        program.place(label);
        program.answer(u32::from(answer));
    }
    Ok(program.finish())
}

/// The numbers of all calls in ranges with one label each: that of the call, or `other`.
fn ranges(labels: &BTreeMap<i64, Label>, other: Label, kill: Label) -> Vec<(u32, Label)> {
    let mut starts = BTreeMap::from([(0, other)]);
    for (call, label) in labels {
        // All are small and positive, see the tests.
        let call = u32::try_from(*call).unwrap_or(u32::MAX - 1);
        starts.insert(call, *label);
        starts.entry(call + 1).or_insert(other);
    }
    if cfg!(target_arch = "x86_64") {
        starts.extend([(X32.start, kill), (X32.end, other)]);
    }
    let mut ranges: Vec<_> = starts.into_iter().collect();
    ranges.dedup_by_key(|(_, label)| *label);
    ranges
}

/// Where a check leads to.
struct Answers {
    allow: Label,
    refuse: Label,
    /// The protocol is not there.
    absent: Label,
}

impl Check {
    fn assemble(self, program: &mut Assembler, answers: &Answers) {
        let &Answers { allow, refuse, absent } = answers;
        let load = |program: &mut Assembler, argument| program.load(ARGUMENTS + 8 * argument);
        match self {
            Check::AnyBit { argument, bits } => {
                load(program, argument);
                program.if_any_bit(bits, refuse, allow);
            }
            Check::Socket => {
                let known = program.label();
                load(program, 0);
                one_of(program, &FAMILIES, known, refuse);
                program.place(known);
                load(program, 2);
                program.if_equal(NO_PROTOCOL, absent, allow);
            }
            Check::OneOf { argument, values } => {
                load(program, argument);
                one_of(program, values, refuse, allow);
            }
            Check::Not { argument, value } => {
                load(program, argument);
                program.if_equal(value, allow, refuse);
            }
            Check::Both { argument, values } => {
                let next = program.label();
                load(program, argument);
                program.if_equal(values.0, next, allow);
                program.place(next);
                load(program, argument + 1);
                program.if_equal(values.1, refuse, allow);
            }
            Check::Creation { flags } => {
                let creates = program.label();
                load(program, flags);
                program.if_any_bit(CREATING, creates, allow);
                program.place(creates);
                load(program, flags + 1);
                program.if_any_bit(SPECIAL, refuse, allow);
            }
            Check::Node { mode } => {
                let plain = program.label();
                load(program, mode);
                program.if_any_bit(SPECIAL, refuse, plain);
                program.place(plain);
                program.and(libc::S_IFMT);
                one_of(program, &[libc::S_IFCHR, libc::S_IFBLK], refuse, allow);
            }
        }
    }
}

/// Jumps by whether the loaded value is one of `values`, of which there is at least one.
fn one_of(program: &mut Assembler, values: &[u32], yes: Label, no: Label) {
    for (position, value) in values.iter().enumerate() {
        let next = if position + 1 == values.len() { no } else { program.label() };
        program.if_equal(*value, yes, next);
        if next != no {
            program.place(next);
        }
    }
}

/// Eight bytes for each instruction, little-endian.
fn to_bytes(program: &[sock_filter]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend(instruction.code.to_le_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_le_bytes());
    }
    bytes
}

/// Installs one filter, as given by [`compiled`], for this process and all that it starts.
pub(crate) fn install(bytes: &[u8]) -> io::Result<()> {
    let (instructions, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let program: BpfProgram = instructions
        .iter()
        .map(|&[c0, c1, jt, jf, k0, k1, k2, k3]| sock_filter {
            code: u16::from_le_bytes([c0, c1]),
            jt,
            jf,
            k: u32::from_le_bytes([k0, k1, k2, k3]),
        })
        .collect();
    seccompiler::apply_filter(&program).map_err(|error| match error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
        other => io::Error::other(other),
    })
}

#[cfg(test)]
mod tests;
