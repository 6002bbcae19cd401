//! `std.oci`: image documents and the contracts in them.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_drv::image::{
    self, Connection, Contract, Endpoint as ServedEndpoint, EnvVariable, FieldError,
    IMAGE_DOCUMENT_VERSION, ImageDocument,
};
use cbuild_drv::{Action, Input, Segment, System, Template};

use super::Extern;
use super::args::refused;
use super::fetch::step;
use super::naming::{derivation_name, system, variable_name};
use super::tree::single_file;
use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::placeholder::Placeholders;
use crate::value::{Endpoint, Image, Record, Slot, Value, Variable};

pub(super) static TABLE: &[Extern] = &[
    Extern::new("oci.image", 1, describe),
    Extern::new("oci.tcp", 2, tcp),
    Extern::new("oci.udp", 2, udp),
    Extern::new("oci.needs", 1, needs),
    Extern::new("oci.variable", 1, variable),
];

/// How the names of derivations end that give the documents of images.
const LABEL_END: &str = "-image.json";

fn tcp(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    serve(m, args, "tcp", place)
}

fn udp(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    serve(m, args, "udp", place)
}

fn serve(
    m: &mut Machine<'_>,
    args: &[Slot],
    transport: &'static str,
    place: Place,
) -> Result<Value, Fault> {
    let protocol = m.protocol_arg(&args[0], place)?;
    let number = m.int_arg(&args[1], place)?;
    match u16::try_from(number) {
        Ok(port) if port > 0 => {
            let served = Some((transport, port));
            Ok(Value::Endpoint(Rc::new(Endpoint { protocol, served })))
        }
        _ => {
            Err(refused(place, format!("{number} is not a port")).help("ports go from 1 to 65535"))
        }
    }
}

fn needs(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let protocol = m.protocol_arg(&args[0], place)?;
    Ok(Value::Endpoint(Rc::new(Endpoint { protocol, served: None })))
}

fn variable(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let name = m.text_arg(&args[0], place)?;
    variable_name(&name, place)?;
    Ok(Value::Variable(Rc::new(Variable { name: name.to_string(), required: true })))
}

fn describe(m: &mut Machine<'_>, args: &[Slot], place: Place) -> Result<Value, Fault> {
    let spec = m.record_arg(&args[0], place)?;
    let name = m.text_part(&spec, "name", place)?;
    let tag = m.text_part(&spec, "tag", place)?;
    image::check_reference(&name, &tag).map_err(|error| field_fault(error, place))?;
    let last = name.rsplit('/').next().unwrap_or_default();
    // An image may have a longer name than a derivation; all of it is in the document.
    let most = cbuild_drv::MAX_NAME_LEN - LABEL_END.len();
    let last = last.get(..most).unwrap_or(last);
    let label = derivation_name(&format!("{last}{LABEL_END}"), "", place)?;
    let mut texts = Placeholders::default();
    let document = document(m, &spec, (&name, &tag), &mut texts, place)?;
    image::check(&document).map_err(|error| field_fault(error, place))?;
    let json = document
        .to_json()
        .map_err(|error| FaultBody::defect(place, format!("the image document: {error}")))?;
    let text = texts.split(&json);
    let drv = m.graph.add(step(label, single_file(text), place)?);
    Ok(Value::Image(Rc::new(Image { name: name.to_string(), tag: tag.to_string(), drv })))
}

fn document(
    m: &mut Machine<'_>,
    spec: &Rc<Record>,
    (name, tag): (&str, &str),
    texts: &mut Placeholders,
    place: Place,
) -> Result<ImageDocument, Fault> {
    let platform = system(&m.text_part(spec, "system", place)?, place)?;
    let slot = m.part(spec, "cmd", place)?;
    let words = m.list_arg(&slot, place)?;
    let words = words.items.iter().map(|word| Ok(m.rope_arg(word, place)?.to_template()));
    let words: Vec<Template<Input>> = words.collect::<Result<_, Fault>>()?;
    if words.first().is_none_or(|program| program.segments().is_empty()) {
        return Err(refused(place, "`cmd` names no program")
            .help("give the program and its arguments, such as `cmd = [sh\"#{pkg}/bin/app\"]`"));
    }
    if let Some(program) = words.first() {
        check_absolute(program, place)?;
        check_system(m, program, &platform, place)?;
    }
    let contents = m.packages_part(spec, "contents", place)?;
    texts.avoid(words.iter());
    let env = variables(m, spec, place)?;
    env.values().for_each(|value| texts.avoid_text(value));
    let reference = |input: &Input| Template::from_iter([Segment::Reference(input.clone())]);
    Ok(ImageDocument {
        cbuild_image: IMAGE_DOCUMENT_VERSION,
        name: name.to_owned(),
        tag: tag.to_owned(),
        system: platform.as_str().to_owned(),
        cmd: words.iter().map(|word| texts.render(word)).collect(),
        env,
        user: m.text_part(spec, "user", place)?.to_string(),
        workdir: m.text_part(spec, "workdir", place)?.to_string(),
        contents: contents.iter().map(|p| texts.render(&reference(&p.input))).collect(),
        contract: contract(m, spec, place)?,
    })
}

fn variables(
    m: &mut Machine<'_>,
    spec: &Rc<Record>,
    place: Place,
) -> Result<BTreeMap<String, String>, Fault> {
    let slot = m.part(spec, "vars", place)?;
    let map = m.map_arg(&slot, place)?;
    let mut variables = BTreeMap::new();
    for (name, slot) in map.iter() {
        variable_name(name, place)?;
        variables.insert(name.to_string(), m.text_arg(slot, place)?.to_string());
    }
    Ok(variables)
}

