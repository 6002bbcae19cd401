//! `std.tree`: compositions.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cbuild_drv::{Action, Assemble, FileEntry, Input, Layer, Segment, Template};

use super::Extern;
use super::args::refused;
use super::fetch::step;
use super::naming::{MAX_PATH, derivation_name, no_file_in_file, no_nul, relative_path};
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::value::{Record, Slot, Value};

pub(super) static TABLE: &[Extern] =
    &[Extern::new("tree.assemble", 1, assemble), Extern::new("tree.text_file", 2, text_file)];

fn assemble(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let spec = m.record_arg(&args[0], place)?;
    let name = m.text_part(&spec, "name", place)?;
    let version = m.optional_text(&spec, "version", place)?.unwrap_or_default();
    let label = derivation_name(&name, &version, place)?;
    let mut links = BTreeMap::new();
    for (path, target) in m.scripts_part(&spec, "links", place)? {
        relative_path(&path, "a link", place)?;
        check_target(&path, &target, place)?;
        links.insert(path.to_string(), target);
    }
    let mut files = BTreeMap::new();
    for (field, executable) in [("files", false), ("programs", true)] {
        for (path, text) in m.scripts_part(&spec, field, place)? {
            relative_path(&path, "a file", place)?;
            let entry = FileEntry { text, executable };
            if files.insert(path.to_string(), entry).is_some() {
                return Err(refused(place, format!("`{path}` is both in `files` and `programs`")));
            }
        }
    }
    no_file_in_file(files.keys().map(String::as_str), place)?;
    let mut directories = BTreeSet::new();
    for path in m.texts_part(&spec, "directories", place)? {
        relative_path(&path, "a folder", place)?;
        directories.insert(path.to_string());
    }
    let exclude = m.texts_part(&spec, "exclude", place)?;
    let exclude = exclude.iter().map(|pattern| pattern.to_string()).collect();
    let layers = layers(m, &spec, place)?;
    let action = Action::Assemble(Assemble { layers, exclude, links, files, directories });
    Ok(m.package(name, version, step(label, action, place)?))
}

/// Refuses what no symbolic link can lead to.
fn check_target(path: &str, target: &Template<Input>, place: Place) -> Result<(), Fault> {
    if target.segments().is_empty() {
        return Err(refused(
            place,
            format!("the link `{path}` leads nowhere: its target is empty"),
        )
        .help("give the path that it leads to, relative to the link or absolute"));
    }
    no_nul(target, || format!("the target of the link `{path}`"), place)?;
    let plain = |segment: &Segment<Input>| match segment {
        Segment::Text(text) => text.len(),
        Segment::Reference(_) | Segment::Output(_) => 0,
    };
    let length: usize = target.segments().iter().map(plain).sum();
    if length > MAX_PATH {
        let message = format!("the target of the link `{path}` has {length} bytes");
        return Err(refused(place, message).help(format!("at most {MAX_PATH} are possible")));
    }
    Ok(())
}

fn layers(
    m: &mut Machine<'_>,
    spec: &Rc<Record>,
    place: Place,
) -> Result<Vec<Layer<Input>>, Fault> {
    let slot = m.part(spec, "layers", place)?;
    let list = m.list_arg(&slot, place)?;
    let mut layers = Vec::with_capacity(list.items.len());
    for item in list.items.iter() {
        let layer = m.record_arg(item, place)?;
        let tree = m.part(&layer, "tree", place)?;
        let source = m.package_arg(&tree, place)?.input.clone();
        let from = m.text_part(&layer, "from", place)?;
        let into = m.text_part(&layer, "into", place)?;
        for path in [&from, &into] {
            if !path.is_empty() {
                relative_path(path, "a layer", place)?;
            }
        }
        layers.push(Layer { source, from: from.to_string(), into: into.to_string() });
    }
    Ok(layers)
}

fn text_file(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let name = m.text_arg(&args[0], place)?;
    let label = derivation_name(&name, "", place)?;
    let text = m.rope_arg(&args[1], place)?.to_template();
    Ok(m.package(name, Rc::default(), step(label, single_file(text), place)?))
}

/// The action whose result is one file.
pub(super) fn single_file(text: Template<Input>) -> Action<Input> {
    Action::Assemble(Assemble {
        layers: Vec::new(),
        exclude: Vec::new(),
        links: BTreeMap::new(),
        files: BTreeMap::from([(String::new(), FileEntry { text, executable: false })]),
        directories: BTreeSet::new(),
    })
}
