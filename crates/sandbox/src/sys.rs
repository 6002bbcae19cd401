//! System calls that have no safe wrapper. All `unsafe` of the crate is here.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;

mod borrowed;

pub(crate) use borrowed::{
    Init, Stack, Terms, fork_with_borrowed_memory, start_with_borrowed_memory,
    start_with_copied_memory, write_all,
};

/// Which side of a [`fork`] this is.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old process, with the id of the new one.
    Parent(Pid),
}

/// Copies this process, which must have a single thread.
pub(crate) fn fork() -> Result<Fork, Errno> {
    // SAFETY: helper and init never start a thread, so no lock can be held by a thread that is
    // missing in the copy, and the child may use the whole standard library.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Child),
        id if id > 0 => Pid::from_raw(id).map(Fork::Parent).ok_or(Errno::IO),
        _ => Err(last_error()),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Ends this process at once. A copy made by [`fork`] has nothing to tidy up that is not the
/// original's: handlers that were registered for its end belong to the program that it was.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: the call takes an integer and does not return.
    unsafe { libc::_exit(code) }
}

/// Enters new user and network namespaces.
pub(crate) fn unshare_user_and_network() -> Result<(), Errno> {
    use rustix::thread::UnshareFlags as Flags;
    // SAFETY: the call is unsafe only for CLONE_FILES, which could make descriptors that other
    // code owns refer to nothing; it is not among the flags.
    unsafe { rustix::thread::unshare_unsafe(Flags::NEWUSER | Flags::NEWNET) }
}

/// Enters a new network namespace.
pub(crate) fn unshare_network() -> Result<(), Errno> {
    // SAFETY: as above.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }
}

/// Enters a new mount namespace, with a copy of the mounts of the present one.
pub(crate) fn unshare_mounts() -> Result<(), Errno> {
    // SAFETY: as above.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
}

/// Enters a new control group namespace, in which the group of this process is the root.
pub(crate) fn unshare_control_groups() -> Result<(), Errno> {
    // SAFETY: as above.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP) }
}

/// Makes a descriptor known under a number too, for a program that is executed next.
pub(crate) fn give(descriptor: BorrowedFd<'_>, number: u32) -> Result<(), Errno> {
    let number = i32::try_from(number).map_err(|_| Errno::BADF)?;
    if descriptor.as_raw_fd() == number {
        // SAFETY: the call changes a flag of an open descriptor, and nothing relies on that flag
        // in this process, which is about to become another program.
        let result = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
        return if result == 0 { Ok(()) } else { Err(last_error()) };
    }
    // SAFETY: what has had that number in this process is not used any more, except for the pipe that
    // reports a failed start. Numbers of open files are small, and those of the specification are not.
    let result = unsafe { libc::dup2(descriptor.as_raw_fd(), number) };
    if result == number { Ok(()) } else { Err(last_error()) }
}

/// The namespaces of each sandbox that its init begins with.
const NAMESPACES: libc::c_int =
    libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWCGROUP;

/// As [`fork`], and the child is process 1 of a new pid namespace, with new ipc, uts and cgroup
/// namespaces.
fn fork_into_namespaces() -> Result<Fork, Errno> {
    let flags = NAMESPACES | libc::SIGCHLD;
    // SAFETY: without a stack and with neither CLONE_VM nor CLONE_SETTLS this is a fork, of a process
    // that has a single thread, see above; all further arguments are 0 on every architecture. The C
    // library is passed by, and with it only what concerns other threads.
    match unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0, 0, 0, 0) } {
        0 => Ok(Fork::Child),
        id => {
            let id = i32::try_from(id).ok().filter(|id| *id > 0).and_then(Pid::from_raw);
            id.map(Fork::Parent).ok_or_else(last_error)
        }
    }
}

