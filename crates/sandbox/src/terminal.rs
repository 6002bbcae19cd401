//! A terminal of the builder's own: made inside the sandbox, with its other end outside.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use rustix::pty::OpenptFlags;

use crate::error::{At, SetupFailure, Step};
use crate::launcher::send_descriptors;

/// Takes a new terminal as standard input, output and error and as the one that sends signals, and
/// sends its other end through `socket`. The caller leads a session without a terminal.
pub(crate) fn take(socket: &OwnedFd) -> Result<(), SetupFailure> {
    let make = || {
        let outer =
            rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        rustix::pty::grantpt(&outer)?;
        rustix::pty::unlockpt(&outer)?;
        let name = rustix::pty::ptsname(&outer, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let inner = rustix::fs::open(name, flags, Mode::empty())?;
        rustix::process::ioctl_tiocsctty(&inner)?;
        rustix::stdio::dup2_stdin(&inner)?;
        rustix::stdio::dup2_stdout(&inner)?;
        rustix::stdio::dup2_stderr(&inner)?;
        send_descriptors(socket, &[0], &[outer.as_fd()]).map(drop)
    };
    make().at(Step::Terminal, "/dev/ptmx")
}

/// Waits for the other end of a builder's terminal; see
/// [`SandboxSpec::terminal`](crate::SandboxSpec::terminal). The caller has dropped its own copy of the
/// socket that the builder got.
///
/// # Errors
///
/// When there is none, because the builder could not be started; waiting for it says why.
pub fn receive_terminal(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    loop {
        let mut bytes = [IoSliceMut::new(&mut byte)];
        match rustix::net::recvmsg(socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => {
                other?;
                break;
            }
        }
    }
    let sent = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    sent.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
