//! Builders that try to get around limits, to break the processes around them, or to leave something
//! behind for the next builder.

#![expect(unsafe_code, reason = "hostile builders make system calls that no safe function offers")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the machine itself"
)]

mod support;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use cbuild_sandbox::{Launcher, Running, SandboxSpec, Status};
use rustix::process::{Pid, Resource, Rlimit};
use support::{Place, Test, eventually, outside, processes_with};

const TESTS: &[Test] = &[
    ("a_flood_of_output_hides_no_limit", a_flood_of_output_hides_no_limit),
    ("a_flood_of_output_can_be_cancelled", a_flood_of_output_can_be_cancelled),
    ("a_program_without_interpreter_is_refused", a_program_without_interpreter_is_refused),
    ("a_deep_target_is_refused", a_deep_target_is_refused),
    ("a_removed_file_counts_as_disk", a_removed_file_counts_as_disk),
    ("a_file_below_long_paths_counts_as_disk", a_file_below_long_paths_counts_as_disk),
    ("many_empty_files_count_as_disk", many_empty_files_count_as_disk),
    ("a_host_folder_as_tmp_counts_as_disk", a_host_folder_as_tmp_counts_as_disk),
    ("a_link_to_the_host_is_not_counted", a_link_to_the_host_is_not_counted),
    ("memory_without_a_process_counts", memory_without_a_process_counts),
    ("shared_memory_counts_once", shared_memory_counts_once),
    ("shared_memory_files_are_limited", shared_memory_files_are_limited),
    ("few_open_files_are_enough_for_many_inputs", few_open_files_are_enough_for_many_inputs),
    ("a_helper_that_cannot_be_made_is_explained", a_helper_that_cannot_be_made_is_explained),
];

fn main() {
    support::run(TESTS, inside);
}

fn inside(what: &str, arguments: &[String]) {
    match what {
        "few files" => build_with_few_files(&arguments[0], &arguments[1]),
        "flood" => write_without_end(),
        "memory file" => fill_a_memory_file(),
        "shared" => share_memory(),
        other => panic!("nothing to do for {other}"),
    }
}

/// A log that takes less than builders write, so that there is always more of it.
fn slow_log() -> File {
    let (mut from, to) = std::io::pipe().unwrap();
    thread::spawn(move || {
        let (mut buffer, mut sum) = (vec![0; 64 << 10], 0_u64);
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            for _ in 0..4 {
                sum = buffer[..length].iter().fold(sum, |sum, byte| sum + u64::from(*byte));
            }
        }
        std::hint::black_box(sum);
    });
    File::from(std::os::fd::OwnedFd::from(to))
}

/// Writes without end through a pipe that is made as large as it can be.
fn write_without_end() {
    fs::write("/build/begun", "").unwrap();
    // SAFETY: the calls take integers, and write reads from a live buffer of the given length.
    unsafe {
        libc::fcntl(1, libc::F_SETPIPE_SZ, 1 << 20);
        libc::fork();
        let block = vec![b'x'; 1 << 20];
        loop {
            libc::write(1, block.as_ptr().cast(), block.len());
        }
    }
}

fn flood(place: &Place) -> SandboxSpec {
    let mut spec = place.inside(&["flood"]);
    // Only so that the test ends if nothing else is looked at.
    spec.limits.log_size = Some(1 << 30);
    spec
}

fn a_flood_of_output_hides_no_limit() {
    let place = Place::new();
    let mut spec = flood(&place);
    spec.limits.wall = Some(Duration::from_millis(300));
    let exit = Launcher::new().spawn(&spec, slow_log()).unwrap().wait().unwrap();
    assert_eq!(exit.status, Status::TimedOut);
}

fn a_flood_of_output_can_be_cancelled() {
    let place = Place::new();
    let running = Launcher::new().spawn(&flood(&place), slow_log()).unwrap();
    let (killer, begun) = (running.killer(), place.path("build/begun"));
    let other = thread::spawn(move || {
        eventually("the builder runs", || begun.exists());
        killer.kill();
    });
    assert_eq!(running.wait().unwrap().status, Status::Killed);
    other.join().unwrap();
}

