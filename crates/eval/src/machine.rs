//! The state of an evaluation, and how globals and functions are run.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use cbuild_diag::SourceId;
use cbuild_drv::{Graph, StorePath};
use cbuild_sema::ir::{Expr, GlobalBody, GlobalId, Program};
use smallvec::SmallVec;

use crate::code::{Call, Callee, Node};
use crate::codes;
use crate::compile::Compiler;
use crate::decode::DecodedFile;
use crate::externs::{self, Extern};
use crate::fault::{CycleKey, Fault, FaultBody, Place};
use crate::interpret::{Env, Flow};
use crate::observe::Notes;
use crate::shapes::Shapes;
use crate::stack;
use crate::stats::Stats;
use crate::strictness::Strictness;
use crate::value::{Closure, Slot, Thunk, ThunkState, Value};
use crate::words::Words;
use crate::world::{Limits, World};

/// Calls between two looks at the cancel flag and at the number of steps.
const TICKS: u32 = 4096;
/// Looks at the cancel flag between two looks at the memory.
const MEMORY_LOOKS: u32 = 8;
/// Bytes that count as a step.
const STEP: usize = 256;
/// Items of lists, maps and records that count as a step when they are copied.
const ITEMS: usize = 4;
/// Bytes before which the memory is looked at in any case.
const LARGE: usize = 1 << 20;

/// Levels of nesting between two looks at the native stack. Frames of unoptimised builds are larger.
pub(crate) const LOOK: u32 = if cfg!(debug_assertions) { 1 } else { 8 };

/// The state of an evaluation.
pub(crate) struct Machine<'a> {
    pub(crate) program: &'a Program,
    pub(crate) world: &'a mut dyn World,
    pub(crate) limits: Limits,
    pub(crate) shapes: Shapes,
    pub(crate) graph: Graph,
    /// Objects of module files that were taken already.
    pub(crate) imported: BTreeMap<(SourceId, Rc<str>), StorePath>,
    /// Files that were decoded, as sources of diagnostics.
    pub(crate) decoded: Vec<DecodedFile>,
    strictness: Strictness<'a>,
    words: Words,
    globals: Vec<GlobalState>,
    /// Frames of the running functions, one upon the other.
    pub(crate) stack: Vec<Slot>,
    pub(crate) depth: u32,
    ticks: u32,
    looks: u32,
    pub(crate) stats: Stats,
    /// Values of watched expressions.
    pub(crate) notes: Notes,
    /// How often [`TICKS`] may still pass, where that is bounded.
    pub(crate) fuel: Option<u32>,
    /// Steps that were counted by the looks at the limits.
    steps: u64,
    /// Whether a recipe that was made before it was needed has failed, so that no more are.
    pub(crate) recipes_fail: bool,
    /// The global that was asked for last, for errors that belong to no smaller place.
    pub(crate) focus: Option<u32>,
}

#[derive(Clone)]
enum GlobalState {
    New,
    Running,
    Done(Value),
}

impl<'a> Machine<'a> {
    pub(crate) fn new(program: &'a Program, world: &'a mut dyn World, limits: Limits) -> Self {
        Self {
            program,
            world,
            limits,
            shapes: Shapes::new(program),
            graph: Graph::default(),
            imported: BTreeMap::new(),
            decoded: Vec::new(),
            strictness: Strictness::new(program),
            words: Words::default(),
            globals: vec![GlobalState::New; program.globals.len()],
            stack: Vec::new(),
            depth: 0,
            ticks: 0,
            looks: 0,
            stats: Stats::default(),
            notes: Notes::default(),
            fuel: None,
            steps: 0,
            recipes_fail: false,
            focus: None,
        }
    }

    // --- depth and time ---

    /// Runs a nested evaluation, within the depth limit and with enough native stack.
    pub(crate) fn nested<T>(
        &mut self,
        place: Place,
        run: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.enter(place)?;
        let result =
            if self.depth.is_multiple_of(LOOK) { stack::guarded(|| run(self)) } else { run(self) };
        self.depth -= 1;
        result
    }

    /// Enters a level of nested evaluation; whoever calls it leaves the level.
    #[inline]
    pub(crate) fn enter(&mut self, place: Place) -> Result<(), Fault> {
        if self.depth >= self.limits.depth {
            return Err(self.too_deep(place));
        }
        self.tick(place)?;
        self.depth += 1;
        self.stats.deepest = self.stats.deepest.max(u64::from(self.depth));
        Ok(())
    }

