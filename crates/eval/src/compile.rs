//! From the typed core to trees with resolved slots.

use std::cell::Cell;
use std::rc::Rc;

use cbuild_diag::Span;
use cbuild_drv::ContentHash;
use cbuild_sema::ir::{self, Expr, Global, GlobalBody, GlobalId, Local, Symbol, TextPart};
use cbuild_syntax::ast::{BinaryOp, Deep, UnaryOp};

use crate::code::{
    Arg, Bind, Call, Callee, Capture, Delay, Field, Label, LambdaCode, Literals, Match, Node, Part,
    Pattern, Ref, Suspend, ThunkCode,
};
use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::order;
use crate::parts::{self, Scope};
use crate::rope::Rope;
use crate::shapes::Shapes;
use crate::stack;
use crate::strictness::{Needs, Strictness};
use crate::uses::{self, Uses};
use crate::value::{Items, List, ModulePath, Record, Value};
use crate::words::{WordCode, Words};

/// Source nesting after which the evaluator looks at the stack again.
const DEEP: u32 = 48;
/// Most parts of a value that is made at once instead of suspending the call that makes it.
const SMALL: usize = 6;
/// Largest expression that is tried at once instead of being suspended, in operations.
const CHEAP: u32 = 16;

/// The compiler of one global.
pub(crate) struct Compiler<'m, 'p> {
    shapes: &'m mut Shapes,
    strictness: &'m mut Strictness<'p>,
    words: &'m mut Words,
    global: &'p Global,
    scopes: Vec<Scope>,
    nesting: u32,
    /// How often each variable is used, counted when that is asked for.
    uses: Option<Uses>,
    /// Whether watched expressions are noted; if not, they are as if they were not marked.
    watching: bool,
}

type Compiled<T> = Result<T, Fault>;

impl<'m, 'p> Compiler<'m, 'p> {
    pub(crate) fn new(
        shapes: &'m mut Shapes,
        strictness: &'m mut Strictness<'p>,
        words: &'m mut Words,
        global: &'p Global,
    ) -> Self {
        Self {
            shapes,
            strictness,
            words,
            global,
            scopes: Vec::new(),
            nesting: 0,
            watching: false,
            uses: None,
        }
    }

    /// A compiler whose code notes the values of watched expressions.
    pub(crate) fn watching(self) -> Self {
        Self { watching: true, ..self }
    }

