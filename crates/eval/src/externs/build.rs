//! `std.build`: programs that are run in the sandbox.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::{Action, Derivation, Exec, OutputName};

use super::Extern;
use super::args::refused;
use super::naming::{derivation_name, relative_path, system, variable_name};
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::value::{Slot, Value};

pub(super) static TABLE: &[Extern] = &[Extern::new("build.derivation", 1, derivation)];

fn derivation(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let spec = m.record_arg(&args[0], place)?;
    let name = m.text_part(&spec, "name", place)?;
    let version = m.optional_text(&spec, "version", place)?.unwrap_or_default();
    let label = derivation_name(&name, &version, place)?;
    let platform = m.text_part(&spec, "system", place)?;
    let platform = system(&platform, place)?;
    let root = m.optional_part(&spec, "root", place)?;
    let root = root.map(|slot| m.package_arg(&slot, place)).transpose()?;
    let program = m.part(&spec, "program", place)?;
    let program = m.rope_arg(&program, place)?.to_template();
    if program.segments().is_empty() {
        return Err(refused(place, "`program` is empty").help("give the path of a program"));
    }
    let slot = m.part(&spec, "args", place)?;
    let list = m.list_arg(&slot, place)?;
    let args = list.items.iter().map(|item| Ok(m.rope_arg(item, place)?.to_template()));
    let args = args.collect::<Result<_, Fault>>()?;
    let mut env = BTreeMap::new();
    for (name, text) in m.scripts_part(&spec, "env", place)? {
        variable_name(&name, place)?;
        env.insert(name.to_string(), text);
    }
    let mut files = BTreeMap::new();
    for (path, text) in m.scripts_part(&spec, "files", place)? {
        relative_path(&path, "a file", place)?;
        files.insert(path.to_string(), text);
    }
    let inputs = m.packages_part(&spec, "inputs", place)?;
    let inputs = inputs.iter().map(|package| package.input.clone()).collect();
    let root = root.map(|package| package.input.clone());
    let action = Action::Exec(Exec { root, program, args, env, files, inputs });
    let outputs = BTreeSet::from([OutputName::out()]);
    let derivation = Derivation { name: label, system: platform, outputs, action };
    Ok(m.package(name, version, derivation))
}
