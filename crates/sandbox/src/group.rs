//! A control group (version 2) for each sandbox, where this process may make one.
//!
//! With it the kernel itself enforces what [`usage`](crate::usage) only looks at. It needs a group that
//! holds nobody but cbuild: the kernel gives controllers only to groups below one without processes,
//! and a group elsewhere would leave the limits behind that were set for cbuild itself. A service
//! manager makes such a group on demand (`Delegate=yes`), and a container with a writable control
//! group file system has one. Nothing depends on it: whatever fails here leaves a sandbox without
//! a group, with the limits that work everywhere.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;

use crate::spec::Limits;
use crate::wire::Counted;

/// Name of the group into which cbuild itself moves, so that its own group holds no process.
const CALLER: &str = "cbuild-caller";

/// Start of the names of the groups of sandboxes; the helper's process id follows.
const SANDBOX: &str = "cbuild-sandbox-";

/// What sandboxes are limited with.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Microseconds in which a group gets its share of processor time.
const PERIOD: u64 = 100_000;

/// Changes of a group that are waited for until it is empty, and how long each is.
const MAX_EVENTS: usize = 16;
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// A group below which groups of sandboxes are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    folder: PathBuf,
}

impl Place {
    /// Finds a place, and moves `own` processes out of the way. They must be all of cbuild's.
    pub(crate) fn find(own: &[Pid]) -> Option<Self> {
        let mounts = fs::read("/proc/self/mountinfo").ok()?;
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::prepare(&folder_of(&mounts, &groups)?, own)
    }

    /// Makes the group at `folder` fit to have groups of sandboxes below it.
    fn prepare(folder: &Path, own: &[Pid]) -> Option<Self> {
        let is_moved = folder.file_name().is_some_and(|name| name == CALLER);
        let folder = if is_moved { folder.parent()? } else { folder };
        let place = Place { folder: folder.to_owned() };
        if !is_moved && !place.is_root() {
            let present = fs::read_to_string(folder.join("cgroup.procs")).ok()?;
            if !only(&present, own) || !place.offers_any("cgroup.controllers") {
                return None;
            }
            let aside = folder.join(CALLER);
            if !aside.is_dir() {
                fs::create_dir(&aside).ok()?;
            }
            for process in own {
                let number = process.as_raw_nonzero().to_string();
                write(&aside.join("cgroup.procs"), &number)?;
            }
            for controller in CONTROLLERS {
                // One that is not there is done without.
                let _ = write(&folder.join("cgroup.subtree_control"), &format!("+{controller}"));
            }
        }
        place.sweep();
        place.offers_any("cgroup.subtree_control").then_some(place)
    }

    /// The root of the hierarchy may have processes and groups at the same time.
    fn is_root(&self) -> bool {
        !self.folder.join("cgroup.type").exists()
    }

    fn offers_any(&self, file: &str) -> bool {
        let offered = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        offered.split_ascii_whitespace().any(|name| CONTROLLERS.contains(&name))
    }

    /// Removes groups whose helper was killed. Those with processes cannot be removed.
    #[expect(clippy::disallowed_methods, reason = "the order of removals does not matter")]
    fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().as_bytes().starts_with(SANDBOX.as_bytes()) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    /// Removes what a helper that was killed has left.
    pub(crate) fn forget(&self, helper: Pid) {
        let _ = fs::remove_dir(self.of(helper));
    }

    fn of(&self, helper: Pid) -> PathBuf {
        self.folder.join(format!("{SANDBOX}{}", helper.as_raw_nonzero()))
    }

    /// A new group with these limits for the one sandbox that this process runs now.
    pub(crate) fn group(&self, limits: &Limits) -> Option<Group> {
        self.group_at(self.of(rustix::process::getpid()), limits)
    }

