//! How a sandbox ends: by itself, at a limit, on request, and when its caller dies.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the machine itself"
)]

mod network;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cbuild_sandbox::{Error, Launcher, Running, Status};
use rustix::process::{Pid, Signal};
use support::{Place, Test, eventually, mounted_anywhere, outside, processes_with, unique_sleep};

const TESTS: &[Test] = &[
    ("wall_time_is_limited", wall_time_is_limited),
    ("silence_is_limited", silence_is_limited),
    ("a_builder_that_writes_is_not_silent", a_builder_that_writes_is_not_silent),
    ("log_size_is_limited", log_size_is_limited),
    ("file_size_is_limited", file_size_is_limited),
    ("cpu_time_is_limited", cpu_time_is_limited),
    ("processes_are_limited", processes_are_limited),
    ("address_space_is_limited", address_space_is_limited),
    ("memory_of_all_processes_is_limited", memory_of_all_processes_is_limited),
    ("cpu_time_of_all_processes_is_limited", cpu_time_of_all_processes_is_limited),
    ("descriptors_are_handed_over", descriptors_are_handed_over),
    ("a_builder_can_have_a_terminal", a_builder_can_have_a_terminal),
    ("disk_space_is_limited", disk_space_is_limited),
    ("usage_is_reported", usage_is_reported),
    ("it_can_be_killed_from_another_thread", it_can_be_killed_from_another_thread),
    ("it_can_be_killed_at_any_moment", it_can_be_killed_at_any_moment),
    ("dropping_kills", dropping_kills),
    ("the_starting_thread_may_end", the_starting_thread_may_end),
    ("leftover_processes_are_killed", leftover_processes_are_killed),
    ("nothing_is_left_when_the_caller_is_killed", nothing_is_left_when_the_caller_is_killed),
    ("nothing_is_left_when_the_helper_is_killed", nothing_is_left_when_the_helper_is_killed),
    ("a_killed_zygote_is_replaced", a_killed_zygote_is_replaced),
    ("a_launcher_keeps_sandboxes_apart", a_launcher_keeps_sandboxes_apart),
    ("a_used_network_is_not_given_on", network::a_used_network_is_not_given_on),
    ("what_netstat_counts_shows_elsewhere", network::what_netstat_counts_shows_elsewhere),
    ("an_old_killer_kills_nobody", an_old_killer_kills_nobody),
    ("ignored_signals_do_not_protect_it", ignored_signals_do_not_protect_it),
];

fn main() {
    support::run(TESTS, inside);
}

fn inside(what: &str, arguments: &[String]) {
    match what {
        "fill" => fill_with_processes(),
        "hold" => hold_memory(),
        "network" => network::show(&arguments[0]),
        "counters" => network::try_protocols(),
        "caller" => be_a_caller(&arguments[0], &arguments[1]),
        other => panic!("nothing to do for {other}"),
    }
}

fn wall_time_is_limited() {
    let place = Place::new();
    let sleep = unique_sleep();
    let mut spec = place.shell(&format!("echo begun; sleep {sleep}"));
    spec.limits.wall = Some(Duration::from_millis(300));
    let start = Instant::now();
    let exit = place.run(&spec).unwrap();
    assert_eq!((exit.status, exit.limit()), (Status::TimedOut, Some("wall time")));
    assert!(exit.wall >= Duration::from_millis(300) && start.elapsed() < Duration::from_secs(30));
    assert_eq!(place.log_text(), "begun\n");
    assert_eq!(processes_with(&sleep), [] as [u32; 0]);
}

fn silence_is_limited() {
    let place = Place::new();
    let sleep = unique_sleep();
    let mut spec = place.shell(&format!("echo begun; sleep {sleep}"));
    spec.limits.silence = Some(Duration::from_millis(300));
    let exit = place.run(&spec).unwrap();
    assert_eq!((exit.status, exit.limit()), (Status::Silent, Some("time without output")));
    assert_eq!(place.log_text(), "begun\n");
    assert_eq!(processes_with(&sleep), [] as [u32; 0]);
}

