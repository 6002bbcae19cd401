//! The typed core: what is left of a program after names and types were checked.
//!
//! Everything implicit is explicit here: names are slots, arguments are positional, optional and
//! defaulted record fields are filled in, injections are constructor calls, text holes say how they are
//! converted. Types are gone; the checker vouches for them. The evaluator depends on this form alone.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::{SourceId, Span};
use cbuild_syntax::ast::{Deep, DeepList};

/// A checked program: every module that the entry module reaches.
#[derive(Debug, Default)]
pub struct Program {
    /// All globals; a [`GlobalId`] is an index.
    pub globals: Vec<Global>,
    /// Modules in the order they were loaded; a [`ModuleId`] is an index.
    pub modules: Vec<Module>,
    /// Interned names; a [`Symbol`] is an index.
    pub symbols: Vec<Rc<str>>,
}

/// Index of an interned name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

/// Index into [`Program::globals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GlobalId(pub u32);

/// Index into [`Program::modules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub u32);

/// A local variable, numbered within its global.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Local(pub u32);

/// A module, that is one file.
#[derive(Debug)]
pub struct Module {
    /// Its source.
    pub source: SourceId,
    /// Whether it is a file of the standard library.
    pub library: bool,
    /// Public values and re-exported modules by name.
    pub exports: BTreeMap<String, Export>,
    /// Tests in source order, each a global of type `Bool`.
    pub tests: Vec<(String, GlobalId)>,
}

/// What a public name of a module stands for.
#[derive(Clone, Debug)]
pub enum Export {
    /// A value.
    Value {
        /// The global.
        global: GlobalId,
        /// Its type, as shown to a reader.
        ty: String,
    },
    /// A module, from `pub import`.
    Module(ModuleId),
}

/// A top-level value.
#[derive(Debug)]
pub struct Global {
    /// Readable name for traces, such as `std.cc.build`.
    pub name: String,
    /// Where it is defined.
    pub source: SourceId,
    /// Its definition's span.
    pub span: Span,
    /// Value.
    pub body: GlobalBody,
    /// Number of locals in the body; locals are `0..locals`.
    pub locals: u32,
}

/// The value of a global.
#[derive(Debug)]
pub enum GlobalBody {
    /// An expression (a function item is a [`Expr::Lambda`]).
    Expr(Expr),
    /// Supplied by the evaluator under this name, such as `list_map`.
    Extern {
        /// Name as written in the `extern fn` item.
        name: String,
        /// Number of parameters.
        arity: usize,
    },
}

/// A parameter.
#[derive(Debug)]
pub struct Param {
    /// Slot.
    pub local: Local,
    /// Evaluated, in the scope of the parameters before it, when the caller passes [`Arg::Default`].
    pub default: Option<Expr>,
}

/// An argument of a call.
#[derive(Debug)]
pub enum Arg {
    /// A value.
    Value(Expr),
    /// The parameter's default; only in calls of globals that are lambdas.
    Default,
}

