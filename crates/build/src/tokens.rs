//! One job server for all builders of a run, so that they and what they start in parallel are
//! together as many as there are jobs.
//!
//! The protocol is that of GNU make: a builder may do one thing at a time, one more for each byte that
//! it reads from a pipe, and writes the byte back when that is done. `MAKEFLAGS` tells it the numbers
//! of the descriptors, which are always the same, so that nothing of the machine can get into a result.
//!
//! Builders do not share a pipe: one could talk to another through it, and what one takes and never
//! gives back, because it was killed, would be lost for all. Each has two pipes of its own and a thread
//! of this process moves tokens between them and the common stock. The first pipe is of the least size,
//! one token, so that it becomes writable exactly when the builder has taken that. What a builder
//! holds is known at any time, and comes back with its end.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Numbers under which a builder finds the pipes, for reading and for writing. Shells use the lower
/// ones for scripts.
pub(crate) const NUMBERS: [u32; 2] = [198, 199];

/// What tells a builder so. make from 4.2 on, cargo and gcc understand it.
pub(crate) const MAKEFLAGS: &str = "-j --jobserver-auth=198,199";

/// What a token looks like; make demands nothing, and this is what it writes itself.
const TOKEN: &[u8] = b"+";

/// Size of the pipe that holds one token: the kernel rounds up to a page, which is one slot.
const ONE_SLOT: usize = 1;

/// Shortest and longest time for which an offer that nobody takes stays with one builder, while
/// another has none.
const TURN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(80));

/// Time between two looks at whether a step that waits for its turn should still go on.
const TICK: Duration = Duration::from_millis(50);

/// The stock of tokens of one run. Dropping it ends its thread.
#[derive(Debug)]
pub(crate) struct Tokens {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    stock: Mutex<Stock>,
    /// Told when tokens come back.
    back: Condvar,
    /// Wakes the thread.
    bell: OwnedFd,
}

#[derive(Debug)]
struct Stock {
    free: usize,
    /// Steps that wait for a token to begin with.
    waiting: usize,
    builders: BTreeMap<u64, Channel>,
    /// Counts builders and offers, so that each gets its turn.
    turn: u64,
    is_over: bool,
}

/// The pipes of one builder, seen from here.
#[derive(Debug)]
struct Channel {
    /// Where tokens are offered. Shared with the thread, so that a builder may end while that waits.
    offer: Arc<OwnedFd>,
    /// The other end of that, to take an offer back.
    withdraw: OwnedFd,
    /// Where they come back; shared as well.
    returned: Arc<OwnedFd>,
    is_offered: bool,
    /// What the builder has taken and not given back.
    held: usize,
    /// When it was offered something last.
    turn: u64,
}

/// A builder's right to run, with its ends of the pipes. Dropping it gives back all that it holds.
#[derive(Debug)]
pub(crate) struct Lease {
    shared: Arc<Shared>,
    id: u64,
    ends: [OwnedFd; 2],
}

impl Lease {
    /// What the builder gets under [`NUMBERS`].
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.ends[0].as_fd(), self.ends[1].as_fd()]
    }
}

impl Tokens {
    /// A stock of as many tokens as there are jobs.
    pub(crate) fn new(jobs: usize) -> Result<Self, Errno> {
        let stock =
            Stock { free: jobs, waiting: 0, builders: BTreeMap::new(), turn: 0, is_over: false };
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Shared { stock: Mutex::new(stock), back: Condvar::new(), bell };
        Ok(Self { shared: Arc::new(shared), thread: Mutex::default() })
    }

    /// Waits for a token and makes the pipes of a builder. `None` when `is_stopped` says so.
    pub(crate) fn lease(&self, is_stopped: impl Fn() -> bool) -> Result<Option<Lease>, Errno> {
        let (ends, channel) = Channel::new()?;
        let mut stock = self.shared.lock();
        stock.waiting += 1;
        let has_token = loop {
            if is_stopped() {
                break false;
            }
            if stock.take() {
                break true;
            }
            let waited = self.shared.back.wait_timeout(stock, TICK);
            stock = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        stock.waiting -= 1;
        if !has_token {
            return Ok(None);
        }
        stock.turn += 1;
        let id = stock.turn;
        stock.builders.insert(id, channel);
        let has_offers = stock.has_offers();
        drop(stock);
        self.start();
        if has_offers {
            self.shared.ring();
        }
        Ok(Some(Lease { shared: Arc::clone(&self.shared), id, ends }))
    }

    /// Offers to running builders what came back with [`Lease::end`].
    pub(crate) fn offer(&self) {
        let stock = self.shared.lock();
        if stock.free > 0 && !stock.builders.is_empty() {
            drop(stock);
            self.shared.ring();
        }
    }

    fn start(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            *thread = Some(std::thread::spawn(move || shared.move_tokens()));
        }
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.ring();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // One that panicked has told so already, and no token is needed any more.
            let _ = thread.join();
        }
    }
}