/// Whether this process may have huge pages; false where the system does not know of them.
pub(crate) fn may_have_huge_pages() -> bool {
    // SAFETY: the call takes and gives integers and touches no memory of this process.
    unsafe { libc::prctl(libc::PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0 }
}

/// Lets this process, and all that share its memory, have huge pages or not from now on. A program
/// that it executes inherits that. There is no error where [`may_have_huge_pages`] was ever true.
pub(crate) fn set_huge_pages(allowed: bool) {
    // SAFETY: the call takes integers, and what memory holds does not change.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, libc::c_ulong::from(!allowed), 0, 0, 0) };
}

/// A program with its arguments and its environment, which can be executed without memory being taken.
pub(crate) struct Executable {
    /// What the pointers lead to; the first one is the program.
    words: Vec<CString>,
    arguments: Vec<*const libc::c_char>,
    environment: Vec<*const libc::c_char>,
}

impl Executable {
    /// Of several variables with the same name the last counts; they are sorted by their names.
    ///
    /// # Errors
    /// `EINVAL` where a text holds a NUL byte.
    pub(crate) fn new(
        program: &Path,
        arguments: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<Self, Errno> {
        let variables: BTreeMap<_, _> = environment.iter().map(|(n, v)| (n, v)).collect();
        let variables = variables
            .into_iter()
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
        let own = std::iter::once(program.as_os_str()).chain(arguments.iter().map(|a| &**a));
        let all = own.map(|text| text.as_bytes().to_vec()).chain(variables);
        let words: Vec<CString> =
            all.map(CString::new).collect::<Result<_, _>>().map_err(|_| Errno::INVAL)?;
        let (first, last) = words.split_at(arguments.len() + 1);
        let ended = |part: &[CString]| {
            part.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (arguments, environment) = (ended(first), ended(last));
        Ok(Executable { words, arguments, environment })
    }

    /// Becomes the program; returns only when that fails. A text without an interpreter is no program:
    /// the C library's searching calls would run a shell on it, with a copy of all the arguments on the
    /// small stack of this process.
    pub(crate) fn execute(&self) -> Errno {
        // SAFETY: the program is a NUL-terminated text, and both arrays end with a null pointer; all
        // that they point to lives as long as `self`.
        unsafe {
            libc::execve(self.words[0].as_ptr(), self.arguments.as_ptr(), self.environment.as_ptr())
        };
        last_error()
    }
}

/// How a child ended and what it and its own reaped children used.
#[derive(Debug)]
pub(crate) struct Reaped {
    /// The raw wait status.
    pub(crate) status: i32,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Bytes.
    pub(crate) max_rss: u64,
}

/// Waits for the end of one child.
pub(crate) fn wait_with_usage(child: Pid) -> Result<Reaped, Errno> {
    // SAFETY: all-zero bytes are a valid `rusage`, which holds only integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut status = 0;
    loop {
        // SAFETY: both pointers refer to live, writable variables of the types that wait4 fills.
        let id = unsafe { libc::wait4(child.as_raw_nonzero().get(), &mut status, 0, &mut usage) };
        match (id, last_error()) {
            (id, _) if id > 0 => break,
            (_, Errno::INTR) => {}
            (_, error) => return Err(error),
        }
    }
    let kibibytes = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    Ok(Reaped {
        status,
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        max_rss: kibibytes.saturating_mul(1024),
    })
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

/// Closes every descriptor from 3 on.
pub(crate) fn close_inherited() {
    // SAFETY: called as the first thing in the helper, before it opens anything, so no value in
    // this process owns one of these descriptors.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) } == 0;
    if !closed {
        // Linux before 5.9. Descriptors of this kind are close-on-exec in any careful caller, so a
        // bounded sweep is enough.
        for descriptor in 3..4096 {
            // SAFETY: as above.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Gives every signal its default action and unblocks all. A caller may ignore signals, as
/// `nohup` and Rust's own start-up do, and ignored signals survive `execve`.
pub(crate) fn reset_signals() {
    // All-zero is the kernel's `struct sigaction` for the default action. The C library's own
    // call would refuse the two signals that it keeps for itself, which a caller may ignore as well.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: the kernel reads its 32-byte structure from a live array of that size and writes
        // nothing. No handler of this process is replaced that other code relies on. Failure for
        // SIGKILL and SIGSTOP is harmless.
        unsafe {
            let none = std::ptr::null_mut::<u64>();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, 8_usize)
        };
    }
    unblock_signals();
}

/// Lets all signals through again.
pub(crate) fn unblock_signals() {
    // SAFETY: the set is initialised by sigemptyset before it is read.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    }
}

/// Blocks `SIGCHLD` and gives a descriptor that is readable when one waits.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is read, and both calls only read it.
    let descriptor = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Reads away what waits on a descriptor of [`child_signals`].
pub(crate) fn forget_signals(descriptor: BorrowedFd<'_>) {
    let mut buffer = [0_u8; 4 * size_of::<libc::signalfd_siginfo>()];
    // One kind of signal waits at most once; what is left makes the descriptor readable again.
    let _ = rustix::io::read(descriptor, &mut buffer);
}

/// Switches address-space randomisation off for programs that this process executes.
pub(crate) fn disable_address_randomisation() -> Result<(), Errno> {
    // SAFETY: personality takes an integer and touches no memory of this process.
    let result = unsafe { libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong) };
    if result < 0 { Err(last_error()) } else { Ok(()) }
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Adds `MOUNT_ATTR_*` flags to the mount `tree` refers to and, with `recursive`, to all below.
///
/// # Errors
///
/// `ENOSYS` before Linux 5.12.
pub(crate) fn add_mount_flags(
    tree: BorrowedFd<'_>,
    flags: u64,
    recursive: bool,
) -> Result<(), Errno> {
    let attributes = MountAttributes { set: flags, clear: 0, propagation: 0, user_namespace: 0 };
    let at = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a NUL-terminated literal; the kernel reads `size_of` bytes from a live,
    // `repr(C)` structure and keeps no pointer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            at,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}
