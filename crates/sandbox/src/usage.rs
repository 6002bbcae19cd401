//! What a running sandbox takes of memory, processor time and disk, looked at from outside.
//!
//! The kernel limits such things with [control groups](crate::group), which an ordinary user seldom
//! has and root in a container does not have either. Looking now and then works everywhere.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, MemfdFlags};
use rustix::process::Pid;

use crate::disk;
use crate::spec::{SandboxSpec, Tmp};
use crate::wire::Outcome;

/// Time between two looks at the memory, and the shortest between two at the processor time.
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);

/// Shortest time between two looks at the disk.
const DISK_INTERVAL: Duration = Duration::from_secs(1);

/// Looking at the disk takes at most one part in so many of the time.
const DISK_SHARE: u32 = 20;

/// Most processes that are looked at; more than the kernel lets a sandbox have.
const MAX_PROCESSES: usize = 1 << 16;

/// Looks at one sandbox from time to time.
pub(crate) struct Usage {
    init: Pid,
    memory: Option<Look>,
    disk: Option<Look>,
    /// In nanoseconds of processor time.
    cpu: Option<Look>,
    /// The host folders that the builder can write to.
    folders: Vec<PathBuf>,
    /// The file system of memory files; looked up when it is needed.
    memory_files: Option<u64>,
}

/// One thing to look at.
struct Look {
    limit: u64,
    due: Instant,
}

impl Usage {
    pub(crate) fn new(init: Pid, spec: &SandboxSpec, started: Instant) -> Self {
        let look = |limit: Option<u64>| limit.map(|limit| Look { limit, due: started });
        let writable = spec.binds.iter().filter(|bind| bind.writable).map(|bind| &bind.source);
        let tmp = match &spec.tmp {
            Tmp::Host(folder) => Some(folder),
            Tmp::Private { .. } => None,
        };
        Usage {
            init,
            memory: look(spec.limits.memory),
            disk: look(spec.limits.disk),
            cpu: look(spec.limits.cpu.map(nanoseconds)),
            folders: writable.chain(tmp).cloned().collect(),
            memory_files: None,
        }
    }

