//! The public face of the evaluator.

use cbuild_diag::{Diagnostic, SourceId, Span};
use cbuild_drv::{DrvId, Graph, OutputName};
use cbuild_sema::ir::{GlobalId, ModuleId, Program};

use crate::value::Value;
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
pub struct Evaluator<'a> {
    program: &'a Program,
    #[expect(dead_code, reason = "used as soon as values can be paths")]
    world: &'a mut dyn World,
    #[expect(dead_code, reason = "used as soon as something is evaluated")]
    limits: Limits,
    graph: Graph,
}

impl<'a> Evaluator<'a> {
    /// Prepares an evaluation; nothing is evaluated yet.
    pub fn new(program: &'a Program, world: &'a mut dyn World, limits: Limits) -> Self {
        Self { program, world, limits, graph: Graph::default() }
    }

    /// Evaluates a global to its outermost constructor.
    pub fn global(&mut self, id: GlobalId) -> Result<Value, Diagnostic> {
        let _ = id;
        Err(self.missing())
    }

    /// Evaluates an exported name of a module; `path` may go through re-exported modules and then
    /// through record fields, such as `["packages", "zlib"]`.
    pub fn export(&mut self, module: ModuleId, path: &[&str]) -> Result<Value, Diagnostic> {
        let _ = (module, path);
        Err(self.missing())
    }

    /// A field of a record or of a package, evaluated.
    pub fn field(&mut self, value: &Value, name: &str) -> Result<Value, Diagnostic> {
        let _ = (value, name);
        Err(self.missing())
    }

    /// Runs the tests of a module in source order.
    pub fn run_tests(&mut self, module: ModuleId) -> Vec<(String, Result<bool, Diagnostic>)> {
        let _ = module;
        Vec::new()
    }

    /// The whole value as JSON.
    pub fn to_json(&mut self, value: &Value) -> Result<serde_json::Value, Diagnostic> {
        let _ = value;
        Err(self.missing())
    }

    /// The whole value for a human reader, in the language's notation.
    pub fn show(&mut self, value: &Value) -> Result<String, Diagnostic> {
        let _ = value;
        Err(self.missing())
    }

    /// What is to be built for a value: packages and images.
    pub fn buildable(&self, value: &Value) -> Option<Target> {
        let _ = value;
        None
    }

    /// The derivations described so far.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Ends the evaluation, keeping the derivations.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    fn missing(&self) -> Diagnostic {
        let source = self.program.modules.first().map_or(SourceId(0), |module| module.source);
        Diagnostic::error("E0413", source, Span::default(), "not evaluated", "here")
    }
}
