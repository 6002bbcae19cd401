//! What `cbuild eval --stats` prints, and how much memory the process uses.
//!
//! Times and memory differ from run to run; the counts do not.

use std::io::Read as _;
use std::time::{Duration, Instant};

use cbuild_eval::Stats;
use serde_json::json;

use crate::output::tell_line;

/// Memory that an evaluation may use when nobody says otherwise, as a part of the machine's: 3/4.
const SHARE: (u64, u64) = (3, 4);

/// A clock for the phases of a command.
pub(crate) struct Phases {
    last: Instant,
    taken: Vec<(&'static str, Duration)>,
}

impl Phases {
    /// Starts the clock.
    #[expect(clippy::disallowed_methods, reason = "durations are what is asked for here")]
    pub(crate) fn start() -> Self {
        Self { last: Instant::now(), taken: Vec::new() }
    }

    /// Ends a phase; the next one begins.
    #[expect(clippy::disallowed_methods, reason = "durations are what is asked for here")]
    pub(crate) fn end(&mut self, phase: &'static str) {
        let now = Instant::now();
        self.taken.push((phase, now - self.last));
        self.last = now;
    }

    /// Writes times, counts and memory to the standard error: lines, or one JSON document.
    pub(crate) fn report(&self, stats: &Stats, json: bool) {
        let counts = counts(stats);
        let memory = peak_memory();
        if json {
            let times: serde_json::Map<String, serde_json::Value> = self
                .taken
                .iter()
                .map(|(phase, time)| ((*phase).to_owned(), json!(time.as_secs_f64() * 1000.0)))
                .collect();
            let counts: serde_json::Map<String, serde_json::Value> =
                counts.iter().map(|(name, _, count)| ((*name).to_owned(), json!(count))).collect();
            let document = json!({
                "type": "stats", "milliseconds": times, "counts": counts, "peak_memory": memory,
            });
            tell_line(&document.to_string());
            return;
        }
        for (phase, time) in &self.taken {
            tell_line(&format!("{:>14.1} ms  {phase}", time.as_secs_f64() * 1000.0));
        }
        for (_, meaning, count) in counts {
            tell_line(&format!("{count:>14}     {meaning}"));
        }
        tell_line(&format!("{:>14.1} MB  peak memory of the process", memory as f64 / 1e6));
    }
}

/// Name, meaning and value of each count.
fn counts(stats: &Stats) -> [(&'static str, &'static str, u64); 11] {
    [
        ("globals", "items of files evaluated", stats.globals),
        ("calls", "calls of functions", stats.calls),
        ("extern_calls", "calls of functions that are built in", stats.extern_calls),
        (
            "copied",
            "items of lists and members of sets that were copied to change others",
            stats.copied,
        ),
        ("suspended", "expressions suspended", stats.suspended),
        ("resumed", "suspended expressions evaluated later", stats.resumed),
        ("made", "records, lists, maps, variants, functions and texts made", stats.made),
        (
            "largest",
            "items of the largest list or map that was joined or made by number",
            stats.largest,
        ),
        ("longest", "bytes of the longest text that was joined", stats.longest),
        ("deepest", "calls and lazy values inside one another, at most", stats.deepest),
        ("derivations", "derivations described", stats.derivations),
    ]
}

/// Resident memory of this process, in bytes; 0 where the system does not tell.
///
/// Evaluations ask it often. Of the files that tell it this is the one that costs the least to read, in
/// one piece.
pub(crate) fn used_memory() -> u64 {
    let mut text = [0; 128];
    let read = std::fs::File::open("/proc/self/statm").and_then(|mut file| file.read(&mut text));
    let pages = resident(text.get(..read.unwrap_or(0)).unwrap_or_default());
    pages.unwrap_or(0).saturating_mul(rustix::param::page_size() as u64)
}

/// The second number of `statm`: how many pages are resident.
fn resident(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.split_whitespace().nth(1)?.parse().ok()
}

fn peak_memory() -> u64 {
    field("/proc/self/status", "VmHWM:")
}

/// What an evaluation may use if nobody says otherwise: a share of the machine's memory or, where it is
/// less, of what the control group may use. Nothing if the system does not tell.
pub(crate) fn default_limit() -> Option<u64> {
    let machine = field("/proc/meminfo", "MemTotal:");
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max");
    let group = group.ok().and_then(|text| text.trim().parse::<u64>().ok());
    let all = group.map_or(machine, |group| group.min(machine));
    (all > 0).then(|| all / SHARE.1 * SHARE.0)
}

/// A size in a file of the kernel, in bytes; there it is written in KiB.
fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    size(&text, name).unwrap_or(0)
}

fn size(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_kibibytes() {
        let text = "Name:\tcbuild\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(size(text, "VmHWM:"), Some(2048 * 1024));
        assert_eq!(size(text, "VmRSS:"), Some(1024 * 1024));
        assert_eq!(size(text, "VmSwap:"), None);
        assert_eq!(size("VmRSS: much kB", "VmRSS:"), None);
    }

    #[test]
    fn resident_pages_are_the_second_number() {
        assert_eq!(resident(b"5120 1024 300 1 0 200 0\n"), Some(1024));
        assert_eq!(resident(b"5120"), None);
        assert_eq!(resident(b""), None);
    }

    #[test]
    fn this_process_uses_memory_within_the_default_limit() {
        let used = used_memory();
        assert!(used > 0);
        assert!(peak_memory() >= used || peak_memory() > 0);
        assert!(default_limit().is_some_and(|limit| limit > 0));
    }
}
