//! What one sandbox costs, next to what the same namespaces cost with `unshare`.
//!
//! Prints the fastest, the median and the 95th percentile of the wall time in milliseconds, and the
//! mean CPU time of ended children, which says most on a busy machine; that of sandboxes is known
//! only where their launcher ends too. Asserts nothing.

#![expect(clippy::disallowed_methods, reason = "time is what is measured")]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cbuild_sandbox::{Launcher, Running, SandboxSpec};

const ROUNDS: usize = 200;

fn main() {
    cbuild_sandbox::helper_main_if_requested();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let with_inputs = |count: usize| {
        let mut spec = SandboxSpec::new("/bin/true");
        for path in ["/bin", "/lib", "/lib64", "/usr"] {
            if Path::new(path).symlink_metadata().is_ok() {
                spec = spec.bind_read_only(path, path);
            }
        }
        spec = spec.bind_writable(folder.path(), "/cbuild/store");
        for number in 0..count {
            let input = folder.path().join(format!("in{number}"));
            let _ = std::fs::create_dir(&input);
            spec = spec.bind_read_only(input, format!("/cbuild/store/in{number}"));
        }
        spec
    };
    let launcher = Launcher::new();
    launcher.warm_up();
    println!("{:<24} {:>8} {:>8} {:>8} {:>8}", "", "fastest", "median", "95th", "CPU");
    report("true", || run(Command::new("true")));
    report("unshare", || {
        let mut command = Command::new("unshare");
        command.args(["-Urmpnf", "--mount-proc", "true"]);
        run(command);
    });
    for count in [0, 10, 100] {
        let spec = with_inputs(count);
        report(&format!("sandbox, {count} inputs"), || sandbox(&launcher, &spec));
    }
    report("sandbox, launcher too", || sandbox(&Launcher::new(), &with_inputs(10)));
    report("probe", || cbuild_sandbox::probe().expect("sandboxes work here"));
    let spec = with_inputs(10);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..ROUNDS / 4).for_each(|_| sandbox(&launcher, &spec)));
        }
    });
    let each = start.elapsed() / ROUNDS as u32;
    println!("{:<24} {:>8.2} ms each", "4 at a time", milliseconds(each));
}

fn run(mut command: Command) {
    let status = command.stdout(Stdio::null()).status().expect("the program runs");
    assert!(status.success());
}

fn sandbox(launcher: &Launcher, spec: &SandboxSpec) {
    let log = File::options().write(true).open("/dev/null").expect("a log");
    let exit = launcher.spawn(spec, log).and_then(Running::wait);
    assert!(exit.expect("a sandbox").success());
}

fn report(what: &str, mut round: impl FnMut()) {
    let before = children_ticks();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed()
        })
        .collect();
    times.sort();
    let wall = [0, ROUNDS / 2, ROUNDS * 95 / 100].map(|index| milliseconds(times[index]));
    // A tick is 10 ms on every Linux that a program can ask.
    let cpu = (children_ticks() - before) as f64 * 10.0 / ROUNDS as f64;
    let [fastest, median, late] = wall;
    println!("{what:<24} {fastest:>8.2} {median:>8.2} {late:>8.2} {cpu:>8.2} ms");
}

/// CPU time of all children that were waited for, user and system.
fn children_ticks() -> u64 {
    let text = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let fields = text.rsplit(')').next().expect("the fields after the name").split_whitespace();
    fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
