//! The zygote: the caller's executable, started once and copied for each sandbox.
//!
//! Starting a large program costs more than a whole sandbox does: the loader has to relocate it. A
//! `fork` of a process that has done so already is cheap, but only a process with one thread can
//! be forked safely, which the caller is not. The zygote does nothing but fork [helpers](crate::helper):
//! each message on its standard input carries the socket of one. It ends when the
//! caller closes its side, or dies in whatever way. Helpers hear of that through sockets of
//! their own, and do not depend on the zygote once they run.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::process::{Resource, Rlimit, WaitOptions, getrlimit, setrlimit};

use crate::group::Place;
use crate::helper::{self, Gives};
use crate::sys::{self, Fork};

/// `argv[0]` of the zygote, and the name of all processes that come from it.
pub(crate) const ZYGOTE_NAME: &str = "cbuild-sandbox";

/// `argv[1]` of the zygote. Together with [`ZYGOTE_NAME`] no ordinary call of the program has it.
pub(crate) const ZYGOTE_ARGUMENT: &str = "__sandbox-zygote-4";

/// `argv[2]` of a zygote whose builders are to have huge pages; itself it was started without.
pub(crate) const HUGE_PAGES: &str = "huge-pages";

/// The byte that carries a descriptor; its value is the version of what helpers are told.
pub(crate) const MESSAGE: u8 = 4;

/// Exit code of a process that could not even report.
const LOST: i32 = 125;

/// Becomes the sandbox's zygote if this process was started as one, and then never returns.
/// Otherwise returns at once.
///
/// Every program that makes a [`Launcher`](crate::Launcher) or calls [`spawn`](crate::spawn) or
/// [`probe`](crate::probe) calls this first in its `main`, before it starts threads or reads its
/// arguments.
pub fn helper_main_if_requested() {
    if is_zygote_call(std::env::args_os()) {
        // What the kernel's log calls it; the file name behind /proc/self/exe says nothing.
        let _ = rustix::thread::set_name(c"cbuild-sandbox");
        let huge_pages = std::env::args_os().nth(2).is_some_and(|word| word == HUGE_PAGES);
        sys::close_inherited();
        sys::reset_signals();
        let code = match main(huge_pages) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("sandbox helper: {error}");
                LOST
            }
        };
        std::process::exit(code);
    }
}

/// Whether this process was started as the zygote.
fn is_zygote_call(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> bool {
    let mut arguments = arguments.into_iter();
    let mut next =
        |expected| arguments.next().is_some_and(|found| found.as_ref() == OsStr::new(expected));
    next(ZYGOTE_NAME) && next(ZYGOTE_ARGUMENT)
}

fn main(huge_pages: bool) -> io::Result<()> {
    let caller = take_standard_input()?;
    // Ctrl-C in the caller's terminal is the caller's business; it cancels through the sockets.
    let _ = rustix::process::setsid();
    std::env::set_current_dir("/")?;
    // A sandbox with many inputs opens all of them at once. A builder gets a limit of its own.
    let files = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files });
    let children = sys::child_signals()?;
    let place = rustix::process::getppid().and_then(|parent| {
        // One that has died by now has another parent in its place, whose group is not cbuild's.
        let maker = rustix::net::sockopt::socket_peercred(&caller).ok()?.pid;
        (maker == parent).then(|| Place::find(&[parent, rustix::process::getpid()])).flatten()
    });
    let gives = Gives { place: place.as_ref(), huge_pages };
    while wait(&caller, &children, place.as_ref())? {
        let Some(socket) = receive(&caller)? else { break };
        match sys::fork() {
            Ok(Fork::Child) => {
                drop((caller, children));
                sys::exit(help(&socket, &gives));
            }
            Ok(Fork::Parent(_)) => {}
            Err(errno) => helper::refuse(&socket, errno),
        }
    }
    // Their use of processor time then counts as the caller's.
    reap(place.as_ref());
    Ok(())
}

/// Moves the socket away from descriptor 0 and leaves `/dev/null` there.
fn take_standard_input() -> io::Result<OwnedFd> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket)
}

/// Reaps helpers until the caller has something to say. False when the caller is gone.
fn wait(caller: &OwnedFd, children: &OwnedFd, place: Option<&Place>) -> io::Result<bool> {
    loop {
        let mut watched = [
            PollFd::from_borrowed_fd(caller.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(children.as_fd(), PollFlags::IN),
        ];
        match poll(&mut watched, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let (said, ended) = (watched[0].revents(), watched[1].revents());
        if !ended.is_empty() {
            sys::forget_signals(children.as_fd());
            reap(place);
        }
        if !said.is_empty() {
            // With both, what was said comes first: a message may precede the end.
            return Ok(said.contains(PollFlags::IN));
        }
    }
}

/// Reaps the helpers that have ended.
fn reap(place: Option<&Place>) {
    while let Ok(Some((helper, _))) = rustix::process::wait(WaitOptions::NOHANG) {
        if let Some(place) = place {
            place.forget(helper);
        }
    }
}

/// The next order; `None` at the end, or after something that is no order of this version.
fn receive(caller: &OwnedFd) -> io::Result<Option<UnixStream>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        match rustix::net::recvmsg(caller, &mut [IoSliceMut::new(&mut byte)], &mut control, flags) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    let socket = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    Ok(socket.filter(|_| received.bytes == 1 && byte == [MESSAGE]).map(UnixStream::from))
}

/// Runs as a helper; the result is the exit code.
fn help(caller: &UnixStream, gives: &Gives<'_>) -> i32 {
    sys::unblock_signals();
    match helper::serve(caller, gives) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("sandbox helper: {error}");
            LOST
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_call_is_the_zygote() {
        assert!(is_zygote_call([ZYGOTE_NAME, ZYGOTE_ARGUMENT]));
        assert!(!is_zygote_call(["cbuild", ZYGOTE_ARGUMENT]));
        assert!(!is_zygote_call([ZYGOTE_NAME, "build"]));
        assert!(!is_zygote_call([ZYGOTE_NAME]));
        assert!(!is_zygote_call([] as [&str; 0]));
    }
}