    fn group_at(&self, folder: PathBuf, limits: &Limits) -> Option<Group> {
        if fs::create_dir(&folder).is_err() {
            // Of a helper that had the same process id.
            fs::remove_dir(&folder).ok()?;
            fs::create_dir(&folder).ok()?;
        }
        let entrance = File::options().write(true).open(folder.join("cgroup.procs"));
        let group = Group { folder, entrance: entrance.ok()? };
        group.limit(limits);
        Some(group)
    }
}

/// The group of one sandbox. Dropping it removes it, when the last process has ended.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    entrance: File,
}

impl Group {
    fn limit(&self, limits: &Limits) {
        // A kernel or a place that lacks one of these leaves the rest.
        let set = |file: &str, value: String| {
            let _ = write(&self.folder.join(file), &value);
        };
        if let Some(memory) = limits.memory {
            set("memory.max", memory.to_string());
            set("memory.swap.max", "0".to_owned());
            // All or nothing: a builder that goes on without one of its processes would only confuse.
            set("memory.oom.group", "1".to_owned());
        }
        if let Some(processes) = limits.processes {
            // Init counts as well.
            set("pids.max", processes.saturating_add(1).to_string());
        }
        if let Some(processors) = limits.processors {
            set("cpu.max", format!("{} {PERIOD}", u64::from(processors).saturating_mul(PERIOD)));
        }
    }

    /// Moves this process into the group.
    pub(crate) fn enter(&self) -> bool {
        (&self.entrance).write_all(b"0").is_ok()
    }

