//! The public face of the evaluator.

use cbuild_diag::Diagnostic;
use cbuild_drv::{DrvId, Graph, Input, OutputName};
use cbuild_sema::ir::{Export, GlobalId, ModuleId, Program};

use crate::codes;
use crate::decode::DecodedFile;
use crate::fault::{Fault, FaultBody};
use crate::machine::Machine;
use crate::observe::{self, Observation};
use crate::print;
use crate::stats::Stats;
use crate::value::{Slot, Value};
use crate::world::{Limits, World};

/// Something that can be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The derivation, in the evaluator's graph.
    pub drv: DrvId,
    /// Which of its outputs.
    pub output: OutputName,
    /// Whether it is an image, so that the output is an image document.
    pub image: bool,
}

/// One evaluation of a program.
///
/// What was evaluated once is kept: several questions to one evaluator share their work. After an
/// error other questions may still be asked.
pub struct Evaluator<'a> {
    machine: Machine<'a>,
}

impl<'a> Evaluator<'a> {
    /// Prepares an evaluation; nothing is evaluated yet.
    pub fn new(program: &'a Program, world: &'a mut dyn World, limits: Limits) -> Self {
        Self { machine: Machine::new(program, world, limits) }
    }

    /// Evaluates a global to its outermost constructor.
    ///
    /// Errors are those of [`crate::codes`], located, with what was being evaluated as notes.
    pub fn global(&mut self, id: GlobalId) -> Result<Value, Diagnostic> {
        self.machine.focus = Some(id.0);
        self.shown_global(id).map_err(FaultBody::finish)
    }

    /// Evaluates an exported name of a module; `path` may go through re-exported modules and then
    /// through record fields, such as `["packages", "zlib"]`. A name that is not there is a defect
    /// of the caller, which should have looked at the exports first.
    pub fn export(&mut self, module: ModuleId, path: &[&str]) -> Result<Value, Diagnostic> {
        self.exported(module, path).map_err(FaultBody::finish)
    }

    fn exported(&mut self, mut module: ModuleId, path: &[&str]) -> Result<Value, Fault> {
        let machine = &mut self.machine;
        let mut names = path.iter();
        let mut value = loop {
            let exports =
                machine.program.modules.get(module.0 as usize).map(|found| &found.exports);
            match names.next().and_then(|name| exports?.get(*name)) {
                Some(Export::Module(next)) => module = *next,
                Some(Export::Value { global, .. }) => {
                    machine.focus = Some(global.0);
                    break machine.global(global.0)?;
                }
                None => {
                    let what = format!("`{}` is not exported", path.join("."));
                    return Err(FaultBody::defect(machine.nowhere(), what));
                }
            }
        };
        for name in names {
            value = machine.named_field(&value, name)?;
        }
        machine.reveal(&value)?;
        Ok(value)
    }

    /// A field of a record or of a package, evaluated. A field that the value does not have is an
    /// error for the user (`E0415`), who may have named it.
    pub fn field(&mut self, value: &Value, name: &str) -> Result<Value, Diagnostic> {
        let found = self.machine.named_field(value, name).and_then(|found| {
            self.machine.reveal(&found)?;
            Ok(found)
        });
        found.map_err(FaultBody::finish)
    }

    fn shown_global(&mut self, id: GlobalId) -> Result<Value, Fault> {
        let value = self.machine.global(id.0)?;
        self.machine.reveal(&value)?;
        Ok(value)
    }

    /// Runs the tests of a module in source order.
    pub fn run_tests(&mut self, module: ModuleId) -> Vec<(String, Result<bool, Diagnostic>)> {
        let program = self.machine.program;
        let Some(module) = program.modules.get(module.0 as usize) else { return Vec::new() };
        let run = |(name, id): &(String, GlobalId)| {
            self.machine.focus = Some(id.0);
            let result = match self.machine.global(id.0) {
                Ok(Value::Bool(truth)) => Ok(truth),
                Ok(other) => {
                    let what = format!("the test gives {}", other.kind());
                    Err(FaultBody::defect(self.machine.nowhere(), what))
                }
                Err(fault) => Err(fault),
            };
            (name.clone(), result.map_err(FaultBody::finish))
        };
        module.tests.iter().map(run).collect()
    }

