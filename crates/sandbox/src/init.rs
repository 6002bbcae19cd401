//! Process 1 of the sandbox: builds the root and starts the builder.

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::process::{DumpableBehavior, Pid, Signal};

use crate::base::Base;
use crate::error::{At, SetupFailure, Step};
use crate::group::Group;
use crate::helper::Errand;
use crate::privileges;
use crate::root;
use crate::sys::{self, Stack};
use crate::terminal;
use crate::wire::InitReport;

/// Exit code of a builder that is not to run.
const DONE: i32 = 0;

/// What init needs besides the errand.
pub(crate) struct Surroundings<'a> {
    pub(crate) base: Option<&'a Base>,
    pub(crate) group: Option<&'a Group>,
    pub(crate) root_on_host: bool,
    /// The pipe for reports.
    pub(crate) helper: BorrowedFd<'a>,
    /// The pipe for what the builder writes.
    pub(crate) log: BorrowedFd<'a>,
    /// For the builder, until it executes its program.
    pub(crate) stack: &'a RefCell<Stack>,
}

/// Runs as process 1 of the new pid namespace: builds the root and starts the builder. Its memory may
/// be that of the helper, which waits meanwhile. What comes afterwards is in [`sys::Init`].
pub(crate) fn main(errand: &Errand<'_>, around: &Surroundings<'_>) -> Option<Pid> {
    // First of all, so that whatever is started counts. Where it fails, limits are looked at from
    // outside, as without a group.
    if around.group.is_some_and(Group::enter) {
        let _ = sys::unshare_control_groups();
    }
    match write_to(around.log).and_then(|()| run(errand, around)) {
        Ok(builder) => Some(builder),
        Err(failure) => {
            send(around.helper, failure);
            None
        }
    }
}

/// Takes `log` as standard output and error.
fn write_to(log: BorrowedFd<'_>) -> Result<(), SetupFailure> {
    rustix::stdio::dup2_stdout(log).at(Step::Init, "")?;
    rustix::stdio::dup2_stderr(log).at(Step::Init, "")
}

fn send(helper: BorrowedFd<'_>, failure: SetupFailure) {
    sys::write_all(helper, &InitReport::Failed(failure).encode());
}

/// Builds the root and starts the builder.
fn run(errand: &Errand<'_>, around: &Surroundings<'_>) -> Result<Pid, SetupFailure> {
    die_with_helper(around.helper)?;
    let spec = &errand.request.spec;
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(spec.umask & 0o777));
    if around.root_on_host {
        privileges::limit_process_ids(&spec.limits);
    }
    match around.base {
        Some(base) => base.build(spec)?,
        None => {
            sys::unshare_mounts().at(Step::Namespaces, "")?;
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            rustix::mount::mount_change("/", private).at(Step::PrivateMounts, "")?;
            root::build(spec)?;
        }
    }
    rustix::system::sethostname(spec.host_name.as_bytes()).at(Step::HostName, "")?;
    if spec.one_processor {
        privileges::use_one_processor().at(Step::Builder, "")?;
    }
    rustix::process::chdir(&spec.cwd).at(Step::WorkingDirectory, &spec.cwd)?;
    privileges::drop_capabilities()?;
    // Init keeps the pipe; a builder of the same user must not reach it through /proc/1.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).at(Step::Init, "")?;
    privileges::install_filter(&errand.request.filter)?;
    let mut stack = around.stack.try_borrow_mut().map_err(|_| Errno::BUSY).at(Step::Builder, "")?;
    let builder =
        sys::fork_with_borrowed_memory(&mut stack, &mut || builder(errand, around.helper));
    if errand.gives.huge_pages {
        // The builder took them for itself just before it left this memory.
        sys::set_huge_pages(false);
    }
    builder.at(Step::Builder, "")
}

/// Asks the kernel to kill this process, and with it the sandbox, when the helper ends.
fn die_with_helper(helper: BorrowedFd<'_>) -> Result<(), SetupFailure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).at(Step::Init, "")?;
    // The helper may have died before that call; then nobody reads the pipe.
    let mut watched = [PollFd::from_borrowed_fd(helper, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).at(Step::Init, "")?;
    if watched[0].revents().contains(PollFlags::ERR) {
        return Err(Errno::PIPE).at(Step::Init, "");
    }
    Ok(())
}

/// Becomes the builder, or gives an exit code. The memory is still that of init, which waits.
fn builder(errand: &Errand<'_>, helper: BorrowedFd<'_>) -> i32 {
    let spec = &errand.request.spec;
    let failure = match prepare(errand) {
        Ok(()) if errand.request.probe => return DONE,
        Ok(()) => {
            if errand.gives.huge_pages {
                sys::set_huge_pages(true);
            }
            SetupFailure::new(Step::Execute, &spec.program, errand.executable.execute())
        }
        Err(failure) => failure,
    };
    send(helper, failure);
    127
}

fn prepare(errand: &Errand<'_>) -> Result<(), SetupFailure> {
    let spec = &errand.request.spec;
    rustix::process::setsid().at(Step::Builder, "")?;
    if spec.terminal {
        let socket = errand.given.last().ok_or(Errno::PROTO).at(Step::Terminal, "")?;
        terminal::take(socket)?;
    } else {
        let null = File::open("/dev/null").at(Step::Builder, "/dev/null")?;
        rustix::stdio::dup2_stdin(&null).at(Step::Builder, "")?;
    }
    for (number, descriptor) in spec.descriptors.iter().zip(&errand.given) {
        sys::give(descriptor.as_fd(), *number).at(Step::Builder, "")?;
    }
    sys::disable_address_randomisation().at(Step::Builder, "")?;
    privileges::set_limits(&spec.limits)
}
