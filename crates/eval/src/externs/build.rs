//! `std.build`: programs that are run in the sandbox.

use std::rc::Rc;

use cbuild_drv::{Action, Derivation, Exec, Input, OutputName, StepLimits, Template};

use super::Extern;
use super::args::refused;
use super::naming::{
    derivation_name, no_file_in_file, no_nul, relative_path, system, variable_name,
};
use crate::fault::{Fault, Place};
use crate::machine::Machine;
use crate::value::{Package, Record, Slot, Value};

pub(super) static TABLE: &[Extern] =
    &[Extern::new("build.derivation", 1, derivation), Extern::new("build.output", 2, output)];

/// Most outputs of one step.
const MAX_OUTPUTS: usize = 64;

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
    check_program(&program, place)?;
    let args = args_part(m, &spec, place)?;
    let env = m.scripts_part(&spec, "env", place)?;
    let outputs = outputs(m, &spec, place)?;
    for (name, text) in &env {
        variable_name(name, place)?;
        no_nul(text, || format!("the variable `{name}`"), place)?;
        if outputs.iter().any(|output| output.as_str() == name.as_str()) {
            let message = format!("`{name}` is both an output and a variable in `env`");
            return Err(refused(place, message).help(
                "the builder finds the path of an output in a variable of its name: rename one of them",
            ));
        }
    }
    let env = env.into_iter().map(|(name, text)| (name.to_string(), text)).collect();
    let files = m.scripts_part(&spec, "files", place)?;
    files.iter().try_for_each(|(path, _)| relative_path(path, "a file", place))?;
    no_file_in_file(files.iter().map(|(path, _)| path.as_str()), place)?;
    let files = files.into_iter().map(|(path, text)| (path.to_string(), text)).collect();
    let inputs = m.packages_part(&spec, "inputs", place)?;
    let inputs = inputs.iter().map(|package| package.input.clone()).collect();
    let forbidden = m.packages_part(&spec, "forbidden", place)?;
    let forbidden = forbidden.iter().map(|package| package.input.clone()).collect();
    let limits = limits(m, &spec, place)?;
    let root = root.map(|package| package.input.clone());
    let exec = Exec { root, program, args, env, files, inputs, forbidden, limits };
    let first = outputs[0].clone();
    let outputs = outputs.into_iter().collect();
    let action = Action::Exec(exec);
    let derivation = Derivation { name: label, system: platform, outputs, action };
    Ok(m.package_of(name, version, derivation, first))
}

/// Refuses what cannot be the path of a program.
fn check_program(program: &Template<Input>, place: Place) -> Result<(), Fault> {
    no_nul(program, || "`program`".to_owned(), place)?;
    if program.segments().is_empty() {
        return Err(refused(place, "`program` is empty").help("give the path of a program"));
    }
    Ok(())
}

fn args_part(
    m: &mut Machine<'_>,
    spec: &Rc<Record>,
    place: Place,
) -> Result<Vec<Template<Input>>, Fault> {
    let slot = m.part(spec, "args", place)?;
    let list = m.list_arg(&slot, place)?;
    let args = list.items.iter().map(|item| Ok(m.rope_arg(item, place)?.to_template()));
    let mut args = args.collect::<Result<Vec<_>, Fault>>()?;
    args.shrink_to_fit();
    for (at, arg) in args.iter().enumerate() {
        no_nul(arg, || format!("argument {} of `args`", at + 1), place)?;
    }
    Ok(args)
}

/// The names of the outputs, in the order of the list.
fn outputs(m: &mut Machine<'_>, spec: &Rc<Record>, place: Place) -> Result<Vec<OutputName>, Fault> {
    let mut outputs = Vec::new();
    for name in m.texts_part(spec, "outputs", place)? {
        variable_name(&name, place)?;
        if OutputName::is_reserved(&name) {
            let message = format!("`{name}` cannot be the name of an output");
            return Err(refused(place, message).help(
                "the builder finds the path of an output in a variable of its name, and this one has a meaning already: take a short name such as `out`, `lib` or `dev`",
            ));
        }
        let output = OutputName::new(name.as_str()).map_err(|error| {
            refused(place, format!("`{name}` cannot be the name of an output: {error}"))
                .help("take a short name such as `out`, `lib` or `dev`")
        })?;
        if outputs.contains(&output) {
            return Err(refused(place, format!("the output `{name}` is there twice"))
                .help("name each output once"));
        }
        outputs.push(output);
    }
    match outputs.len() {
        0 => Err(refused(place, "the step has no output")
            .help("leave `outputs` out for one output of the name `out`")),
        count if count > MAX_OUTPUTS => {
            Err(refused(place, format!("the step has {count} outputs, and may have {MAX_OUTPUTS}"))
                .help("put several things into one output"))
        }
        _ => Ok(outputs),
    }
}

fn limits(m: &mut Machine<'_>, spec: &Rc<Record>, place: Place) -> Result<StepLimits, Fault> {
    let Some(slot) = m.optional_part(spec, "limits", place)? else {
        return Ok(StepLimits::default());
    };
    let record = m.record_arg(&slot, place)?;
    let mut number = |name: &'static str| -> Result<Option<u64>, Fault> {
        let Some(slot) = m.optional_part(&record, name, place)? else { return Ok(None) };
        let given = m.int_arg(&slot, place)?;
        match u64::try_from(given) {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(refused(place, format!("the limit `{name}` is {given}"))
                .help("give a number above 0, or leave the limit out")),
        }
    };
    Ok(StepLimits {
        wall: number("wall")?,
        silence: number("silence")?,
        cpu: number("cpu")?,
        memory: number("memory")?,
        disk: number("disk")?,
        processes: number("processes")?,
    })
}

/// Another output of the step that made a package.
fn output(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let package = m.package_arg(&args[0], place)?;
    let name = m.text_arg(&args[1], place)?;
    let present = m.graph.get(&package.drv).map(|made| made.outputs.clone()).unwrap_or_default();
    let Some(output) = present.iter().find(|output| output.as_str() == name.as_str()) else {
        let list: Vec<String> = present.iter().map(|output| format!("`{output}`")).collect();
        return Err(refused(place, format!("`{}` has no output `{name}`", package.label))
            .help(format!("it has {}; `outputs` of its step names them", list.join(", "))));
    };
    Ok(Value::Package(Rc::new(Package {
        name: package.name.clone(),
        version: package.version.clone(),
        label: package.label.clone(),
        input: Input::Output { drv: package.drv, output: output.clone() },
        drv: package.drv,
    })))
}
