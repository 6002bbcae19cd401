//! Packing: from an image object to files that container tools read.

use std::path::Path;

use cbuild_drv::StorePath;
use cbuild_drv::image::FieldError;
use cbuild_store::Store;
use serde::Serialize;

use crate::config::{self, Document};
use crate::contents::Contents;
use crate::destination::Destination;
use crate::digest::Sha256Digest;
use crate::entry_point;
use crate::error::OciError;
use crate::grouping::{Group, group};
use crate::layer::{LayerContents, WrittenLayer, write_layer};
use crate::settings::Settings;
use crate::skeleton::{Folders, own_folders, store_folders};

/// Layers that an image has at most, unless the caller says otherwise.
pub const DEFAULT_MAX_LAYERS: usize = 16;

/// Layers that container runtimes accept at most.
const LAYER_LIMIT: usize = 127;

/// How the image is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// An OCI layout folder.
    #[default]
    Oci,
    /// A tar archive of an OCI layout.
    OciArchive,
    /// The archive that `docker save` writes and `docker load` reads; layers are not compressed.
    DockerArchive,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Oci, Self::OciArchive, Self::DockerArchive];

    /// The name on the command line and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
        }
    }

    /// The format with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// How the layers of OCI formats are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// gzip, level 9: every client reads it.
    #[default]
    Gzip,
    /// Zstandard, level 19: smaller and faster to unpack; newer clients read it.
    Zstd,
    /// Not compressed.
    None,
}

/// How to pack.
#[derive(Clone, Debug)]
pub struct PackOptions {
    /// Format of the result.
    pub format: Format,
    /// Compression of the layers; a docker archive has none.
    pub compression: Compression,
    /// Most layers that the image may have, 1 to 127.
    pub max_layers: usize,
    /// `name:tag` instead of the document's own; the tag may be absent.
    pub reference: Option<String>,
}

impl Default for PackOptions {
    fn default() -> Self {
        Self {
            format: Format::default(),
            compression: Compression::default(),
            max_layers: DEFAULT_MAX_LAYERS,
            reference: None,
        }
    }
}

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSummary {
    /// `name:tag`.
    pub reference: String,
    /// Format of the result.
    pub format: Format,
    /// Digest of the manifest; a docker archive has none.
    pub manifest_digest: Option<Sha256Digest>,
    /// Digest of the configuration, which docker calls the image's id.
    pub config_digest: Sha256Digest,
    /// The layers, lowest first.
    pub layers: Vec<LayerSummary>,
    /// Sum of the lengths of layers, configuration and manifest as stored, in bytes.
    pub size: u64,
}

impl ImageSummary {
    /// The digest that names the image: of its manifest, or else of its configuration.
    pub fn digest(&self) -> Sha256Digest {
        self.manifest_digest.unwrap_or(self.config_digest)
    }
}

/// One packed layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerSummary {
    /// Digest of the blob as stored.
    pub digest: Sha256Digest,
    /// Length of the blob as stored, in bytes.
    pub size: u64,
    /// Digest of the uncompressed tar stream.
    pub diff_id: Sha256Digest,
    /// Length of the uncompressed tar stream, in bytes.
    pub uncompressed_size: u64,
    /// `application`, `dependencies`, or the name of the layer's only object.
    pub label: String,
    /// Store paths of the layer's objects.
    pub objects: Vec<String>,
}

/// Packs the image object `image` and its closure to `out`.
///
/// The same object and options give the same bytes on every machine, whatever the store's
/// place. `out` appears in one step or not at all: an archive replaces a file, a folder
/// replaces an empty folder or an OCI layout. Errors name what is wrong with the document,
/// the store or the target; nothing of a failed attempt stays. Each object is hashed while it is read, so
/// that none is packed that is damaged.
pub fn pack(
    store: &Store,
    image: &StorePath,
    options: &PackOptions,
    out: &Path,
) -> Result<ImageSummary, OciError> {
    if !(1..=LAYER_LIMIT).contains(&options.max_layers) {
        let value = options.max_layers.to_string();
        let fix = format!("the default is {DEFAULT_MAX_LAYERS}");
        let reason = "it must be between 1 and 127";
        return Err(FieldError::new("layer budget", value, reason, fix).into());
    }
    let contents = Contents::load(store, image)?;
    let settings = Settings::check(&contents.document, options.reference.as_deref())?;
    entry_point::check(&contents, settings.platform)?;
    let groups = group(&contents, options.max_layers);
    let plan = Plan { store, contents: &contents, settings: &settings, groups: &groups };
    match options.format {
        Format::Oci => pack_oci(&plan, options, Destination::folder(out)?),
        Format::OciArchive => pack_oci(&plan, options, Destination::archive(out)?),
        Format::DockerArchive => pack_docker(&plan, Destination::archive(out)?),
    }
}

