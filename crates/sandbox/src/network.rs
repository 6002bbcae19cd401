//! Network namespaces that are used again, and how it is known that nobody used them before.
//!
//! Making and unmaking a network namespace is the dearest part of a sandbox. A helper therefore
//! keeps its own for the next builder, but only when the last one left no trace in it: no socket
//! that is still open somewhere, and every counter of the kernel as it was. A builder cannot
//! change anything else there, because it has no capability: not the interface, which stays down,
//! no address, route or rule.

use rustix::io::Errno;

use crate::sys;

/// What the kernel counts for each network namespace. Files that mix in counters of the whole
/// machine are not among them, see [`FIRST_LINE`].
const COUNTERS: [&str; 10] =
    ["dev", "netstat", "snmp", "snmp6", "unix", "igmp", "igmp6", "packet", "raw", "raw6"];

/// Of this file only the first line, the number of all sockets, belongs to the namespace.
const FIRST_LINE: &str = "sockstat";

/// This process's network namespace, which is empty and whose loopback is down.
pub(crate) struct Network {
    /// What was counted before its first builder; `None` when that cannot be seen.
    fresh: Option<Vec<Option<Vec<u8>>>>,
}

impl Network {
    /// The network namespace that this process has just entered.
    pub(crate) fn new() -> Self {
        Network { fresh: counted() }
    }

    /// Replaces the namespace unless it is as it was in the beginning.
    pub(crate) fn renew(&mut self) -> Result<(), Errno> {
        if self.fresh.is_some() && self.fresh == counted() {
            return Ok(());
        }
        sys::unshare_network()?;
        *self = Network::new();
        Ok(())
    }
}

/// What the kernel counts now; `None` where it shows nothing, so that nothing can be compared.
fn counted() -> Option<Vec<Option<Vec<u8>>>> {
    let read = |name: &str| std::fs::read(format!("/proc/self/net/{name}")).ok();
    let mut found: Vec<_> = COUNTERS.iter().map(|name| read(name)).collect();
    // Without IPv6 its files are absent; without these two nothing is known.
    let known = read(FIRST_LINE).filter(|_| found.iter().flatten().count() >= 4)?;
    found.push(known.split(|byte| *byte == b'\n').next().map(<[u8]>::to_vec));
    Some(found)
}
