//! The system-call filter of the builder.
//!
//! A build needs few privileges and the kernel refuses most others already, because all
//! capabilities are gone. The filter closes what remains: file modes that would be a danger once
//! an output is on the host's disk, doors into namespaces that give capabilities back, kernel
//! interfaces with a record of bugs, and state that outlives the sandbox, such as keyrings.

use std::collections::BTreeMap;
use std::io;
use std::sync::OnceLock;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};

use crate::error::Error;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Built<T> = Result<T, BackendError>;

/// System calls that came after the constants of the C library; the same on all architectures.
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const OPEN_TREE_ATTR: i64 = 467;
const FILE_SETATTR: i64 = 469;

const SETUID: u64 = libc::S_ISUID as u64;
const SETGID: u64 = libc::S_ISGID as u64;
const FILE_TYPE: u64 = libc::S_IFMT as u64;

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
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Terminal calls that type into, or paste from, a terminal; on the host's they would escape.
const TERMINAL_CALLS: [u64; 2] = [libc::TIOCSTI, 0x541c];

const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// `CLONE_NEWTIME`, which only `unshare` and `clone3` know.
const NEW_TIME: u64 = 0x80;

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

/// One program for all rules: the kernel's work for a filter is a fixed one and one for each
/// instruction, and it is a good part of what a small build costs.
fn compile() -> Built<Vec<u8>> {
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let conditional = SeccompFilter::new(conditional_rules()?, SeccompAction::Allow, refuse, arch)?;
    let conditional: BpfProgram = conditional.try_into()?;
    let mut program = other_abi_check();
    // The compiled program begins with these too, for the check of the architecture.
    program.extend(conditional.iter().take_while(|step| !is_load_of_number(step)).cloned());
    program.push(operation(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0));
    for (calls, errno) in UNCONDITIONAL {
        for call in calls.iter() {
            let call = u32::try_from(*call).unwrap_or(u32::MAX);
            let answer = SeccompAction::Errno(errno.unsigned_abs());
            program.push(operation(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call));
            program.push(operation(libc::BPF_RET | libc::BPF_K, 0, 0, u32::from(answer)));
        }
    }
    program.extend(conditional.into_iter().skip_while(|step| !is_load_of_number(step)));
    Ok(to_bytes(&program))
}

/// Calls with one answer whatever their arguments are.
const UNCONDITIONAL: [(&[i64], i32); 4] = [
    (FORBIDDEN, libc::EPERM),
    (FORBIDDEN_HERE, libc::EPERM),
    (MISSING, libc::ENOSYS),
    (UNSUPPORTED, libc::ENOTSUP),
];

fn operation(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    // All codes are below 256; the C library's constants are wider than the field.
    sock_filter { code: code as u16, jt, jf, k }
}

/// The number of the call is the first field of what a filter sees.
fn is_load_of_number(step: &sock_filter) -> bool {
    u32::from(step.code) == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS && step.k == 0
}

/// Kills callers of the x32 interface, whose numbers pass for unknown ones otherwise. Callers of
/// the 32-bit interface are killed by the architecture check that every compiled filter starts with.
#[cfg(target_arch = "x86_64")]
fn other_abi_check() -> BpfProgram {
    let number = 0;
    let kill = u32::from(SeccompAction::KillProcess);
    let op = operation;
    vec![
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, number),
        op(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 2, 0x4000_0000),
        // -1 is no call at all; the kernel answers ENOSYS.
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, 0, u32::MAX),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, kill),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn other_abi_check() -> BpfProgram {
    Vec::new()
}

/// Calls that fail with `EPERM` for some arguments.
fn conditional_rules() -> Built<Rules> {
    let mut rules = Rules::new();
    mode_rules(&mut rules)?;
    node_rules(&mut rules)?;
    namespace_rules(&mut rules)?;
    let foreign: Built<Vec<_>> = FAMILIES.iter().map(|family| differs(0, *family as u64)).collect();
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(foreign?)?]);
    let typing: Built<Vec<_>> =
        TERMINAL_CALLS.iter().map(|call| rule([equals(1, *call)?])).collect();
    rules.insert(libc::SYS_ioctl, typing?);
    Ok(rules)
}

/// No file with setuid or setgid bits, neither by changing a mode nor by creating with one.
fn mode_rules(rules: &mut Rules) -> Built<()> {
    let changing: &[(i64, u8)] = &[
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_chmod, 1),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_creat, 1),
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (FCHMODAT2, 2),
    ];
    for (call, mode) in changing {
        for bit in [SETUID, SETGID] {
            rules.entry(*call).or_default().push(rule([has_bits(*mode, bit, bit)?])?);
        }
    }
    let opening: &[(i64, u8)] = &[
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_open, 1),
        (libc::SYS_openat, 2),
    ];
    let temporary = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;
    for (call, flags) in opening {
        for bit in [SETUID, SETGID] {
            for create in [libc::O_CREAT as u64, temporary] {
                let conditions =
                    [has_bits(*flags, create, create)?, has_bits(flags + 1, bit, bit)?];
                rules.entry(*call).or_default().push(rule(conditions)?);
            }
        }
    }
    Ok(())
}

/// No device nodes, and no other nodes with setuid or setgid bits.
fn node_rules(rules: &mut Rules) -> Built<()> {
    let making: &[(i64, u8)] = &[
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_mknod, 1),
        (libc::SYS_mknodat, 2),
    ];
    for (call, mode) in making {
        let entry = rules.entry(*call).or_default();
        for (mask, bits) in [
            (FILE_TYPE, libc::S_IFCHR as u64),
            (FILE_TYPE, libc::S_IFBLK as u64),
            (SETUID, SETUID),
            (SETGID, SETGID),
        ] {
            entry.push(rule([has_bits(*mode, mask, bits)?])?);
        }
    }
    Ok(())
}

/// No new namespaces: a new user namespace would give capabilities back.
fn namespace_rules(rules: &mut Rules) -> Built<()> {
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        let entry = rules.entry(call).or_default();
        for flag in NAMESPACES {
            let flag = flag as u32 as u64;
            entry.push(rule([has_bits(0, flag, flag)?])?);
        }
    }
    let unshare = rules.entry(libc::SYS_unshare).or_default();
    unshare.push(rule([has_bits(0, NEW_TIME, NEW_TIME)?])?);
    Ok(())
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Built<SeccompRule> {
    SeccompRule::new(conditions.into())
}

fn equals(argument: u8, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn differs(argument: u8, value: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

/// The bits of `mask` are exactly `bits`.
fn has_bits(argument: u8, mask: u64, bits: u64) -> Built<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), bits)
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
mod tests {
    use super::*;

    #[test]
    fn the_rules_compile_and_are_small() {
        let filter = compile().unwrap();
        let instructions = filter.len() / 8;
        assert!((200..600).contains(&instructions), "{instructions} instructions");
        assert_eq!(filter, compile().unwrap(), "the same rules give the same program");
    }

    #[test]
    fn no_call_has_two_answers() {
        let conditional = conditional_rules().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for call in UNCONDITIONAL.iter().flat_map(|(calls, _)| calls.iter()) {
            assert!(u32::try_from(*call).is_ok(), "call {call}");
            assert!(seen.insert(*call) && !conditional.contains_key(call), "call {call}");
        }
    }
}