fn a_builder_that_writes_is_not_silent() {
    let place = Place::new();
    let mut spec = place.shell("for i in 1 2 3 4 5 6; do sleep 0.4; echo $i; done");
    spec.limits.silence = Some(Duration::from_millis(2000));
    assert!(place.run(&spec).unwrap().success(), "{}", place.log_text());
    assert_eq!(place.log_text(), "1\n2\n3\n4\n5\n6\n");
}

fn log_size_is_limited() {
    let place = Place::new();
    let mut spec = place.shell("exec cat /dev/zero");
    spec.limits.log_size = Some(1_000_000);
    let exit = place.run(&spec).unwrap();
    assert_eq!((exit.status, exit.limit()), (Status::LogTooLarge, Some("size of the log")));
    assert_eq!(place.log_text().len(), 1_000_000);
    // A builder that is done before the helper looks.
    let place = Place::new();
    let mut spec = place.shell("echo 12345");
    spec.limits.log_size = Some(3);
    assert_eq!(place.run(&spec).unwrap().status, Status::LogTooLarge);
    assert_eq!(place.log_text(), "123");
    let place = Place::new();
    let mut spec = place.shell("echo 12345");
    spec.limits.log_size = Some(6);
    assert_eq!(place.output(&spec), "12345\n");
}

fn file_size_is_limited() {
    let place = Place::new();
    let mut spec = place.shell("exec cat /dev/zero > /build/big");
    spec.limits.file_size = Some(100_000);
    let exit = place.run(&spec).unwrap();
    assert_eq!(exit.status, Status::Signaled(25), "SIGXFSZ");
    assert_eq!(exit.limit(), Some("file size"));
    assert_eq!(fs::metadata(place.path("build/big")).unwrap().len(), 100_000);
}

fn cpu_time_is_limited() {
    let place = Place::new();
    let mut spec = place.shell("while :; do :; done");
    spec.limits.cpu_seconds = Some(1);
    let exit = place.run(&spec).unwrap();
    // With equal soft and hard limits the kernel may send either signal.
    assert!(matches!(exit.status, Status::Signaled(24 | 9)), "{exit:?}");
}

/// Runs inside: starts processes until the kernel refuses, and says how many there were.
fn fill_with_processes() {
    let mut children = Vec::new();
    let error = loop {
        let child = Command::new("/bin/sleep").arg("1000").stdout(Stdio::null()).spawn();
        match child {
            Ok(child) if children.len() < 5000 => children.push(child),
            Ok(_) => panic!("no limit"),
            Err(error) => break error,
        }
    };
    println!("{} {}", children.len(), error.raw_os_error().unwrap());
}

fn processes_are_limited() {
    let place = Place::new();
    let mut spec = place.inside(&["fill"]);
    spec.limits.processes = Some(40);
    let text = place.output(&spec);
    let (count, errno) = text.trim().split_once(' ').unwrap();
    let count: u32 = count.parse().unwrap();
    assert_eq!(errno, "11", "EAGAIN");
    // For root the kernel only bounds process ids, of which the first 300 come on top.
    let root = rustix::process::geteuid().is_root();
    let expected = if root { 39..=341 } else { 39..=39 };
    assert!(expected.contains(&count), "{count}");
}

fn address_space_is_limited() {
    let place = Place::new();
    let mut spec = place.shell("head -c 300000000 /dev/zero | tail -c 300000000 | wc -c");
    spec.limits.address_space = Some(100 << 20);
    place.run(&spec).unwrap();
    assert!(place.log_text().contains("memory exhausted"), "{}", place.log_text());
}

/// Holds 24 MiB until it is killed.
fn hold_memory() {
    let block = vec![1_u8; 24 << 20];
    println!("{}", block.iter().map(|byte| u64::from(*byte)).sum::<u64>());
    loop {
        thread::park();
    }
}