    /// Whether the kernel had to kill because of the memory limit. Kills because the whole machine, or a
    /// group above, has no memory left are counted here as well, but not as `oom`.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let Some(events) = self.read("memory.events") else { return false };
        ["oom", "oom_kill"].iter().all(|name| field(&events, name).is_some_and(|count| count > 0))
    }

    /// Processor time of all processes that were ever in the group; every group of version 2 counts
    /// it. `None` when the sandbox has not entered.
    pub(crate) fn processor_time(&self) -> Option<Duration> {
        let used = self.read("cpu.stat").and_then(|text| field(&text, "usage_usec"))?;
        (used > 0).then_some(Duration::from_micros(used))
    }

    /// What was counted; `None` when the sandbox has not entered.
    pub(crate) fn counted(&self) -> Option<Counted> {
        self.processor_time()?;
        let memory = self.read("memory.peak").and_then(|text| text.trim().parse().ok());
        Some(Counted { memory })
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Init's end was the end of all, so that this kills nobody; a fork that was on its way when
        // init ended is the exception that it is for.
        let _ = write(&self.folder.join("cgroup.kill"), "1");
        if fs::remove_dir(&self.folder).is_err() {
            // The kernel may let go of a process a moment after it was waited for.
            self.wait_until_empty();
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

impl Group {
    /// Waits until the kernel says that no process is left, but not for long.
    fn wait_until_empty(&self) {
        let Ok(mut events) = File::open(self.folder.join("cgroup.events")) else { return };
        for _ in 0..MAX_EVENTS {
            let mut text = String::new();
            let is_read = events.rewind().and_then(|()| events.read_to_string(&mut text)).is_ok();
            if !is_read || field(&text, "populated") == Some(0) {
                return;
            }
            let mut watched = [PollFd::from_borrowed_fd(events.as_fd(), PollFlags::PRI)];
            if !matches!(poll(&mut watched, Some(&PATIENCE)), Ok(1..) | Err(Errno::INTR)) {
                return;
            }
        }
    }
}

/// One write, as these files demand, to a file that is there.
fn write(path: &Path, text: &str) -> Option<()> {
    File::options().write(true).open(path).ok()?.write_all(text.as_bytes()).ok()
}

/// Whether all process ids of a list are among the given ones.
fn only(present: &str, own: &[Pid]) -> bool {
    let known = |id: &str| {
        let id = id.parse().ok().and_then(Pid::from_raw);
        id.is_some_and(|id| own.contains(&id))
    };
    present.split_ascii_whitespace().all(known)
}

/// The number behind a name, in a file of lines of names and numbers.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Where the version 2 group of a process is, from its mounts and its list of groups.
fn folder_of(mounts: &[u8], groups: &str) -> Option<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, mounted) = crate::mounts::mounted(mounts, "cgroup2")?;
    let below = Path::new(own).strip_prefix(root).ok()?;
    // Above the root of a namespace, which this process does not see.
    let is_above = below.components().any(|part| part == std::path::Component::ParentDir);
    (!is_above).then(|| mounted.join(below))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const MOUNTS: &[u8] = b"22 27 0:21 / /proc rw - proc proc rw\n\
        34 27 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_own_group_is_found_below_its_mount() {
        let found = folder_of(MOUNTS, "0::/user.slice/a.scope\n");
        assert_eq!(found, Some("/sys/fs/cgroup/user.slice/a.scope".into()));
        let hybrid = folder_of(MOUNTS, "9:name=systemd:/x\n0::/\n");
        assert_eq!(hybrid, Some("/sys/fs/cgroup/".into()));
        assert_eq!(folder_of(MOUNTS, "9:memory:/x\n"), None);
        assert_eq!(folder_of(b"22 27 0:21 / /proc rw - proc proc rw\n", "0::/\n"), None);
        assert_eq!(folder_of(MOUNTS, "0::/../other\n"), None);
    }

    /// A folder with the files of a group, as a delegated one has them.
    fn delegated(folder: &Path, processes: &str) {
        fs::write(folder.join("cgroup.type"), "domain\n").unwrap();
        fs::write(folder.join("cgroup.procs"), processes).unwrap();
        fs::write(folder.join("cgroup.controllers"), "cpu io memory pids\n").unwrap();
        fs::write(folder.join("cgroup.subtree_control"), "").unwrap();
        fs::create_dir(folder.join(CALLER)).unwrap();
        fs::write(folder.join(CALLER).join("cgroup.procs"), "").unwrap();
    }

    #[test]
    fn a_group_with_other_processes_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::getpid();
        delegated(folder.path(), &format!("{}\n1\n", own.as_raw_nonzero()));
        assert_eq!(Place::prepare(folder.path(), &[own]), None);
        let untouched = fs::read_to_string(folder.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(untouched, "");
    }

    #[test]
    fn a_group_of_its_own_is_divided() {
        let folder = tempfile::tempdir().unwrap();
        let own = rustix::process::getpid();
        delegated(folder.path(), &format!("{}\n", own.as_raw_nonzero()));
        // An ordinary file keeps what is behind the bytes that are written, and so shows the kernel's answer.
        let control = folder.path().join("cgroup.subtree_control");
        fs::write(&control, "-------- cpu memory pids\n").unwrap();
        let stale = folder.path().join("cbuild-sandbox-99999999");
        fs::create_dir(&stale).unwrap();
        let place = Place::prepare(folder.path(), &[own]).unwrap();
        assert!(!stale.exists());
        assert!(fs::read_to_string(&control).unwrap().starts_with("+cpu"));
        let moved = fs::read_to_string(folder.path().join(CALLER).join("cgroup.procs")).unwrap();
        assert_eq!(moved, own.as_raw_nonzero().to_string());
        let again = Place::prepare(&folder.path().join(CALLER), &[]).unwrap();
        assert_eq!(again, place);
    }

    /// On a machine where this process may make one; any kernel from 5.14 on has these files, whichever
    /// controllers there are.
    #[test]
    fn a_real_group_counts_kills_and_is_removed() {
        let mounts = fs::read("/proc/self/mountinfo").unwrap();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
        let Some(folder) = folder_of(&mounts, &groups) else {
            println!("without a control group: there is no version 2 hierarchy");
            return;
        };
        let place = Place { folder };
        let name = place.folder.join(format!("{SANDBOX}test-{}", std::process::id()));
        let Some(group) = place.group_at(name.clone(), &Limits::default()) else {
            println!("without a control group: none can be made in {}", place.folder.display());
            return;
        };
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read go; while :; do :; done"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        if write(&name.join("cgroup.procs"), &child.id().to_string()).is_none() {
            println!("without a control group: {} takes no process", name.display());
            drop(child.stdin.take());
            child.kill().unwrap();
            child.wait().unwrap();
            return;
        }
        println!("with a control group: {}", name.display());
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        while group.counted().is_none() {
            std::thread::yield_now();
        }
        assert!(!group.ran_out_of_memory());
        write(&name.join("cgroup.kill"), "1").unwrap();
        child.wait().unwrap();
        // The kernel lets go of a process a moment after it was waited for, or even before.
        drop(group);
        assert!(!name.exists());
        // Another helper with the same process id, whose predecessor was killed.
        let again = place.group_at(name.clone(), &Limits::default()).unwrap();
        let next = place.group_at(name.clone(), &Limits::default()).unwrap();
        drop((again, next));
        assert!(!name.exists());
    }

    /// Whatever a kernel or a place lacks, the rest is limited, and nothing new is made in the group.
    #[test]
    fn each_controller_may_be_missing() {
        const FILES: [&str; 5] =
            ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max"];
        let limits = Limits { memory: Some(1), processors: Some(1), ..Limits::default() };
        for missing in 0..1 << FILES.len() {
            let folder = tempfile::tempdir().unwrap();
            let is_there = |at: usize| missing & (1 << at) == 0;
            let present: Vec<_> = (0..FILES.len()).filter(|at| is_there(*at)).collect();
            for at in &present {
                fs::write(folder.path().join(FILES[*at]), "").unwrap();
            }
            let entrance = tempfile::tempfile().unwrap();
            let group = Group { folder: folder.path().to_owned(), entrance };
            group.limit(&limits);
            for (at, file) in FILES.iter().enumerate() {
                let found = group.read(file);
                assert_eq!(found.is_some_and(|text| !text.is_empty()), is_there(at), "{missing}");
            }
            assert!(!group.ran_out_of_memory() && group.counted().is_none());
        }
    }

    #[test]
    fn limits_are_written_where_there_is_a_controller() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["memory.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.procs"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let entrance = File::options().write(true).open(folder.path().join("cgroup.procs"));
        let group = Group { folder: folder.path().to_owned(), entrance: entrance.unwrap() };
        let limits = Limits { memory: Some(4096), processors: Some(2), ..Limits::default() };
        group.limit(&limits);
        let read = |file| group.read(file).unwrap_or_default();
        assert_eq!((read("memory.max"), read("memory.oom.group")), ("4096".into(), "1".into()));
        assert_eq!((read("pids.max"), read("cpu.max")), ("8193".into(), "200000 100000".into()));
        assert_eq!(group.read("memory.swap.max"), None, "a file that is not there is not made");
        assert_eq!((group.ran_out_of_memory(), group.counted()), (false, None));
        fs::write(folder.path().join("memory.events"), "max 3\noom 1\noom_kill 1\n").unwrap();
        fs::write(folder.path().join("memory.peak"), "8192\n").unwrap();
        fs::write(folder.path().join("cpu.stat"), "usage_usec 15\nuser_usec 9\n").unwrap();
        assert!(group.ran_out_of_memory());
        assert_eq!(group.processor_time(), Some(Duration::from_micros(15)));
        for elsewhere in ["max 0\noom 0\noom_kill 2\n", "max 9\noom 1\noom_kill 0\n", "low 0\n", ""]
        {
            fs::write(folder.path().join("memory.events"), elsewhere).unwrap();
            assert!(!group.ran_out_of_memory(), "{elsewhere}");
        }
        assert_eq!(group.counted(), Some(Counted { memory: Some(8192) }));
    }
}
