//! Walking of the compiled trees.

use std::rc::Rc;

use cbuild_sema::ir::Symbol;
use cbuild_syntax::ast::BinaryOp;

use crate::code::{
    Arg, Bind, Capture, Delay, Field, LambdaCode, Match, Node, Pattern, Ref, Suspend,
};
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::map::Map;
use crate::stack;
use crate::value::{Closure, Record, Slot, Thunk, ThunkState, Value, Variant};

/// What the running code can see.
pub(crate) struct Env<'e> {
    pub(crate) captures: &'e [Slot],
    pub(crate) this: Option<&'e Rc<Closure>>,
    /// Where its frame begins on the stack.
    pub(crate) base: usize,
}

/// How an expression in tail position ends.
pub(crate) enum Flow {
    /// With a value.
    Done(Value),
    /// With a call whose arguments are on top of the stack.
    Tail(Rc<Closure>),
}

impl Machine<'_> {
    // --- expressions that are evaluated now ---

    /// Evaluates an expression in tail position.
    pub(crate) fn exec(&mut self, node: &Node, env: &Env<'_>) -> Result<Flow, Fault> {
        match self.reach(node, env)? {
            Node::Call(call) => self.prepare(call, env),
            other => self.eval(other, env).map(Flow::Done),
        }
    }

    /// Goes through conditionals, bindings and matches to the expression that gives the value.
    fn reach<'n>(&mut self, mut node: &'n Node, env: &Env<'_>) -> Result<&'n Node, Fault> {
        loop {
            node = match node {
                Node::If(parts) => {
                    let [condition, yes, no] = &**parts;
                    if self.truth(condition, env)? { yes } else { no }
                }
                Node::Let(steps, body) => {
                    for step in steps {
                        self.bind(step, env)?;
                    }
                    body
                }
                Node::Match(parts) => self.arm(parts, env)?,
                Node::Deep(inner)
                    if matches!(**inner, Node::If(_) | Node::Let(..) | Node::Match(_)) =>
                {
                    inner
                }
                other => return Ok(other),
            };
        }
    }

    /// Evaluates an expression to its outermost constructor.
    pub(crate) fn eval(&mut self, node: &Node, env: &Env<'_>) -> Result<Value, Fault> {
        match node {
            Node::Const(value) => Ok(value.clone()),
            Node::Var(variable) => self.variable(*variable, env),
            Node::Take(slot) => self.taken(env.base + *slot as usize),
            Node::Part(at, name) => self.force_captured(&env.captures[*at as usize], *name),
            Node::Binary(op, operands, place) => {
                let [left, right] = &**operands;
                if let (Some(a), Some(b)) = (self.number(left, env), self.number(right, env))
                    && let Some(value) = on_numbers(*op, a, b)
                {
                    return Ok(value);
                }
                match (self.eval(left, env)?, self.eval(right, env)?) {
                    (Value::Int(a), Value::Int(b)) => match on_numbers(*op, a, b) {
                        Some(value) => Ok(value),
                        None => self.binary(*op, Value::Int(a), Value::Int(b), *place),
                    },
                    (left, right) => self.binary(*op, left, right, *place),
                }
            }
            Node::Call(call) => {
                let base = self.stack.len();
                match self.prepare(call, env)? {
                    Flow::Done(value) => Ok(value),
                    Flow::Tail(closure) => self.run(closure, base),
                }
            }
            Node::Field(field) => self.field_node(field, env),
            Node::If(_) | Node::Let(..) | Node::Match(_) => {
                let reached = self.reach(node, env)?;
                self.eval(reached, env)
            }
            Node::Global(id) => self.global(*id),
            _ => self.construct(node, env),
        }
    }

    /// The number that a constant or an evaluated variable holds.
    #[inline]
    fn number(&self, node: &Node, env: &Env<'_>) -> Option<i64> {
        match node {
            Node::Const(Value::Int(number)) => Some(*number),
            Node::Var(Ref::Local(slot)) => match &self.stack[env.base + *slot as usize] {
                Slot::Ready(Value::Int(number)) => Some(*number),
                _ => None,
            },
            _ => None,
        }
    }

    /// Evaluates the expressions that make something new, and the rare ones.
    #[inline(never)]
    pub(crate) fn construct(&mut self, node: &Node, env: &Env<'_>) -> Result<Value, Fault> {
        self.stats.made += 1;
        Ok(match node {
            Node::Neg(operand, place) => match self.eval(operand, env)? {
                Value::Int(number) => self.negated(number, *place)?,
                other => return Err(FaultBody::defect(*place, format!("`-` of {}", other.kind()))),
            },
            Node::Not(operand) => Value::Bool(!self.truth(operand, env)?),
            Node::Watch(inner, place, watched) => {
                let result = self.eval(inner, env);
                self.notes.take(*place, *watched, &result);
                result?
            }
            Node::Deep(inner) => stack::guarded(|| self.eval(inner, env))?,
            Node::Decode(decoders, path, place) => {
                let path = self.eval(path, env)?;
                self.decode(decoders, &path, *place)?
            }
            Node::Text(parts, place) => self.text_of(parts, env, *place)?,
            Node::Script(parts, place) => self.script_of(parts, env, *place)?,
            Node::Lambda(code, captures) => self.closure(code, captures, env),
            Node::Record(shape, fields) => {
                let fields = self.delays(fields, env)?.into();
                Value::Record(Rc::new(Record { shape: shape.clone(), fields }))
            }
            Node::With(base, changes, place) => self.updated(base, changes, *place, env)?,
            Node::Map(entries) => {
                let mut slots = Vec::with_capacity(entries.len());
                for (key, delay) in entries {
                    slots.push((key.clone(), self.delay(delay, env)?));
                }
                Value::Map(Map::from_entries(slots))
            }
            Node::List(items) => Value::list(self.delays(items, env)?),
            Node::Construct(tag, parts) => {
                let fields = self.delays(parts, env)?.into();
                Value::Variant(Rc::new(Variant { tag: *tag, fields }))
            }
            _ => return Err(FaultBody::defect(self.nowhere(), "an expression of no known kind")),
        })
    }

    fn truth(&mut self, node: &Node, env: &Env<'_>) -> Result<bool, Fault> {
        if let Node::Binary(op, operands, _) = node
            && let Some(a) = self.number(&operands[0], env)
            && let Some(b) = self.number(&operands[1], env)
            && let Some(Value::Bool(truth)) = on_numbers(*op, a, b)
        {
            return Ok(truth);
        }
        match self.eval(node, env)? {
            Value::Bool(truth) => Ok(truth),
            other => Err(self.not_a_truth(&other)),
        }
    }

    #[cold]
    fn not_a_truth(&self, value: &Value) -> Fault {
        FaultBody::defect(self.nowhere(), format!("{} where a truth value is needed", value.kind()))
    }

    fn variable(&mut self, variable: Ref, env: &Env<'_>) -> Result<Value, Fault> {
        match variable {
            Ref::Local(slot) => {
                let at = env.base + slot as usize;
                if let Slot::Ready(value) = &self.stack[at] {
                    return Ok(value.clone());
                }
                let slot = self.stack[at].clone();
                let value = self.force(&slot)?;
                self.stack[at] = Slot::Ready(value.clone());
                Ok(value)
            }
            Ref::Captured(at) => match &env.captures[at as usize] {
                Slot::Ready(value) => Ok(value.clone()),
                slot => self.force(slot),
            },
            Ref::This => match env.this {
                Some(closure) => Ok(Value::Function(closure.clone())),
                None => Err(FaultBody::defect(self.nowhere(), "no function is running")),
            },
        }
    }

    /// The value of a place on the stack, which does not keep it.
    fn taken(&mut self, at: usize) -> Result<Value, Fault> {
        match std::mem::replace(&mut self.stack[at], Slot::Missing) {
            Slot::Ready(value) => Ok(value),
            slot => self.force(&slot),
        }
    }

    fn closure(&self, code: &Rc<LambdaCode>, captures: &[Ref], env: &Env<'_>) -> Value {
        let captures = captures.iter().map(|capture| self.slot(*capture, env)).collect();
        Value::Function(Rc::new(Closure { code: code.clone(), captures }))
    }

    // --- records ---

    fn field_node(&mut self, field: &Field, env: &Env<'_>) -> Result<Value, Fault> {
        if let Some(slot) = self.known_record(&field.base, env).and_then(|record| field.of(record))
        {
            if let Slot::Ready(value) = slot {
                return Ok(value.clone());
            }
            let slot = slot.clone();
            return self.force(&slot);
        }
        let base = self.eval(&field.base, env)?;
        if let Value::Record(record) = &base
            && let Some(slot) = field.of(record)
        {
            return self.force(slot);
        }
        let slot = self.field_slot(&base, field.name, field.place)?;
        self.force(&slot)
    }

    /// The record that an evaluated variable holds.
    #[inline]
    fn known_record<'v>(&'v self, node: &Node, env: &'v Env<'_>) -> Option<&'v Record> {
        let slot = match node {
            Node::Var(Ref::Local(slot)) => &self.stack[env.base + *slot as usize],
            Node::Var(Ref::Captured(at)) => &env.captures[*at as usize],
            _ => return None,
        };
        match slot {
            Slot::Ready(Value::Record(record)) => Some(record),
            _ => None,
        }
    }

    fn field_slot(&self, base: &Value, name: Symbol, place: Place) -> Result<Slot, Fault> {
        self.find_field(base, name).ok_or_else(|| {
            let text = self.shapes.name(name);
            FaultBody::defect(place, format!("{} has no field `{text}`", base.kind()))
        })
    }

    /// The slot of a field of a record or package.
    pub(crate) fn find_field(&self, base: &Value, name: Symbol) -> Option<Slot> {
        match base {
            Value::Record(record) => {
                record.shape.position(name).map(|position| record.fields[position].clone())
            }
            Value::Package(package) => match self.shapes.name(name) {
                "name" => Some(Slot::Ready(Value::Str(package.name.clone()))),
                "version" => Some(Slot::Ready(Value::Str(package.version.clone()))),
                _ => None,
            },
            Value::Set(set) => match self.shapes.name(name) {
                "members" => Some(set.members().settled()),
                _ => None,
            },
            Value::Overridable(package) => match self.shapes.name(name) {
                "package" => Some(package.slots[0].settled()),
                "recipe" => Some(package.slots[1].settled()),
                _ => None,
            },
            _ => None,
        }
    }

    fn updated(
        &mut self,
        base: &Node,
        changes: &[(Symbol, Delay)],
        place: Place,
        env: &Env<'_>,
    ) -> Result<Value, Fault> {
        let Value::Record(record) = self.eval(base, env)? else {
            return Err(FaultBody::defect(place, "`with` after something that is no record"));
        };
        self.weigh_items(record.fields.len(), place)?;
        let mut fields = record.fields.to_vec();
        for (name, delay) in changes {
            let Some(position) = record.shape.position(*name) else {
                return Err(FaultBody::defect(
                    place,
                    "`with` replaces a field that does not exist",
                ));
            };
            fields[position] = self.delay(delay, env)?;
        }
        let shape = record.shape.clone();
        Ok(Value::Record(Rc::new(Record { shape, fields: fields.into() })))
    }

    // --- bindings and patterns ---

    fn bind(&mut self, step: &Bind, env: &Env<'_>) -> Result<(), Fault> {
        match step {
            Bind::Now(slot, node) => {
                let value = self.eval(node, env)?;
                self.stack[env.base + *slot as usize] = Slot::Ready(value);
            }
            Bind::Later(slot, delay) => {
                let value = self.delay(delay, env)?;
                self.stack[env.base + *slot as usize] = value;
            }
            Bind::Group(members) => {
                // The slots come first, so that the members can capture one another.
                let thunks: Vec<_> =
                    members.iter().map(|_| Thunk::new(ThunkState::Running)).collect();
                for ((slot, _), thunk) in members.iter().zip(&thunks) {
                    self.stack[env.base + *slot as usize] = Slot::Lazy(thunk.clone());
                }
                for ((_, suspend), thunk) in members.iter().zip(&thunks) {
                    thunk.state.replace(self.pending(suspend, env));
                }
            }
        }
        Ok(())
    }

    fn arm<'n>(&mut self, parts: &'n Match, env: &Env<'_>) -> Result<&'n Node, Fault> {
        let value = self.eval(&parts.scrutinee, env)?;
        let arms = match parts.literals.find(&value) {
            Some(Ok(at)) => return Ok(&parts.arms[at].1),
            Some(Err(behind)) => &parts.arms[behind..],
            None => &parts.arms,
        };
        let value = Slot::Ready(value);
        for (pattern, body) in arms {
            if self.matches(pattern, &value, env)? {
                return Ok(body);
            }
        }
        Err(FaultBody::defect(parts.place, "no case of a `match` fits"))
    }

    fn matches(&mut self, pattern: &Pattern, slot: &Slot, env: &Env<'_>) -> Result<bool, Fault> {
        match pattern {
            Pattern::Wildcard => return Ok(true),
            Pattern::Bind(at) => {
                self.stack[env.base + *at as usize] = slot.settled();
                return Ok(true);
            }
            _ => {}
        }
        Ok(match (pattern, self.force(slot)?) {
            (Pattern::Tag(tag), Value::Tag(found)) => *tag == found,
            (Pattern::Construct(tag, parts), Value::Variant(found)) if *tag == found.tag => {
                for (part, slot) in parts.iter().zip(found.fields.iter()) {
                    if !self.matches(part, slot, env)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Pattern::Int(number), Value::Int(found)) => *number == found,
            (Pattern::Bool(truth), Value::Bool(found)) => *truth == found,
            (Pattern::Str(text), Value::Str(found)) => **text == **found,
            _ => false,
        })
    }

    // --- expressions that may never be needed ---

    pub(crate) fn argument(&mut self, arg: &Arg, env: &Env<'_>) -> Result<Slot, Fault> {
        match arg {
            Arg::Now(node) => self.eval(node, env).map(Slot::Ready),
            Arg::Later(delay) => self.delay(delay, env),
            Arg::Default => Ok(Slot::Missing),
        }
    }

    fn delays(&mut self, delays: &[Delay], env: &Env<'_>) -> Result<Vec<Slot>, Fault> {
        let mut slots = Vec::with_capacity(delays.len());
        for delay in delays {
            slots.push(self.delay(delay, env)?);
        }
        Ok(slots)
    }

    /// A slot for an expression that may never be needed.
    pub(crate) fn delay(&mut self, delay: &Delay, env: &Env<'_>) -> Result<Slot, Fault> {
        Ok(match delay {
            Delay::Const(value) => Slot::Ready(value.clone()),
            Delay::Var(variable) => self.slot(*variable, env),
            Delay::Global(id) => {
                self.global_done(*id).cloned().map_or(Slot::Global(*id), Slot::Ready)
            }
            Delay::Now(node) => Slot::Ready(self.eval(node, env)?),
            Delay::Try(node, suspend) => match self.attempt(node, env) {
                Some(value) => Slot::Ready(value),
                None => self.suspended(suspend, env),
            },
            Delay::Later(suspend) => self.suspended(suspend, env),
        })
    }

    fn suspended(&mut self, suspend: &Suspend, env: &Env<'_>) -> Slot {
        self.stats.suspended += 1;
        Slot::Lazy(Thunk::new(self.pending(suspend, env)))
    }

    fn pending(&self, suspend: &Suspend, env: &Env<'_>) -> ThunkState {
        let captures = suspend.captures.iter().map(|capture| match *capture {
            Capture::Whole(variable) => self.slot(variable, env),
            Capture::Part(variable, name) => self.captured_part(variable, name, env),
            Capture::Again(at, name) => self.settled_part(&env.captures[at as usize], name),
        });
        ThunkState::Pending(suspend.code.clone(), captures.collect())
    }

    /// What is captured as a field of a variable, without evaluating anything.
    fn captured_part(&self, variable: Ref, name: Symbol, env: &Env<'_>) -> Slot {
        let slot = match variable {
            Ref::Local(slot) => &self.stack[env.base + slot as usize],
            Ref::Captured(at) => &env.captures[at as usize],
            Ref::This => return Slot::Missing,
        };
        match slot {
            Slot::Ready(Value::Record(record)) => {
                record.part(name).map_or(Slot::Missing, Slot::settled)
            }
            Slot::Ready(value) => self.find_field(value, name).unwrap_or(Slot::Missing),
            Slot::Lazy(thunk) => self.settled_part(&Slot::Part(thunk.clone()), name),
            Slot::Global(id) => self.settled_part(&Slot::GlobalPart(*id), name),
            // Of what is captured as a field nothing else is captured, see `parts`.
            Slot::Part(_) | Slot::GlobalPart(_) | Slot::Missing => Slot::Missing,
        }
    }

    /// What was captured as a field: its slot, if the record is there already.
    fn settled_part(&self, slot: &Slot, name: Symbol) -> Slot {
        let base = match slot {
            Slot::Part(thunk) => match thunk.part(name) {
                Some(field) => return field,
                None => thunk.done(),
            },
            Slot::GlobalPart(id) => self.global_done(*id).cloned(),
            slot => return slot.settled(),
        };
        base.and_then(|base| self.find_field(&base, name)).unwrap_or_else(|| slot.clone())
    }

    /// The slot of a variable, without evaluating it.
    fn slot(&self, variable: Ref, env: &Env<'_>) -> Slot {
        match variable {
            Ref::Local(slot) => self.stack[env.base + slot as usize].settled(),
            Ref::Captured(at) => env.captures[at as usize].settled(),
            Ref::This => env
                .this
                .map_or(Slot::Missing, |closure| Slot::Ready(Value::Function(closure.clone()))),
        }
    }

    /// The value of an expression if everything it needs is there already and nothing fails.
    pub(crate) fn attempt(&self, node: &Node, env: &Env<'_>) -> Option<Value> {
        match node {
            Node::Const(value) => Some(value.clone()),
            Node::Take(slot) => self.stack[env.base + *slot as usize].ready(),
            Node::Var(Ref::Local(slot)) => self.stack[env.base + *slot as usize].ready(),
            Node::Var(Ref::Captured(at)) => env.captures[*at as usize].ready(),
            Node::Var(Ref::This) => env.this.map(|closure| Value::Function(closure.clone())),
            Node::Part(at, name) => match self.settled_part(&env.captures[*at as usize], *name) {
                Slot::Ready(value) => Some(value),
                _ => None,
            },
            Node::Global(id) => self.global_done(*id).cloned(),
            Node::Binary(op, operands, _) => {
                let left = self.attempt_number(&operands[0], env)?;
                on_numbers(*op, left, self.attempt_number(&operands[1], env)?)
            }
            Node::If(parts) => match self.attempt(&parts[0], env)? {
                Value::Bool(true) => self.attempt(&parts[1], env),
                Value::Bool(false) => self.attempt(&parts[2], env),
                _ => None,
            },
            Node::Field(field) => match self.known_record(&field.base, env) {
                Some(record) => field.of(record)?.ready(),
                None => match self.attempt(&field.base, env)? {
                    Value::Record(record) => field.of(&record)?.ready(),
                    _ => None,
                },
            },
            Node::Neg(operand, _) => match self.attempt(operand, env)? {
                Value::Int(number) => number.checked_neg().map(Value::Int),
                _ => None,
            },
            Node::Not(operand) => match self.attempt(operand, env)? {
                Value::Bool(truth) => Some(Value::Bool(!truth)),
                _ => None,
            },
            Node::Deep(inner) => self.attempt(inner, env),
            Node::Text(parts, _) => self.attempt_text(parts, env),
            _ => None,
        }
    }

    /// As [`Self::attempt`], of an operand: operations are tried on numbers alone.
    fn attempt_number(&self, node: &Node, env: &Env<'_>) -> Option<i64> {
        let found = match node {
            Node::Const(Value::Int(number)) => return Some(*number),
            Node::Var(Ref::Local(slot)) => {
                return self.stack[env.base + *slot as usize].ready_number();
            }
            Node::Var(Ref::Captured(at)) => return env.captures[*at as usize].ready_number(),
            Node::Field(field) => match self.known_record(&field.base, env) {
                Some(record) => return field.of(record)?.ready_number(),
                None => self.attempt(node, env)?,
            },
            Node::Binary(op, operands, _) => {
                let left = self.attempt_number(&operands[0], env)?;
                on_numbers(*op, left, self.attempt_number(&operands[1], env)?)?
            }
            node => self.attempt(node, env)?,
        };
        match found {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }
}

/// An operation on two values, if they are numbers and it does not fail.
pub(crate) fn attempt_binary(op: BinaryOp, left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => on_numbers(op, *a, *b),
        _ => None,
    }
}