/// A C library would start a shell for it, with a copy of the arguments on the stack.
fn a_program_without_interpreter_is_refused() {
    let place = Place::new();
    let program = place.input("script", "echo this is a text\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    for count in [0, 60_000] {
        let mut spec = place.spec("/cbuild/store/script");
        spec = spec.bind_read_only(&program, "/cbuild/store/script");
        spec.args = vec!["x".into(); count];
        let error = place.run(&spec).unwrap_err();
        assert_eq!(error.code(), "E0823", "{error}");
    }
    assert_eq!(place.log_text(), "");
}

/// Making a target's folders needs stack for each of them.
fn a_deep_target_is_refused() {
    let place = Place::new();
    let input = place.input("file", "content");
    let deep = |depth: usize| PathBuf::from(format!("{}/f", "/a".repeat(depth)));
    let spec = place.shell("exit 0").bind_read_only(&input, deep(2000));
    assert_eq!(place.run(&spec).unwrap_err().code(), "E0820");
    let spec = place.shell("exit 3").bind_read_only(&input, deep(200));
    assert_eq!(place.run(&spec).unwrap().status, Status::Exited(3));
}

/// Runs a script that waits at its end; a limit on disk space has to be what ends it.
fn out_of_disk(place: &Place, spec: &mut SandboxSpec) {
    spec.limits.disk = Some(8 << 20);
    spec.limits.wall = Some(Duration::from_secs(20));
    let exit = place.run(spec).unwrap();
    assert_eq!(exit.status, Status::OutOfDisk, "{}", place.log_text());
}

fn a_removed_file_counts_as_disk() {
    let place = Place::new();
    let script = "exec 5>/build/x; rm /build/x; head -c 33554432 /dev/zero >&5; sleep 100";
    out_of_disk(&place, &mut place.shell(script));
}

fn a_file_below_long_paths_counts_as_disk() {
    let place = Place::new();
    let script = "cd /build; n=$(printf '%0200d' 0); i=0
        while [ $i -lt 60 ]; do mkdir $n; cd -P ./$n; i=$((i+1)); done 2>/dev/null
        head -c 33554432 /dev/zero > x; sleep 100";
    out_of_disk(&place, &mut place.shell(script));
}

fn many_empty_files_count_as_disk() {
    let place = Place::new();
    let mut spec = place.shell("mkdir d; cd d; seq 1 20000 | xargs touch; sleep 100");
    spec.limits.disk = Some(4 << 20);
    spec.limits.wall = Some(Duration::from_secs(20));
    assert_eq!(place.run(&spec).unwrap().status, Status::OutOfDisk, "{}", place.log_text());
}

fn a_host_folder_as_tmp_counts_as_disk() {
    let place = Place::new();
    let mut spec = place.shell("head -c 33554432 /dev/zero > /tmp/x; sleep 100");
    fs::create_dir(place.path("tmp")).unwrap();
    spec.tmp = cbuild_sandbox::Tmp::Host(place.path("tmp"));
    out_of_disk(&place, &mut spec);
}

/// On the host, such a link leads to much more than the limit.
fn a_link_to_the_host_is_not_counted() {
    let place = Place::new();
    let mut spec = place.shell(
        "ln -s /usr a; mkdir b; (while :; do rm -rf c; mkdir c; mv -T c b; rm -rf b; ln -s /usr b
            rm b; mkdir b; done) & sleep 3; kill $!",
    );
    spec.limits.disk = Some(1 << 20);
    assert_eq!(place.run(&spec).unwrap().status, Status::Exited(0), "{}", place.log_text());
}

/// Memory that is in no process's address space.
fn fill_a_memory_file() {
    // SAFETY: the name is a NUL-terminated text, and the descriptor is new.
    let mut file = unsafe { File::from_raw_fd(libc::memfd_create(c"x".as_ptr(), 0)) };
    file.write_all(&vec![1; 8 << 20]).unwrap();
    for _ in 0..7 {
        file.write_all(&[1; 1 << 20].repeat(8)).unwrap();
    }
    loop {
        thread::park();
    }
}

