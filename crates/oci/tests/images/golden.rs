//! The bytes of images: pinned, equal everywhere, and as the specification says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use cbuild_oci::{Compression, Format, PackOptions, Sha256Digest, inspect};
use serde_json::{Value, json};

use crate::fixture::{Fixture, options};

/// All files below a folder, or the only file, with their digests.
fn bytes_of(path: &Path) -> BTreeMap<String, Sha256Digest> {
    let mut found = BTreeMap::new();
    let mut pending = vec![path.to_owned()];
    while let Some(next) = pending.pop() {
        if next.is_dir() {
            pending.extend(fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = next.strip_prefix(path).unwrap().to_str().unwrap().to_owned();
            found.insert(name, Sha256Digest::of(&fs::read(&next).unwrap()));
        }
    }
    found
}

#[test]
fn digests_are_pinned() {
    let fixture = Fixture::new();
    let image = fixture.sample();
    let digest = |format, compression| {
        let options = PackOptions { compression, ..options(format) };
        let (out, summary) = fixture.pack(&image, &options).unwrap();
        let file = (format != Format::Oci).then(|| bytes_of(&out)[""].to_string());
        (summary.digest().to_string(), file)
    };
    let gzip = digest(Format::OciArchive, Compression::Gzip);
    assert_eq!(digest(Format::Oci, Compression::Gzip), (gzip.0.clone(), None));
    let zstd = digest(Format::OciArchive, Compression::Zstd);
    let none = digest(Format::OciArchive, Compression::None);
    let docker = digest(Format::DockerArchive, Compression::Gzip);
    let found = [gzip, zstd, none, docker].map(|(a, b)| [a, b.unwrap()]);
    assert_eq!(found, PINNED);
}

/// Digest of the image and of its archive: gzip, zstd, not compressed, docker.
const PINNED: [[&str; 2]; 4] = [
    [
        "sha256:b4b644233ec3fbee35e7eb654eab97fea10806c310233e7de3f66aa371e0e37b",
        "sha256:a17e91ad49ac2e3b83ae531ef45b8ea05c9f053b057163fec138a63ffa747f57",
    ],
    [
        "sha256:8075a9c25806de72b1ce0b35b0d6945ce0fd6d08ccf51334e1ee897c78a57ee2",
        "sha256:450f709399fb4242ea9021cae5e36bcd421bac638c9d5dfb07c77c4626d8d9ca",
    ],
    [
        "sha256:a2c6c185155759acc374a3b0618087e0f4c3de76089f6fbb4294e471223d5cf2",
        "sha256:a3c712543ee19d216b614229eee669dfda4af5ff278065df0a8bbc500c48bc71",
    ],
    [
        "sha256:5f5900e91e0525ab85d473f388151b96983e439ae6704f6d91e84eb50943f545",
        "sha256:6f0bcc110fbc00cc1af7e4fe4cbe52406aa81f9bba6617b74a7ff73b4a6663f6",
    ],
];

#[test]
fn the_place_of_the_store_and_earlier_results_leave_no_mark() {
    let (one, two) = (Fixture::new(), Fixture::new());
    // The second store has another history.
    two.object("unrelated", &[], |out| fs::write(out, "x").unwrap());
    for format in Format::ALL {
        let (first, summary) = one.pack(&one.sample(), &options(format)).unwrap();
        let (second, again) = two.pack(&two.sample(), &options(format)).unwrap();
        assert_eq!(summary, again);
        assert_eq!(bytes_of(&first), bytes_of(&second));
        // Written over itself, it stays the same, without leftovers.
        two.pack(&two.sample(), &options(format)).unwrap();
        assert_eq!(bytes_of(&first), bytes_of(&second));
    }
}

#[test]
fn the_layers_hold_what_they_should() {
    let fixture = Fixture::new();
    let options = PackOptions { compression: Compression::None, ..options(Format::Oci) };
    let (out, summary) = fixture.pack(&fixture.sample(), &options).unwrap();
    let mut listing = Vec::new();
    for layer in &summary.layers {
        listing.push(format!("# {}", layer.label));
        let blob = File::open(out.join("blobs/sha256").join(layer.digest.hex())).unwrap();
        let mut archive = tar::Archive::new(blob);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), 1);
            let link = entry.link_name_bytes().map(|link| String::from_utf8(link.into()).unwrap());
            listing.push(format!(
                "{:o} {}:{} {} {}{}",
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                content.len(),
                hide_digests(&String::from_utf8(entry.path_bytes().into()).unwrap()),
                link.map(|link| format!(" -> {link}")).unwrap_or_default(),
            ));
        }
    }
    assert_eq!(listing, EXPECTED_LAYERS);
}

