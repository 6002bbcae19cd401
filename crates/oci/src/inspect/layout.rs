//! Reading an OCI layout, from a folder or an archive.

use cbuild_drv::image::Contract;
use oci_spec::image as oci;

use crate::config::{CONTRACT_KEY, REFERENCE_KEY, TAG_KEY, blob_name, parse_contract};
use crate::digest::Sha256Digest;
use crate::error::OciError;
use crate::inspect::blob::LayerReader;
use crate::inspect::source::Source;
use crate::inspect::{ImageInfo, LayerInfo, MAX_IMAGES, OtherInfo, ParsedConfig};
use crate::pack::Compression;

/// Media types that docker gives to the same documents and layers.
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Annotations that mark the statement which a builder makes about another manifest.
const STATEMENT_TYPE: &str = "vnd.docker.reference.type";
const STATEMENT_OF: &str = "vnd.docker.reference.digest";

/// Most indexes within each other, `index.json` included.
const MAX_DEPTH: usize = 8;

/// What the manifests of a layout turned out to be.
pub(super) struct Found {
    pub(super) images: Vec<ImageInfo>,
    pub(super) others: Vec<OtherInfo>,
}

/// All manifests of the layout, also those of indexes within its index: builders put an image's
/// platforms, and what they say about it, into an index of their own.
pub(super) fn images(source: &mut Source) -> Result<Found, OciError> {
    let bytes = source.document("oci-layout", "every OCI layout")?;
    let layout: oci::OciLayout = source.json("oci-layout", &bytes)?;
    let version = layout.image_layout_version();
    if !version.starts_with("1.") {
        return Err(source.unsupported("oci-layout", "version", version));
    }
    let bytes = source.document("index.json", "every OCI layout")?;
    let mut walk = Walk::default();
    walk.index(source, &Named { part: "index.json", depth: 1, reference: None }, &bytes)?;
    match (walk.images.is_empty(), walk.refusal) {
        // Something else than images is no reason to refuse those that are there.
        (true, Some(refusal)) => Err(refusal),
        _ => Ok(Found { images: walk.images, others: walk.others }),
    }
}

/// The way through the indexes of a layout.
#[derive(Default)]
struct Walk {
    layers: LayerReader,
    images: Vec<ImageInfo>,
    others: Vec<OtherInfo>,
    /// Entries so far.
    entries: usize,
    /// Why the first manifest that is not supported is none of the images.
    refusal: Option<OciError>,
}

/// An index and how it was reached.
struct Named<'n> {
    part: &'n str,
    depth: usize,
    /// The name that the index above gives to it.
    reference: Option<&'n str>,
}

impl Walk {
    fn index(
        &mut self,
        source: &mut Source,
        named: &Named<'_>,
        bytes: &[u8],
    ) -> Result<(), OciError> {
        let index: oci::ImageIndex = source.json(named.part, bytes)?;
        check_version(source, named.part, index.schema_version())?;
        self.entries = self.entries.saturating_add(index.manifests().len());
        if self.entries > MAX_IMAGES {
            return Err(source.too_large(named.part, format!("{MAX_IMAGES} images")));
        }
        index.manifests().iter().try_for_each(|entry| self.entry(source, named, entry))
    }

