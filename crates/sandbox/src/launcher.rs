//! The caller's side of the zygote: starting it when it is needed first, and ordering helpers.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::diagnosis::{Facts, diagnose};
use crate::error::{Error, SpecError};
use crate::filter;
use crate::huge_pages::without_huge_pages;
use crate::running::{Running, send_all};
use crate::spec::{MAX_DESCRIPTORS, SandboxSpec};
use crate::wire::Request;
use crate::zygote::{HUGE_PAGES, MESSAGE, ZYGOTE_ARGUMENT, ZYGOTE_NAME};

/// Most descriptors of one request: the log, the builder's, and the socket for a terminal.
pub(crate) const MAX_SENT: usize = MAX_DESCRIPTORS + 2;

/// Starts sandboxes. One launcher serves many of them, also from several threads at once; the first
/// one takes some milliseconds longer.
///
/// Sandboxes outlive their launcher. Dropping it waits for its process, which is idle then.
#[derive(Debug, Default)]
pub struct Launcher {
    zygote: Mutex<Option<Zygote>>,
    idle: Arc<Idle>,
}

/// Helpers that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct Idle(Mutex<Vec<Waiting>>);

/// A helper with the user and group of its user namespace.
type Waiting = ((u32, u32), Arc<UnixStream>);

impl Idle {
    /// The helper of these ids that was used last: its memory is most likely at hand still.
    fn take(&self, ids: (u32, u32)) -> Option<Arc<UnixStream>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.iter().rposition(|(found, _)| *found == ids)?;
        Some(idle.remove(found).1)
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Keeps a helper that has sent its report.
    pub(crate) fn put(&self, ids: (u32, u32), helper: Arc<UnixStream>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((ids, helper));
    }
}

#[derive(Debug)]
struct Zygote {
    child: Child,
    /// `None` when the zygote has been told to end.
    socket: Option<OwnedFd>,
}

impl Launcher {
    /// A launcher that has not started anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the process behind the launcher, if it does not run yet, and returns at once. A
    /// failure shows at the first sandbox.
    pub fn warm_up(&self) {
        let mut zygote = self.lock();
        if zygote.is_none() {
            *zygote = Zygote::start().ok();
        }
    }

    /// Lets the processes behind the launcher end when they have nothing to do any more, and returns at
    /// once; dropping the launcher waits for that. The next sandbox starts new ones.
    pub fn retire(&self) {
        self.idle.clear();
        if let Some(zygote) = &mut *self.lock() {
            zygote.socket = None;
        }
    }

    /// Starts the builder. What it writes to standard output and error is copied to `log` in
    /// order; it does not get `log` itself. When `log` is a pipe, its reader must keep reading: the
    /// limits are not watched while the helper waits for it.
    ///
    /// The caller's `main` must have called
    /// [`helper_main_if_requested`](crate::helper_main_if_requested) before anything else. Failures
    /// of the set-up are reported by [`Running::wait`].
    ///
    /// # Errors
    ///
    /// [`Error::Spec`] for a specification that contradicts itself, [`Error::Helper`] when no
    /// helper can be started.
    pub fn spawn(&self, spec: &SandboxSpec, log: File) -> Result<Running, Error> {
        self.spawn_with(spec, log, &[])
    }

    /// As [`spawn`](Self::spawn), and the builder gets the descriptors, as many as the specification
    /// has numbers for them, and one more for [`SandboxSpec::terminal`].
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn), also when there are more or fewer of them.
    pub fn spawn_with(
        &self,
        spec: &SandboxSpec,
        log: File,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Running, Error> {
        spec.check()?;
        if spec.descriptors.len() + usize::from(spec.terminal) != descriptors.len() {
            return Err(SpecError::Descriptors(spec.descriptors.clone()).into());
        }
        let request = Request { spec: spec.clone(), probe: false, filter: filter::compiled()? };
        self.start(&request, &log, descriptors)
    }

    /// Hands the request to a helper that waits, or orders a new one.
    pub(crate) fn start(
        &self,
        request: &Request,
        log: &File,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Running, Error> {
        let all: Vec<BorrowedFd<'_>> =
            std::iter::once(log.as_fd()).chain(descriptors.iter().copied()).collect();
        let ids = (request.spec.uid, request.spec.gid);
        let program = request.spec.program.clone();
        let bytes = request.encode();
        let running = |socket| Running::new(socket, program.clone(), ids, Arc::clone(&self.idle));
        while let Some(helper) = self.idle.take(ids) {
            // One that has died meanwhile is dropped.
            if hand_over(&helper, &bytes, &all).is_ok() {
                return Ok(running(helper));
            }
        }
        let (ours, theirs) = UnixStream::pair().map_err(Error::Helper)?;
        self.order(&theirs)?;
        drop(theirs);
        // A helper that is already dead shows as a missing report, which says more than EPIPE.
        let _ = hand_over(&ours, &bytes, &all);
        Ok(running(Arc::new(ours)))
    }

    /// Hands the descriptor to the zygote; one that has died is replaced.
    fn order(&self, socket: &UnixStream) -> Result<(), Error> {
        let mut current = self.lock();
        if let Some(zygote) = &*current {
            match zygote.send(socket) {
                Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => {}
                other => return other.map_err(|errno| Error::Helper(errno.into())),
            }
        }
        // Dropping the dead one reaps it.
        *current = None;
        let zygote = Zygote::start()?;
        let sent = zygote.send(socket);
        *current = Some(zygote);
        sent.map_err(|errno| Error::Helper(errno.into()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Zygote>> {
        // A panic leaves either a zygote or none, and both are fine.
        self.zygote.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Zygote {
    fn start() -> Result<Self, Error> {
        let failed = |errno: Errno| Error::Helper(errno.into());
        // Messages of this kind are whole or absent, and each has its own descriptors.
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(failed)?;
        let child = without_huge_pages(|for_builders| {
            Command::new("/proc/self/exe")
                .arg0(ZYGOTE_NAME)
                .arg(ZYGOTE_ARGUMENT)
                .args(for_builders.then_some(HUGE_PAGES))
                .env_clear()
                .stdin(Stdio::from(theirs))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        });
        let child = child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::Unavailable(diagnose(&Facts::without_proc())),
            _ => Error::Helper(error),
        })?;
        Ok(Zygote { child, socket: Some(ours) })
    }

    fn send(&self, socket: &UnixStream) -> Result<(), Errno> {
        let Some(zygote) = &self.socket else { return Err(Errno::PIPE) };
        send_descriptors(zygote, &[MESSAGE], &[socket.as_fd()]).map(drop)
    }
}

/// Sends a request with its log and further descriptors. The first byte carries them and means
/// nothing by itself.
fn hand_over(
    helper: &UnixStream,
    request: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut bytes = vec![MESSAGE];
    bytes.extend((request.len() as u64).to_le_bytes());
    bytes.extend(request);
    let sent = send_descriptors(helper, &bytes, descriptors)?;
    send_all(helper, &bytes[sent..])
}

/// Sends descriptors with the first byte; gives the number of bytes that were sent.
pub(crate) fn send_descriptors(
    to: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SENT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(descriptors));
    loop {
        let message = [IoSlice::new(bytes)];
        match rustix::net::sendmsg(&to, &message, &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // The end of its input ends it, and then it can be reaped.
        self.socket = None;
        let _ = self.child.wait();
    }
}
