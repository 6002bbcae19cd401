//! What init and the builder give up: capabilities, resources, system calls.

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, CpuSet};

use crate::error::{SetupFailure, Step};
use crate::filter;
use crate::spec::Limits;

/// First kernel that counts `RLIMIT_NPROC` per user namespace.
const PROCESS_LIMIT_PER_NAMESPACE: (u32, u32) = (5, 14);

/// First kernel where every pid namespace has its own `kernel.pid_max`.
const OWN_PID_MAX: (u32, u32) = (6, 14);

/// Process ids below this are not given out again after the first round.
const RESERVED_IDS: u64 = 301;

/// The default soft limit of Linux for the stack, so that builds do not depend on the caller's.
const STACK: u64 = 8 << 20;

/// Lets no program that this process or one of its children executes have a capability, whatever is
/// written with the program's file. The process itself keeps those that it has.
pub(crate) fn bound_capabilities() -> Result<(), SetupFailure> {
    let failed = |errno: Errno| SetupFailure::new(Step::Capabilities, "", errno);
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The number after the last one that this kernel knows.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(failed(errno)),
        }
    }
    Ok(())
}

/// Drops every capability of this process and all it starts; [`bound_capabilities`] comes before.
pub(crate) fn drop_capabilities() -> Result<(), SetupFailure> {
    let failed = |errno: Errno| SetupFailure::new(Step::Capabilities, "", errno);
    rustix::thread::clear_ambient_capability_set().map_err(failed)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).map_err(failed)
}

/// Lets this process and all it starts run on the first only of the processors that it may use.
pub(crate) fn use_one_processor() -> Result<(), Errno> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let Some(first) = (0..CpuSet::MAX_CPU).find(|&number| allowed.is_set(number)) else {
        return Ok(());
    };
    let mut one = CpuSet::new();
    one.set(first);
    rustix::thread::sched_setaffinity(None, &one)
}

/// Forbids gaining privileges through `execve` and installs the filter.
pub(crate) fn install_filter(bytes: &[u8]) -> Result<(), SetupFailure> {
    let failed = |error: io::Error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::INVAL);
        SetupFailure::new(Step::Filter, "", errno)
    };
    rustix::thread::set_no_new_privs(true)
        .map_err(|errno| SetupFailure::new(Step::Filter, "", errno))?;
    filter::install(bytes).map_err(failed)
}

/// Sets the limits of this process, which is about to become the builder.
pub(crate) fn set_limits(limits: &Limits) -> Result<(), SetupFailure> {
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    set(Resource::Core, both(0))?;
    lower(Resource::Nofile, limits.open_files)?;
    let stack = getrlimit(Resource::Stack).maximum;
    let soft = stack.map_or(STACK, |maximum| maximum.min(STACK));
    set(Resource::Stack, Rlimit { current: Some(soft), maximum: stack })?;
    for (resource, value) in [
        (Resource::As, limits.address_space),
        (Resource::Fsize, limits.file_size),
        (Resource::Cpu, limits.cpu_seconds),
    ] {
        if let Some(value) = value {
            lower(resource, value)?;
        }
    }
    match limits.processes {
        // Helper and init count as well.
        Some(most) if kernel_is_at_least(PROCESS_LIMIT_PER_NAMESPACE) => {
            lower(Resource::Nproc, most.saturating_add(2))
        }
        _ => Ok(()),
    }
}

/// Sets both limits, but never above a hard limit that the caller already has.
fn lower(resource: Resource, value: u64) -> Result<(), SetupFailure> {
    let value = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    set(resource, Rlimit { current: Some(value), maximum: Some(value) })
}

fn set(resource: Resource, limit: Rlimit) -> Result<(), SetupFailure> {
    setrlimit(resource, limit).map_err(|errno| SetupFailure::new(Step::Limits, "", errno))
}

/// Limits the process ids of this pid namespace. The kernel does not apply `RLIMIT_NPROC` to a
/// user who is root on the host, and this is what bounds that caller's builds.
///
/// Does nothing before Linux 6.14, where this setting belongs to the whole machine. Must be called
/// by init while the host's `/proc` is still in place. Where that is read-only, as in most
/// containers, the setting stays.
pub(crate) fn limit_process_ids(limits: &Limits) {
    if let Some(most) = limits.processes
        && kernel_is_at_least(OWN_PID_MAX)
    {
        let value = most.saturating_add(RESERVED_IDS).min(4 << 20);
        let _ = std::fs::write("/proc/sys/kernel/pid_max", value.to_string());
    }
}

fn kernel_is_at_least(wanted: (u32, u32)) -> bool {
    let name = rustix::system::uname();
    parse_release(&name.release().to_string_lossy()).is_some_and(|found| found >= wanted)
}

/// Major and minor number of a release such as `6.1.0-18-amd64`.
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse_release;

    #[test]
    fn releases_are_read() {
        assert_eq!(parse_release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(parse_release("5.14.0"), Some((5, 14)));
        assert_eq!(parse_release("6.18-rc1"), Some((6, 18)));
        assert_eq!(parse_release("generic"), None);
        assert_eq!(parse_release(""), None);
    }
}
