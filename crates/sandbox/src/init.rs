//! Process 1 of the sandbox: builds the root, starts the builder, reaps, and ends with it.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::MountPropagationFlags;
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus};

use crate::base::Base;
use crate::error::{At, SetupFailure, Step};
use crate::group::Group;
use crate::helper::Errand;
use crate::privileges;
use crate::root;
use crate::sys;
use crate::terminal;
use crate::wire::InitReport;

/// Exit code of init, which nobody reads; what counts goes through the pipe.
const DONE: i32 = 0;

/// Runs as process 1 of the new pid namespace. `helper` is the pipe for reports, `log` the one for
/// what the builder writes.
pub(crate) fn main(
    errand: &Errand<'_>,
    group: Option<&Group>,
    helper: OwnedFd,
    log: OwnedFd,
    base: Option<&Base>,
    root_on_host: bool,
) -> ! {
    // First of all, so that whatever is started counts. Where it fails, limits are looked at from
    // outside, as without a group.
    if group.is_some_and(Group::enter) {
        let _ = sys::unshare_control_groups();
    }
    let report = match write_to(log).and_then(|()| run(errand, &helper, base, root_on_host)) {
        Ok(report) => report,
        Err(failure) => InitReport::Failed(failure),
    };
    send(&helper, &report);
    sys::exit(DONE)
}

/// Takes `log` as standard output and error.
fn write_to(log: OwnedFd) -> Result<(), SetupFailure> {
    rustix::stdio::dup2_stdout(&log).at(Step::Init, "")?;
    rustix::stdio::dup2_stderr(&log).at(Step::Init, "")
}

/// A helper that is gone cannot be told anything; its end kills this process anyway.
fn send(helper: &OwnedFd, report: &InitReport) {
    if let Ok(copy) = helper.try_clone() {
        let _ = File::from(copy).write_all(&report.encode());
    }
}

fn run(
    errand: &Errand<'_>,
    helper: &OwnedFd,
    base: Option<&Base>,
    root_on_host: bool,
) -> Result<InitReport, SetupFailure> {
    die_with_helper(helper)?;
    let spec = &errand.request.spec;
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(spec.umask & 0o777));
    if root_on_host {
        privileges::limit_process_ids(&spec.limits);
    }
    match base {
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
    let builder = sys::fork_with_borrowed_memory(&mut || builder(errand, helper));
    reap_until(builder.at(Step::Builder, "")?)
}

/// Asks the kernel to kill this process, and with it the sandbox, when the helper ends.
fn die_with_helper(helper: &OwnedFd) -> Result<(), SetupFailure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).at(Step::Init, "")?;
    // The helper may have died before that call; then nobody reads the pipe.
    let mut watched = [PollFd::from_borrowed_fd(helper.as_fd(), PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).at(Step::Init, "")?;
    if watched[0].revents().contains(PollFlags::ERR) {
        return Err(Errno::PIPE).at(Step::Init, "");
    }
    Ok(())
}

/// Reaps everything until the builder itself has ended.
fn reap_until(builder: Pid) -> Result<InitReport, SetupFailure> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == builder => {
                if let Some(report) = ending(status) {
                    return Ok(report);
                }
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(SetupFailure::new(Step::Builder, "", errno)),
        }
    }
}

fn ending(status: WaitStatus) -> Option<InitReport> {
    let exited = status.exit_status().map(InitReport::Exited);
    exited.or_else(|| status.terminating_signal().map(InitReport::Signaled))
}

/// Becomes the builder, or gives an exit code. The memory is still that of init, which waits.
fn builder(errand: &Errand<'_>, helper: &OwnedFd) -> i32 {
    let spec = &errand.request.spec;
    match prepare(errand) {
        Ok(()) if errand.request.probe => DONE,
        Ok(()) => {
            let mut command = Command::new(&spec.program);
            command
                .args(&spec.args)
                .env_clear()
                .envs(spec.env.iter().map(|(name, value)| (name, value)));
            let failure: Result<(), SetupFailure> =
                Err(command.exec()).at(Step::Execute, &spec.program);
            fail(helper, failure)
        }
        Err(failure) => fail(helper, Err(failure)),
    }
}

fn fail(helper: &OwnedFd, result: Result<(), SetupFailure>) -> i32 {
    if let Err(failure) = result {
        send(helper, &InitReport::Failed(failure));
    }
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