    #[cold]
    fn too_deep(&self, place: Place) -> Fault {
        let message = format!("evaluation is nested more than {} levels deep", self.limits.depth);
        FaultBody::new(codes::DEPTH, place, message, "at this level it was stopped")
            .help("check that the recursion ends, or use `std.list.fold`, which needs no depth")
    }

    /// Counts a step, and now and then looks at the limits of time and of memory.
    pub(crate) fn tick(&mut self, place: Place) -> Result<(), Fault> {
        self.ticks = self.ticks.saturating_add(1);
        if self.ticks < TICKS { Ok(()) } else { self.look(place) }
    }

    /// Counts something of a known size as so many steps, before it is made.
    pub(crate) fn weigh(&mut self, bytes: usize, place: Place) -> Result<(), Fault> {
        self.ticks = self.ticks.saturating_add(u32::try_from(bytes / STEP).unwrap_or(u32::MAX));
        if bytes >= LARGE { self.check_memory(bytes as u64, place) } else { Ok(()) }
    }

    /// As [`Self::weigh`], of items, whose copying takes longer than that of their bytes.
    pub(crate) fn weigh_items(&mut self, items: usize, place: Place) -> Result<(), Fault> {
        self.ticks = self.ticks.saturating_add(u32::try_from(items / ITEMS).unwrap_or(u32::MAX));
        let bytes = items.saturating_mul(size_of::<Slot>());
        if bytes >= LARGE { self.check_memory(bytes as u64, place) } else { Ok(()) }
    }

