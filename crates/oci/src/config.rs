//! The JSON documents of an image: configuration, manifest, index.

use std::collections::BTreeSet;
use std::str::FromStr;

use cbuild_drv::image::{Contract, ImageDocument};
use oci_spec::image as oci;
use serde_json::{Value, json};

use crate::canonical;
use crate::digest::Sha256Digest;
use crate::layer::WrittenLayer;
use crate::pack::Compression;
use crate::settings::Settings;

/// Time of creation that every image carries: one second after the epoch, as its files.
pub const CREATED: &str = "1970-01-01T00:00:01Z";

/// Label of the configuration and annotation of the manifest that hold the contract.
pub const CONTRACT_KEY: &str = "dev.cbuild.contract";

/// Version of the contract's JSON form, its member `cbuildContract`.
pub const CONTRACT_VERSION: u32 = 1;

/// Annotation of the index's manifest entry with the image's tag.
pub(crate) const TAG_KEY: &str = "org.opencontainers.image.ref.name";

/// Annotation of the index's manifest entry with the image's whole name; containerd and docker
/// read it when they import an archive.
pub(crate) const REFERENCE_KEY: &str = "io.containerd.image.name";

/// A JSON document as it is stored, with its digest.
pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Sha256Digest,
}

impl Document {
    fn new(value: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        let bytes = canonical::to_json(value)?.into_bytes();
        let digest = Sha256Digest::of(&bytes);
        Ok(Self { bytes, digest })
    }

    fn descriptor(&self, media_type: oci::MediaType) -> oci::Descriptor {
        descriptor(media_type, self.digest, self.bytes.len() as u64)
    }
}

fn descriptor(media_type: oci::MediaType, digest: Sha256Digest, size: u64) -> oci::Descriptor {
    let digest = oci::Digest::from_str(&digest.to_string())
        .expect("the text form of a SHA-256 digest is what this parses");
    oci::Descriptor::new(media_type, size, digest)
}

/// The contract as canonical JSON with its version.
pub(crate) fn contract_json(contract: &Contract) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(contract)?;
    if let Value::Object(members) = &mut value {
        members.insert("cbuildContract".to_owned(), json!(CONTRACT_VERSION));
    }
    canonical::to_json(&value)
}

