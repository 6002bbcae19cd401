//! The compact lowered form of a source file, which every later phase works on.
//!
//! It is plain data with byte spans, made from the lossless tree by [`crate::parse`]. Where the
//! source was broken the lowering leaves [`ExprKind::Error`], [`TypeKind::Error`] or
//! [`PatternKind::Error`], about which a diagnostic was already given, so that later phases stay silent there.

use cbuild_diag::Span;

pub use crate::deep::{Deep, DeepList};

/// An identifier as written, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// One source file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Text of the `//!` comments on top.
    pub doc: String,
    /// Items in source order.
    pub items: Vec<Item>,
}

/// A top-level item.
#[derive(Clone, Debug)]
pub struct Item {
    /// Text of the `///` comments in front.
    pub doc: String,
    /// Whether `pub` is written.
    pub public: bool,
    /// The whole item.
    pub span: Span,
    /// What it is.
    pub kind: ItemKind,
}

/// Kinds of items.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// `import std`, `import ext.openssl as ssl`, `import ./lib.cbuild as lib`.
    Import(Import),
    /// `let name: Type = expr`.
    Let(Let),
    /// `fn name<a>(params) -> Type = expr`.
    Fn(Fn),
    /// `type Name<a> = …`.
    Type(TypeItem),
    /// `protocol Redis = "io.redis"`.
    Protocol {
        /// Name, usable as a type and as a value of type `Protocol<Name>`.
        name: Ident,
        /// Identity.
        identity: String,
    },
    /// `test "name" { expr }`; the expression is a `Bool`.
    Test {
        /// What is claimed.
        name: String,
        /// The claim.
        body: Expr,
    },
}

/// An import.
#[derive(Clone, Debug)]
pub struct Import {
    /// What is imported.
    pub source: ImportSource,
    /// Name it is bound to: the `as` name, else the last path segment or the file's stem.
    pub name: Ident,
}

/// What an import names.
#[derive(Clone, Debug)]
pub enum ImportSource {
    /// A dotted module name such as `std` or `ext.openssl`.
    Module(Vec<Ident>),
    /// A file of the same module, relative to the importing file, starting with `./` or `../`.
    File {
        /// The path as written.
        path: String,
        /// Where it stands.
        span: Span,
    },
}

/// A value binding, at the top or in a `let … in`.
#[derive(Clone, Debug)]
pub struct Let {
    /// Bound name.
    pub name: Ident,
    /// Annotation.
    pub ty: Option<Type>,
    /// Value.
    pub value: Expr,
}

/// A function item.
#[derive(Clone, Debug)]
pub struct Fn {
    /// Name.
    pub name: Ident,
    /// Type parameters.
    pub generics: Vec<Ident>,
    /// Parameters.
    pub params: Vec<Param>,
    /// Result type.
    pub result: Option<Type>,
    /// Body; `None` for an `extern fn`, which the evaluator supplies.
    pub body: Option<Expr>,
}

/// A parameter of a function item or a lambda.
#[derive(Clone, Debug)]
pub struct Param {
    /// Name.
    pub name: Ident,
    /// Annotation.
    pub ty: Option<Type>,
    /// Default value, only for function items.
    pub default: Option<Expr>,
}

/// A type item.
#[derive(Clone, Debug)]
pub struct TypeItem {
    /// Name.
    pub name: Ident,
    /// Type parameters.
    pub generics: Vec<Ident>,
    /// Right side.
    pub body: TypeBody,
}

/// The right side of a type item.
#[derive(Clone, Debug)]
pub enum TypeBody {
    /// A closed nominal variant type: `A | B(Int) | C`, also `| A(Int)` with one case.
    Variants(Vec<VariantCase>),
    /// A name for a type.
    Alias(Type),
    /// `extern type`, known to the evaluator alone.
    Extern,
}

/// A case of a variant type.
#[derive(Clone, Debug)]
pub struct VariantCase {
    /// Documentation.
    pub doc: String,
    /// Constructor.
    pub name: Ident,
    /// Payload types.
    pub fields: Vec<Type>,
}

/// A type expression.
#[derive(Clone, Debug)]
pub struct Type {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: TypeKind,
}

/// Kinds of type expressions.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `Int`, `List<Str>`, `std.oci.Image<{}, l, {}>`; an undotted lower-case name is a type variable.
    Named {
        /// Dotted path; all but the last are modules.
        path: Vec<Ident>,
        /// Arguments.
        args: Vec<Type>,
    },
    /// `{ a: Int, b?: Str, c: Int = 1 | r }`.
    Record {
        /// Fields in source order.
        fields: Vec<FieldType>,
        /// Row variable after `|`.
        rest: Option<Ident>,
    },
    /// `(A, B) -> C`.
    Function(Vec<Type>, Box<Type>),
    /// Broken source.
    Error,
}