/// A field that no image can have.
fn field_fault(error: FieldError, place: Place) -> Fault {
    let code = match error.field.split('.').next() {
        Some("name" | "tag") => codes::NAME,
        Some("env" | "listens") => codes::CONTRACT,
        _ => codes::ARGUMENT,
    };
    let message = error.to_string();
    FaultBody::new(code, place, message, "in this call").help(error.fix)
}

/// Refuses a program that is looked up by its name: where, each runtime decides by itself.
fn check_absolute(program: &Template<Input>, place: Place) -> Result<(), Fault> {
    match program.segments().first() {
        Some(Segment::Text(text)) if !text.starts_with('/') => {
            let message =
                format!("the first word of `cmd`, `{}`, is no absolute path", text.escape_debug());
            Err(refused(place, message)
                .help("give the path of the program, such as `cmd = [sh\"#{pkg}/bin/app\"]`"))
        }
        _ => Ok(()),
    }
}

/// Refuses a program that is the result of a step for another system. What a step makes for another
/// system than its own can be given through `std.tree.assemble`; packing looks at the program itself.
fn check_system(
    m: &Machine<'_>,
    program: &Template<Input>,
    platform: &System,
    place: Place,
) -> Result<(), Fault> {
    let Some(Input::Output { drv, output }) = program.references().next() else { return Ok(()) };
    let Some(made) = m.graph.get(drv) else { return Ok(()) };
    if !matches!(made.action, Action::Exec(_)) || made.system == *platform {
        return Ok(());
    }
    let name = made.output_object_name(output);
    let file = program.render(|_| name.to_string(), ToString::to_string);
    let message = format!(
        "the image is for {platform}, and its program `{file}` is built for {}",
        made.system
    );
    Err(contradiction(place, message)
        .help("let `system` of the image be that of its programs, or build them for its `system`"))
}

// --- the contract ---

fn contract(m: &mut Machine<'_>, spec: &Rc<Record>, place: Place) -> Result<Contract, Fault> {
    let mut contract = Contract::default();
    for (name, value) in fields(m, spec, "listens", place)? {
        let endpoint = served(&name, &value, place)?;
        contract.listens.insert(name, endpoint);
    }
    for (name, value) in fields(m, spec, "connects", place)? {
        contract.connects.insert(name.clone(), needed(&name, &value, place)?);
    }
    for (name, value) in fields(m, spec, "env", place)? {
        let Value::Variable(found) = &value else {
            return Err(misplaced("env", &name, &value, place)
                .help("describe the variable with `std.oci.variable(\"NAME\")`"));
        };
        let (variable, required) = (found.name.clone(), found.required);
        contract.env.insert(name, EnvVariable { variable, required });
    }
    let slot = m.part(spec, "volumes", place)?;
    for (name, slot) in m.map_arg(&slot, place)?.iter() {
        let path = m.text_arg(slot, place)?;
        contract.volumes.insert(name.to_string(), path.to_string());
    }
    Ok(contract)
}

/// The fields of a record argument with their values, in the order of their names.
fn fields(
    m: &mut Machine<'_>,
    spec: &Rc<Record>,
    part: &'static str,
    place: Place,
) -> Result<Vec<(String, Value)>, Fault> {
    let slot = m.part(spec, part, place)?;
    let value = m.force(&slot)?;
    let Value::Record(record) = value else {
        return Err(contradiction(place, format!("`{part}` is {}, not a record", value.kind())));
    };
    let mut found = Vec::with_capacity(record.fields.len());
    for (name, slot) in record.shape.names.iter().zip(record.fields.iter()) {
        let name = m.shapes.name(*name).to_owned();
        found.push((name, m.force(slot)?));
    }
    Ok(found)
}

fn served(name: &str, value: &Value, place: Place) -> Result<ServedEndpoint, Fault> {
    let Value::Endpoint(endpoint) = value else {
        return Err(misplaced("listens", name, value, place)
            .help("describe the endpoint with `std.oci.tcp(Protocol, port)`"));
    };
    let Some((transport, port)) = endpoint.served else {
        let message = format!("`{name}` in `listens` is an endpoint that the image needs");
        return Err(contradiction(place, message)
            .help("move it to `connects`, or give the port with `std.oci.tcp(Protocol, port)`"));
    };
    let protocol = endpoint.protocol.to_string();
    Ok(ServedEndpoint { protocol, transport: transport.to_owned(), port })
}

fn needed(name: &str, value: &Value, place: Place) -> Result<Connection, Fault> {
    let Value::Endpoint(endpoint) = value else {
        return Err(misplaced("connects", name, value, place)
            .help("describe the endpoint with `std.oci.needs(Protocol)`"));
    };
    if endpoint.served.is_some() {
        let message = format!("`{name}` in `connects` is an endpoint that the image serves");
        return Err(contradiction(place, message)
            .help("move it to `listens`, or describe the need with `std.oci.needs(Protocol)`"));
    }
    Ok(Connection { protocol: endpoint.protocol.to_string() })
}

fn misplaced(part: &str, name: &str, value: &Value, place: Place) -> Fault {
    contradiction(place, format!("`{name}` in `{part}` is {}", value.kind()))
}

fn contradiction(place: Place, message: impl Into<String>) -> Fault {
    FaultBody::new(codes::CONTRACT, place, message, "in the image of this call")
}