const EXPECTED_LAYERS: [&str; 20] = [
    "# dependencies",
    "755 0:0 0 cbuild/",
    "755 0:0 0 cbuild/store/",
    "555 0:0 0 cbuild/store/…-library-1.0/",
    "777 0:0 0 cbuild/store/…-library-1.0/link -> share//empty",
    "555 0:0 0 cbuild/store/…-library-1.0/share/",
    "555 0:0 0 cbuild/store/…-library-1.0/share/a-folder-with-a-name-that-does-not-fit-a-tar-header/",
    "444 0:0 1500 cbuild/store/…-library-1.0/share/a-folder-with-a-name-that-does-not-fit-a-tar-header/data",
    "444 0:0 0 cbuild/store/…-library-1.0/share/empty",
    "# application",
    "755 0:0 0 cbuild/",
    "755 0:0 0 cbuild/store/",
    "555 0:0 0 cbuild/store/…-app-1.0/",
    "555 0:0 0 cbuild/store/…-app-1.0/bin/",
    "555 0:0 215 cbuild/store/…-app-1.0/bin/app",
    "755 1234:5678 0 data/",
    "1777 0:0 0 tmp/",
    "755 0:0 0 var/",
    "755 0:0 0 var/lib/",
    "755 1234:5678 0 var/lib/app/",
];

/// Replaces the digests in store paths.
fn hide_digests(text: &str) -> String {
    let long = |part: &str| part.len() == 52;
    let parts = text.split_inclusive(['/', '-']);
    parts.map(|p| if long(&p[..p.len() - 1]) { "…-" } else { p }).collect()
}

#[test]
fn the_configuration_says_what_the_document_says() {
    let fixture = Fixture::new();
    let image = fixture.sample();
    let (out, summary) = fixture.pack(&image, &options(Format::Oci)).unwrap();
    let read = |digest: Sha256Digest| {
        let text = fs::read_to_string(out.join("blobs/sha256").join(digest.hex())).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let config = read(summary.config_digest);
    let contract = r#"{"cbuildContract":1,"connects":{"cache":{"protocol":"io.redis"}},"env":{"level":{"required":false,"variable":"LEVEL"}},"listens":{"api":{"port":6390,"protocol":"io.example","transport":"tcp"}},"volumes":{"data":"/data"}}"#;
    let program = config["config"]["Entrypoint"][0].as_str().unwrap();
    assert!(program.starts_with("/cbuild/store/") && program.ends_with("-app-1.0/bin/app"));
    assert_eq!(
        config["config"],
        json!({
            "Entrypoint": [program, "--flag"],
            "Env": ["ALPHA=a=b", "ZED=1"],
            "ExposedPorts": {"6390/tcp": {}},
            "Labels": {"dev.cbuild.contract": contract},
            "User": "1234:5678",
            "Volumes": {"/data": {}},
            "WorkingDir": "/var/lib/app",
        })
    );
    assert_eq!(
        (&config["architecture"], &config["os"], &config["created"]),
        (&json!("amd64"), &json!("linux"), &json!("1970-01-01T00:00:01Z"))
    );
    let manifest = read(summary.manifest_digest.unwrap());
    assert_eq!(manifest["annotations"], json!({"dev.cbuild.contract": contract}));
    let index: Value =
        serde_json::from_str(&fs::read_to_string(out.join("index.json")).unwrap()).unwrap();
    let annotations = &index["manifests"][0]["annotations"];
    let names = json!({
        "io.containerd.image.name": "demo/app:1.0",
        "org.opencontainers.image.ref.name": "1.0",
    });
    assert_eq!(*annotations, names);
}

#[test]
fn inspection_agrees_with_the_summary() {
    let fixture = Fixture::new();
    let image = fixture.sample();
    for format in Format::ALL {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let reference = Some("registry.example:5000/other".to_owned());
            let options = PackOptions { compression, reference, ..options(format) };
            let (out, summary) = fixture.pack(&image, &options).unwrap();
            let found = inspect(&out).unwrap();
            assert_eq!(found.format, format);
            let [image] = found.images.as_slice() else { panic!("one image") };
            assert_eq!(image.references, ["registry.example:5000/other:latest"]);
            assert_eq!(image.manifest_digest, summary.manifest_digest);
            assert_eq!(image.config_digest, summary.config_digest);
            assert_eq!(image.size, summary.size);
            assert_eq!(image.platform, "linux/amd64");
            assert_eq!(image.config.user, "1234:5678");
            assert_eq!(image.config.exposed_ports, ["6390/tcp"]);
            assert_eq!(image.contract.as_ref().unwrap().volumes["data"], "/data");
            assert_eq!(image.layers.len(), 2);
            for (read, packed) in image.layers.iter().zip(&summary.layers) {
                assert_eq!((read.digest, read.size), (packed.digest, packed.size));
                assert_eq!(read.diff_id, packed.diff_id);
                assert_eq!(read.uncompressed_size, packed.uncompressed_size);
                assert_eq!(read.created_by, Some(format!("cbuild: {}", packed.label)));
            }
        }
    }
}