/// An expression of the core. Spans are given where an evaluation error can point. The default one is
/// what is left where a part was taken out.
#[derive(Debug)]
pub enum Expr {
    /// A number.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// Plain text.
    Str(Rc<str>),
    /// A content hash in text form.
    Hash(Rc<str>),
    /// A path of the module of the given source, relative to that source's folder, such as `./patch.diff`.
    Path(SourceId, Rc<str>, Span),
    /// Text with holes: all parts evaluate to `Str`, `Int` or `Bool`; the result is a `Str`.
    Interpolate(Vec<TextPart>, Span),
    /// Script with holes; the result is a `Script`.
    Script(Vec<TextPart>, Span),
    /// A local variable.
    Local(Local),
    /// A global.
    Global(GlobalId),
    /// `callee(args)`, always with the callee's full number of arguments.
    Call(Deep<Expr>, DeepList<Arg>, Span),
    /// A function.
    Lambda(Vec<Param>, Rc<Expr>),
    /// Mutually recursive lazy bindings.
    Let(Vec<(Local, Expr)>, Deep<Expr>),
    /// Conditional.
    If(Deep<Expr>, Deep<Expr>, Deep<Expr>),
    /// A match that the checker found exhaustive.
    Match(Deep<Expr>, Vec<(Pattern, Expr)>, Span),
    /// A record; fields sorted by name text, each lazy.
    Record(Vec<(Symbol, Expr)>),
    /// A copy of a record with some fields replaced; all of them exist.
    With(Deep<Expr>, Vec<(Symbol, Expr)>),
    /// A `Map<T>` from a record literal; sorted by key.
    Map(Vec<(Rc<str>, Expr)>),
    /// A field of a record, or of an extern type with fields (`Package`).
    Field(Deep<Expr>, Symbol, Span),
    /// A list; items are lazy.
    List(Vec<Expr>),
    /// A constructor applied to all its arguments; `Some`, `None` and user variants alike.
    Construct(Symbol, Vec<Expr>),
    /// A protocol value with its identity.
    Protocol(Rc<str>),
    /// The content of a file, decoded; the operand evaluates to a path.
    Decode(Rc<Decoders>, Deep<Expr>, Span),
    /// A binary operation; operands are of a type that the operator accepts.
    Binary(cbuild_syntax::ast::BinaryOp, Deep<Expr>, Deep<Expr>, Span),
    /// A prefix operation.
    Unary(cbuild_syntax::ast::UnaryOp, Deep<Expr>, Span),
    /// A part of a test or of a lone expression, whose value tells a reader why the test fails. It
    /// means what its operand means; the span is the part's.
    Watch(Deep<Expr>, Span, Watched),
}

impl Default for Expr {
    fn default() -> Self {
        Self::Bool(false)
    }
}

/// What the value of a watched expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// To be shown.
    Shown,
    /// To be compared with the other side of an operator; a literal shows itself.
    Literal,
}

/// How a file becomes a value: decoders that refer to one another by index. The first one is for the
/// whole file.
#[derive(Debug)]
pub struct Decoders(pub Vec<Decoder>);

/// How a part of a file becomes a value.
#[derive(Debug)]
pub enum Decoder {
    /// A number without a fraction.
    Int,
    /// A truth value.
    Bool,
    /// Text.
    Str,
    /// The text form of a hash.
    Hash,
    /// Nothing or null is `None`.
    Option(usize),
    /// A list.
    List(usize),
    /// A table with any keys.
    Map(usize),
    /// A table; fields sorted by name text. Other keys of the table are ignored.
    Record(Vec<DecoderField>),
    /// The name of a case as text, or a table of that name and the payload.
    Variant(Vec<DecoderCase>),
}

/// A field of a decoded record.
#[derive(Debug)]
pub struct DecoderField {
    /// Name.
    pub name: Symbol,
    /// Index of its decoder.
    pub decoder: usize,
    /// What stands for it when the table does not have it.
    pub absent: Absent,
}

/// What stands for a field that is not there.
#[derive(Clone, Copy, Debug)]
pub enum Absent {
    /// Nothing: it must be there.
    Refused,
    /// `None`.
    None,
    /// The value of this global.
    Default(GlobalId),
}

/// A case of a decoded variant.
#[derive(Debug)]
pub struct DecoderCase {
    /// Its constructor.
    pub name: Symbol,
    /// Indices of the decoders of its payload.
    pub fields: Vec<usize>,
}

/// A piece of text with holes.
#[derive(Debug)]
pub enum TextPart {
    /// Plain text.
    Text(Rc<str>),
    /// A hole.
    Hole(Expr),
}

/// A checked pattern.
#[derive(Debug)]
pub enum Pattern {
    /// Matches anything.
    Wildcard,
    /// Binds the value.
    Bind(Local),
    /// A constructor with payload patterns.
    Construct(Symbol, Vec<Pattern>),
    /// A number.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// Text.
    Str(Rc<str>),
}
