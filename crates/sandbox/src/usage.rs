//! What a running sandbox takes of memory, processor time and disk, looked at from outside.
//!
//! The kernel limits such things with [control groups](crate::group), which an ordinary user seldom
//! has and root in a container does not have either. Looking now and then works everywhere.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::spec::SandboxSpec;
use crate::wire::Outcome;

/// Time between two looks at the memory, and the shortest between two at the processor time.
const MEMORY_INTERVAL: Duration = Duration::from_millis(100);

/// Shortest time between two looks at the disk.
const DISK_INTERVAL: Duration = Duration::from_secs(1);

/// Looking at the disk takes at most one part in so many of the time.
const DISK_SHARE: u32 = 20;

/// Most processes that are looked at; more than the kernel lets a sandbox have.
const MAX_PROCESSES: usize = 1 << 16;

/// Unit of the number of blocks of a file.
const BLOCK: u64 = 512;

/// Looks at one sandbox from time to time.
pub(crate) struct Usage {
    init: Pid,
    memory: Option<Look>,
    disk: Option<Look>,
    /// In nanoseconds of processor time.
    cpu: Option<Look>,
    /// The host folders that the builder can write to.
    folders: Vec<PathBuf>,
}

/// One thing to look at.
struct Look {
    limit: u64,
    due: Instant,
}

impl Usage {
    pub(crate) fn new(init: Pid, spec: &SandboxSpec, started: Instant) -> Self {
        let look = |limit: Option<u64>| limit.map(|limit| Look { limit, due: started });
        let writable = spec.binds.iter().filter(|bind| bind.writable);
        Usage {
            init,
            memory: look(spec.limits.memory),
            disk: look(spec.limits.disk),
            cpu: look(spec.limits.cpu.map(nanoseconds)),
            folders: writable.map(|bind| bind.source.clone()).collect(),
        }
    }

    /// When to look next, if ever.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.memory.iter().chain(&self.disk).chain(&self.cpu).map(|look| look.due).min()
    }

    /// Looks at what is due; gives the limit that is passed.
    pub(crate) fn look(&mut self, now: impl Fn() -> Instant) -> Option<Outcome> {
        let started = now();
        if let Some(memory) = self.memory.as_mut().filter(|look| look.due <= started) {
            memory.due = started + MEMORY_INTERVAL;
            if memory_of(self.init) > memory.limit {
                return Some(Outcome::OutOfMemory);
            }
        }
        if let Some(cpu) = self.cpu.as_mut().filter(|look| look.due <= started) {
            let used = cpu_of(self.init);
            if used > cpu.limit {
                return Some(Outcome::OutOfCpu);
            }
            // It cannot be used up sooner, with all processors at work.
            let left = Duration::from_nanos((cpu.limit - used) / processors());
            cpu.due = started + left.max(MEMORY_INTERVAL);
        }
        if let Some(disk) = self.disk.as_mut().filter(|look| look.due <= started) {
            let over = disk_of(&self.folders, disk.limit) > disk.limit;
            let ended = now();
            disk.due = ended + DISK_INTERVAL.max((ended - started) * DISK_SHARE);
            return over.then_some(Outcome::OutOfDisk);
        }
        None
    }

    /// Looks at the disk once more when the builder has ended, which may have been quick.
    pub(crate) fn at_end(&self) -> Option<Outcome> {
        let disk = self.disk.as_ref()?;
        (disk_of(&self.folders, disk.limit) > disk.limit).then_some(Outcome::OutOfDisk)
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

/// Bytes of memory without a file behind it, of a process and all that descend from it.
fn memory_of(init: Pid) -> u64 {
    sum(init, anonymous_memory)
}

/// A number of a process and all that descend from it. All processes of a sandbox do so from its
/// init. Those that end meanwhile count nothing.
fn sum(init: Pid, of: impl Fn(i32) -> u64) -> u64 {
    let mut open = vec![init.as_raw_nonzero().get()];
    let (mut total, mut seen) = (0_u64, 0);
    while let Some(id) = open.pop() {
        seen += 1;
        if seen > MAX_PROCESSES {
            break;
        }
        total = total.saturating_add(of(id));
        children(id, &mut open);
    }
    total
}

/// The kernel states kibibytes.
fn anonymous_memory(id: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
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

/// Bytes that folders take on disk; stops counting beyond `enough`. What vanishes meanwhile or
/// cannot be read counts nothing.
#[expect(clippy::disallowed_methods, reason = "the sum does not depend on the order")]
fn disk_of(folders: &[PathBuf], enough: u64) -> u64 {
    let mut open: Vec<PathBuf> = folders.to_vec();
    let mut bytes = 0_u64;
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let (size, is_folder) = taken(&path);
            bytes = bytes.saturating_add(size);
            if is_folder {
                open.push(path);
            }
        }
        if bytes > enough {
            break;
        }
    }
    bytes
}

/// The space of one entry, and whether it is a folder. A file with several names counts in parts.
fn taken(path: &Path) -> (u64, bool) {
    let Ok(data) = fs::symlink_metadata(path) else { return (0, false) };
    let size = data.blocks().saturating_mul(BLOCK);
    if data.is_dir() { (size, true) } else { (size / data.nlink().max(1), false) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_memory_of_this_process_is_seen() {
        let block = vec![1_u8; 32 << 20];
        let this = rustix::process::getpid();
        let found = memory_of(this);
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

    #[test]
    fn what_is_written_is_counted_once_for_all_names() {
        let folder = tempfile::tempdir().unwrap();
        let empty = disk_of(&[folder.path().to_owned()], u64::MAX);
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/file"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(folder.path().join("a/file"), folder.path().join("name")).unwrap();
        let found = disk_of(&[folder.path().to_owned()], u64::MAX) - empty;
        assert!((1 << 20..(1 << 20) + (64 << 10)).contains(&found), "{found}");
        assert_eq!(disk_of(&[folder.path().join("none")], 0), 0);
    }
}