    #[cold]
    fn look(&mut self, place: Place) -> Result<(), Fault> {
        let ticks = std::mem::take(&mut self.ticks);
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(MEMORY_LOOKS) {
            self.check_memory(0, place)?;
        }
        self.fuel = match self.fuel {
            Some(0) => return Err(FaultBody::new(codes::SIZE, place, "this takes long", "here")),
            fuel => fuel.map(|left| left.saturating_sub((ticks / TICKS).max(1))),
        };
        self.steps += u64::from(ticks);
        let stopped = |message: String| {
            let label = "this was being evaluated";
            Err(FaultBody::new(codes::CANCELLED, place, message, label))
        };
        if let Some(most) = self.limits.steps.filter(|most| self.steps > *most) {
            return stopped(format!("the evaluation takes more than {most} steps"));
        }
        match &self.limits.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => {
                stopped("the evaluation was cancelled".to_owned())
            }
            _ => Ok(()),
        }
    }

    // --- globals ---

    /// The value of a global.
    pub(crate) fn global(&mut self, id: u32) -> Result<Value, Fault> {
        match self.globals.get(id as usize) {
            Some(GlobalState::Done(value)) => return Ok(value.clone()),
            Some(GlobalState::New) => {}
            Some(GlobalState::Running) => {
                return Err(FaultBody::cycle(self.place_of_global(id), CycleKey::Global(id)));
            }
            None => return Err(FaultBody::defect(self.nowhere(), "a global does not exist")),
        }
        let place = self.place_of_global(id);
        self.globals[id as usize] = GlobalState::Running;
        let result = self.nested(place, |machine| machine.evaluate_global(id, place));
        match result {
            Ok(value) => {
                self.globals[id as usize] = GlobalState::Done(value.clone());
                Ok(value)
            }
            Err(mut fault) => {
                self.globals[id as usize] = GlobalState::New;
                let name = &self.program.globals[id as usize].name;
                fault.leave_lazy(CycleKey::Global(id), Some(format!("`{name}`")), place);
                fault.leave_global(name);
                self.leave(&mut fault, place);
                Err(fault)
            }
        }
    }

    fn evaluate_global(&mut self, id: u32, place: Place) -> Result<Value, Fault> {
        self.stats.globals += 1;
        let global = &self.program.globals[id as usize];
        if let GlobalBody::Extern { name, arity } = &global.body {
            return match externs::find(name) {
                Some(found) if found.arity() == *arity => Ok(Value::Extern(found)),
                Some(found) => Err(externs::wrong_arity(found, *arity, place)),
                None => Err(externs::unknown(name, place)),
            };
        }
        let (shapes, strictness) = (&mut self.shapes, &mut self.strictness);
        let code =
            Compiler::new(shapes, strictness, &mut self.words, global).global(GlobalId(id))?;
        self.run_suspended(&code.body, code.frame, &[])
    }

    /// Evaluates a global once more, noting the values of its watched expressions.
    pub(crate) fn watch_global(&mut self, id: u32) -> Result<Value, Fault> {
        let program = self.program;
        let Some(global) = program.globals.get(id as usize) else {
            return Err(FaultBody::defect(self.nowhere(), "a global does not exist"));
        };
        let place = self.place_of_global(id);
        let (shapes, strictness) = (&mut self.shapes, &mut self.strictness);
        let compiler = Compiler::new(shapes, strictness, &mut self.words, global);
        let code = compiler.watching().global(GlobalId(id))?;
        self.nested(place, |machine| machine.run_suspended(&code.body, code.frame, &[]))
    }

    /// The value of a global that was evaluated already.
    pub(crate) fn global_done(&self, id: u32) -> Option<&Value> {
        match self.globals.get(id as usize) {
            Some(GlobalState::Done(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn run_suspended(
        &mut self,
        body: &Node,
        frame: u32,
        captures: &[Slot],
    ) -> Result<Value, Fault> {
        let base = self.stack.len();
        self.stack.resize(base + frame as usize, Slot::Missing);
        let env = Env { captures, this: None, base };
        let result = match self.exec(body, &env) {
            Ok(Flow::Done(value)) => Ok(value),
            Ok(Flow::Tail(closure)) => {
                self.replace_frame(base, &closure);
                self.run(closure, base)
            }
            Err(fault) => Err(fault),
        };
        self.stack.truncate(base);
        result
    }

    // --- functions ---

    /// Moves the arguments on top of the stack to where the frame of the caller was.
    fn replace_frame(&mut self, base: usize, closure: &Closure) {
        let args = self.stack.len() - closure.code.params as usize;
        self.stack.drain(base..args);
    }

    /// Runs a function whose arguments are on the stack from `base` on. Calls in tail position are
    /// followed here, so that loops written as recursion need neither depth nor stack.
    pub(crate) fn run(&mut self, closure: Rc<Closure>, base: usize) -> Result<Value, Fault> {
        if let Some(words) = &closure.code.words
            && let Some(args) = words.arguments_of(&self.stack[base..])
        {
            self.stack.truncate(base);
            return self.run_words(words, args);
        }
        let result = self.nested(closure.code.place, |machine| machine.run_loop(closure, base));
        self.stack.truncate(base);
        result
    }

    fn run_loop(&mut self, mut closure: Rc<Closure>, base: usize) -> Result<Value, Fault> {
        loop {
            self.stats.calls += 1;
            let code = &*closure.code;
            let env = Env { captures: &closure.captures, this: Some(&closure), base };
            if code.frame > code.params {
                self.stack.resize(base + code.frame as usize, Slot::Missing);
            }
            for (slot, default) in &code.defaults {
                let at = base + *slot as usize;
                if matches!(self.stack[at], Slot::Missing) {
                    self.stack[at] = self.delay(default, &env)?;
                }
            }
            match self.exec(&code.body, &env) {
                Ok(Flow::Done(value)) => return Ok(value),
                Ok(Flow::Tail(next)) => {
                    self.replace_frame(base, &next);
                    self.tick(next.code.place)?;
                    if let Some(words) = &next.code.words
                        && let Some(mut args) = words.arguments_of(&self.stack[base..])
                    {
                        let word = self.words_loop(words, &mut args)?;
                        return Ok(words.result.value(word));
                    }
                    closure = next;
                }
                Err(mut fault) => {
                    if let Some(name) = &code.name {
                        fault.leave_global(name);
                    }
                    self.leave(&mut fault, code.place);
                    return Err(fault);
                }
            }
        }
    }

    /// Evaluates the callee of a call. The arguments of a function are left on the stack; an extern
    /// function is run at once.
    pub(crate) fn prepare(&mut self, call: &Call, env: &Env<'_>) -> Result<Flow, Fault> {
        let callee = match &call.callee {
            Callee::Global(id) => match self.globals.get(*id as usize) {
                Some(GlobalState::Done(callee)) => callee.clone(),
                _ => self.global(*id)?,
            },
            Callee::Node(node) => self.eval(node, env)?,
        };
        match callee {
            Value::Function(closure) => {
                if closure.code.params as usize != call.args.len() {
                    return Err(wrong_count(call.place));
                }
                for arg in &call.args {
                    let slot = self.argument(arg, env)?;
                    self.stack.push(slot);
                }
                Ok(Flow::Tail(closure))
            }
            Value::Extern(function) => self.call_extern(function, call, env).map(Flow::Done),
            other => Err(no_function(&other, call.place)),
        }
    }

    #[inline(never)]
    fn call_extern(
        &mut self,
        function: &Extern,
        call: &Call,
        env: &Env<'_>,
    ) -> Result<Value, Fault> {
        self.stats.extern_calls += 1;
        let mut args: SmallVec<[Slot; 4]> = SmallVec::new();
        for arg in &call.args {
            args.push(self.argument(arg, env)?);
        }
        function.call(self, &args, call.place)
    }

    /// Calls a function value.
    pub(crate) fn apply<const N: usize>(
        &mut self,
        function: &Value,
        args: [Slot; N],
        place: Place,
    ) -> Result<Value, Fault> {
        match function {
            Value::Function(closure) if closure.code.params as usize == N => {
                if let Some(words) = &closure.code.words
                    && let Some(arguments) = words.arguments_of(&args)
                {
                    return self.run_words(words, arguments);
                }
                let base = self.stack.len();
                self.stack.extend(args);
                self.run(closure.clone(), base)
            }
            Value::Extern(function) => function.call(self, &args, place),
            other => Err(no_function(other, place)),
        }
    }

    /// The slot of a call with one argument that may never be needed: the value, if the function is
    /// a cheap one that gives it at once.
    pub(crate) fn apply_later(&mut self, function: &Value, argument: Slot) -> Slot {
        if let Value::Function(closure) = function
            && (closure.code.params, closure.code.frame) == (1, 1)
            && closure.code.defaults.is_empty()
            && (closure.code.builds || closure.code.cheap && matches!(argument, Slot::Ready(_)))
        {
            let base = self.stack.len();
            self.stack.push(argument.clone());
            let env = Env { captures: &closure.captures, this: Some(closure), base };
            let value = if closure.code.builds {
                self.construct(&closure.code.body, &env).ok()
            } else {
                self.attempt(&closure.code.body, &env)
            };
            self.stack.truncate(base);
            if let Some(value) = value {
                return Slot::Ready(value);
            }
        }
        self.stats.suspended += 1;
        Slot::Lazy(Thunk::new(ThunkState::Apply(function.clone(), argument)))
    }

    /// As [`Self::apply_later`], of a function that may not be there yet.
    pub(crate) fn apply_slot_later(&mut self, function: &Slot, argument: Slot) -> Slot {
        match self.function_of(function) {
            Some(function) => self.apply_later(&function, argument),
            None => externs::call_of(argument, function.clone()),
        }
    }

    /// The value of a slot that holds a function, if it is there already or is that of a function item.
    fn function_of(&mut self, slot: &Slot) -> Option<Value> {
        let Slot::Global(id) = slot else { return slot.ready() };
        let body = &self.program.globals.get(*id as usize)?.body;
        let item = matches!(body, GlobalBody::Extern { .. } | GlobalBody::Expr(Expr::Lambda(..)));
        if item { self.global(*id).ok() } else { self.global_done(*id).cloned() }
    }

    /// The value of an expression in a function of two parameters, both of which are the item.
    pub(crate) fn key_of(
        &mut self,
        closure: &Rc<Closure>,
        key: &Node,
        item: &Slot,
        place: Place,
    ) -> Result<Value, Fault> {
        let base = self.stack.len();
        self.stack.extend([item.clone(), item.clone()]);
        let env = Env { captures: &closure.captures, this: Some(closure), base };
        let value = self.nested(place, |machine| machine.eval(key, &env));
        self.stack.truncate(base);
        value.map_err(|mut fault| {
            if let Some(name) = &closure.code.name {
                fault.leave_global(name);
            }
            fault
        })
    }

    // --- places ---

    /// Where a function is defined.
    pub(crate) fn place_of(&self, function: &Value) -> Place {
        match function {
            Value::Function(closure) => closure.code.place,
            _ => self.nowhere(),
        }
    }

    fn place_of_global(&self, id: u32) -> Place {
        let global = &self.program.globals[id as usize];
        Place { source: global.source, span: global.span }
    }

    /// Tells an error of the standard library that what stands at a place is left.
    #[cold]
    pub(crate) fn leave(&self, fault: &mut Fault, place: Place) {
        let in_library = |source| {
            self.program.modules.iter().any(|module| module.source == source && module.library)
        };
        if in_library(fault.diagnostic.labels[0].source) && !in_library(place.source) {
            fault.leave_package(place);
        }
    }

    /// The place of what has no place of its own: that of the global that was asked for.
    pub(crate) fn nowhere(&self) -> Place {
        if let Some(id) = self.focus {
            return self.place_of_global(id);
        }
        let source = self.program.modules.first().map_or(SourceId(0), |module| module.source);
        Place { source, span: cbuild_diag::Span::default() }
    }
}

#[cold]
fn wrong_count(place: Place) -> Fault {
    FaultBody::defect(place, "a call with another number of arguments")
}

#[cold]
fn no_function(value: &Value, place: Place) -> Fault {
    FaultBody::defect(place, format!("{} is called", value.kind()))
}