/// A field of a record type.
#[derive(Clone, Debug)]
pub struct FieldType {
    /// Name.
    pub name: Ident,
    /// `name?: T`: the field has type `Option<T>`; a literal may leave it out or give a plain `T`.
    pub optional: bool,
    /// Type.
    pub ty: Type,
    /// `name: T = expr`: a literal may leave the field out.
    pub default: Option<Expr>,
}

/// An expression.
#[derive(Clone, Debug, Default)]
pub struct Expr {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// Kinds of expressions.
#[derive(Clone, Debug, Default)]
pub enum ExprKind {
    /// A 64-bit signed number.
    Int(i64),
    /// `true`, `false`.
    Bool(bool),
    /// `"…"` or `"""…"""`, escapes resolved and indentation stripped.
    Text(Vec<TextPart>),
    /// `sh"…"` or `sh"""…"""`.
    Script(Vec<TextPart>),
    /// `./patch.diff`, normalised: `./a/../b` is `./b`, `./` is `.`, only leading `..` remain. Whether
    /// it leaves the package is for later phases to check.
    Path(String),
    /// `sha256-…`, checked by the parser.
    Hash(String),
    /// A value name, or a constructor (upper case).
    Name(Ident),
    /// `a.b`: a record field, a module member, or a constructor of a module.
    Field(Deep<Expr>, Ident),
    /// `f(a, name = b)`; `f { … }` is a call with one positional record.
    Call {
        /// Callee.
        callee: Deep<Expr>,
        /// Arguments in source order, positional ones first (checked by the parser).
        args: DeepList<Arg>,
    },
    /// `decode<T>(./file.toml)`.
    Decode {
        /// Type arguments, of which there should be one.
        types: Vec<Type>,
        /// Arguments, of which there should be one.
        args: Vec<Arg>,
    },
    /// `(x, y) => e`, `(x: Int) => e`.
    Lambda {
        /// Parameters.
        params: Vec<Param>,
        /// Body.
        body: Deep<Expr>,
    },
    /// `let a = 1 b: Int = 2 in e`; bindings may refer to each other.
    Let {
        /// Bindings.
        bindings: Vec<Let>,
        /// Result.
        body: Deep<Expr>,
    },
    /// `if c then a else b`.
    If(Deep<Expr>, Deep<Expr>, Deep<Expr>),
    /// `match e { P => e, … }`.
    Match {
        /// Matched value.
        scrutinee: Deep<Expr>,
        /// Arms in order.
        arms: Vec<Arm>,
    },
    /// `{ a = 1, b }`.
    Record(Vec<FieldValue>),
    /// `r with { a = 1 }`.
    With(Deep<Expr>, Vec<FieldValue>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// A binary operator; `|>` is lowered to a call with the left side as first argument.
    Binary(BinaryOp, Deep<Expr>, Deep<Expr>),
    /// A prefix operator.
    Unary(UnaryOp, Deep<Expr>),
    /// Broken source.
    #[default]
    Error,
}

/// A piece of text with holes.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// Plain text.
    Text(String),
    /// `#{expr}`.
    Hole(Expr),
}

/// An argument.
#[derive(Clone, Debug)]
pub struct Arg {
    /// Name, if given by name.
    pub name: Option<Ident>,
    /// Value.
    pub value: Expr,
}

/// A field of a record literal; `{ b }` is lowered to `{ b = b }`.
#[derive(Clone, Debug)]
pub struct FieldValue {
    /// Name.
    pub name: Ident,
    /// Value.
    pub value: Expr,
}

/// An arm of a `match`.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Pattern.
    pub pattern: Pattern,
    /// Result.
    pub body: Expr,
}

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: PatternKind,
}

/// Kinds of patterns.
#[derive(Clone, Debug)]
pub enum PatternKind {
    /// `_`.
    Wildcard,
    /// A lower-case name, binding the value.
    Bind(Ident),
    /// `Some(p)`, `None`, `m.Case(p)`.
    Constructor {
        /// Dotted path; all but the last are modules.
        path: Vec<Ident>,
        /// Payload patterns.
        args: Vec<Pattern>,
    },
    /// A number.
    Int(i64),
    /// `true`, `false`.
    Bool(bool),
    /// Text without holes.
    Text(String),
    /// Broken source.
    Error,
}

/// Binary operators, by falling precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `*` on `Int`.
    Mul,
    /// `/` on `Int`, truncating; division by zero is an evaluation error.
    Div,
    /// `%` on `Int`.
    Rem,
    /// `+` on `Int`.
    Add,
    /// `-` on `Int`.
    Sub,
    /// `++` on `Str`, `Script` or `List<T>`, both sides alike.
    Concat,
    /// `==` on data without functions.
    Eq,
    /// `!=`.
    Ne,
    /// `<` on `Int` or `Str`.
    Lt,
    /// `<=`.
    Le,
    /// `>`.
    Gt,
    /// `>=`.
    Ge,
    /// `&&`, lazy on the right.
    And,
    /// `||`, lazy on the right.
    Or,
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-` on `Int`.
    Neg,
    /// `!` on `Bool`.
    Not,
}
