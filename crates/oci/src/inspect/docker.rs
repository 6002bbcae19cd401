//! Reading a docker archive.

use serde::Deserialize;

use crate::config::media_type;
use crate::digest::Sha256Digest;
use crate::error::OciError;
use crate::inspect::blob::LayerReader;
use crate::inspect::source::Source;
use crate::inspect::{ImageInfo, LayerInfo, MAX_IMAGES, ParsedConfig};
use crate::pack::Compression;

/// One image in `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// All images of the archive.
pub(super) fn images(source: &mut Source) -> Result<Vec<ImageInfo>, OciError> {
    let bytes = source.document("manifest.json", "every docker archive")?;
    let entries: Vec<Entry> = source.json("manifest.json", &bytes)?;
    if entries.len() > MAX_IMAGES {
        return Err(source.too_large("manifest.json", format!("{MAX_IMAGES} images")));
    }
    let mut layers = LayerReader::default();
    entries.into_iter().map(|entry| image(source, &mut layers, entry)).collect()
}

fn image(
    source: &mut Source,
    reader: &mut LayerReader,
    entry: Entry,
) -> Result<ImageInfo, OciError> {
    let bytes = source.document(&entry.config, "manifest.json")?;
    let config_digest = Sha256Digest::of(&bytes);
    let promised = entry.config.strip_suffix(".json").and_then(Sha256Digest::parse_hex);
    if let Some(promised) = promised.filter(|promised| *promised != config_digest) {
        return Err(OciError::wrong_digest(source.path(), &entry.config, promised, config_digest));
    }
    let parsed = ParsedConfig::parse(source, &entry.config, &bytes, entry.layers.len())?;
    let (config, contract) = parsed.run_config(source, &entry.config)?;
    let mut histories = parsed.histories();
    let mut layers = Vec::new();
    for (name, diff_id) in entry.layers.iter().zip(&parsed.diff_ids) {
        source.size(name)?.ok_or_else(|| source.missing(name, "manifest.json"))?;
        let checked = reader.read(source, name, None, None)?;
        if checked.diff_id != *diff_id {
            return Err(OciError::wrong_digest(source.path(), name, *diff_id, checked.diff_id));
        }
        layers.push(LayerInfo {
            digest: checked.digest,
            media_type: media_type(Compression::None).to_string(),
            size: checked.size,
            diff_id: *diff_id,
            uncompressed_size: checked.uncompressed_size,
            created_by: histories.next().flatten(),
        });
    }
    Ok(ImageInfo {
        references: entry.repo_tags.unwrap_or_default(),
        manifest_digest: None,
        config_digest,
        platform: parsed.platform(),
        created: parsed.config.created().clone(),
        config,
        contract,
        size: bytes.len() as u64 + layers.iter().map(|layer| layer.size).sum::<u64>(),
        layers,
    })
}
