//! Network namespaces that are used again, and how it is known that nobody used them before.
//!
//! Making and unmaking a network namespace is the dearest part of a sandbox. A helper therefore
//! keeps its own for the next builder, but only when the last one left no trace in it: no socket
//! that is still open somewhere, and every counter of the kernel as it was. A builder cannot
//! change anything else there, because it has no capability: not the interface, which stays down,
//! no address, route or rule.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use crate::sys;

/// What the kernel counts for each network namespace, as far as it is needed to see whether anything
/// was tried. Not among them are files that mix in counters of the whole machine, see
/// [`FIRST_LINE`]; lists of sockets and of what sockets have joined, which are empty when that line
/// counts none; and `netstat`, the dearest of all: the loopback is down, so no connection comes
/// about and no packet is sent, and what is tried before a packet is there is counted in `snmp`. A
/// test tries what a builder could try.
const COUNTERS: [&str; 3] = ["dev", "snmp", "snmp6"];

/// Of this file only the first line, the number of sockets of all families, belongs to the
/// namespace.
const FIRST_LINE: &str = "sockstat";

/// Most bytes of one of them that are compared. A namespace that was not used has a few thousand.
const MAX_COUNTERS: usize = 32 << 10;

/// A file shorter than that gives all that it has to one read: the kernel fills at least a page
/// with whole lines before it answers, and the next line would still have found room. Another read,
/// to see the end, would make the kernel write the whole file again.
const ONE_READ: usize = 4096 - 512;

/// These consist of one piece, which the kernel never divides.
const ONE_PIECE: [&str; 2] = ["snmp", "snmp6"];

/// This process's network namespace, which is empty and whose loopback is down.
pub(crate) struct Network {
    /// `None` when it cannot be seen what the kernel counts.
    counters: Option<Counters>,
}

impl Network {
    /// The network namespace that this process has just entered.
    pub(crate) fn new() -> Self {
        Network { counters: Counters::open() }
    }

    /// Replaces the namespace unless it is as it was in the beginning.
    pub(crate) fn renew(&mut self) -> Result<(), Errno> {
        if self.counters.as_ref().is_some_and(Counters::are_fresh) {
            return Ok(());
        }
        sys::unshare_network()?;
        *self = Network::new();
        Ok(())
    }
}

/// The files of counters of one namespace. They stay open, because finding them takes longer than
/// reading them, and belong to the namespace in which they were opened.
struct Counters(Vec<Counter>);

struct Counter {
    file: File,
    part: Part,
    /// What was counted before the first builder.
    fresh: Vec<u8>,
}

/// How a file is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Only its first line counts.
    FirstLine,
    /// All of it, which comes in one piece.
    OnePiece,
    /// All of it, line by line.
    Lines,
}

impl Counters {
    /// `None` where the kernel shows too little to tell whether something has happened.
    fn open() -> Option<Self> {
        let open = |name: &str| File::open(format!("/proc/self/net/{name}"));
        let mut found = vec![Counter::new(open(FIRST_LINE).ok()?, Part::FirstLine)?];
        for name in COUNTERS {
            let part = if ONE_PIECE.contains(&name) { Part::OnePiece } else { Part::Lines };
            // Without IPv6 its files are absent.
            if let Ok(file) = open(name) {
                found.push(Counter::new(file, part)?);
            }
        }
        (found.len() > 2).then_some(Counters(found))
    }

    fn are_fresh(&self) -> bool {
        let mut buffer = [0; MAX_COUNTERS];
        self.0.iter().all(|counter| {
            let now = counted(&counter.file, counter.part, &mut buffer);
            now.is_some_and(|now| now == counter.fresh)
        })
    }
}

impl Counter {
    fn new(file: File, part: Part) -> Option<Self> {
        let mut buffer = [0; MAX_COUNTERS];
        let fresh = counted(&file, part, &mut buffer)?.to_vec();
        Some(Counter { file, part, fresh })
    }
}

/// What the kernel counts now; `None` where it cannot be read, or is too long to be read whole.
fn counted<'b>(file: &File, part: Part, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut length = 0;
    loop {
        let read = file.read_at(buffer.get_mut(length..)?, length as u64).ok()?;
        length += read;
        if length == buffer.len() {
            return None;
        }
        if read == 0 || part != Part::Lines || length < ONE_READ {
            break;
        }
    }
    let found = &buffer[..length];
    match part {
        Part::FirstLine => found.split(|byte| *byte == b'\n').next(),
        Part::OnePiece | Part::Lines => Some(found),
    }
}