/// Each of the processes stays below the limit, and one of them has left its family.
fn memory_of_all_processes_is_limited() {
    let place = Place::new();
    let holders = "/cbuild/store/self --inside hold & setsid -f /cbuild/store/self --inside hold; \
                   /cbuild/store/self --inside hold";
    let mut spec = place.inside(&[]);
    let shell = place.shell(holders);
    (spec.program, spec.args, spec.env) = (shell.program, shell.args, shell.env);
    spec.limits.memory = Some(60 << 20);
    let exit = place.run(&spec).unwrap();
    assert_eq!(exit.status, Status::OutOfMemory, "{}", place.log_text());
    assert_eq!(exit.limit(), Some("memory of all processes"));
    // Far from the limit nothing happens.
    spec.args = place.shell("exit 4").args;
    let exit = place.run(&spec).unwrap();
    assert_eq!(exit.status, Status::Exited(4));
    let how = if exit.control_group { "with" } else { "without" };
    println!("limits {how} a control group; peak of memory: {:?}", exit.memory_peak);
}

/// Each process alone stays below the limit, also those that have ended and one that left its family.
fn cpu_time_of_all_processes_is_limited() {
    let place = Place::new();
    let burn = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    let script = format!("setsid -f sh -c '{burn}'; while :; do sh -c '{burn}'; done");
    let mut spec = place.shell(&script);
    spec.limits.cpu = Some(Duration::from_millis(1000));
    let exit = place.run(&spec).unwrap();
    assert_eq!(exit.status, Status::OutOfCpu, "{}", place.log_text());
    assert_eq!(exit.limit(), Some("processor time of all processes"));
    // One that is done before anybody looks is found out at its end.
    let mut spec = place.shell(burn);
    spec.limits.cpu = Some(Duration::from_micros(1));
    assert_eq!(place.run(&spec).unwrap().status, Status::OutOfCpu);
    spec.limits.cpu = Some(Duration::from_secs(600));
    assert_eq!(place.run(&spec).unwrap().status, Status::Exited(0));
}

fn descriptors_are_handed_over() {
    let place = Place::new();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let (mut reading, writing) = std::io::pipe().unwrap();
    // Its own standard output still goes to the log, and nothing else is open.
    let mut spec = place.shell("cat <&198 >/proc/self/fd/199; ls /proc/self/fd");
    spec.program = "/bin/bash".into();
    spec.descriptors = vec![198, 199];
    let launcher = Launcher::new();
    let given = [theirs.as_fd(), writing.as_fd()];
    let running = launcher.spawn_with(&spec, place.log(), &given).unwrap();
    drop((theirs, writing));
    ours.write_all(b"from outside").unwrap();
    ours.shutdown(std::net::Shutdown::Write).unwrap();
    let mut text = String::new();
    reading.read_to_string(&mut text).unwrap();
    assert!(running.wait().unwrap().success(), "{}", place.log_text());
    assert_eq!(text, "from outside");
    assert_eq!(
        place.log_text().split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "198", "199", "2", "3"]
    );
    for wrong in [vec![198], vec![198, 198], vec![3, 198], vec![198, 5000]] {
        spec.descriptors = wrong;
        let refused = launcher.spawn_with(&spec, place.log(), &given_two(&reading)).unwrap_err();
        assert_eq!(refused.code(), "E0820", "{refused}");
    }
}

fn given_two(pipe: &std::io::PipeReader) -> [std::os::fd::BorrowedFd<'_>; 2] {
    [pipe.as_fd(), pipe.as_fd()]
}