fn memory_without_a_process_counts() {
    let place = Place::new();
    let mut spec = place.inside(&["memory file"]);
    spec.limits.memory = Some(40 << 20);
    spec.limits.wall = Some(Duration::from_secs(20));
    assert_eq!(place.run(&spec).unwrap().status, Status::OutOfMemory, "{}", place.log_text());
}

/// Several processes with the same 24 MiB.
fn share_memory() {
    let length = 24 << 20;
    // SAFETY: a new mapping, which is written to within its bounds; the children only sleep and end.
    unsafe {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let block = libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0);
        assert_ne!(block, libc::MAP_FAILED);
        for _ in 0..3 {
            if libc::fork() == 0 {
                libc::memset(block, 1, length);
                libc::usleep(1_500_000);
                libc::_exit(0);
            }
        }
        libc::memset(block, 2, length);
        libc::usleep(1_500_000);
    }
}

fn shared_memory_counts_once() {
    let place = Place::new();
    let mut spec = place.inside(&["shared"]);
    spec.limits.memory = Some(60 << 20);
    assert_eq!(place.run(&spec).unwrap().status, Status::Exited(0), "{}", place.log_text());
    spec.limits.memory = Some(16 << 20);
    assert_eq!(place.run(&spec).unwrap().status, Status::OutOfMemory, "{}", place.log_text());
}

fn shared_memory_files_are_limited() {
    let place = Place::new();
    let mut spec = place.shell("head -c 33554432 /dev/zero > /dev/shm/x");
    spec.limits.memory = Some(16 << 20);
    let exit = place.run(&spec).unwrap();
    // With a control group the kernel may be faster.
    assert!(matches!(exit.status, Status::Exited(1) | Status::OutOfMemory), "{exit:?}");
}

/// The zygote may have no more processes. For root the kernel does not count them.
fn a_helper_that_cannot_be_made_is_explained() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    let launcher = Launcher::new();
    // One that is busy, so that another is needed.
    let busy = launcher.spawn(&place.shell("touch /build/begun; sleep 1000"), place.log()).unwrap();
    eventually("the builder runs", || place.path("build/begun").exists());
    let own = std::process::id().to_string();
    let zygote = processes_with("cbuild-sandbox").into_iter().find(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(&own)
    });
    let zygote = Pid::from_raw(i32::try_from(zygote.unwrap()).unwrap());
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::prlimit(zygote, Resource::Nproc, none).unwrap();
    let error = launcher.spawn(&place.shell("true"), place.log()).and_then(Running::wait);
    let error = error.unwrap_err();
    assert_eq!(error.code(), "E0822", "{error}");
    assert!(error.to_string().contains("temporarily unavailable"), "{error}");
    busy.kill();
    assert_eq!(busy.wait().unwrap().status, Status::Killed);
}

/// A caller that may open fewer files than a build has inputs. Builds that follow each other are built
/// in another way than the first.
fn few_open_files_are_enough_for_many_inputs() {
    let place = Place::new();
    for number in 0..200 {
        place.input(&number.to_string(), "");
    }
    for limits in ["100 100", "100 4096"] {
        let output = outside(&["few files", place.folder(), limits]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.lines().collect::<Vec<_>>(), ["200"; 4], "{output:?}");
        fs::remove_file(place.path("log")).unwrap();
    }
}

fn build_with_few_files(folder: &str, limits: &str) {
    let place = Place::at(folder);
    let (soft, hard) = limits.split_once(' ').unwrap();
    let limit = Rlimit { current: soft.parse().ok(), maximum: hard.parse().ok() };
    rustix::process::setrlimit(Resource::Nofile, limit).unwrap();
    let launcher = Launcher::new();
    for _ in 0..4 {
        let mut spec = place.shell("ls /inputs | wc -l");
        for number in 0..200 {
            let source = place.path("in").join(number.to_string());
            spec = spec.bind_read_only(source, format!("/inputs/{number}"));
        }
        let exit = launcher.spawn(&spec, place.log()).and_then(Running::wait);
        assert!(exit.as_ref().is_ok_and(|exit| exit.success()), "{exit:?}");
    }
    print!("{}", place.log_text());
}