    /// Evaluates a test of a module once more, by its position, and tells what the parts of its
    /// claim came to. `None` if there is no such test. Meant for tests that failed.
    pub fn observe_test(&mut self, module: ModuleId, test: usize) -> Option<Observation> {
        let module = self.machine.program.modules.get(module.0 as usize)?;
        let (_, id) = module.tests.get(test)?;
        self.observe(*id)
    }

    /// As [`Self::observe_test`], for any global whose parts are watched, such as a lone expression.
    pub fn observe(&mut self, id: GlobalId) -> Option<Observation> {
        self.machine.focus = Some(id.0);
        observe::observe(&mut self.machine, id)
    }

    /// The whole value as JSON; the form is specified in `lang-spec/05-evaluation.md`.
    pub fn to_json(&mut self, value: &Value) -> Result<serde_json::Value, Diagnostic> {
        print::json(&mut self.machine, value).map_err(FaultBody::finish)
    }

    /// The whole value for a human reader, in the language's notation.
    pub fn show(&mut self, value: &Value) -> Result<String, Diagnostic> {
        print::show(&mut self.machine, value).map_err(FaultBody::finish)
    }

    /// What is to be built for a value: packages and images.
    pub fn buildable(&self, value: &Value) -> Option<Target> {
        match value {
            Value::Overridable(origin) => match origin.slots[0].settled() {
                Slot::Ready(package) => self.buildable(&package),
                _ => None,
            },
            Value::Package(package) => {
                let output = match &package.input {
                    Input::Output { output, .. } => output.clone(),
                    Input::Object(_) => OutputName::out(),
                };
                Some(Target { drv: package.drv, output, image: false })
            }
            Value::Image(image) => {
                Some(Target { drv: image.drv, output: OutputName::out(), image: true })
            }
            _ => None,
        }
    }

    /// The names of a record's fields, in the order of their text; empty for other values.
    pub fn field_names(&self, value: &Value) -> Vec<String> {
        let Value::Record(record) = value else {
            return match value {
                Value::Set(set) => match set.members().settled() {
                    Slot::Ready(members) => self.field_names(&members),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
        };
        record.shape.names.iter().map(|&name| self.machine.shapes.name(name).to_owned()).collect()
    }

    /// The files that were decoded so far. Diagnostics may point into them, by ids that come after
    /// those of all modules of the program.
    pub fn decoded(&self) -> &[DecodedFile] {
        &self.machine.decoded
    }

    /// What was done so far, in numbers.
    pub fn stats(&self) -> Stats {
        Stats { derivations: self.machine.graph.len() as u64, ..self.machine.stats }
    }

    /// The derivations described so far.
    pub fn graph(&self) -> &Graph {
        &self.machine.graph
    }

    /// Ends the evaluation, keeping the derivations.
    pub fn into_graph(self) -> Graph {
        self.machine.graph
    }
}

impl Machine<'_> {
    /// Evaluates what users of a set or of an overridable package see of it.
    fn reveal(&mut self, value: &Value) -> Result<(), Fault> {
        match value {
            Value::Set(set) => drop(self.force(set.members())?),
            Value::Overridable(origin) => drop(self.force(&origin.slots[0])?),
            _ => {}
        }
        Ok(())
    }

    fn named_field(&mut self, value: &Value, name: &str) -> Result<Value, Fault> {
        if let Value::Set(set) = value {
            let members = self.force(set.members())?;
            return self.named_field(&members, name);
        }
        if let (Value::Overridable(origin), "name" | "version") = (value, name) {
            let package = self.force(&origin.slots[0])?;
            return self.named_field(&package, name);
        }
        let symbol = self.shapes.find(name);
        let slot = symbol.and_then(|symbol| self.find_field(value, symbol));
        match slot {
            Some(slot) => self.force(&slot),
            None => Err(self.no_field(value, name)),
        }
    }

    fn no_field(&self, value: &Value, name: &str) -> Fault {
        let message = format!("{} has no field `{name}`", value.kind());
        let fault =
            FaultBody::new(codes::FIELD, self.nowhere(), message, "looked for in this value");
        let known: Vec<&str> = match value {
            Value::Record(record) => {
                record.shape.names.iter().map(|&name| self.shapes.name(name)).collect()
            }
            Value::Package(_) => vec!["name", "version"],
            Value::Overridable(_) => vec!["name", "version", "recipe", "package"],
            _ => return fault.help("only records and packages have fields"),
        };
        let similar = cbuild_sema::did_you_mean(name, known.iter().copied());
        fault.help(similar.unwrap_or_else(|| format!("it has `{}`", known.join("`, `"))))
    }
}
