//! Assemblies: trees composed of other trees, links and small files, without running a program.

mod disk;
mod error;
mod layout;
mod path;

use std::path::{Path, PathBuf};

use cbuild_drv::{Assemble, OutputName, StorePath, Template};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

pub use error::AssembleError;
use layout::{Layout, Node, Origin};

/// Composes the tree and writes it to `at`, where nothing is yet. `physical` finds an object on
/// disk; `own` is the path that texts see for the output. See [`cbuild_drv::Assemble`] for the rules.
pub(crate) fn assemble(
    spec: &Assemble<StorePath>,
    physical: &dyn Fn(&StorePath) -> PathBuf,
    own: &StorePath,
    at: &Path,
) -> Result<(), AssembleError> {
    disk::write(&compose(spec, physical, own)?, at)
}

fn compose(
    spec: &Assemble<StorePath>,
    physical: &dyn Fn(&StorePath) -> PathBuf,
    own: &StorePath,
) -> Result<Node, AssembleError> {
    if let Some(node) = single_file(spec, own) {
        return Ok(node);
    }
    let exclude = patterns(&spec.exclude)?;
    let describe = |origin: Origin| match origin {
        Origin::Layer(index) => format!("the layer {}", layer_name(spec, index)),
        Origin::Directories => "`directories`".to_owned(),
        Origin::Links => "`links`".to_owned(),
        Origin::Files => "`files`".to_owned(),
    };
    let mut layout = Layout::new(&exclude, &describe);
    for (path, target) in &spec.links {
        layout.add_link(&path::components(path)?, render(target, own).into_bytes())?;
    }
    for path in &spec.directories {
        layout.add_directory(&path::components(path)?)?;
    }
    for (index, layer) in spec.layers.iter().enumerate() {
        let shown = format!("the layer {}", layer.source);
        let (from, into) = (path::components(&layer.from)?, path::components(&layer.into)?);
        let node = disk::read_layer(&physical(&layer.source), &from, &shown, index)?;
        if into.is_empty() && is_alone(spec) && !matches!(node, Node::Directory(..)) {
            return Ok(node);
        }
        layout.merge(&into, node)?;
    }
    for (path, file) in &spec.files {
        layout.add_file(&path::components(path)?, render(&file.text, own), file.executable)?;
    }
    Ok(layout.into_node())
}

/// The one file that an assembly of nothing else is.
fn single_file(spec: &Assemble<StorePath>, own: &StorePath) -> Option<Node> {
    let file = spec.files.get("")?;
    let alone = spec.files.len() == 1
        && spec.layers.is_empty()
        && spec.links.is_empty()
        && spec.directories.is_empty();
    let (text, executable) = (render(&file.text, own), file.executable);
    alone.then_some(Node::Text { text, executable, origin: Origin::Files })
}

/// Whether there is one layer and nothing else, so that the result may be a file.
fn is_alone(spec: &Assemble<StorePath>) -> bool {
    spec.layers.len() == 1
        && spec.files.is_empty()
        && spec.links.is_empty()
        && spec.directories.is_empty()
}

fn layer_name(spec: &Assemble<StorePath>, index: usize) -> String {
    spec.layers.get(index).map_or_else(String::new, |layer| match layer.from.as_str() {
        "" => layer.source.to_string(),
        from => format!("{}/{from}", layer.source),
    })
}

fn render(text: &Template<StorePath>, own: &StorePath) -> String {
    text.render(StorePath::to_string, |_: &OutputName| own.to_string())
}

fn patterns(texts: &[String]) -> Result<GlobSet, AssembleError> {
    let bad = |pattern: &str, error: globset::Error| AssembleError::Pattern {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    };
    let mut set = GlobSetBuilder::new();
    for text in texts {
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(true)
            .build()
            .map_err(|error| bad(text, error))?;
        set.add(glob);
    }
    set.build().map_err(|error| bad(&texts.join(" "), error))
}

#[cfg(test)]
mod tests;