    fn entry(
        &mut self,
        source: &mut Source,
        named: &Named<'_>,
        entry: &oci::Descriptor,
    ) -> Result<(), OciError> {
        let reference = reference(entry).or(named.reference);
        let indexes = [oci::MediaType::ImageIndex.to_string(), DOCKER_INDEX.to_owned()];
        if indexes.contains(&entry.media_type().to_string()) {
            if named.depth == MAX_DEPTH {
                return Err(source.too_large(named.part, format!("{MAX_DEPTH} nested indexes")));
            }
            let (digest, bytes) = document(source, entry, named.part, &indexes)?;
            let (part, depth) = (blob_name(digest), named.depth + 1);
            return self.index(source, &Named { part: &part, depth, reference }, &bytes);
        }
        if self.is_elsewhere(source, named, entry)? {
            return Ok(());
        }
        if let Some(kind) = annotation(entry, STATEMENT_TYPE) {
            let of = annotation(entry, STATEMENT_OF).map(|of| format!(" of {of}"));
            document(source, entry, named.part, &[entry.media_type().to_string()])?;
            self.other(entry, format!("{kind}{}", of.unwrap_or_default()));
            self.refusal.get_or_insert(source.unsupported(named.part, "purpose", kind));
            return Ok(());
        }
        match image(source, &mut self.layers, entry, named.part, reference) {
            Ok(image) => self.images.push(image),
            Err(refusal @ OciError::Unsupported { .. }) => {
                let what = kind_of_artifact(source, entry).unwrap_or_else(|| refusal.to_string());
                self.other(entry, what);
                self.refusal.get_or_insert(refusal);
            }
            Err(refusal @ OciError::Malformed { .. }) if manifest(source, entry).is_none() => {
                self.other(entry, refusal.to_string());
                self.refusal.get_or_insert(refusal);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether a manifest is not there at all: who copies one platform of an image keeps the index
    /// of all of them.
    fn is_elsewhere(
        &mut self,
        source: &Source,
        named: &Named<'_>,
        entry: &oci::Descriptor,
    ) -> Result<bool, OciError> {
        let Some(digest) = Sha256Digest::parse(entry.digest().as_ref()) else { return Ok(false) };
        let name = blob_name(digest);
        if source.size(&name)?.is_some() {
            return Ok(false);
        }
        let platform = entry.platform().as_ref();
        let platform = platform.map_or_else(
            || "an image".to_owned(),
            |platform| format!("{}/{}", platform.os(), platform.architecture()),
        );
        self.other(entry, format!("{platform}, which is not here"));
        self.refusal.get_or_insert(source.missing(&name, named.part));
        Ok(true)
    }

    fn other(&mut self, entry: &oci::Descriptor, what: String) {
        let (digest, media_type) = (entry.digest().to_string(), entry.media_type().to_string());
        self.others.push(OtherInfo { digest, media_type, what });
    }
}

fn annotation<'e>(entry: &'e oci::Descriptor, key: &str) -> Option<&'e str> {
    entry.annotations().as_ref()?.get(key).map(String::as_str)
}

/// The manifest that an entry names, if its document is one.
fn manifest(source: &mut Source, entry: &oci::Descriptor) -> Option<oci::ImageManifest> {
    let digest = Sha256Digest::parse(entry.digest().as_ref())?;
    let bytes = source.document(&blob_name(digest), "index.json").ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What a manifest is that is no image, if it says so.
fn kind_of_artifact(source: &mut Source, entry: &oci::Descriptor) -> Option<String> {
    let manifest = manifest(source, entry)?;
    let kind = manifest.artifact_type().as_ref().or(entry.artifact_type().as_ref())?;
    let of = manifest.subject().as_ref().map(|subject| format!(" of {}", subject.digest()));
    Some(format!("artifact {kind}{}", of.unwrap_or_default()))
}

/// The name that an index gives to an entry. Tools that only know the specification write a tag,
/// or a whole name, into the one annotation.
fn reference(entry: &oci::Descriptor) -> Option<&str> {
    annotation(entry, REFERENCE_KEY).or_else(|| annotation(entry, TAG_KEY))
}

fn check_version(source: &Source, part: &str, version: u32) -> Result<(), OciError> {
    if version == oci::SCHEMA_VERSION {
        return Ok(());
    }
    Err(source.unsupported(part, "version", &version.to_string()))
}

/// The image of one entry of the index `named_by`.
fn image(
    source: &mut Source,
    reader: &mut LayerReader,
    entry: &oci::Descriptor,
    named_by: &str,
    reference: Option<&str>,
) -> Result<ImageInfo, OciError> {
    let media_types = [oci::MediaType::ImageManifest.to_string(), DOCKER_MANIFEST.to_owned()];
    let (manifest_digest, bytes) = document(source, entry, named_by, &media_types)?;
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
    let documents = (bytes.len() + config_bytes.len()) as u64;
    Ok(ImageInfo {
        references: reference.into_iter().map(str::to_owned).collect(),
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