    /// When to look next, if ever.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.memory.iter().chain(&self.disk).chain(&self.cpu).map(|look| look.due).min()
    }

    /// Looks at what is due; gives the limit that is passed. `counted` is the processor time that the
    /// kernel has counted for the sandbox, if it does.
    pub(crate) fn look(
        &mut self,
        now: impl Fn() -> Instant,
        counted: impl Fn() -> Option<Duration>,
    ) -> Option<Outcome> {
        let started = now();
        if let Some(memory) = self.memory.as_mut().filter(|look| look.due <= started) {
            memory.due = started + MEMORY_INTERVAL;
            let limit = memory.limit;
            let device = *self.memory_files.get_or_insert_with(device_of_memory_files);
            if memory_of(self.init, limit, device) > limit {
                return Some(Outcome::OutOfMemory);
            }
        }
        if let Some(cpu) = self.cpu.as_mut().filter(|look| look.due <= started) {
            let used = counted().map_or_else(|| cpu_of(self.init), nanoseconds);
            if used > cpu.limit {
                return Some(Outcome::OutOfCpu);
            }
            // It cannot be used up sooner, with all processors at work.
            let left = Duration::from_nanos((cpu.limit - used) / processors());
            cpu.due = started + left.max(MEMORY_INTERVAL);
        }
        if let Some(disk) = self.disk.as_mut().filter(|look| look.due <= started) {
            let mut taken = disk::taken(&self.folders, disk.limit);
            if taken <= disk.limit {
                let devices = disk::devices(&self.folders);
                taken = taken.saturating_add(removed_files(self.init, &devices));
            }
            let over = taken > disk.limit;
            let ended = now();
            disk.due = ended + DISK_INTERVAL.max((ended - started) * DISK_SHARE);
            return over.then_some(Outcome::OutOfDisk);
        }
        None
    }

    /// Looks at the disk once more when the builder has ended, which may have been quick.
    pub(crate) fn at_end(&self) -> Option<Outcome> {
        let disk = self.disk.as_ref()?;
        (disk::taken(&self.folders, disk.limit) > disk.limit).then_some(Outcome::OutOfDisk)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn processors() -> u64 {
    std::thread::available_parallelism().map_or(1, |number| number.get() as u64)
}

/// Nanoseconds of processor time of a process and all that descend from it, the dead ones included.
fn cpu_of(init: Pid) -> u64 {
    let ticks = sum(init, ticks);
    ticks.saturating_mul(1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

/// Ticks of a process and of those that it has waited for. The name in parentheses may hold anything.
fn ticks(id: i32) -> u64 {
    let text = fs::read(format!("/proc/{id}/stat")).unwrap_or_default();
    let end = text.iter().rposition(|byte| *byte == b')').map_or(text.len(), |at| at + 1);
    let rest = String::from_utf8_lossy(&text[end..]).into_owned();
    // State is the third field; the times are the fourteenth to the seventeenth.
    let times = rest.split_ascii_whitespace().skip(11).take(4);
    times.filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// Bytes of memory without a file on disk behind it, of a process and all that descend from it: what
/// each has for itself, and what they share or hold open. Of the last two only the larger number
/// counts, because the same memory may be in both. Sharing is looked at closely only near the limit.
fn memory_of(init: Pid, limit: u64, memory_files: u64) -> u64 {
    let own = sum(init, |id| kibibytes_of(id, "status", "RssAnon:"));
    let files = removed_files(init, &[memory_files]);
    // Each process counts all that it shares.
    let mut shared = sum(init, |id| kibibytes_of(id, "status", "RssShmem:"));
    if own.saturating_add(shared) > limit {
        shared = sum(init, |id| kibibytes_of(id, "smaps_rollup", "Pss_Shmem:"));
    }
    own.saturating_add(shared.max(files))
}

/// The file system that the kernel keeps memory files on; they are on no other.
fn device_of_memory_files() -> u64 {
    let file = rustix::fs::memfd_create(c"cbuild", MemfdFlags::CLOEXEC);
    file.and_then(rustix::fs::fstat).map_or(u64::MAX, |file| file.st_dev)
}

/// Bytes of the files without a name, on some file systems, that processes have open.
#[expect(clippy::disallowed_methods, reason = "the sum does not depend on the order")]
fn removed_files(init: Pid, devices: &[u64]) -> u64 {
    let mut found = BTreeMap::new();
    each(init, |id| {
        for entry in fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten() {
            let Ok(file) = rustix::fs::stat(entry.path()) else { continue };
            let is_file = FileType::from_raw_mode(file.st_mode) == FileType::RegularFile;
            if is_file && file.st_nlink == 0 && devices.contains(&file.st_dev) {
                found.insert((file.st_dev, file.st_ino), disk::space(&file));
            }
        }
    });
    found.into_values().sum()
}

/// A number of a process and all that descend from it.
fn sum(init: Pid, of: impl Fn(i32) -> u64) -> u64 {
    let mut total = 0_u64;
    each(init, |id| total = total.saturating_add(of(id)));
    total
}

/// Visits a process and all that descend from it. All processes of a sandbox do so from its init.
/// Those that end meanwhile count nothing.
fn each(init: Pid, mut visit: impl FnMut(i32)) {
    let mut open = vec![init.as_raw_nonzero().get()];
    let mut seen = 0;
    while let Some(id) = open.pop() {
        seen += 1;
        if seen > MAX_PROCESSES {
            break;
        }
        visit(id);
        children(id, &mut open);
    }
}

/// Bytes of a line of one of a process's files, where the kernel states kibibytes.
fn kibibytes_of(id: i32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

/// Adds the children of all threads of a process.
#[expect(clippy::disallowed_methods, reason = "the sum does not depend on the order")]
fn children(id: i32, into: &mut Vec<i32>) {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return };
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        into.extend(text.split_ascii_whitespace().filter_map(|id| id.parse::<i32>().ok()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_memory_of_this_process_is_seen() {
        let block = vec![1_u8; 32 << 20];
        let this = rustix::process::getpid();
        let found = memory_of(this, u64::MAX, u64::MAX);
        assert!(found >= block.len() as u64, "{found}");
        assert!(block.iter().all(|byte| *byte == 1));
    }

    #[test]
    fn the_processor_time_of_this_process_is_seen() {
        let this = rustix::process::getpid();
        let before = cpu_of(this);
        let mut number = 1_u64;
        while cpu_of(this) < before + 20_000_000 {
            number = std::hint::black_box(number.wrapping_mul(31));
        }
        assert!(cpu_of(this) >= before + 20_000_000);
    }
}
