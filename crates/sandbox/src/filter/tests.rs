//! The program against another compiler's for the same rules, stated in that compiler's terms.

#![allow(clippy::unwrap_used, reason = "tests")]

use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule};

use super::*;
use crate::program::run;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

const SETUID: u64 = libc::S_ISUID as u64;
const SETGID: u64 = libc::S_ISGID as u64;
const FILE_TYPE: u64 = libc::S_IFMT as u64;

const EACH_NAMESPACE: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// The answer of a call by the rules as another compiler understands them.
fn expected(conditional: &[sock_filter], input: &[u32]) -> u32 {
    let x32 = cfg!(target_arch = "x86_64") && X32.contains(&input[0]);
    if input[1] != interface().unwrap() || x32 {
        return SeccompAction::KillProcess.into();
    }
    let call = i64::from(input[0]);
    let found = UNCONDITIONAL.iter().find(|(calls, _)| calls.contains(&call));
    found.map_or_else(
        || run(conditional, input),
        |(_, errno)| SeccompAction::Errno(errno.unsigned_abs()).into(),
    )
}

fn conditional() -> BpfProgram {
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let rules = conditional_rules().unwrap();
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap().try_into().unwrap()
}

/// Values of arguments: none, all and each bit, those that rules name, and these with each bit.
fn values() -> Vec<u32> {
    let mut named = vec![0, u32::MAX, 0o644, 0o100_644, 0o4755, 0o2755];
    named.extend(FAMILIES.iter().chain(&TERMINAL_CALLS).chain(&FILE_CALLS).chain(&LEASES));
    named.extend([FLOW_LABELS.0, FLOW_LABELS.1]);
    for kind in [libc::S_IFCHR, libc::S_IFBLK, libc::S_IFIFO, libc::S_IFSOCK, libc::S_IFREG] {
        named.push(kind | 0o644);
    }
    named.extend([libc::O_CREAT, libc::O_TMPFILE, libc::O_DIRECTORY].map(|flag| flag as u32));
    let bits = (0..32).map(|bit| 1_u32 << bit);
    let changed = bits.flat_map(|bit| named.iter().map(move |value| value ^ bit));
    let mut all: Vec<u32> = changed.chain(named.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn all_numbers_get_the_answers_that_the_rules_say() {
    let (program, conditional) = (assemble().unwrap().unwrap(), conditional());
    let own = interface().unwrap();
    let numbers = (0..4096).chain([X32.start - 1, X32.start, X32.start + 1, u32::MAX - 1]);
    for number in numbers.chain([u32::MAX]) {
        for (interface, argument) in [(own, 0), (own, u32::MAX), (own ^ 1, 0), (0x4000_0003, 0)] {
            let mut input = vec![number, interface, 0, 0];
            input.extend([argument; 12]);
            let found = run(&program, &input);
            assert_eq!(found, expected(&conditional, &input), "{number} {interface:#x} {argument}");
        }
    }
}

#[test]
fn all_arguments_get_the_answers_that_the_rules_say() {
    let (program, conditional) = (assemble().unwrap().unwrap(), conditional());
    let values = values();
    for (call, check) in CONDITIONAL {
        let mut refused = 0;
        for first in &values {
            // With a second argument that matters, and with one that does not.
            for second in values.iter().step_by(7).chain(&[0o4755, 0o2755, 0o755, FLOW_LABELS.1]) {
                for position in 0..3 {
                    let mut input = vec![*call as u32, interface().unwrap(), 7, 7];
                    input.extend([0; 12]);
                    // The upper halves do not count.
                    input[4 + 2 * position] = *first;
                    input[5 + 2 * position] = *second;
                    input[6 + 2 * position] = *second;
                    let found = run(&program, &input);
                    assert_eq!(found, expected(&conditional, &input), "{call} {input:x?}");
                    refused += usize::from(found != u32::from(SeccompAction::Allow));
                }
            }
        }
        // Two values of which both count are seldom met.
        let least = if matches!(check, Check::Both { .. }) { 0 } else { 100 };
        assert!(refused > least, "call {call} was refused {refused} times");
    }
}

#[test]
fn one_protocol_is_absent() {
    let program = assemble().unwrap().unwrap();
    let answer = |family: u32, protocol: u32| {
        let mut input = vec![libc::SYS_socket as u32, interface().unwrap(), 7, 7];
        input.extend([family, 0, 1, 0, protocol, 0, 0, 0, 0, 0, 0, 0]);
        run(&program, &input)
    };
    let errno = |errno: i32| u32::from(SeccompAction::Errno(errno.unsigned_abs()));
    for family in FAMILIES {
        assert_eq!(answer(family, libc::IPPROTO_MPTCP as u32), errno(libc::EPROTONOSUPPORT));
        for other in [0, libc::IPPROTO_TCP, libc::IPPROTO_UDP, libc::IPPROTO_MPTCP + 1] {
            assert_eq!(answer(family, other as u32), SeccompAction::Allow.into());
        }
    }
    assert_eq!(answer(libc::AF_VSOCK as u32, libc::IPPROTO_MPTCP as u32), errno(libc::EPERM));
}

#[test]
fn the_program_is_small() {
    let program = assemble().unwrap().unwrap();
    assert!((100..255).contains(&program.len()), "{} instructions", program.len());
    assert_eq!(compile().unwrap().len(), program.len() * 8);
}

#[test]
fn no_call_has_two_answers() {
    let mut seen = std::collections::BTreeSet::new();
    let unconditional = UNCONDITIONAL.iter().flat_map(|(calls, _)| calls.iter());
    for call in unconditional.chain(CONDITIONAL.iter().map(|(call, _)| call)) {
        assert!((0..4096).contains(call) && seen.insert(*call), "call {call}");
    }
    let same: Vec<i64> = conditional_rules().unwrap().into_keys().collect();
    let mut own: Vec<i64> = CONDITIONAL.iter().map(|(call, _)| *call).collect();
    own.sort_unstable();
    assert_eq!(own, same);
}

/// Calls that fail with `EPERM` for some arguments.
fn conditional_rules() -> Built<Rules> {
    let mut rules = Rules::new();
    mode_rules(&mut rules)?;
    node_rules(&mut rules)?;
    namespace_rules(&mut rules)?;
    let foreign: Built<Vec<_>> =
        FAMILIES.iter().map(|family| differs(0, u64::from(*family))).collect();
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(foreign?)?]);
    let refused: Built<Vec<_>> = TERMINAL_CALLS
        .iter()
        .chain(&FILE_CALLS)
        .map(|call| rule([equals(1, u64::from(*call))?]))
        .collect();
    rules.insert(libc::SYS_ioctl, refused?);
    let unix = u64::from(libc::AF_UNIX as u32);
    rules.insert(libc::SYS_socketpair, vec![rule([differs(0, unix)?])?]);
    rules.insert(libc::SYS_setsockopt, vec![rule([equals(1, 41)?, equals(2, 32)?])?]);
    let leases = [1024, 1040].map(|lease| rule([equals(1, lease)?]));
    rules.insert(libc::SYS_fcntl, leases.into_iter().collect::<Built<_>>()?);
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
        for flag in EACH_NAMESPACE {
            let flag = flag as u32 as u64;
            entry.push(rule([has_bits(0, flag, flag)?])?);
        }
    }
    let unshare = rules.entry(libc::SYS_unshare).or_default();
    unshare.push(rule([has_bits(0, u64::from(NEW_TIME), u64::from(NEW_TIME))?])?);
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
