//! How lazy values are evaluated when they are needed.

use std::rc::Rc;

use cbuild_sema::ir::Symbol;
use cbuild_syntax::ast::BinaryOp;

use crate::code::{Label, Node, Ref, ThunkCode};
use crate::fault::{CycleKey, Fault, FaultBody, Place};
use crate::interpret::{Env, on_numbers};
use crate::machine::{LOOK, Machine};
use crate::stack;
use crate::value::{Slot, Thunk, ThunkState, Value};

impl Machine<'_> {
    /// The value of a slot.
    pub(crate) fn force(&mut self, slot: &Slot) -> Result<Value, Fault> {
        match slot {
            Slot::Ready(value) => Ok(value.clone()),
            Slot::Lazy(thunk) => self.force_thunk(thunk),
            Slot::Global(id) => self.global(*id),
            Slot::Missing | Slot::Part(_) | Slot::GlobalPart(_) => {
                Err(FaultBody::defect(self.nowhere(), "a variable is needed before it is bound"))
            }
        }
    }

    /// Lazy values are often needed by one another in long chains. So that a level takes little of the
    /// native stack, what is needed after a failure alone is done elsewhere.
    #[inline(never)]
    fn force_thunk(&mut self, thunk: &Rc<Thunk>) -> Result<Value, Fault> {
        let Ok(mut state) = thunk.state.try_borrow_mut() else { return Err(self.cycle(thunk)) };
        let result = match &*state {
            ThunkState::Done(value) => return Ok(value.clone()),
            ThunkState::Pending(code, captures) => self.resume(code, captures),
            ThunkState::Apply(function, argument) => self.apply_suspended(function, argument),
            ThunkState::Running => return Err(self.cycle(thunk)),
        };
        match result {
            Ok(value) => {
                *state = ThunkState::Done(value.clone());
                Ok(value)
            }
            Err(fault) => Err(self.unresolved(thunk, &state, fault)),
        }
    }

    #[cold]
    #[inline(never)]
    fn cycle(&self, thunk: &Thunk) -> Fault {
        FaultBody::cycle(self.nowhere(), cycle_key(thunk))
    }

    /// Runs suspended code on a level of its own.
    #[inline(always)]
    fn resume(&mut self, code: &ThunkCode, captures: &[Slot]) -> Result<Value, Fault> {
        self.stats.resumed += 1;
        self.enter(code.place)?;
        let result = if self.depth.is_multiple_of(LOOK) {
            self.run_suspended_guarded(code, captures)
        } else {
            match &code.body {
                Node::Binary(op, operands, place) if code.frame == 0 => {
                    self.operation(*op, operands, *place, captures)
                }
                body => self.run_suspended(body, code.frame, captures),
            }
        };
        self.depth -= 1;
        result
    }

    /// An operation on operands that need no frame, most of which are other lazy values.
    #[inline(always)]
    fn operation(
        &mut self,
        op: BinaryOp,
        operands: &[Node; 2],
        place: Place,
        captures: &[Slot],
    ) -> Result<Value, Fault> {
        let left = self.captured_operand(&operands[0], captures)?;
        let right = self.captured_operand(&operands[1], captures)?;
        if let (Value::Int(a), Value::Int(b)) = (&left, &right)
            && let Some(value) = on_numbers(op, *a, *b)
        {
            return Ok(value);
        }
        self.binary(op, left, right, place)
    }

    #[inline(always)]
    fn captured_operand(&mut self, node: &Node, captures: &[Slot]) -> Result<Value, Fault> {
        match node {
            Node::Var(Ref::Captured(at)) => match &captures[*at as usize] {
                Slot::Ready(value) => Ok(value.clone()),
                Slot::Lazy(thunk) => self.force_thunk(thunk),
                slot => self.force(slot),
            },
            Node::Part(at, name) => self.force_captured(&captures[*at as usize], *name),
            Node::Const(value) => Ok(value.clone()),
            node => self.eval_captured(node, captures),
        }
    }

    /// The value of what was captured as a field.
    #[inline(always)]
    pub(crate) fn force_captured(&mut self, slot: &Slot, name: Symbol) -> Result<Value, Fault> {
        match slot {
            Slot::Ready(value) => Ok(value.clone()),
            Slot::Lazy(thunk) => self.force_thunk(thunk),
            Slot::Part(thunk) => self.force_part(name, thunk),
            Slot::GlobalPart(id) => self.force_global_part(name, *id),
            slot => self.force(slot),
        }
    }

    /// Evaluates an expression that has no variables but captured ones.
    #[inline(never)]
    fn eval_captured(&mut self, node: &Node, captures: &[Slot]) -> Result<Value, Fault> {
        let env = Env { captures, this: None, base: self.stack.len() };
        self.eval(node, &env)
    }

    #[inline(never)]
    fn run_suspended_guarded(
        &mut self,
        code: &ThunkCode,
        captures: &[Slot],
    ) -> Result<Value, Fault> {
        stack::guarded(|| self.run_suspended(&code.body, code.frame, captures))
    }

    /// The value of a field of a lazy record.
    #[inline(never)]
    fn force_part(&mut self, name: Symbol, thunk: &Rc<Thunk>) -> Result<Value, Fault> {
        if let Ok(state) = thunk.state.try_borrow()
            && let ThunkState::Done(Value::Record(record)) = &*state
            && let Some(value) = record.part(name).and_then(Slot::ready)
        {
            return Ok(value);
        }
        let base = self.force_thunk(thunk)?;
        let field = self.part_of(&base, name)?;
        drop(base);
        self.force(&field)
    }

    #[inline(never)]
    fn force_global_part(&mut self, name: Symbol, id: u32) -> Result<Value, Fault> {
        let base = self.global(id)?;
        let field = self.part_of(&base, name)?;
        self.force(&field)
    }

    fn part_of(&self, base: &Value, name: Symbol) -> Result<Slot, Fault> {
        self.find_field(base, name).ok_or_else(|| {
            let text = self.shapes.name(name);
            FaultBody::defect(self.nowhere(), format!("{} has no field `{text}`", base.kind()))
        })
    }

    #[inline(never)]
    fn apply_suspended(&mut self, function: &Value, argument: &Slot) -> Result<Value, Fault> {
        self.stats.resumed += 1;
        let place = self.place_of(function);
        self.nested(place, |machine| machine.apply(function, [argument.clone()], place))
    }

    /// Notes in a fault that it came from a lazy value. Another use of that may come at a lesser
    /// depth, or after a cancelled run, and is kept possible.
    #[cold]
    #[inline(never)]
    fn unresolved(&self, thunk: &Thunk, state: &ThunkState, mut fault: Fault) -> Fault {
        let (label, place) = match state {
            ThunkState::Pending(code, _) => (self.label(&code.label), code.place),
            ThunkState::Apply(function, _) => (None, self.place_of(function)),
            _ => (None, self.nowhere()),
        };
        fault.leave_lazy(cycle_key(thunk), label, place);
        self.leave(&mut fault, place);
        fault
    }

    fn label(&self, label: &Label) -> Option<String> {
        match label {
            Label::None => None,
            Label::Field(name) => Some(format!("field `{}`", self.shapes.name(*name))),
            Label::Key(key) => Some(format!("key `{key}`")),
        }
    }
}

fn cycle_key(thunk: &Thunk) -> CycleKey {
    CycleKey::Thunk(std::ptr::from_ref(thunk).addr())
}
