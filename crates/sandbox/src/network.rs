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

/// What the kernel counts for each network namespace. Files that mix in counters of the whole
/// machine are not among them, see [`FIRST_LINE`].
const COUNTERS: [&str; 10] =
    ["dev", "netstat", "snmp", "snmp6", "unix", "igmp", "igmp6", "packet", "raw", "raw6"];

/// Of this file only the first line, the number of all sockets, belongs to the namespace.
const FIRST_LINE: &str = "sockstat";

/// Most bytes of one of them that are compared. A namespace without sockets has a few thousand.
const MAX_COUNTERS: usize = 32 << 10;

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
    first_line_only: bool,
    /// What was counted before the first builder.
    fresh: Vec<u8>,
}

impl Counters {
    /// `None` where the kernel shows too little to tell whether something has happened.
    fn open() -> Option<Self> {
        let open = |name: &str| File::open(format!("/proc/self/net/{name}"));
        let mut found = vec![Counter::new(open(FIRST_LINE).ok()?, true)?];
        for name in COUNTERS {
            // Without IPv6 its files are absent.
            if let Ok(file) = open(name) {
                found.push(Counter::new(file, false)?);
            }
        }
        (found.len() > 4).then_some(Counters(found))
    }

    fn are_fresh(&self) -> bool {
        let mut buffer = [0; MAX_COUNTERS];
        self.0.iter().all(|counter| {
            let now = counted(&counter.file, counter.first_line_only, &mut buffer);
            now.is_some_and(|now| now == counter.fresh)
        })
    }
}

impl Counter {
    fn new(file: File, first_line_only: bool) -> Option<Self> {
        let mut buffer = [0; MAX_COUNTERS];
        let fresh = counted(&file, first_line_only, &mut buffer)?.to_vec();
        Some(Counter { file, first_line_only, fresh })
    }
}

/// What the kernel counts now; `None` where it cannot be read, or is too long to be read whole.
fn counted<'b>(file: &File, first_line_only: bool, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut length = 0;
    loop {
        let read = file.read_at(buffer.get_mut(length..)?, length as u64).ok()?;
        length += read;
        if read == 0 || first_line_only {
            break;
        }
        if length == buffer.len() {
            return None;
        }
    }
    let found = &buffer[..length];
    match first_line_only {
        true => found.split(|byte| *byte == b'\n').next(),
        false => Some(found),
    }
}
