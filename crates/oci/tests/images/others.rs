//! Layouts of other tools that hold more than images.

use std::fs;
use std::path::{Path, PathBuf};

use cbuild_oci::{Format, inspect};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fixture::{Fixture, options};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A layout with one image, whose `index.json` a test changes.
struct Layout {
    _fixture: Fixture,
    folder: PathBuf,
}

impl Layout {
    fn new() -> Self {
        let fixture = Fixture::new();
        let (folder, _) = fixture.pack(&fixture.sample(), &options(Format::Oci)).unwrap();
        Self { _fixture: fixture, folder }
    }

    fn manifests(&self) -> Value {
        let index: Value =
            serde_json::from_slice(&fs::read(self.folder.join("index.json")).unwrap()).unwrap();
        index["manifests"].clone()
    }

    /// Stores a document and gives its descriptor.
    fn document(&self, media_type: &str, document: &Value) -> Value {
        let bytes = serde_json::to_vec(document).unwrap();
        let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        fs::write(self.folder.join("blobs/sha256").join(&digest), &bytes).unwrap();
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len() })
    }

    fn index_json(&self, manifests: &Value) {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        fs::write(self.folder.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
    }

    /// A builder's statement about the image, as `docker buildx build` writes it.
    fn statement(&self) -> Value {
        let config = json!({ "architecture": "unknown", "os": "unknown", "rootfs": { "type": "layers", "diff_ids": [] } });
        let config = self.document("application/vnd.oci.image.config.v1+json", &config);
        let layer = self.document("application/vnd.in-toto+json", &json!({ "_type": "statement" }));
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let mut descriptor = self.document(MANIFEST, &manifest);
        descriptor["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
        descriptor["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": "sha256:1234",
        });
        descriptor
    }
}

/// What `docker buildx build -o type=oci` and `buildah manifest push --all oci:` write.
#[test]
fn an_index_in_the_index_and_a_statement() {
    let layout = Layout::new();
    let mut image = layout.manifests()[0].clone();
    image.as_object_mut().unwrap().remove("annotations");
    let absent = json!({
        "mediaType": MANIFEST, "digest": format!("sha256:{}", "0".repeat(64)), "size": 5,
        "platform": { "architecture": "arm64", "os": "linux" },
    });
    let inner = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [layout.statement(), image, absent] });
    let mut inner = layout.document(INDEX, &inner);
    inner["annotations"] = json!({ "org.opencontainers.image.ref.name": "built:1" });
    layout.index_json(&json!([inner]));
    let found = inspect(&layout.folder).unwrap();
    assert_eq!(found.images.len(), 1);
    assert_eq!(found.images[0].references, ["built:1"]);
    let others: Vec<_> = found.others.iter().map(|other| other.what.as_str()).collect();
    assert_eq!(others, ["attestation-manifest of sha256:1234", "linux/arm64, which is not here"]);
}

/// One entry that is damaged or was not copied does not hide the images beside it.
#[test]
fn a_manifest_that_is_absent_or_is_none() {
    let layout = Layout::new();
    let image = layout.manifests()[0].clone();
    let absent =
        json!({ "mediaType": MANIFEST, "digest": format!("sha256:{}", "0".repeat(64)), "size": 5 });
    let text = layout.document(MANIFEST, &json!("no manifest"));
    layout.index_json(&json!([absent, text, image]));
    let found = inspect(&layout.folder).unwrap();
    assert_eq!(found.images.len(), 1);
    let others: Vec<_> = found.others.iter().map(|other| other.what.as_str()).collect();
    assert_eq!(others[0], "an image, which is not here");
    assert!(others[1].contains("invalid type"), "{}", others[1]);
    layout.index_json(&json!([text]));
    assert_eq!(inspect(&layout.folder).unwrap_err().code(), "E0916");
    layout.index_json(&json!([absent]));
    assert_eq!(inspect(&layout.folder).unwrap_err().code(), "E0913");
}

/// What `oras attach` leaves in a layout.
#[test]
fn an_artifact_that_is_attached_to_an_image() {
    let layout = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/cases/readers/10b-oci-image-with-attached-sbom");
    let found = inspect(&layout).unwrap();
    let platforms: Vec<_> = found.images.iter().map(|image| image.platform.as_str()).collect();
    assert_eq!(platforms, ["linux/amd64"]);
    assert_eq!(found.others.len(), 1);
    assert!(found.others[0].what.starts_with("artifact application/x-sbom of sha256:61919b7a"));
}

#[test]
fn without_an_image_the_first_reason_is_the_error() {
    let layout = Layout::new();
    layout.index_json(&json!([layout.statement()]));
    let error = inspect(&layout.folder).unwrap_err();
    assert_eq!(error.code(), "E0915");
    assert!(error.to_string().contains("the purpose `attestation-manifest`"), "{error}");
}

#[test]
fn indexes_cannot_go_on_for_ever() {
    let layout = Layout::new();
    let mut inner = layout.manifests()[0].clone();
    for _ in 0..7 {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [inner] });
        inner = layout.document(INDEX, &index);
    }
    layout.index_json(&json!([inner]));
    assert_eq!(inspect(&layout.folder).unwrap().images.len(), 1);
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [inner] });
    layout.index_json(&json!([layout.document(INDEX, &index)]));
    assert_eq!(inspect(&layout.folder).unwrap_err().code(), "E0917");
    // An index that names another one many times, and so on, is counted as often.
    let mut many = layout.manifests()[0].clone();
    for _ in 0..4 {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": vec![many; 64] });
        many = layout.document(INDEX, &index);
    }
    layout.index_json(&json!([many]));
    assert_eq!(inspect(&layout.folder).unwrap_err().code(), "E0917");
}

/// Damage is no other kind of manifest.
#[test]
fn damage_beside_an_image_is_an_error() {
    let layout = Layout::new();
    let mut manifests = layout.manifests();
    let mut damaged = manifests[0].clone();
    damaged["size"] = json!(5);
    manifests.as_array_mut().unwrap().push(damaged);
    layout.index_json(&manifests);
    assert_eq!(inspect(&layout.folder).unwrap_err().code(), "E0914");
}