impl Lease {
    /// Gives all back to the stock, and to steps that wait for their turn, but offers nothing to
    /// running builders yet: the caller is at work itself, and then either takes the next lease or
    /// calls [`Tokens::offer`]. So tokens do not wander between short builds.
    pub(crate) fn end(self) {
        self.give_back();
    }

    /// Does nothing the second time; true when it did something.
    fn give_back(&self) -> bool {
        let mut stock = self.shared.lock();
        let Some(channel) = stock.builders.remove(&self.id) else { return false };
        stock.free += 1 + channel.held + usize::from(channel.is_offered);
        drop(stock);
        self.shared.back.notify_all();
        true
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.give_back() {
            self.shared.ring();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // A bell that rings already is as good.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Moves tokens until the run is over.
    fn move_tokens(&self) {
        let mut pause = TURN.0;
        loop {
            let mut stock = self.lock();
            if stock.is_over {
                return;
            }
            if stock.settle() {
                pause = TURN.0;
            }
            if stock.waiting > 0 && stock.free > 0 {
                self.back.notify_all();
            } else {
                stock.offer_all();
            }
            let timeout = stock.has_unequal_offers().then_some(pause);
            let watched = stock.watched();
            drop(stock);
            if !self.wait(&watched, timeout) {
                pause = (pause * 2).min(TURN.1);
                let mut stock = self.lock();
                stock.settle();
                stock.pass_on();
            }
        }
    }

    /// Waits until something happens; false when nothing did.
    fn wait(&self, watched: &[(Arc<OwnedFd>, PollFlags)], timeout: Option<Duration>) -> bool {
        let mut all = vec![PollFd::new(&self.bell, PollFlags::IN)];
        all.extend(watched.iter().map(|(descriptor, what)| PollFd::new(&**descriptor, *what)));
        let timeout =
            timeout.map(|time| Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) });
        let happened = poll(&mut all, timeout.as_ref()) != Ok(0);
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell, &mut count);
        happened
    }
}

impl Stock {
    /// Takes a token for a builder that starts, also one that is only offered to another.
    fn take(&mut self) -> bool {
        if self.free == 0 {
            let withdrawn = self.builders.values_mut().find_map(|channel| channel.withdraw());
            self.free += usize::from(withdrawn.is_some());
        }
        let is_there = self.free > 0;
        self.free -= usize::from(is_there);
        is_there
    }

    /// Notes what builders have taken and given back. True when there was anything.
    fn settle(&mut self) -> bool {
        let mut changed = false;
        for channel in self.builders.values_mut() {
            changed |= channel.note_taken();
            let returned = channel.take_returned();
            changed |= returned > 0;
            self.free += returned;
        }
        changed
    }

    /// Offers what is free, to those first that were offered nothing for the longest time.
    fn offer_all(&mut self) {
        while self.free > 0 {
            let waiting = self.builders.values_mut().filter(|channel| !channel.is_offered);
            let Some(channel) = waiting.min_by_key(|channel| channel.turn) else { return };
            self.turn += 1;
            channel.turn = self.turn;
            if !channel.offer() {
                return;
            }
            self.free -= 1;
        }
    }

    fn has_unequal_offers(&self) -> bool {
        let offered = self.builders.values().filter(|channel| channel.is_offered).count();
        self.free == 0 && offered > 0 && offered < self.builders.len()
    }

    /// Offers a token that one builder has no use for to another one.
    fn pass_on(&mut self) {
        let offered = self.builders.values_mut().filter(|channel| channel.is_offered);
        let idle = offered.min_by_key(|channel| channel.turn);
        if idle.and_then(Channel::withdraw).is_some() {
            self.free += 1;
        }
    }

    fn watched(&self) -> Vec<(Arc<OwnedFd>, PollFlags)> {
        let mut watched = Vec::new();
        for channel in self.builders.values() {
            watched.push((Arc::clone(&channel.returned), PollFlags::IN));
            if channel.is_offered {
                watched.push((Arc::clone(&channel.offer), PollFlags::OUT));
            }
        }
        watched
    }

    /// Whether a new builder changes who should be offered what.
    fn has_offers(&self) -> bool {
        self.free > 0 || self.builders.values().any(|channel| channel.is_offered)
    }
}

