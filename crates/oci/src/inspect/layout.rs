//! Reading an OCI layout, from a folder or an archive.

use cbuild_drv::image::Contract;
use oci_spec::image as oci;

use crate::config::{CONTRACT_KEY, REFERENCE_KEY, TAG_KEY, blob_name, parse_contract};
use crate::digest::Sha256Digest;
use crate::error::OciError;
use crate::inspect::blob::LayerReader;
use crate::inspect::source::Source;
use crate::inspect::{ImageInfo, LayerInfo, MAX_IMAGES, ParsedConfig};
use crate::pack::Compression;

/// Media types that docker gives to the same documents and layers.
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// All images of the layout.
pub(super) fn images(source: &mut Source) -> Result<Vec<ImageInfo>, OciError> {
    let bytes = source.document("oci-layout", "every OCI layout")?;
    let layout: oci::OciLayout = source.json("oci-layout", &bytes)?;
    let version = layout.image_layout_version();
    if !version.starts_with("1.") {
        return Err(source.unsupported("oci-layout", "version", version));
    }
    let bytes = source.document("index.json", "every OCI layout")?;
    let index: oci::ImageIndex = source.json("index.json", &bytes)?;
    check_version(source, "index.json", index.schema_version())?;
    if index.manifests().len() > MAX_IMAGES {
        return Err(source.too_large("index.json", format!("{MAX_IMAGES} images")));
    }
    let mut layers = LayerReader::default();
    index.manifests().iter().map(|manifest| image(source, &mut layers, manifest)).collect()
}

fn check_version(source: &Source, part: &str, version: u32) -> Result<(), OciError> {
    if version == oci::SCHEMA_VERSION {
        return Ok(());
    }
    Err(source.unsupported(part, "version", &version.to_string()))
}

/// The image of one entry of the index.
fn image(
    source: &mut Source,
    reader: &mut LayerReader,
    entry: &oci::Descriptor,
) -> Result<ImageInfo, OciError> {
    let media_types = [oci::MediaType::ImageManifest.to_string(), DOCKER_MANIFEST.to_owned()];
    let (manifest_digest, bytes) = document(source, entry, "index.json", &media_types)?;
    let part = blob_name(manifest_digest);
    let manifest: oci::ImageManifest = source.json(&part, &bytes)?;
    check_version(source, &part, manifest.schema_version())?;
    if manifest.media_type().as_ref().is_some_and(|own| own != entry.media_type()) {
        let reason = "its media type is not the one that the index gives".to_owned();
        return Err(source.malformed(&part, reason));
    }
    let media_types = [oci::MediaType::ImageConfig.to_string(), DOCKER_CONFIG.to_owned()];
    let (config_digest, config_bytes) = document(source, manifest.config(), &part, &media_types)?;
    let config_part = blob_name(config_digest);
    let parsed = ParsedConfig::parse(source, &config_part, &config_bytes, manifest.layers().len())?;
    let (config, contract) = parsed.run_config(source, &config_part)?;
    check_annotation(source, &part, &manifest, contract.as_ref())?;
    let mut histories = parsed.histories();
    let mut layers = Vec::new();
    for (descriptor, diff_id) in manifest.layers().iter().zip(&parsed.diff_ids) {
        let created_by = histories.next().flatten();
        layers.push(layer(source, reader, &part, descriptor, *diff_id, created_by)?);
    }
    let annotations = entry.annotations().as_ref();
    // Tools that only know the specification write a tag, or a whole name, into the one annotation.
    let name = |key| annotations.and_then(|annotations| annotations.get(key));
    let reference = name(REFERENCE_KEY).or_else(|| name(TAG_KEY));
    let documents = (bytes.len() + config_bytes.len()) as u64;
    Ok(ImageInfo {
        references: reference.into_iter().cloned().collect(),
        manifest_digest: Some(manifest_digest),
        config_digest,
        platform: parsed.platform(),
        created: parsed.config.created().clone(),
        config,
        contract,
        size: documents + layers.iter().map(|layer| layer.size).sum::<u64>(),
        layers,
    })
}

/// The contract in the manifest must be the one in the configuration.
fn check_annotation(
    source: &Source,
    part: &str,
    manifest: &oci::ImageManifest,
    contract: Option<&Contract>,
) -> Result<(), OciError> {
    let annotations = manifest.annotations().as_ref();
    let Some(text) = annotations.and_then(|annotations| annotations.get(CONTRACT_KEY)) else {
        return Ok(());
    };
    let malformed =
        |reason| source.malformed(part, format!("the annotation {CONTRACT_KEY}: {reason}"));
    let annotated = parse_contract(text).map_err(malformed)?;
    if Some(&annotated) == contract {
        return Ok(());
    }
    Err(malformed("it is not the contract of the configuration".to_owned()))
}

/// Looks up what a descriptor names, and checks its length.
fn find(
    source: &Source,
    descriptor: &oci::Descriptor,
    named_by: &str,
) -> Result<Sha256Digest, OciError> {
    let digest = source.digest(named_by, descriptor.digest().as_ref())?;
    let name = blob_name(digest);
    let size = source.size(&name)?.ok_or_else(|| source.missing(&name, named_by))?;
    if size != descriptor.size() {
        return Err(OciError::WrongContent {
            path: source.path().to_owned(),
            blob: name,
            expected: format!("{} bytes", descriptor.size()),
            found: format!("{size} bytes"),
        });
    }
    Ok(digest)
}

/// A document by its descriptor, checked.
fn document(
    source: &mut Source,
    descriptor: &oci::Descriptor,
    named_by: &str,
    media_types: &[String],
) -> Result<(Sha256Digest, Vec<u8>), OciError> {
    let media_type = descriptor.media_type().to_string();
    if !media_types.contains(&media_type) {
        return Err(source.unsupported(named_by, "media type", &media_type));
    }
    let digest = find(source, descriptor, named_by)?;
    let name = blob_name(digest);
    let bytes = source.document(&name, named_by)?;
    let found = Sha256Digest::of(&bytes);
    if found != digest {
        return Err(OciError::wrong_digest(source.path(), &name, digest, found));
    }
    Ok((digest, bytes))
}

/// A layer by its descriptor, checked.
fn layer(
    source: &mut Source,
    reader: &mut LayerReader,
    named_by: &str,
    descriptor: &oci::Descriptor,
    diff_id: Sha256Digest,
    created_by: Option<String>,
) -> Result<LayerInfo, OciError> {
    let media_type = descriptor.media_type().to_string();
    let compression = match descriptor.media_type() {
        oci::MediaType::ImageLayer => Compression::None,
        oci::MediaType::ImageLayerGzip => Compression::Gzip,
        oci::MediaType::ImageLayerZstd => Compression::Zstd,
        oci::MediaType::Other(other) if other == DOCKER_LAYER => Compression::None,
        oci::MediaType::Other(other) if other == DOCKER_LAYER_GZIP => Compression::Gzip,
        _ => return Err(source.unsupported(named_by, "media type", &media_type)),
    };
    let digest = find(source, descriptor, named_by)?;
    let name = blob_name(digest);
    let checked = reader.read(source, &name, Some(compression), Some(digest))?;
    if checked.diff_id != diff_id {
        let name = format!("{name} (uncompressed)");
        return Err(OciError::wrong_digest(source.path(), &name, diff_id, checked.diff_id));
    }
    Ok(LayerInfo {
        digest,
        media_type,
        size: checked.size,
        diff_id,
        uncompressed_size: checked.uncompressed_size,
        created_by,
    })
}
