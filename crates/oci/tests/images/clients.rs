//! What skopeo, umoci and crun make of the images. The clients must be installed: a test that
//! cannot ask them fails and names the Debian packages.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cbuild_oci::{Compression, Format, PackOptions, inspect};
use serde_json::{Value, json};

use crate::fixture::{Fixture, document, options};

fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| {
        panic!("{program}: {error}; these tests need: apt-get install -y skopeo umoci crun jq gcc")
    });
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn name(format: Format, path: &Path) -> String {
    format!("{}:{}", format.as_str(), path.display())
}

#[test]
fn skopeo_reads_and_copies_every_format() {
    let fixture = Fixture::new();
    let image = fixture.sample();
    for format in Format::ALL {
        let (path, summary) = fixture.pack(&image, &options(format)).unwrap();
        let output = run("skopeo", &["inspect", "--config", &name(format, &path)]);
        let config: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(config["config"]["Volumes"], json!({"/data": {}}));
        let output = run("skopeo", &["inspect", &name(format, &path)]);
        let description: Value = serde_json::from_slice(&output.stdout).unwrap();
        let layers = summary.layers.iter().map(|layer| layer.digest.to_string());
        assert_eq!(description["Layers"], json!(layers.collect::<Vec<_>>()));

        // skopeo checks all digests on the way, and its copy passes our own check.
        let copy = fixture.out(&format!("copy-of-{}", format.as_str()));
        let to = format!("oci:{}:copied", copy.display());
        run("skopeo", &["copy", "--quiet", "--insecure-policy", &name(format, &path), &to]);
        let copied = inspect(&copy).unwrap();
        let diff_ids: Vec<_> = copied.images[0].layers.iter().map(|layer| layer.diff_id).collect();
        assert_eq!(diff_ids, summary.layers.iter().map(|l| l.diff_id).collect::<Vec<_>>());
        if format != Format::DockerArchive {
            assert_eq!(copied.images[0].manifest_digest, summary.manifest_digest);
        }
    }
}

#[test]
fn skopeo_uncompresses_every_compression() {
    let fixture = Fixture::new();
    let image = fixture.sample();
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let options = PackOptions { compression, ..PackOptions::default() };
        let (path, summary) = fixture.pack(&image, &options).unwrap();
        let copy = fixture.out("copy");
        let from = name(Format::Oci, &path);
        let to = format!("dir:{}", copy.display());
        let args = ["copy", "--quiet", "--insecure-policy", "--dest-decompress", &from, &to];
        run("skopeo", &args);
        // The `dir` format names each blob by the digest of what it wrote.
        for layer in summary.layers {
            let size = fs::metadata(copy.join(layer.diff_id.hex())).unwrap().len();
            assert_eq!(size, layer.uncompressed_size);
        }
        fs::remove_dir_all(copy).unwrap();
    }
}

#[test]
fn what_skopeo_writes_can_be_inspected() {
    let fixture = Fixture::new();
    let image = fixture.sample();
    let (path, summary) = fixture.pack(&image, &options(Format::Oci)).unwrap();
    let from = name(Format::Oci, &path);
    let copy = |format: &str, tag: &str| {
        let path = fixture.out(&format!("copy-{format}"));
        let to = format!("{format}:{}{tag}", path.display());
        run("skopeo", &["copy", "--quiet", "--insecure-policy", &from, &to]);
        inspect(&path)
    };
    let archive = copy("oci-archive", ":x").unwrap();
    assert_eq!(archive.images[0].config_digest, summary.config_digest);
    // Its docker archives hold links for older clients.
    let docker = copy("docker-archive", ":copied:1").unwrap();
    assert_eq!(docker.images[0].references, ["docker.io/library/copied:1"]);
    assert_eq!(docker.images[0].layers.len(), 2);
    assert_eq!(copy("dir", "").unwrap_err().code(), "E0910");
}

#[test]
fn umoci_unpacks_the_closure_and_nothing_else() {
    let fixture = Fixture::new();
    let (path, _) = fixture.pack(&fixture.sample(), &options(Format::Oci)).unwrap();
    let bundle = fixture.out("bundle");
    let bundle_name = bundle.display().to_string();
    let image = format!("{}:1.0", path.display());
    run("umoci", &["unpack", "--rootless", "--image", &image, &bundle_name]);
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let root = bundle.join("rootfs");
    assert_eq!(names(&root), ["cbuild", "data", "tmp", "var"]);
    let objects = names(&root.join("cbuild/store"));
    assert_eq!(objects.len(), 2);
    for object in objects {
        let files = root.join("cbuild/store").join(&object);
        let original = fixture.store.store_dir().join(&object);
        run("diff", &["-r", files.to_str().unwrap(), original.to_str().unwrap()]);
    }
}

/// An image of a static program, on this machine's architecture.
fn server(fixture: &Fixture, format: Format) -> String {
    let binary = fixture.out("server");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images/server.c");
    run("cc", &["-static", "-Os", "-s", "-o", binary.to_str().unwrap(), source]);
    let app = fixture.application(&fs::read(&binary).unwrap(), &[]);
    let mut document = document(&app);
    document.system = format!("{}-linux", std::env::consts::ARCH);
    document.cmd.truncate(1);
    let image = fixture.image(&document, &[&app]);
    fixture.pack(&image, &options(format)).unwrap().0.display().to_string()
}

fn crun(args: &[&str]) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/images/crun.sh");
    Command::new(script).args(args).output().unwrap()
}

#[test]
fn crun_runs_the_program_as_the_images_user() {
    let fixture = Fixture::new();
    let image = server(&fixture, Format::OciArchive);
    let output = crun(&[&image]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    // Without root there is a single user, which the namespace calls root.
    let expected = ["uid 1234 gid 5678 in /var/lib/app\n", "uid 0 gid 0 in /var/lib/app\n"];
    assert!(expected.contains(&text.as_str()), "{text}{errors}");
    assert_eq!(output.status.code(), Some(7), "{errors}");
}

#[test]
fn a_server_answers_and_can_write_its_volume() {
    let fixture = Fixture::new();
    for format in [Format::Oci, Format::DockerArchive] {
        let image = server(&fixture, format);
        let output = crun(&[&image, "--probe", "6390", "PING", "+PONG", "--", "6390"]);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((text.as_ref(), output.status.code()), ("+PONG\n", Some(0)), "{errors}");
    }
    let image = server(&fixture, Format::Oci);
    let output = crun(&[&image, "--probe", "6390", "PING", "+PANG", "--", "6390"]);
    assert_eq!(output.status.code(), Some(1), "a wrong answer must not pass");
}