impl Channel {
    fn new() -> Result<([OwnedFd; 2], Self), Errno> {
        // The ends of this process never wait, those of the builder do.
        let (take, offer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&offer, ONE_SLOT)?;
        let (returned, give) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A description of its own: the builder can change how its end behaves, not how this does.
        let path = format!("/proc/self/fd/{}", take.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let withdraw = rustix::fs::open(path, flags, Mode::empty())?;
        for end in [&take, &give] {
            rustix::fs::fcntl_setfl(end, OFlags::empty())?;
        }
        let (offer, returned) = (Arc::new(offer), Arc::new(returned));
        let channel = Channel { offer, withdraw, returned, is_offered: false, held: 0, turn: 0 };
        Ok(([take, give], channel))
    }

    fn offer(&mut self) -> bool {
        self.is_offered = rustix::io::write(&self.offer, TOKEN) == Ok(1);
        self.is_offered
    }

    /// Takes an offer back; `None` when there is none, or the builder was faster.
    fn withdraw(&mut self) -> Option<()> {
        if !std::mem::take(&mut self.is_offered) {
            return None;
        }
        if rustix::io::read(&self.withdraw, &mut [0]) == Ok(1) {
            return Some(());
        }
        self.held += 1;
        None
    }

    fn note_taken(&mut self) -> bool {
        let mut offer = [PollFd::new(&self.offer, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let is_taken = self.is_offered
            && poll(&mut offer, Some(&now)).is_ok()
            && offer[0].revents().contains(PollFlags::OUT);
        if is_taken {
            self.is_offered = false;
            self.held += 1;
        }
        is_taken
    }

    /// What has come back; a builder that gives more than it took gives nothing with that.
    fn take_returned(&mut self) -> usize {
        let mut buffer = [0; 4096];
        let mut all = 0;
        while let Ok(count @ 1..) = rustix::io::read(&self.returned, &mut buffer) {
            let count = count.min(self.held);
            self.held -= count;
            all += count;
            if count == 0 {
                break;
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::fs::File;
    use std::io::{Read, Write};

    use super::*;

    fn ends(lease: &Lease) -> (File, File) {
        let [take, give] = lease.descriptors();
        (take.try_clone_to_owned().unwrap().into(), give.try_clone_to_owned().unwrap().into())
    }

    fn take(from: &mut File) {
        let mut token = [0];
        from.read_exact(&mut token).unwrap();
        assert_eq!(token, TOKEN);
    }

    #[track_caller]
    fn eventually(tokens: &Tokens, what: impl Fn(&Stock) -> bool) {
        while !what(&tokens.shared.lock()) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn one_builder_gets_all_and_a_dead_one_keeps_nothing() {
        let tokens = Tokens::new(4).unwrap();
        let lease = tokens.lease(|| false).unwrap().unwrap();
        let (mut from, mut to) = ends(&lease);
        (0..3).for_each(|_| take(&mut from));
        eventually(&tokens, |stock| stock.builders.values().all(|one| one.held == 3));
        assert!(tokens.lease(|| true).unwrap().is_none(), "nothing is left, and it does not wait");
        // What was given back can be taken again; bytes that are no tokens count nothing.
        to.write_all(b"???????").unwrap();
        (0..3).for_each(|_| take(&mut from));
        eventually(&tokens, |stock| stock.builders.values().all(|one| one.held == 3));
        drop(lease);
        assert_eq!(tokens.shared.lock().free, 4);
    }

    #[test]
    fn a_builder_that_needs_none_does_not_keep_others_waiting() {
        let tokens = Tokens::new(3).unwrap();
        let idle = tokens.lease(|| false).unwrap().unwrap();
        let busy = tokens.lease(|| false).unwrap().unwrap();
        let (mut from, mut to) = ends(&busy);
        for _ in 0..20 {
            take(&mut from);
            to.write_all(TOKEN).unwrap();
        }
        // A step that starts takes what is only offered.
        let third = tokens.lease(|| false).unwrap().unwrap();
        let stock = tokens.shared.lock();
        assert_eq!(stock.builders.values().filter(|one| one.is_offered).count() + stock.free, 0);
        drop(stock);
        drop((idle, busy, third));
        assert_eq!(tokens.shared.lock().free, 3);
    }

    #[test]
    fn a_waiting_step_goes_on_when_another_ends() {
        let tokens = Tokens::new(1).unwrap();
        let first = tokens.lease(|| false).unwrap().unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| tokens.lease(|| false).unwrap().unwrap());
            eventually(&tokens, |stock| stock.waiting == 1);
            drop(first);
            drop(second.join().unwrap());
        });
        assert_eq!(tokens.shared.lock().free, 1);
    }
}
