//! What a builder can see and do in an ordinary sandbox.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests look at the machine itself"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use cbuild_sandbox::{Error, SandboxSpec, SpecError, Status, Step, Tmp};
use support::{Place, Test, host_programs, outside};

const TESTS: &[Test] = &[
    ("probe_succeeds_here", probe_succeeds_here),
    ("exit_codes_come_back", exit_codes_come_back),
    ("signals_come_back", signals_come_back),
    ("environment_is_exactly_as_specified", environment_is_exactly_as_specified),
    ("identity_is_fixed", identity_is_fixed),
    ("process_state_is_fixed", process_state_is_fixed),
    ("a_caller_without_huge_pages_leaves_them_to_builders", huge_pages_are_left_to_builders),
    ("only_inputs_are_visible", only_inputs_are_visible),
    ("a_given_root_is_shown_without_the_own_names", a_given_root_is_shown_without_the_own_names),
    ("a_root_with_etc_keeps_it", a_root_with_etc_keeps_it),
    ("symlinks_in_the_root_cannot_lead_out", symlinks_in_the_root_cannot_lead_out),
    ("inputs_cannot_be_written", inputs_cannot_be_written),
    ("mounts_below_an_input_cannot_be_written", mounts_below_an_input_cannot_be_written),
    ("outputs_arrive_and_belong_to_the_caller", outputs_arrive_and_belong_to_the_caller),
    ("symlinks_are_bound_as_symlinks", symlinks_are_bound_as_symlinks),
    ("a_named_pipe_connects_builds", a_named_pipe_connects_builds),
    ("tmp_is_private_and_bounded", tmp_is_private_and_bounded),
    ("tmp_may_be_a_host_folder", tmp_may_be_a_host_folder),
    ("devices_work", devices_work),
    ("processors_can_be_made_to_look_different", processors_can_be_made_to_look_different),
    ("there_is_no_network", there_is_no_network),
    ("the_log_is_out_of_reach", the_log_is_out_of_reach),
    ("only_own_processes_are_visible", only_own_processes_are_visible),
    ("what_identifies_the_machine_is_empty", what_identifies_the_machine_is_empty),
    ("everything_in_proc_is_told", everything_in_proc_is_told),
    ("a_missing_program_is_no_exit_code", a_missing_program_is_no_exit_code),
    ("a_missing_input_is_named", a_missing_input_is_named),
    ("contradictions_are_refused", contradictions_are_refused),
    ("names_need_not_be_text", names_need_not_be_text),
    ("a_thousand_binds_work", a_thousand_binds_work),
];

fn main() {
    support::run(TESTS, inside);
}

fn inside(what: &str, arguments: &[String]) {
    match what {
        "environment" => print_environment(),
        "small-pages" => give_up_and_build(),
        "network" => try_network(&arguments[0], &arguments[1]),
        other => panic!("nothing to do for {other}"),
    }
}

fn probe_succeeds_here() {
    assert_eq!(cbuild_sandbox::probe(), Ok(()));
}

fn exit_codes_come_back() {
    for code in [0, 1, 42, 125, 127, 255] {
        let place = Place::new();
        let exit = place.run(&place.shell(&format!("exit {code}"))).unwrap();
        assert_eq!(exit.status, Status::Exited(code), "{}", place.log_text());
        assert_eq!(exit.success(), code == 0);
        assert!(exit.max_rss > 0 && exit.wall > Duration::ZERO);
    }
}

fn signals_come_back() {
    for signal in [6, 9, 11, 15] {
        let place = Place::new();
        let exit = place.run(&place.shell(&format!("kill -{signal} $$"))).unwrap();
        assert_eq!(exit.status, Status::Signaled(signal));
    }
}

fn print_environment() {
    for (name, value) in std::env::vars() {
        println!("{name}={value}");
    }
}

fn environment_is_exactly_as_specified() {
    let place = Place::new();
    let mut spec = place.inside(&["environment"]);
    spec.env = vec![("ONE".into(), "1 2\n3".into()), ("TZ".into(), "UTC".into())];
    assert_eq!(place.output(&spec), "ONE=1 2\n3\nTZ=UTC\n");
    let place = Place::new();
    assert_eq!(place.output(&place.inside(&["environment"])), "");
}