/// What is packed, and how it is distributed to layers.
struct Plan<'p> {
    store: &'p Store,
    contents: &'p Contents,
    settings: &'p Settings,
    groups: &'p [Group],
}

fn pack_oci(
    plan: &Plan<'_>,
    options: &PackOptions,
    mut out: Destination,
) -> Result<ImageSummary, OciError> {
    let Plan { contents, settings, groups, .. } = *plan;
    out.put("oci-layout", &json(config::layout(), &out)?.bytes)?;
    out.make_folder("blobs")?;
    out.make_folder("blobs/sha256")?;
    let compression = options.compression;
    let layers = write_layers(plan, compression, &mut out, config::blob_name)?;
    let config = json(config::config(&contents.document, settings, &layers), &out)?;
    let manifest = json(config::manifest(&contents.document, &config, &layers, compression), &out)?;
    out.put(&config::blob_name(config.digest), &config.bytes)?;
    out.put(&config::blob_name(manifest.digest), &manifest.bytes)?;
    out.put("index.json", &json(config::index(settings, &manifest), &out)?.bytes)?;
    out.place()?;
    Ok(summary(settings, options.format, Some(&manifest), &config, &layers, groups))
}

fn pack_docker(plan: &Plan<'_>, mut out: Destination) -> Result<ImageSummary, OciError> {
    let Plan { contents, settings, groups, .. } = *plan;
    let layers = write_layers(plan, Compression::None, &mut out, config::docker_layer_name)?;
    let config = json(config::config(&contents.document, settings, &layers), &out)?;
    out.put(&config::docker_config_name(config.digest), &config.bytes)?;
    let manifest = json(config::docker_manifest(settings, &config, &layers), &out)?;
    out.put("manifest.json", &manifest.bytes)?;
    out.place()?;
    Ok(summary(settings, Format::DockerArchive, None, &config, &layers, groups))
}

/// The document, or its (never expected) serialisation error as one of writing the image.
fn json(
    document: Result<Document, serde_json::Error>,
    out: &Destination,
) -> Result<Document, OciError> {
    document.map_err(|error| OciError::writing(out.target())(error.into()))
}

/// Writes all layers; each comes back with its description.
fn write_layers(
    plan: &Plan<'_>,
    compression: Compression,
    out: &mut Destination,
    name: fn(Sha256Digest) -> String,
) -> Result<Vec<(WrittenLayer, String)>, OciError> {
    let Plan { store, contents, settings, groups } = *plan;
    let before = store_folders();
    let own = own_folders(&contents.document, settings);
    let none = Folders::new();
    let target = out.target().to_owned();
    let last = groups.len() - 1;
    let mut layers = Vec::with_capacity(groups.len());
    for (at, group) in groups.iter().enumerate() {
        let layer = LayerContents {
            store,
            before: &before,
            objects: &group.objects,
            after: if at == last { &own } else { &none },
        };
        let written = out.stream(
            |sink| write_layer(&layer, compression, sink, &target),
            |written| name(written.digest),
        )?;
        layers.push((written, group.label.clone()));
    }
    Ok(layers)
}

fn summary(
    settings: &Settings,
    format: Format,
    manifest: Option<&Document>,
    config: &Document,
    layers: &[(WrittenLayer, String)],
    groups: &[Group],
) -> ImageSummary {
    let documents = config.bytes.len() + manifest.map_or(0, |manifest| manifest.bytes.len());
    let layers: Vec<_> = layers
        .iter()
        .zip(groups)
        .map(|((layer, label), group)| LayerSummary {
            digest: layer.digest,
            size: layer.size,
            diff_id: layer.diff_id,
            uncompressed_size: layer.uncompressed_size,
            label: label.clone(),
            objects: group.objects.iter().map(ToString::to_string).collect(),
        })
        .collect();
    ImageSummary {
        reference: settings.reference.clone(),
        format,
        manifest_digest: manifest.map(|manifest| manifest.digest),
        config_digest: config.digest,
        size: documents as u64 + layers.iter().map(|layer| layer.size).sum::<u64>(),
        layers,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use cbuild_drv::image::{Contract, IMAGE_DOCUMENT_VERSION, ImageDocument};

    /// A plain document with this command.
    pub(crate) fn document(cmd: &[&str]) -> ImageDocument {
        ImageDocument {
            cbuild_image: IMAGE_DOCUMENT_VERSION,
            name: "app".to_owned(),
            tag: "1.0".to_owned(),
            system: "x86_64-linux".to_owned(),
            cmd: cmd.iter().map(|word| (*word).to_owned()).collect(),
            env: Default::default(),
            user: "65532:65532".to_owned(),
            workdir: "/".to_owned(),
            contents: Vec::new(),
            contract: Contract::default(),
        }
    }
}
