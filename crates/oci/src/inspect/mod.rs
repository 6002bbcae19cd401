//! Reading images back, with every digest checked.
//!
//! The input may come from anyone. Names in archives are only looked up, never used as paths
//! of the host; documents, entries, layers and uncompressed bytes are limited.

mod blob;
mod docker;
mod layout;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use cbuild_drv::image::Contract;
use oci_spec::image as oci;
use serde::Serialize;

use crate::config::{CONTRACT_KEY, parse_contract};
use crate::digest::Sha256Digest;
use crate::error::OciError;
use crate::inspect::source::Source;
use crate::pack::Format;

/// Largest JSON document that is read, in bytes: the limit that registries have.
const MAX_DOCUMENT: u64 = 4 << 20;

/// Most images in one file or folder.
const MAX_IMAGES: usize = 256;

/// Most layers of one image.
const MAX_LAYERS: usize = 1024;

/// What a file or folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Its format.
    pub format: Format,
    /// The images, in the order of the index.
    pub images: Vec<ImageInfo>,
    /// Manifests that are no image which can be read: statements of builders, attached artifacts,
    /// platforms that were not copied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherInfo>,
}

/// One manifest that is not shown as an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherInfo {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// What it is, or why it is not read.
    pub what: String,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageInfo {
    /// The names it is stored under, usually one `name:tag`.
    pub references: Vec<String>,
    /// Digest of its manifest; an image in a docker archive has none.
    pub manifest_digest: Option<Sha256Digest>,
    /// Digest of its configuration.
    pub config_digest: Sha256Digest,
    /// Platform such as `linux/amd64`.
    pub platform: String,
    /// Time of creation, as written in the image.
    pub created: Option<String>,
    /// How a container is run.
    pub config: RunConfig,
    /// The contract, if the image carries one.
    pub contract: Option<Contract>,
    /// The layers, lowest first.
    pub layers: Vec<LayerInfo>,
    /// Sum of the lengths of layers, configuration and manifest as stored, in bytes.
    pub size: u64,
}

/// How a container of the image is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunConfig {
    /// User and group.
    pub user: String,
    /// Working directory.
    pub working_dir: String,
    /// Program and its fixed arguments.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub cmd: Vec<String>,
    /// Environment, each `NAME=value`.
    pub env: Vec<String>,
    /// Ports such as `6379/tcp`, sorted.
    pub exposed_ports: Vec<String>,
    /// Volumes, sorted.
    pub volumes: Vec<String>,
    /// Labels, but for the contract.
    pub labels: BTreeMap<String, String>,
    /// Signal that asks the program to stop.
    pub stop_signal: Option<String>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerInfo {
    /// Digest of the blob as stored.
    pub digest: Sha256Digest,
    /// Media type of the blob.
    pub media_type: String,
    /// Length of the blob as stored, in bytes.
    pub size: u64,
    /// Digest of the uncompressed tar stream.
    pub diff_id: Sha256Digest,
    /// Length of the uncompressed tar stream, in bytes.
    pub uncompressed_size: u64,
    /// What the history says of it.
    pub created_by: Option<String>,
}

/// Reads the image(s) at `path`, in any [`Format`], and checks the digests and lengths of all
/// parts, uncompressed layers included.
///
/// Errors tell a damaged archive, a missing blob, wrong content, an unsupported media type, an
/// unsafe archive entry and a passed limit apart. Bad input never panics.
pub fn inspect(path: &Path) -> Result<Inspection, OciError> {
    let mut source = Source::open(path)?;
    let format = source.format()?;
    let (images, others) = match format {
        Format::Oci | Format::OciArchive => {
            let found = layout::images(&mut source)?;
            (found.images, found.others)
        }
        Format::DockerArchive => (docker::images(&mut source)?, Vec::new()),
    };
    Ok(Inspection { format, images, others })
}

/// A configuration, checked as far as it can be without its layers.
struct ParsedConfig {
    config: oci::ImageConfiguration,
    diff_ids: Vec<Sha256Digest>,
}

impl ParsedConfig {
    /// Parses the configuration `part` of an image with `layers` layers.
    fn parse(source: &Source, part: &str, bytes: &[u8], layers: usize) -> Result<Self, OciError> {
        let config: oci::ImageConfiguration = source.json(part, bytes)?;
        let mut diff_ids = Vec::new();
        for text in config.rootfs().diff_ids() {
            diff_ids.push(source.digest(part, text)?);
        }
        if layers > MAX_LAYERS {
            return Err(source.too_large(part, format!("{MAX_LAYERS} layers")));
        }
        if diff_ids.len() != layers {
            let reason = format!("it names {} layers of {layers}", diff_ids.len());
            return Err(source.malformed(part, reason));
        }
        Ok(Self { config, diff_ids })
    }

    fn platform(&self) -> String {
        let variant = self.config.variant().as_ref();
        let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("{}/{}{variant}", self.config.os(), self.config.architecture())
    }

    /// What the history says of each layer, lowest first.
    fn histories(&self) -> impl Iterator<Item = Option<String>> + '_ {
        let entries = self.config.history().iter().flatten();
        entries.filter(|entry| entry.empty_layer() != Some(true)).map(|e| e.created_by().clone())
    }

    /// The run configuration, and the contract that was among its labels.
    fn run_config(
        &self,
        source: &Source,
        part: &str,
    ) -> Result<(RunConfig, Option<Contract>), OciError> {
        let config = self.config.config().clone().unwrap_or_default();
        let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let sorted = |list: &Option<Vec<String>>| {
            let mut list = list.clone().unwrap_or_default();
            list.sort();
            list
        };
        let mut labels: BTreeMap<_, _> = config.labels().clone().into_iter().flatten().collect();
        let contract = labels.remove(CONTRACT_KEY).map(|text| parse_contract(&text));
        let contract = contract.transpose().map_err(|reason| {
            source.malformed(part, format!("the label {CONTRACT_KEY}: {reason}"))
        })?;
        let run = RunConfig {
            user: config.user().clone().unwrap_or_default(),
            working_dir: config.working_dir().clone().unwrap_or_default(),
            entrypoint: list(config.entrypoint()),
            cmd: list(config.cmd()),
            env: list(config.env()),
            exposed_ports: sorted(config.exposed_ports()),
            volumes: sorted(config.volumes()),
            labels,
            stop_signal: config.stop_signal().clone(),
        };
        Ok((run, contract))
    }
}