fn identity_is_fixed() {
    let place = Place::new();
    let script = "id -u; id -g; uname -n; umask; pwd; cat /etc/passwd /etc/group /etc/hosts";
    let expected = "1000\n1000\ncbuild\n0022\n/build\n\
        root:x:0:0:root:/build:/bin/sh\nbuilder:x:1000:1000:builder:/build:/bin/sh\n\
        nobody:x:65534:65534:nobody:/:/bin/false\nroot:x:0:\nbuilder:x:1000:\nnogroup:x:65534:\n\
        127.0.0.1 localhost\n::1 localhost\n";
    assert_eq!(place.output(&place.shell(script)), expected);
    let place = Place::new();
    let mut spec = place.shell("id -u; id -g; uname -n; pwd");
    (spec.uid, spec.gid, spec.host_name, spec.cwd) = (7, 8, "other".into(), "/tmp".into());
    assert_eq!(place.output(&spec), "7\n8\nother\n/tmp\n");
}

fn process_state_is_fixed() {
    let place = Place::new();
    let script = "grep -E '^(Cap|NoNewPrivs|Seccomp:|SigIgn|SigBlk|NSpid|NSsid)' /proc/self/status
        cat /proc/self/personality; ulimit -c; ulimit -n; ulimit -s; ls -l /proc/self/fd/0 | sed 's/.*> //'";
    let text = place.output(&place.shell(script)).replace('\t', " ");
    for (name, value) in [
        ("SigBlk", "0000000000000000"),
        ("SigIgn", "0000000000000000"),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("NSsid", "2"),
    ] {
        assert!(text.contains(&format!("{name}: {value}\n")), "{name} in:\n{text}");
    }
    assert!(text.ends_with("00040000\n0\n4096\n8192\n/dev/null\n"), "{text}");
    // The zygote has none, which is not handed down.
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let inside = place.output(&place.shell("cat /proc/self/status"));
    assert_eq!(huge_pages(&inside), huge_pages(&own));
}

/// The line of `/proc/self/status` on huge pages; older kernels have none.
fn huge_pages(status: &str) -> Option<&str> {
    status.lines().find(|line| line.starts_with("THP_"))
}

/// Prints the status of a builder whose caller has given up huge pages, after its own.
fn give_up_and_build() {
    cbuild_sandbox::give_up_huge_pages();
    let place = Place::new();
    // Twice, because the second one gets a helper that has had a builder.
    let launcher = cbuild_sandbox::Launcher::new();
    for _ in 0..2 {
        let running = launcher.spawn(&place.shell("cat /proc/self/status"), place.log()).unwrap();
        assert!(running.wait().unwrap().success());
    }
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", huge_pages(&own).unwrap_or_default());
    let inside = place.log_text();
    inside.lines().filter(|line| line.starts_with("THP_")).for_each(|line| println!("{line}"));
}

fn huge_pages_are_left_to_builders() {
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    let Some(own) = huge_pages(&own) else { return };
    let text = String::from_utf8(outside(&["small-pages"]).output().unwrap().stdout).unwrap();
    assert_eq!(text, format!("THP_enabled:\t0\n{own}\n{own}\n"));
}