fn a_builder_can_have_a_terminal() {
    let place = Place::new();
    let mut spec = place
        .shell("tty; read line; trap 'exit 7' INT; echo \"[$line]\"; while :; do sleep 0.1; done");
    spec.terminal = true;
    let launcher = Launcher::new();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let running = launcher.spawn_with(&spec, place.log(), &[theirs.as_fd()]).unwrap();
    drop(theirs);
    let Ok(terminal) = cbuild_sandbox::receive_terminal(&ours) else {
        panic!("{:?}", running.wait());
    };
    let mut terminal = fs::File::from(terminal);
    let mut shown = Vec::new();
    let mut until = |terminal: &mut fs::File, text: &str| {
        while !String::from_utf8_lossy(&shown).contains(text) {
            let mut buffer = [0; 1000];
            let length = terminal.read(&mut buffer).unwrap();
            shown.extend(&buffer[..length]);
        }
    };
    until(&mut terminal, "/dev/pts/0");
    terminal.write_all(b"typed\n").unwrap();
    until(&mut terminal, "[typed]");
    // Ctrl-C is a signal for what runs inside.
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(running.wait().unwrap().status, Status::Exited(7));
    assert_eq!(place.log_text(), "");
}

fn disk_space_is_limited() {
    let place = Place::new();
    let script = "i=0; while :; do i=$((i+1)); head -c 65536 /dev/zero > /build/$i; done";
    let mut spec = place.shell(script);
    spec.limits.disk = Some(4 << 20);
    let exit = place.run(&spec).unwrap();
    assert_eq!(exit.status, Status::OutOfDisk, "{}", place.log_text());
    assert_eq!(exit.limit(), Some("disk space"));
    // One that is done before anybody looks is found out at its end.
    let place = Place::new();
    let mut spec = place.shell("head -c 8388608 /dev/zero > /build/big");
    spec.limits.disk = Some(4 << 20);
    assert_eq!(place.run(&spec).unwrap().status, Status::OutOfDisk, "{}", place.log_text());
    spec.limits.disk = Some(16 << 20);
    assert_eq!(place.run(&spec).unwrap().status, Status::Exited(0), "{}", place.log_text());
}

fn usage_is_reported() {
    let place = Place::new();
    let script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; tail -c 60000000 /dev/zero | head -c 1 &
        head -c 60000000 /dev/zero | tail -c 60000000 | wc -c";
    let exit = place.run(&place.shell(script)).unwrap();
    assert!(exit.success(), "{}", place.log_text());
    assert!(exit.cpu_user > Duration::from_millis(5), "{exit:?}");
    assert!(exit.max_rss > 60_000_000, "{exit:?}");
}

fn it_can_be_killed_from_another_thread() {
    let place = Place::new();
    let sleep = unique_sleep();
    let spec = place.shell(&format!("touch /build/begun; sleep {sleep}"));
    let running = cbuild_sandbox::spawn(&spec, place.log()).unwrap();
    let killer = running.killer();
    let begun = place.path("build/begun");
    let other = thread::spawn(move || {
        eventually("the builder runs", || begun.exists());
        killer.kill();
        killer.kill();
    });
    let exit = running.wait().unwrap();
    other.join().unwrap();
    assert_eq!((exit.status, exit.limit()), (Status::Killed, None));
    assert_eq!(processes_with(&sleep), [] as [u32; 0]);
}

/// Most rounds kill it while init still borrows the helper's memory, which then ends with it.
fn it_can_be_killed_at_any_moment() {
    let place = Place::new();
    let (launcher, sleep) = (Launcher::new(), unique_sleep());
    for round in 0..50 {
        let spec = place.shell(&format!("sleep {sleep}"));
        let running = launcher.spawn(&spec, place.log()).unwrap();
        let due = Instant::now() + Duration::from_micros(round * 100);
        eventually("the moment has come", || Instant::now() >= due);
        running.kill();
        assert_eq!(running.wait().unwrap().status, Status::Killed, "round {round}");
        assert_eq!(processes_with(&sleep), [] as [u32; 0]);
        let next = launcher.spawn(&place.shell("exit 3"), place.log()).unwrap();
        assert_eq!(next.wait().unwrap().status, Status::Exited(3), "after round {round}");
    }
}

fn dropping_kills() {
    let place = Place::new();
    let sleep = unique_sleep();
    let spec = place.shell(&format!("touch /build/begun; sleep {sleep}"));
    let running = cbuild_sandbox::spawn(&spec, place.log()).unwrap();
    eventually("the builder runs", || place.path("build/begun").exists());
    drop(running);
    assert_eq!(processes_with(&sleep), [] as [u32; 0]);
}