    /// What is to be compiled of an expression: itself, or what is watched there if nobody watches.
    fn seen<'e>(&self, mut expr: &'e Expr) -> &'e Expr {
        while let (Expr::Watch(inner, ..), false) = (expr, self.watching) {
            expr = inner;
        }
        expr
    }

    /// The body of the global, as a suspension without captures; functions carry the global's name.
    pub(crate) fn global(&mut self, id: GlobalId) -> Compiled<ThunkCode> {
        let GlobalBody::Expr(body) = &self.global.body else {
            return Err(self.defect("an extern function has no body"));
        };
        let place = self.place(self.global.span);
        self.scopes.push(Scope::default());
        let body = match self.seen(body) {
            Expr::Lambda(params, body) => {
                let words =
                    if self.watching { None } else { self.words.global(self.strictness, id) };
                self.function(params, body, None, (Some(self.global.name.as_str().into()), words))?
            }
            other => self.node(other)?,
        };
        let scope = self.scopes.pop().unwrap_or_default();
        Ok(ThunkCode { body, frame: scope.size, label: Label::None, place })
    }

    fn place(&self, span: Span) -> Place {
        Place { source: self.global.source, span }
    }

    /// The first place within an expression, else that of the global.
    fn place_of(&self, expr: &Expr) -> Place {
        self.place(span_of(expr).unwrap_or(self.global.span))
    }

    fn defect(&self, what: &str) -> Fault {
        FaultBody::defect(self.place(self.global.span), what)
    }

    // --- variables ---

    fn scope(&mut self) -> Compiled<&mut Scope> {
        let defect = FaultBody::defect(self.place(self.global.span), "code outside of any scope");
        self.scopes.last_mut().ok_or(defect)
    }

    fn declare(&mut self, local: Local) -> Compiled<u32> {
        let scope = self.scope()?;
        let slot = scope.size;
        scope.size += 1;
        scope.locals.insert(local, slot);
        Ok(slot)
    }

    fn resolve(&mut self, local: Local) -> Compiled<Ref> {
        let known =
            self.scopes.iter().any(|s| s.this == Some(local) || s.locals.contains_key(&local));
        if !known {
            return Err(self.defect("a variable is used outside of its scope"));
        }
        let scope = self.scope()?;
        if let Some(&slot) = scope.locals.get(&local) {
            return Ok(Ref::Local(slot));
        }
        if scope.this == Some(local) {
            return Ok(Ref::This);
        }
        Ok(Ref::Captured(scope.capture(local, None)))
    }

    /// The captured field of a variable, where fields are what is captured of it.
    fn resolve_part(&mut self, local: Local, name: Symbol) -> Compiled<Option<u32>> {
        let scope = self.scope()?;
        let captured = scope.parts.contains(&local) && !scope.locals.contains_key(&local);
        Ok(captured.then(|| scope.capture(local, Some(name))))
    }

    /// Leaves a scope; what it captured is resolved in the one around it.
    fn leave(&mut self) -> Compiled<(u32, Box<[Capture]>)> {
        let scope = self.scopes.pop().unwrap_or_default();
        let captures = scope.captured.iter().map(|&(local, part)| {
            let Some(name) = part else { return self.resolve(local).map(Capture::Whole) };
            Ok(match self.resolve_part(local, name)? {
                Some(at) => Capture::Again(at, name),
                None => Capture::Part(self.resolve(local)?, name),
            })
        });
        Ok((scope.size, captures.collect::<Compiled<_>>()?))
    }

    // --- expressions that are evaluated now ---

    fn node(&mut self, expr: &Expr) -> Compiled<Node> {
        let expr = self.seen(expr);
        if let Some(value) = self.constant(expr)? {
            return Ok(Node::Const(value));
        }
        self.nesting += 1;
        let deep = self.nesting.is_multiple_of(DEEP);
        let node = stack::guarded(|| self.node_inner(expr));
        self.nesting -= 1;
        Ok(if deep { Node::Deep(Deep::new(node?)) } else { node? })
    }

    fn node_inner(&mut self, expr: &Expr) -> Compiled<Node> {
        Ok(match expr {
            Expr::Local(local) => Node::Var(self.resolve(*local)?),
            Expr::Global(id) => Node::Global(id.0),
            Expr::Interpolate(parts, span) => Node::Text(self.parts(parts)?, self.place(*span)),
            Expr::Script(parts, span) => Node::Script(self.parts(parts)?, self.place(*span)),
            Expr::Call(callee, args, span) => self.call(callee, args, *span)?,
            Expr::Lambda(params, body) => self.lambda(params, body)?,
            Expr::Let(bindings, body) => self.bindings(bindings, body)?,
            Expr::If(condition, yes, no) => {
                let parts = [self.node(condition)?, self.node(yes)?, self.node(no)?];
                Node::If(Box::new(parts))
            }
            Expr::Match(scrutinee, arms, span) => self.matching(scrutinee, arms, *span)?,
            Expr::Record(_) | Expr::With(..) | Expr::Map(_) => self.fields(expr)?,
            Expr::Field(base, name, span) => {
                if let Expr::Local(local) = self.seen(base)
                    && let Some(at) = self.resolve_part(*local, *name)?
                {
                    return Ok(Node::Part(at, *name));
                }
                let (base, place) = (self.node(base)?, self.place(*span));
                Node::Field(Box::new(Field { base, name: *name, place, seen: Cell::new((0, 0)) }))
            }
            Expr::List(items) => Node::List(self.delays(items)?),
            Expr::Construct(tag, parts) => Node::Construct(*tag, self.delays(parts)?),
            Expr::Binary(op, left, right, span) => self.binary(*op, left, right, *span)?,
            Expr::Decode(decoders, path, span) => {
                let (path, place) = (Box::new(self.node(path)?), self.place(*span));
                Node::Decode(decoders.clone(), path, place)
            }
            Expr::Unary(op, operand, span) => {
                let (operand, place) = (Box::new(self.node(operand)?), self.place(*span));
                match op {
                    UnaryOp::Neg => Node::Neg(operand, place),
                    UnaryOp::Not => Node::Not(operand),
                }
            }
            Expr::Watch(inner, span, watched) => {
                Node::Watch(Box::new(self.node(inner)?), self.place(*span), *watched)
            }
            Expr::Int(_)
            | Expr::Bool(_)
            | Expr::Str(_)
            | Expr::Hash(_)
            | Expr::Path(..)
            | Expr::Protocol(_) => return Err(self.defect("a literal is not constant")),
        })
    }

    /// Records, updates of records, and maps.
    fn fields(&mut self, expr: &Expr) -> Compiled<Node> {
        Ok(match expr {
            Expr::Record(fields) => {
                let names: Vec<Symbol> = fields.iter().map(|(name, _)| *name).collect();
                let shape = self.shapes.shape(&names);
                let values = fields.iter().map(|(name, v)| self.delay(v, Label::Field(*name)));
                Node::Record(shape, values.collect::<Compiled<_>>()?)
            }
            Expr::With(base, fields) => {
                let place = self.place_of(base);
                let base = self.node(base)?;
                let values = fields
                    .iter()
                    .map(|(name, value)| Ok((*name, self.delay(value, Label::Field(*name))?)));
                Node::With(Box::new(base), values.collect::<Compiled<_>>()?, place)
            }
            Expr::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    let key = Rc::new(key.to_string());
                    Ok((key.clone(), self.delay(value, Label::Key(key))?))
                });
                Node::Map(entries.collect::<Compiled<_>>()?)
            }
            _ => return Err(self.defect("an expression without fields")),
        })
    }

    fn delays(&mut self, items: &[Expr]) -> Compiled<Box<[Delay]>> {
        items.iter().map(|item| self.delay(item, Label::None)).collect()
    }

    fn binary(&mut self, op: BinaryOp, l: &Expr, r: &Expr, span: Span) -> Compiled<Node> {
        let (left, right) = (self.node(l)?, self.node(r)?);
        let left = match (op, left, self.seen(l)) {
            (BinaryOp::Concat, Node::Var(Ref::Local(slot)), Expr::Local(local))
                if self.used_once(*local) =>
            {
                Node::Take(slot)
            }
            (_, left, _) => left,
        };
        Ok(match op {
            BinaryOp::And => Node::If(Box::new([left, right, Node::Const(Value::Bool(false))])),
            BinaryOp::Or => Node::If(Box::new([left, Node::Const(Value::Bool(true)), right])),
            _ => Node::Binary(op, Box::new([left, right]), self.place(span)),
        })
    }

    /// Whether a variable is used once at most while the function runs. Code runs at most once in a
    /// frame, so that nobody looks at the variable again after that use.
    fn used_once(&mut self, local: Local) -> bool {
        let global = self.global;
        let uses = self.uses.get_or_insert_with(|| match &global.body {
            GlobalBody::Expr(body) => uses::most(body),
            GlobalBody::Extern { .. } => Uses::new(),
        });
        !self.watching && uses.get(&local) == Some(&1)
    }

    fn parts(&mut self, parts: &[TextPart]) -> Compiled<Box<[Part]>> {
        let part = |part: &TextPart| {
            Ok(match part {
                TextPart::Text(text) => Part::Text(text.clone()),
                TextPart::Hole(hole) => Part::Hole(self.node(hole)?),
            })
        };
        parts.iter().map(part).collect()
    }

    fn call(&mut self, callee: &Expr, args: &[ir::Arg], span: Span) -> Compiled<Node> {
        let strict = match callee {
            Expr::Global(id) => self.strictness.params(*id),
            _ => Vec::new(),
        };
        let mut compiled = Vec::with_capacity(args.len());
        for (at, arg) in args.iter().enumerate() {
            compiled.push(match arg {
                ir::Arg::Default => Arg::Default,
                ir::Arg::Value(value) => match self.delay_kind(value, &strict, at)? {
                    Some(now) => Arg::Now(now),
                    None => Arg::Later(self.delay(value, Label::None)?),
                },
            });
        }
        let callee = match callee {
            Expr::Global(id) => Callee::Global(id.0),
            other => Callee::Node(self.node(other)?),
        };
        let (args, place) = (compiled.into(), self.place(span));
        Ok(Node::Call(Box::new(Call { callee, args, place })))
    }

    /// The argument as an expression to evaluate at once, if the callee surely needs it.
    fn delay_kind(&mut self, value: &Expr, strict: &[bool], at: usize) -> Compiled<Option<Node>> {
        let now = strict.get(at).copied().unwrap_or(false);
        if now { self.node(value).map(Some) } else { Ok(None) }
    }

    /// A function without a name.
    fn lambda(&mut self, params: &[ir::Param], body: &Expr) -> Compiled<Node> {
        let place = self.place_of(body);
        let words = if self.watching {
            None
        } else {
            self.words.lambda(self.strictness, params, body, place)
        };
        self.function(params, body, None, (None, words))
    }

    /// A function with what it is called by itself and by others.
    fn function(
        &mut self,
        params: &[ir::Param],
        body: &Expr,
        this: Option<Local>,
        (name, words): (Option<Rc<str>>, Option<Rc<WordCode>>),
    ) -> Compiled<Node> {
        let place = self.place_of(body);
        let cheap = is_cheap(body);
        self.scopes.push(Scope { this, ..Scope::default() });
        let nesting = std::mem::take(&mut self.nesting);
        for param in params {
            self.declare(param.local)?;
        }
        let mut defaults = Vec::new();
        for (slot, param) in (0u32..).zip(params) {
            if let Some(default) = &param.default {
                defaults.push((slot, self.delay(default, Label::None)?));
            }
        }
        let body = self.node(body)?;
        self.nesting = nesting;
        let builds = match &body {
            Node::Record(_, parts) | Node::List(parts) | Node::Construct(_, parts) => {
                parts.len() <= SMALL
            }
            _ => false,
        };
        let (frame, captures) = self.leave()?;
        let captures = captures.iter().map(|capture| match capture {
            Capture::Whole(variable) => Ok(*variable),
            _ => Err(self.defect("a function captures a field")),
        });
        let captures = captures.collect::<Compiled<_>>()?;
        let params = u32::try_from(params.len()).unwrap_or(u32::MAX);
        let defaults = defaults.into();
        let code = LambdaCode { params, frame, defaults, body, cheap, builds, words, name, place };
        Ok(Node::Lambda(Rc::new(code), captures))
    }

    // --- bindings ---

    fn bindings(&mut self, bindings: &[(Local, Expr)], body: &Expr) -> Compiled<Node> {
        let needs = self.strictness.let_needs(bindings, body);
        for (local, _) in bindings {
            self.declare(*local)?;
        }
        let mut steps = Vec::with_capacity(bindings.len());
        for group in order::groups(bindings) {
            let step = match group.members.as_slice() {
                [only] => self.single(&bindings[*only], group.recursive, &needs)?,
                members => {
                    let members = members.iter().map(|&at| self.member(&bindings[at]));
                    Bind::Group(members.collect::<Compiled<_>>()?)
                }
            };
            steps.push(step);
        }
        Ok(Node::Let(steps.into(), Box::new(self.node(body)?)))
    }

    fn single(
        &mut self,
        binding: &(Local, Expr),
        recursive: bool,
        needs: &Needs,
    ) -> Compiled<Bind> {
        let (local, value) = binding;
        let Ref::Local(slot) = self.resolve(*local)? else {
            return Err(self.defect("a binding is not in its frame"));
        };
        let value = self.seen(value);
        match value {
            // A function that calls itself reaches itself through its closure, without a cycle of counts.
            Expr::Lambda(params, body) if recursive => {
                let lambda = self.function(params, body, Some(*local), (None, None))?;
                Ok(Bind::Later(slot, Delay::Now(Box::new(lambda))))
            }
            _ if recursive => Ok(Bind::Group(Box::new([self.member(binding)?]))),
            Expr::Local(_) | Expr::Global(_) => {
                Ok(Bind::Later(slot, self.delay(value, Label::None)?))
            }
            _ if needs.contains(local) => Ok(Bind::Now(slot, self.node(value)?)),
            _ => Ok(Bind::Later(slot, self.delay(value, Label::None)?)),
        }
    }

    fn member(&mut self, (local, value): &(Local, Expr)) -> Compiled<(u32, Suspend)> {
        let Ref::Local(slot) = self.resolve(*local)? else {
            return Err(self.defect("a binding is not in its frame"));
        };
        Ok((slot, self.suspend(value, Label::None)?))
    }

    fn matching(
        &mut self,
        scrutinee: &Expr,
        arms: &[(ir::Pattern, Expr)],
        span: Span,
    ) -> Compiled<Node> {
        let scrutinee = self.node(scrutinee)?;
        let mut compiled = Vec::with_capacity(arms.len());
        for (pattern, body) in arms {
            let pattern = self.pattern(pattern)?;
            compiled.push((pattern, self.node(body)?));
        }
        let literals = Literals::of(&compiled);
        let (arms, place) = (compiled.into(), self.place(span));
        Ok(Node::Match(Box::new(Match { scrutinee, arms, literals, place })))
    }

    fn pattern(&mut self, pattern: &ir::Pattern) -> Compiled<Pattern> {
        Ok(match pattern {
            ir::Pattern::Wildcard => Pattern::Wildcard,
            ir::Pattern::Bind(local) => Pattern::Bind(self.declare(*local)?),
            ir::Pattern::Construct(tag, parts) if parts.is_empty() => Pattern::Tag(*tag),
            ir::Pattern::Construct(tag, parts) => {
                let parts = parts.iter().map(|part| self.pattern(part));
                Pattern::Construct(*tag, parts.collect::<Compiled<_>>()?)
            }
            ir::Pattern::Int(number) => Pattern::Int(*number),
            ir::Pattern::Bool(truth) => Pattern::Bool(*truth),
            ir::Pattern::Str(text) => Pattern::Str(text.clone()),
        })
    }

    // --- expressions that may never be needed ---

    fn delay(&mut self, expr: &Expr, label: Label) -> Compiled<Delay> {
        let expr = self.seen(expr);
        if let Some(value) = self.constant(expr)? {
            return Ok(Delay::Const(value));
        }
        Ok(match expr {
            Expr::Local(local) => Delay::Var(self.resolve(*local)?),
            Expr::Global(id) => Delay::Global(id.0),
            Expr::Lambda(..)
            | Expr::Record(_)
            | Expr::List(_)
            | Expr::Map(_)
            | Expr::Construct(..) => Delay::Now(Box::new(self.node(expr)?)),
            _ if is_cheap(expr) => {
                let now = self.node(expr)?;
                Delay::Try(Box::new(now), self.suspend(expr, label)?)
            }
            _ => Delay::Later(self.suspend(expr, label)?),
        })
    }

    fn suspend(&mut self, expr: &Expr, label: Label) -> Compiled<Suspend> {
        let place = self.place_of(expr);
        let parts = if self.watching { Vec::new() } else { parts::captured(expr) };
        self.scopes.push(Scope { parts, ..Scope::default() });
        let body = self.node(expr)?;
        let (frame, captures) = self.leave()?;
        Ok(Suspend { code: Rc::new(ThunkCode { body, frame, label, place }), captures })
    }

    /// The value of a literal.
    fn constant(&mut self, expr: &Expr) -> Compiled<Option<Value>> {
        Ok(Some(match expr {
            Expr::Int(number) => Value::Int(*number),
            Expr::Bool(truth) => Value::Bool(*truth),
            Expr::Str(text) => Value::text(&**text),
            Expr::Hash(text) => Value::Hash(Rc::new(self.hash(text)?)),
            Expr::Path(source, path, _) => {
                Value::Path(Rc::new(ModulePath { source: *source, path: path.clone() }))
            }
            Expr::Protocol(identity) => Value::Protocol(Rc::new(identity.to_string())),
            Expr::Construct(tag, parts) if parts.is_empty() => Value::Tag(*tag),
            Expr::List(items) if items.is_empty() => {
                Value::List(Rc::new(List { items: Items::default() }))
            }
            Expr::Map(entries) if entries.is_empty() => Value::Map(crate::map::Map::default()),
            Expr::Record(fields) if fields.is_empty() => {
                let (shape, fields) = (self.shapes.shape(&[]), Vec::new().into());
                Value::Record(Rc::new(Record { shape, fields }))
            }
            Expr::Script(parts, _) => match parts.as_slice() {
                [] => Value::Script(Rope::default()),
                [TextPart::Text(text)] => Value::Script(Rope::text(&**text)),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }

    fn hash(&self, text: &str) -> Compiled<ContentHash> {
        ContentHash::parse(text).map_err(|error| {
            let place = self.place(self.global.span);
            FaultBody::new(codes::ARGUMENT, place, error.to_string(), "in this definition")
        })
    }
}

/// Whether an expression needs neither a call nor an allocation, and few operations.
fn is_cheap(expr: &Expr) -> bool {
    spend(expr, &mut { CHEAP })
}

/// Takes the operations of an expression from what is left; it is not followed further than that.
fn spend(expr: &Expr, left: &mut u32) -> bool {
    if let Expr::Watch(inner, ..) = expr {
        return spend(inner, left);
    }
    let Some(rest) = left.checked_sub(1) else { return false };
    *left = rest;
    match expr {
        Expr::Int(_) | Expr::Bool(_) | Expr::Str(_) | Expr::Local(_) | Expr::Global(_) => true,
        Expr::Field(base, ..) => spend(base, left),
        Expr::Interpolate(parts, _) => parts.iter().all(|part| match part {
            TextPart::Text(_) => left.checked_sub(1).map(|rest| *left = rest).is_some(),
            TextPart::Hole(hole) => spend(hole, left),
        }),
        Expr::Unary(_, operand, _) => spend(operand, left),
        Expr::Binary(BinaryOp::Concat, ..) => false,
        Expr::Binary(_, a, b, _) => spend(a, left) && spend(b, left),
        Expr::If(condition, yes, no) => [condition, yes, no].iter().all(|part| spend(part, left)),
        _ => false,
    }
}

/// A span within an expression, found without going deep.
pub(crate) fn span_of(mut expr: &Expr) -> Option<Span> {
    loop {
        expr = match expr {
            Expr::Path(_, _, span)
            | Expr::Interpolate(_, span)
            | Expr::Script(_, span)
            | Expr::Call(_, _, span)
            | Expr::Match(_, _, span)
            | Expr::Field(_, _, span)
            | Expr::Binary(_, _, _, span)
            | Expr::Decode(_, _, span)
            | Expr::Unary(_, _, span) => return Some(*span),
            Expr::Watch(_, span, _) => return Some(*span),
            Expr::Let(_, body) => body,
            Expr::If(condition, ..) => condition,
            Expr::With(base, _) => base,
            Expr::Lambda(_, body) => body,
            Expr::List(items) | Expr::Construct(_, items) => items.first()?,
            Expr::Record(fields) => &fields.first()?.1,
            _ => return None,
        };
    }
}
