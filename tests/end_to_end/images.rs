//! Exported images run under crun (unpacked by umoci) and under docker, and hold nothing but the program.

use std::path::Path;
use std::process::Command;

use crate::harness::{Done, cbuild, module, repository, run, shared_root};

/// Most bytes that the compressed Redis image may have.
const REDIS_LIMIT: u64 = 1_500_000;

fn export(example: &str, format: &str, out: &Path) -> Done {
    let target = format!("examples/{example}:image");
    let out = out.to_str().unwrap();
    let args = ["--json", "image", "export", &target, "-o", out, "--format", format];
    cbuild(&shared_root(), args).ok()
}

fn container(script: &str, image: &Path, args: &[&str]) -> Done {
    let mut command = Command::new(repository().join("tests/images").join(script));
    run(command.arg(image).args(args))
}

const PING: &[&str] = &["--probe", "6379", "PING", "+PONG"];

#[test]
fn redis_answers_under_crun() {
    let out = tempfile::tempdir().unwrap();
    let image = out.path().join("redis");
    export("redis", "oci", &image);
    let done = container("crun.sh", &image, PING).ok();
    assert!(done.stdout.contains("+PONG"), "{}{}", done.stdout, done.stderr);
}

#[test]
fn hello_greets_under_crun() {
    let out = tempfile::tempdir().unwrap();
    let image = out.path().join("hello.tar");
    export("hello", "oci-archive", &image);
    let done = container("crun.sh", &image, &[]).ok();
    assert!(done.stdout.contains("Hello, world!"), "{}{}", done.stdout, done.stderr);
}

#[test]
fn both_run_under_docker() {
    let out = tempfile::tempdir().unwrap();
    let (hello, redis) = (out.path().join("hello.tar"), out.path().join("redis.tar"));
    export("hello", "docker-archive", &hello);
    export("redis", "docker-archive", &redis);
    let done = container("docker.sh", &hello, &[]).ok();
    assert!(done.stdout.contains("Hello, world!"), "{}{}", done.stdout, done.stderr);
    let done = container("docker.sh", &redis, PING).ok();
    assert!(done.stdout.contains("+PONG"), "{}{}", done.stdout, done.stderr);
}

#[test]
fn the_redis_image_is_small_and_holds_redis_alone() {
    let out = tempfile::tempdir().unwrap();
    let image = out.path().join("redis");
    let summary = export("redis", "oci", &image).stdout;
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
    let size = summary["size"].as_u64().unwrap();
    assert!(size <= REDIS_LIMIT, "the image has {size} bytes");

    let bundle = out.path().join("bundle");
    let mut unpack = Command::new("umoci");
    unpack.args(["raw", "unpack", "--rootless", "--image"]);
    unpack.arg(format!("{}:7.0.15", image.display())).arg(&bundle);
    run(&mut unpack).ok();
    let mut find = Command::new("find");
    find.arg(&bundle).args(["(", "-type", "f", "-o", "-type", "l", ")", "-printf", "%f\n"]);
    let listed = run(&mut find).ok().stdout;
    let mut files: Vec<&str> = listed.lines().collect();
    files.sort_unstable();
    assert_eq!(
        files,
        ["redis-check-aof", "redis-check-rdb", "redis-cli", "redis-sentinel", "redis-server"]
    );
}

#[test]
fn skopeo_reads_every_format() {
    let out = tempfile::tempdir().unwrap();
    for format in ["oci", "oci-archive", "docker-archive"] {
        let image = out.path().join(format);
        export("hello", format, &image);
        let reference = format!("{format}:{}", image.display());
        let done = run(Command::new("skopeo").args(["inspect", "--config", &reference])).ok();
        let config: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let entry = config["config"]["Entrypoint"][0].as_str().unwrap();
        assert!(entry.starts_with("/cbuild/store/") && entry.ends_with("-hello-2.10/bin/hello"));
        assert_eq!(config["architecture"], "amd64");
    }
}

#[test]
fn a_program_of_another_processor_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("image");
    let out = out.to_str().unwrap();
    let export = |target: &str| cbuild(&shared_root(), ["image", "export", target, "-o", out]);
    // The step of the program tells so before anything is built.
    let done = export("tests/cases/images/wrong-architecture.cbuild").fails(2, "E0411");
    assert!(done.stderr.contains("redis-7.0.15/bin/redis-server"), "{}", done.stderr);
    assert!(done.stderr.contains("aarch64-linux") && done.stderr.contains("x86_64-linux"));
    // The file itself tells so where the step does not.
    let copied = module(
        r##"import std
let copy: Package = std.tree.assemble { name = "copy", layers = [{ tree = std.hello }] }
pub let default: Image<{}, {}, {}> = std.oci.image {
  name = "im",
  system = "aarch64-linux",
  cmd = [sh"#{copy}/bin/hello"],
}
"##,
    );
    let done = export(copied.path().to_str().unwrap()).fails(1, "E0918");
    assert!(
        done.stderr.contains("-copy/bin/hello` is a program for x86_64-linux"),
        "{}",
        done.stderr
    );
    assert!(done.stderr.contains("the image is for aarch64-linux"), "{}", done.stderr);
    assert!(!Path::new(out).exists());
}

#[test]
fn an_image_that_is_not_there_is_wrong_use() {
    cbuild(&shared_root(), ["image", "inspect", "/nowhere/image.tar"]).fails(2, "E0909");
    // One that is there and no image failed the check.
    cbuild(&shared_root(), ["image", "inspect", "README.md"]).fails(1, "E0910");
}