/// `PR_SET_PDEATHSIG` alone would kill the helper with the thread that started it.
fn the_starting_thread_may_end() {
    let place = Place::new();
    let spec = place.shell("until [ -e /build/go ]; do sleep 0.01; done; exit 7");
    let log = place.log();
    let running = thread::spawn(move || cbuild_sandbox::spawn(&spec, log).unwrap()).join().unwrap();
    fs::write(place.path("build/go"), "").unwrap();
    assert_eq!(running.wait().unwrap().status, Status::Exited(7));
}

fn leftover_processes_are_killed() {
    let place = Place::new();
    let sleep = unique_sleep();
    let script = format!(
        "(trap '' HUP TERM INT; setsid sleep {sleep} > /dev/null 2>&1 &)
         setsid -f sleep {sleep}; nohup sleep {sleep} & sleep {sleep} &
         until [ $(grep -l -s -a {sleep} /proc/[0-9]*/cmdline | wc -l) -ge 5 ]; do :; done; exit 3"
    );
    let exit = place.run(&place.shell(&script)).unwrap();
    assert_eq!(exit.status, Status::Exited(3), "{}", place.log_text());
    assert_eq!(processes_with(&sleep), [] as [u32; 0]);
}

/// Runs on the host: starts a sandbox from a thread, as a scheduler does, and waits for it.
fn be_a_caller(folder: &str, sleep: &str) {
    let place = Place::at(folder);
    let script =
        format!("(trap '' TERM; setsid sleep {sleep} &); echo > /build/begun; sleep {sleep}");
    let spec = place.shell(&script).bind_read_only(place.path("in"), "/cbuild/store/in");
    let log = place.log();
    let waiting = thread::spawn(move || cbuild_sandbox::spawn(&spec, log).unwrap().wait());
    waiting.join().unwrap().unwrap();
}

fn nothing_is_left_when_the_caller_is_killed() {
    // What loses its parent comes to this process and not to process 1, which has those of other runs too.
    let own = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(own)).unwrap();
    for round in 0..30 {
        let place = Place::new();
        let sleep = unique_sleep();
        let mut caller = outside(&["caller", place.folder(), &sleep]).spawn().unwrap();
        // Most rounds kill it while the sandbox is being set up, at various points.
        if round < 25 {
            let due = Instant::now() + Duration::from_micros(round * 700);
            eventually("the moment has come", || Instant::now() >= due);
        } else {
            eventually("the builder runs", || place.path("build/begun").exists());
            assert!(mounted_anywhere(place.folder()));
            eventually("its children run", || processes_with(&sleep).len() >= 2);
        }
        caller.kill().unwrap();
        caller.wait().unwrap();
        eventually("no process is left", || processes_with(&sleep).is_empty());
        eventually("no mount is left", || !mounted_anywhere(place.folder()));
        eventually("no helper is left", || helpers(std::process::id()).is_empty());
    }
    rustix::process::set_child_subreaper(None).unwrap();
}

/// Sandbox processes on the host by the process id of their parent.
fn helpers(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let mine = |id: &u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let found = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        found == Some(&parent)
    };
    processes_with("cbuild-sandbox").into_iter().filter(mine).collect()
}

fn only(ids: &[u32]) -> u32 {
    assert_eq!(ids.len(), 1, "{ids:?}");
    ids[0]
}

fn kill(id: u32) {
    rustix::process::kill_process(Pid::from_raw(id as i32).unwrap(), Signal::KILL).unwrap();
}

