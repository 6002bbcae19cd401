//! `std.fetch`: downloads by hash, and files of the module itself.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cbuild_drv::{Action, Assemble, Derivation, Fetch, FetchKind, Input, Layer, OutputName};

use super::Extern;
use super::args::refused;
use super::naming::{anywhere, derivation_name, name_from_url};
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::value::{Record, Slot, Value};

pub(super) static TABLE: &[Extern] = &[
    Extern::new("fetch.file", 1, file),
    Extern::new("fetch.tarball", 1, tarball),
    Extern::new("fetch.local", 2, local),
];

/// What an address of a download can start with.
const SCHEMES: [&str; 4] = ["https", "http", "file", "mirror"];

fn file(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let spec = m.record_arg(&args[0], place)?;
    let executable = m.part(&spec, "executable", place)?;
    let executable = m.bool_arg(&executable, place)?;
    download(m, &spec, Rc::default(), FetchKind::File { executable }, place)
}

fn tarball(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let spec = m.record_arg(&args[0], place)?;
    let version = m.optional_text(&spec, "version", place)?.unwrap_or_default();
    let strip = m.part(&spec, "strip", place)?;
    let strip = m.int_arg(&strip, place)?;
    let Some(strip) = u32::try_from(strip).ok().filter(|&strip| strip <= 64) else {
        return Err(refused(place, format!("`strip` is {strip}")).help("it goes from 0 to 64"));
    };
    download(m, &spec, version, FetchKind::Archive { strip }, place)
}

fn download(
    m: &mut Machine<'_>,
    spec: &Rc<Record>,
    version: Rc<String>,
    kind: FetchKind,
    place: Place,
) -> Result<Value, Fault> {
    let urls = addresses(m, spec, place)?;
    let hash = m.part(spec, "hash", place)?;
    let hash = (*m.hash_arg(&hash, place)?).clone();
    let archive = matches!(kind, FetchKind::Archive { .. });
    let (name, label) = match m.optional_text(spec, "name", place)? {
        Some(name) => {
            let label = derivation_name(&name, &version, place)?;
            (name, label)
        }
        None => {
            let name = name_from_url(&urls[0], archive, place)?;
            let label = derivation_name(&name, "", place)?;
            (Rc::new(name), label)
        }
    };
    let action = Action::Fetch(Fetch { urls, hash, kind });
    Ok(m.package(name, version, step(label, action, place)?))
}

/// The addresses of a download: at least one, each with a scheme that is known.
fn addresses(m: &mut Machine<'_>, spec: &Rc<Record>, place: Place) -> Result<Vec<String>, Fault> {
    let urls: Vec<String> =
        m.texts_part(spec, "urls", place)?.iter().map(|url| url.to_string()).collect();
    if urls.is_empty() {
        return Err(refused(place, "`urls` is empty").help("give at least one address"));
    }
    for url in &urls {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        let Some(scheme) = scheme.filter(|_| !url.contains(char::is_whitespace)) else {
            return Err(refused(place, format!("`{url}` is not an address")).help(
                "an address is written like `https://example.org/file` or `mirror://NAME/file`",
            ));
        };
        if !SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            let message = format!("nothing is downloaded by `{scheme}`, as `{url}` asks for");
            return Err(refused(place, message)
                .help(format!("the schemes of addresses are {}", SCHEMES.join(", "))));
        }
    }
    Ok(urls)
}

/// A step without a program, with the output `out`.
pub(super) fn step(
    name: cbuild_drv::Name,
    action: Action<Input>,
    place: Place,
) -> Result<Derivation<Input>, Fault> {
    let outputs = BTreeSet::from([OutputName::out()]);
    Ok(Derivation { name, system: anywhere(place)?, outputs, action })
}

fn local(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let path = m.path_arg(&args[0], place)?;
    let name = m.text_arg(&args[1], place)?;
    let label = derivation_name(&name, "", place)?;
    let source = Input::Object(m.import(&path, place)?);
    let action = Action::Assemble(Assemble {
        layers: vec![Layer { source, from: String::new(), into: String::new() }],
        exclude: Vec::new(),
        links: BTreeMap::new(),
        files: BTreeMap::new(),
        directories: BTreeSet::new(),
    });
    Ok(m.package(name, Rc::default(), step(label, action, place)?))
}