fn only_inputs_are_visible() {
    let place = Place::new();
    let input = place.input("dep", "dependency");
    let secret = place.input("secret", "host file");
    let mut spec = place.shell(&format!(
        "cat /cbuild/store/dep; echo; ls -A / /cbuild /cbuild/store /etc /tmp; ls {} 2>&1 | wc -l; ls -d /root /home /sys /run /var",
        secret.display()
    ));
    spec = spec.bind_read_only(input, "/cbuild/store/dep");
    assert_eq!(place.run(&spec).unwrap().status, Status::Exited(2));
    let text = place.log_text();
    let programs: String = host_programs()
        .iter()
        .map(|bind| bind.target.file_name().unwrap().to_str().unwrap().to_owned())
        .chain(["build", "cbuild", "dev", "etc", "proc", "tmp"].map(String::from))
        .collect::<std::collections::BTreeSet<_>>()
        .iter()
        .map(|name| format!("{name}\n"))
        .collect();
    let expected = format!(
        "dependency\n/:\n{programs}\n/cbuild:\nstore\n\n/cbuild/store:\ndep\n\n/etc:\ngroup\nhosts\npasswd\n\n/tmp:\n1\n"
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(text.matches("No such file or directory").count(), 5, "{text}");
}

/// A root tree as a toolchain would be: links to the host's programs stand for real ones.
fn a_given_root_is_shown_without_the_own_names() {
    let place = Place::new();
    let tree = place.path("in").join("root");
    for folder in ["opt/x", "proc", "dev", "tmp", "build", "cbuild/evil"] {
        fs::create_dir_all(tree.join(folder)).unwrap();
    }
    fs::write(tree.join("tmp/evil"), "").unwrap();
    fs::write(tree.join("file"), "top-level file").unwrap();
    fs::write(tree.join("opt/x/deep"), "deep file").unwrap();
    symlink("opt/x", tree.join("link")).unwrap();
    symlink("/nowhere", tree.join("dangling")).unwrap();
    let mut spec = place.shell(
        "cat /file /link/deep; echo; readlink /link /dangling; ls -A /tmp /cbuild
         for f in /file /opt/x/new /new /link/deep; do echo >> $f; done",
    );
    spec.root = Some(tree.clone());
    let exit = place.run(&spec).unwrap();
    let text = place.log_text();
    assert!(
        text.starts_with("top-level filedeep file\nopt/x\n/nowhere\n/cbuild:\nstore\n\n/tmp:\n"),
        "{text}"
    );
    assert_eq!(text.matches("Read-only file system").count(), 4, "{text}");
    assert!(!exit.success());
    assert_eq!(fs::read_to_string(tree.join("opt/x/deep")).unwrap(), "deep file");
}

fn a_root_with_etc_keeps_it() {
    let place = Place::new();
    let tree = place.path("in").join("root");
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/os-release"), "ID=test\n").unwrap();
    let mut spec = place.shell("ls -A /etc; cat /etc/os-release");
    spec.root = Some(tree);
    assert_eq!(place.output(&spec), "os-release\nID=test\n");
}

/// A bind below an absolute symlink of the root tree must land inside.
fn symlinks_in_the_root_cannot_lead_out() {
    let place = Place::new();
    let outside = place.path("in").join("outside");
    fs::create_dir(&outside).unwrap();
    let tree = place.path("in").join("root");
    fs::create_dir(&tree).unwrap();
    symlink(&outside, tree.join("trap")).unwrap();
    let input = place.input("dep", "dependency");
    let mut spec = place.shell("cat /trap/dep").bind_read_only(input, "/trap/dep");
    spec.root = Some(tree);
    // Inside, the link points to a folder of the sandbox, which is made there.
    assert_eq!(place.run(&spec).unwrap_err().code(), "E0822");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

fn inputs_cannot_be_written() {
    let place = Place::new();
    let file = place.input("file", "content");
    let folder = place.path("in").join("folder");
    fs::create_dir_all(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/file"), "content").unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let script = "cd /cbuild/store
        try() { if \"$@\" 2>/dev/null; then echo \"succeeded: $*\"; fi; }
        try sh -c 'echo x >> file'; try sh -c 'echo x > folder/sub/file'; try touch folder/new
        try rm -f folder/sub/file; try rm -f file; try mv file other; try mv folder other
        try chmod 777 folder; try chmod 666 file; try ln -s x folder/link; try mkdir folder/d
        try touch -d @0 file; try rmdir folder; try touch /new /etc/new /cbuild/new /dev/new
        try chmod 666 /dev/null; try touch /bin/new; echo done";
    let spec = place
        .shell(script)
        .bind_read_only(&file, "/cbuild/store/file")
        .bind_read_only(&folder, "/cbuild/store/folder");
    assert_eq!(place.output(&spec), "done\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "content");
    assert_eq!(fs::read_to_string(folder.join("sub/file")).unwrap(), "content");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

/// `/dev` of the host holds other mounts on every machine, among them one that all may write to.
fn mounts_below_an_input_cannot_be_written() {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let below = mounts.lines().any(|line| line.contains(" /dev/shm "));
    assert!(below, "this test needs a mount at /dev/shm");
    let place = Place::new();
    let script = "cd /cbuild/store/dev; touch new 2>&1; touch shm/new 2>&1; cat null 2>&1; true";
    let spec = place.shell(script).bind_read_only("/dev", "/cbuild/store/dev");
    let text = place.output(&spec);
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    assert!(text.contains("null: Permission denied"), "devices must not work there: {text}");
}

fn outputs_arrive_and_belong_to_the_caller() {
    let place = Place::new();
    let script = "mkdir -p /cbuild/store/out/bin && cp /bin/sh /cbuild/store/out/bin/ && echo built > /build/note";
    place.output(&place.shell(script));
    let owner = fs::metadata(place.path("store/out/bin/sh")).unwrap().uid();
    assert_eq!(owner, rustix::process::geteuid().as_raw());
    assert_eq!(fs::read_to_string(place.path("build/note")).unwrap(), "built\n");
    assert_eq!(fs::metadata(place.path("store/out")).unwrap().mode() & 0o777, 0o755);
}

fn symlinks_are_bound_as_symlinks() {
    let place = Place::new();
    let link = place.path("in").join("link");
    symlink("/etc/shadow", &link).unwrap();
    let spec =
        place.shell("readlink /cbuild/store/link").bind_read_only(link, "/cbuild/store/link");
    assert_eq!(place.output(&spec), "/etc/shadow\n");
    // A folder that was used before has the link already.
    assert_eq!(place.output(&spec), "/etc/shadow\n/etc/shadow\n");
}

/// A job server is a named pipe that several builds share.
fn a_named_pipe_connects_builds() {
    let place = Place::new();
    let pipe = place.path("in").join("jobs");
    let (fifo, mode) =
        (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, mode, 0).unwrap();
    // Both ends, so that nobody waits for the other side.
    let mut ours = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    ours.write_all(b"ab").unwrap();
    let script = "exec 3<>/cbuild/jobs; head -c 1 <&3; printf c >&3";
    let spec = place.shell(script).bind_writable(&pipe, "/cbuild/jobs");
    assert_eq!(place.output(&spec), "a");
    let mut left = [0; 2];
    ours.read_exact(&mut left).unwrap();
    assert_eq!(&left, b"bc");
}

fn tmp_is_private_and_bounded() {
    let place = Place::new();
    let mut spec = place.shell(
        "echo x > /tmp/x && stat -c %a /tmp && head -c 4000000 /dev/zero > /tmp/big; wc -c < /tmp/big",
    );
    spec.tmp = Tmp::Private { size: 1 << 20 };
    let text = place.output(&spec);
    assert!(text.starts_with("1777\n") && text.contains("No space left on device"), "{text}");
    let written: u64 = text.lines().last().unwrap().parse().unwrap();
    assert!(written < 1 << 20, "{written}");
    assert!(!Path::new("/tmp/big").exists());
}

fn tmp_may_be_a_host_folder() {
    let place = Place::new();
    let mut spec = place.shell("echo kept > /tmp/x");
    spec.tmp = Tmp::Host(place.path("in"));
    place.output(&spec);
    assert_eq!(fs::read_to_string(place.path("in").join("x")).unwrap(), "kept\n");
}

fn devices_work() {
    let place = Place::new();
    let script = "ls /dev; echo x > /dev/null && head -c 3 /dev/zero | wc -c && head -c 9 /dev/urandom | wc -c
        head -c 9 /dev/random | wc -c; echo err > /dev/stderr; echo shared > /dev/shm/x && cat /dev/shm/x
        (echo x > /dev/full) 2>/dev/null || echo full; (: < /dev/tty) 2>/dev/null || echo no terminal
        test -c /dev/ptmx && echo terminals";
    let expected = "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n\
        3\n9\n9\nerr\nshared\nfull\nno terminal\nterminals\n";
    assert_eq!(place.output(&place.shell(script)), expected);
}

/// Runs inside: reports each connection that works.
fn try_network(port: &str, abstract_name: &str) {
    let port: u16 = port.parse().unwrap();
    for address in [
        SocketAddr::from(([127, 0, 0, 1], port)),
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port)),
        SocketAddr::from(([192, 0, 2, 1], 80)),
    ] {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(_) => println!("reached {address}"),
            Err(error) => {
                // No route, or for IPv6 no own address.
                let errno = error.raw_os_error();
                assert!(matches!(errno, Some(99 | 101)), "{address}: {error}");
            }
        }
    }
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    if udp.send_to(b"x", ("127.0.0.1", port)).is_ok() {
        println!("sent a datagram");
    }
    let host = UnixAddr::from_abstract_name(abstract_name).unwrap();
    match UnixStream::connect_addr(&host) {
        Ok(_) => println!("reached the host's abstract socket"),
        Err(error) => assert_eq!(error.raw_os_error(), Some(111), "{error}"),
    }
    let interfaces = fs::read_to_string("/proc/net/dev").unwrap();
    for line in interfaces.lines().skip(2) {
        println!("interface {}", line.split(':').next().unwrap().trim());
    }
    // What needs no network keeps working.
    let own = UnixAddr::from_abstract_name("own").unwrap();
    let listener = UnixListener::bind_addr(&own).unwrap();
    UnixStream::connect_addr(&own).unwrap().write_all(b"x").unwrap();
    listener.accept().unwrap();
}

fn there_is_no_network() {
    let place = Place::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let name = format!("cbuild-sandbox-test-{}", std::process::id());
    let unix = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&name).unwrap()).unwrap();
    // Both are reachable from here, or the test would prove nothing.
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    UnixStream::connect_addr(&unix.local_addr().unwrap()).unwrap();
    let spec = place.inside(&["network", &port.to_string(), &name]);
    assert_eq!(place.output(&spec), "interface lo\n");
}

/// Scripts write to `/dev/stderr` with `>`, which must not truncate the log.
fn the_log_is_out_of_reach() {
    let place = Place::new();
    let script = "echo one; echo two > /dev/stderr; echo three > /dev/stdout; echo four >&2
        test -f /dev/stdout && echo a file";
    assert_eq!(place.run(&place.shell(script)).unwrap().status, Status::Exited(1));
    assert_eq!(place.log_text(), "one\ntwo\nthree\nfour\n");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let result = cbuild_sandbox::spawn(&place.shell("echo x; exec cat /dev/zero"), full);
    let error = result.unwrap().wait().unwrap_err();
    assert_eq!(error.to_string(), "cannot write the log: No space left on device (os error 28)");
}

fn only_own_processes_are_visible() {
    let place = Place::new();
    let script = "echo $$; ls /proc | grep -E '^[0-9]+$' | sort -n | head -2; kill -0 1 && echo there
        kill -9 1; kill -15 1; for f in /proc/1/fd/* /proc/1/mem; do (echo x >> $f) 2>/dev/null && echo wrote $f; done
        for f in root cwd exe; do readlink /proc/1/$f; done; cat /proc/1/mem /proc/1/maps 2>/dev/null; echo end";
    let text = place.output(&place.shell(script));
    // Init cannot be killed, read or written, and the pipe to the helper is out of reach.
    assert_eq!(text, "2\n1\n2\nthere\nend\n");
}

/// The names that the book gives for what is empty in `/proc`.
fn masked(book: &str) -> Vec<&str> {
    let (_, list) = book.split_once("lists its parts is empty: ").unwrap();
    let (list, _) = list.split_once(". The rest").unwrap();
    list.split(", ").map(|name| name.trim_matches('`')).collect()
}

fn book() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../book/src/sandbox.md")).unwrap()
}

fn what_identifies_the_machine_is_empty() {
    let (place, book) = (Place::new(), book());
    let masked = masked(&book).join(" ");
    let script = format!(
        "cd /proc; for f in {masked}; do
            if test -d $f; then for g in $f/*; do test -e $g && echo $g; done; (echo x > $f/x) 2>/dev/null && echo $f;
            elif test -e $f; then cat $f; (echo x > $f) 2>/dev/null; fi
        done; cat meminfo cpuinfo stat sys/kernel/random/uuid | wc -l | grep -qv '^0$' && echo end"
    );
    assert_eq!(place.output(&place.shell(&script)), "end\n");
}

/// What a kernel shows in `/proc` is empty or told in the book.
fn everything_in_proc_is_told() {
    let (place, book) = (Place::new(), book());
    let names = place.output(&place.shell("cd /proc; for f in *; do echo $f; done"));
    let mut count = 0;
    for name in names.lines().filter(|name| !name.starts_with(|c: char| c.is_ascii_digit())) {
        assert!(book.contains(&format!("`{name}`")), "`{name}` is not in book/src/sandbox.md");
        count += 1;
    }
    assert!(count > 20, "{names}");
}

fn processors_can_be_made_to_look_different() {
    let place = Place::new();
    let script = "cat /proc/cpuinfo; nproc; (echo x > /proc/cpuinfo) 2>/dev/null || echo kept";
    let mut spec = place.shell(script);
    spec.cpu_info = Some(place.input("cpuinfo", "flags : none\n"));
    spec.one_processor = true;
    assert_eq!(place.output(&spec), "flags : none\n1\nkept\n");
    let all = std::thread::available_parallelism().unwrap();
    let place = Place::new();
    assert_eq!(place.output(&place.shell("nproc")), format!("{all}\n"));
}

fn a_missing_program_is_no_exit_code() {
    let place = Place::new();
    let error = place.run(&place.spec("/cbuild/store/nothing")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot run /cbuild/store/nothing: No such file or directory (os error 2)"
    );
    assert!(error.help().unwrap().contains("among the inputs"));
    let script = place.input("script", "#!/bin/sh\nexit 0\n");
    let spec = place.spec("/cbuild/store/x").bind_read_only(&script, "/cbuild/store/x");
    let error = place.run(&spec).unwrap_err();
    assert!(matches!(&error, Error::Program { errno: 13, .. }), "{error:?}");
    assert_eq!(error.code(), "E0823");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(place.run(&spec).unwrap().success());
}

fn a_missing_input_is_named() {
    let place = Place::new();
    let missing = place.path("in").join("missing");
    let spec = place.shell("true").bind_read_only(&missing, "/cbuild/store/x");
    let Err(Error::Setup(failure)) = place.run(&spec) else { panic!("must fail") };
    assert_eq!((failure.step, failure.errno), (Step::BindSource, 2));
    assert_eq!(failure.path, missing);
    let mut spec = place.shell("true");
    spec.cwd = "/build/missing".into();
    let error = place.run(&spec).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot set up the sandbox: entering the working directory /build/missing: No such file or directory (os error 2)"
    );
}

fn contradictions_are_refused() {
    let base = || SandboxSpec::new("/bin/sh");
    let twice = base().bind_read_only("/a", "/x").bind_writable("/b", "/x");
    assert_eq!(twice.check(), Err(SpecError::BoundTwice("/x".into())));
    for target in ["/", "/tmp", "/proc", "/proc/x", "/dev/null"] {
        assert_eq!(
            base().bind_read_only("/a", target).check(),
            Err(SpecError::Reserved(target.into()))
        );
    }
    for target in ["x", "/x/../y", "/x/./y", "//x", "/x/", "/x\0"] {
        let spec = base().bind_read_only("/a", target);
        assert_eq!(spec.check(), Err(SpecError::InsidePath(target.into())), "{target}");
    }
    assert_eq!(base().bind_read_only("a", "/x").check(), Err(SpecError::SourcePath("a".into())));
    let mut spec = base();
    spec.env = vec![("A=B".into(), "x".into())];
    assert_eq!(spec.check(), Err(SpecError::VariableName("A=B".into())));
    let mut spec = base();
    spec.args = vec!["a\0b".into()];
    assert_eq!(spec.check(), Err(SpecError::Nul("a\0b".into())));
    let error = cbuild_sandbox::spawn(&spec, Place::new().log()).unwrap_err();
    assert!(matches!(error, Error::Spec(SpecError::Nul(_))));
}

fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let place = Place::new();
    let name = std::ffi::OsString::from_vec(vec![b'x', 0xff, b' ', b'\n']);
    let source = place.path("in").join(&name);
    fs::write(&source, "odd").unwrap();
    let mut spec = place.shell("cat /cbuild/store/\"$1\"; printf %s \"$V\"");
    spec.args.extend(["sh".into(), name.clone()]);
    spec.env.push(("V".into(), std::ffi::OsString::from_vec(vec![b'v'])));
    let target = Path::new("/cbuild/store").join(&name);
    assert_eq!(place.output(&spec.bind_read_only(source, target)), "oddv");
}

fn a_thousand_binds_work() {
    let place = Place::new();
    let mut spec = place.shell("cat /cbuild/store/* | wc -c");
    let input = place.input("one", "x");
    for number in 0..1000 {
        spec = spec.bind_read_only(&input, format!("/cbuild/store/{number}"));
    }
    assert_eq!(place.output(&spec).trim(), "1000");
}