fn nothing_is_left_when_the_helper_is_killed() {
    let place = Place::new();
    let sleep = unique_sleep();
    let spec =
        place.shell(&format!("touch /build/begun; (trap '' TERM; sleep {sleep}) & sleep {sleep}"));
    let running = cbuild_sandbox::spawn(&spec, place.log()).unwrap();
    eventually("the builder runs", || place.path("build/begun").exists());
    let zygote = only(&helpers(std::process::id()));
    kill(only(&helpers(zygote)));
    let error = running.wait().unwrap_err();
    assert!(matches!(error, Error::HelperLost(_)), "{error:?}");
    assert_eq!(error.code(), "E0824");
    eventually("no process is left", || processes_with(&sleep).is_empty());
}

/// A builder that has begun ends as if nothing had happened, and the next one gets a new zygote.
fn a_killed_zygote_is_replaced() {
    let place = Place::new();
    let launcher = Launcher::new();
    let script = "touch /build/begun; until [ -e /build/go ]; do sleep 0.01; done; exit 7";
    let running = launcher.spawn(&place.shell(script), place.log()).unwrap();
    eventually("the builder runs", || place.path("build/begun").exists());
    let zygote = only(&helpers(std::process::id()));
    kill(zygote);
    let second = launcher.spawn(&place.shell("exit 3"), place.log()).and_then(Running::wait);
    match second {
        Ok(exit) => assert_eq!(exit.status, Status::Exited(3)),
        // The kill came between the order and the fork.
        Err(error) => assert!(matches!(error, Error::HelperLost(_)), "{error:?}"),
    }
    let third = launcher.spawn(&place.shell("exit 4"), place.log()).unwrap();
    assert_eq!(third.wait().unwrap().status, Status::Exited(4));
    assert_ne!(only(&helpers(std::process::id())), zygote);
    fs::write(place.path("build/go"), "").unwrap();
    assert_eq!(running.wait().unwrap().status, Status::Exited(7));
    drop(launcher);
    assert_eq!(helpers(std::process::id()), [] as [u32; 0]);
}

/// What one sandbox gets, a later one and one beside it do not have.
fn a_launcher_keeps_sandboxes_apart() {
    let place = Place::new();
    let launcher = Launcher::new();
    let list =
        "ls /proc/self/fd | tr '\\n' ' '; umask; cat /proc/self/status | grep -E 'Sig(Blk|Ign)'";
    let run = || {
        let _ = fs::remove_file(place.path("log"));
        let exit = launcher.spawn(&place.shell(list), place.log()).unwrap().wait().unwrap();
        assert!(exit.success(), "{}", place.log_text());
        place.log_text()
    };
    let text = run();
    // Standard input, output, error, and the folder that is listed.
    assert!(text.starts_with("0 1 2 3 0022\n"), "{text}");
    assert!(text.contains("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000"), "{text}");
    let beside = launcher.spawn(&place.shell("sleep 100"), place.log()).unwrap();
    for _ in 0..20 {
        assert_eq!(run(), text);
    }
    beside.kill();
    assert_eq!(beside.wait().unwrap().status, Status::Killed);
}

/// A handle on the end of one builder does not reach the next one of the same helper.
fn an_old_killer_kills_nobody() {
    let place = Place::new();
    let launcher = Launcher::new();
    let first = launcher.spawn(&place.shell("true"), place.log()).unwrap();
    let killer = first.killer();
    assert!(first.wait().unwrap().success());
    let script = "touch /build/begun; until [ -e /build/go ]; do sleep 0.01; done; exit 5";
    let second = launcher.spawn(&place.shell(script), place.log()).unwrap();
    eventually("the builder runs", || place.path("build/begun").exists());
    killer.kill();
    fs::write(place.path("build/go"), "").unwrap();
    assert_eq!(second.wait().unwrap().status, Status::Exited(5));
}

fn ignored_signals_do_not_protect_it() {
    let place = Place::new();
    let sleep = unique_sleep();
    let script = format!("trap '' TERM INT HUP QUIT PIPE XCPU; while :; do sleep {sleep}; done");
    let mut spec = place.shell(&script);
    spec.limits.wall = Some(Duration::from_millis(300));
    assert_eq!(place.run(&spec).unwrap().status, Status::TimedOut);
    assert_eq!(processes_with(&sleep), [] as [u32; 0]);
}