/// An operation on two numbers, if it does not fail.
#[inline]
pub(crate) fn on_numbers(op: BinaryOp, a: i64, b: i64) -> Option<Value> {
    Some(match op {
        BinaryOp::Add => Value::Int(a.checked_add(b)?),
        BinaryOp::Sub => Value::Int(a.checked_sub(b)?),
        BinaryOp::Lt => Value::Bool(a < b),
        BinaryOp::Eq => Value::Bool(a == b),
        BinaryOp::Mul => Value::Int(a.checked_mul(b)?),
        BinaryOp::Div => Value::Int(a.checked_div(b)?),
        BinaryOp::Rem => Value::Int(remainder(a, b)?),
        BinaryOp::Ne => Value::Bool(a != b),
        BinaryOp::Le => Value::Bool(a <= b),
        BinaryOp::Gt => Value::Bool(a > b),
        BinaryOp::Ge => Value::Bool(a >= b),
        BinaryOp::Concat | BinaryOp::And | BinaryOp::Or => return None,
    })
}

/// The remainder, which is there for every divisor but 0: by -1 it is 0, also of the least number.
#[inline]
pub(crate) fn remainder(a: i64, b: i64) -> Option<i64> {
    if b == 0 { None } else { Some(a.wrapping_rem(b)) }
}