/// Reads what [`contract_json`] wrote; an error is the reason as text.
pub(crate) fn parse_contract(text: &str) -> Result<Contract, String> {
    let mut value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let version = value.as_object_mut().and_then(|members| members.remove("cbuildContract"));
    if version != Some(json!(CONTRACT_VERSION)) {
        return Err(format!("it is not a contract of version {CONTRACT_VERSION}"));
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// The configuration of an image with these layers, each with its description.
pub(crate) fn config(
    document: &ImageDocument,
    settings: &Settings,
    layers: &[(WrittenLayer, String)],
) -> Result<Document, serde_json::Error> {
    let mut rootfs = oci::RootFs::default();
    rootfs.set_diff_ids(layers.iter().map(|(layer, _)| layer.diff_id.to_string()).collect());
    let history = |label: &String| {
        let mut history = oci::History::default();
        history.set_created(Some(CREATED.to_owned()));
        history.set_created_by(Some(format!("cbuild: {label}")));
        history
    };
    let mut config = oci::ImageConfiguration::default();
    config
        .set_created(Some(CREATED.to_owned()))
        .set_architecture(settings.platform.architecture.into())
        .set_variant(settings.platform.variant.map(str::to_owned))
        .set_os("linux".into())
        .set_config(Some(run_config(document, settings)?))
        .set_rootfs(rootfs)
        .set_history(Some(layers.iter().map(|(_, label)| history(label)).collect()));
    Document::new(&config)
}

fn run_config(
    document: &ImageDocument,
    settings: &Settings,
) -> Result<oci::Config, serde_json::Error> {
    let contract = &document.contract;
    let env = document.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let ports: BTreeSet<_> = contract
        .listens
        .values()
        .map(|endpoint| format!("{}/{}", endpoint.port, endpoint.transport))
        .collect();
    let volumes: BTreeSet<_> = contract.volumes.values().cloned().collect();
    let some = |set: BTreeSet<String>| (!set.is_empty()).then(|| set.into_iter().collect());
    let label = (CONTRACT_KEY.to_owned(), contract_json(contract)?);
    let mut config = oci::Config::default();
    config
        .set_user(Some(format!("{}:{}", settings.uid, settings.gid)))
        .set_exposed_ports(some(ports))
        .set_env(Some(env))
        .set_entrypoint(Some(document.cmd.clone()))
        .set_volumes(some(volumes))
        .set_working_dir(Some(document.workdir.clone()))
        .set_labels(Some([label].into_iter().collect()));
    Ok(config)
}

/// The manifest over a configuration and layers.
pub(crate) fn manifest(
    document: &ImageDocument,
    config: &Document,
    layers: &[(WrittenLayer, String)],
    compression: Compression,
) -> Result<Document, serde_json::Error> {
    let layer_type = media_type(compression);
    let layers: Vec<_> = layers
        .iter()
        .map(|(layer, _)| descriptor(layer_type.clone(), layer.digest, layer.size))
        .collect();
    let contract = (CONTRACT_KEY.to_owned(), contract_json(&document.contract)?);
    let mut manifest = oci::ImageManifestBuilder::default()
        .schema_version(oci::SCHEMA_VERSION)
        .media_type(oci::MediaType::ImageManifest)
        .config(config.descriptor(oci::MediaType::ImageConfig))
        .layers(layers)
        .build()
        .expect("schema version, configuration and layers are the required fields");
    manifest.set_annotations(Some([contract].into_iter().collect()));
    Document::new(&manifest)
}

/// The index with one manifest.
pub(crate) fn index(
    settings: &Settings,
    manifest: &Document,
) -> Result<Document, serde_json::Error> {
    let mut platform = oci::Platform::default();
    platform
        .set_architecture(settings.platform.architecture.into())
        .set_os("linux".into())
        .set_variant(settings.platform.variant.map(str::to_owned));
    let tag = settings.reference.rsplit_once(':').map_or("latest", |(_, tag)| tag);
    let names = [(REFERENCE_KEY, settings.reference.as_str()), (TAG_KEY, tag)];
    let mut descriptor = manifest.descriptor(oci::MediaType::ImageManifest);
    descriptor.set_platform(Some(platform));
    descriptor.set_annotations(Some(
        names.into_iter().map(|(key, name)| (key.to_owned(), name.to_owned())).collect(),
    ));
    let index = oci::ImageIndexBuilder::default()
        .schema_version(oci::SCHEMA_VERSION)
        .media_type(oci::MediaType::ImageIndex)
        .manifests(vec![descriptor])
        .build()
        .expect("schema version and manifests are the required fields");
    Document::new(&index)
}

/// The file `oci-layout`.
pub(crate) fn layout() -> Result<Document, serde_json::Error> {
    Document::new(&json!({ "imageLayoutVersion": "1.0.0" }))
}

/// The file `manifest.json` of a docker archive.
pub(crate) fn docker_manifest(
    settings: &Settings,
    config: &Document,
    layers: &[(WrittenLayer, String)],
) -> Result<Document, serde_json::Error> {
    Document::new(&json!([{
        "Config": docker_config_name(config.digest),
        "RepoTags": [settings.reference],
        "Layers": layers.iter().map(|(l, _)| docker_layer_name(l.digest)).collect::<Vec<_>>(),
    }]))
}

/// Name of the configuration in a docker archive.
pub(crate) fn docker_config_name(digest: Sha256Digest) -> String {
    format!("{}.json", digest.hex())
}

/// Name of a layer in a docker archive.
pub(crate) fn docker_layer_name(digest: Sha256Digest) -> String {
    format!("{}.tar", digest.hex())
}

/// Name of a blob in an OCI layout.
pub(crate) fn blob_name(digest: Sha256Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Media type of a layer.
pub(crate) fn media_type(compression: Compression) -> oci::MediaType {
    match compression {
        Compression::Gzip => oci::MediaType::ImageLayerGzip,
        Compression::Zstd => oci::MediaType::ImageLayerZstd,
        Compression::None => oci::MediaType::ImageLayer,
    }
}
