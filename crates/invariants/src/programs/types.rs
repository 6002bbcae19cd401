//! The types of generated expressions.

/// A type.
#[derive(Clone, PartialEq)]
pub(super) enum Type {
    Int,
    Bool,
    Str,
    Hash,
    Path,
    Script,
    Package,
    Image,
    /// The variant type of each program.
    Shape,
    /// The record type with a default and an optional field of each program.
    Options,
    /// A package that remembers its recipe.
    Overridable,
    List(Box<Type>),
    Option(Box<Type>),
    Map(Box<Type>),
    /// A variant type with a parameter, which contains itself.
    Tree(Box<Type>),
    /// A record type with a parameter, of which a field is optional.
    Maybe(Box<Type>),
    Record(Vec<Type>),
    Set(Vec<Type>),
    /// A variant that holds a set.
    Kept(Vec<Type>),
    Function(Vec<Type>, Box<Type>),
}

impl Type {
    /// The type as it is written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Int => "Int".to_owned(),
            Self::Bool => "Bool".to_owned(),
            Self::Str => "Str".to_owned(),
            Self::Hash => "Hash".to_owned(),
            Self::Path => "Path".to_owned(),
            Self::Script => "Script".to_owned(),
            Self::Package => "Package".to_owned(),
            Self::Image => "Image<{}, { main: Endpoint<Web> }, {}>".to_owned(),
            Self::Shape => "Shape".to_owned(),
            Self::Options => "Options".to_owned(),
            Self::Overridable => "Overridable<Recipe>".to_owned(),
            Self::List(of) => format!("List<{}>", of.text()),
            Self::Option(of) => format!("Option<{}>", of.text()),
            Self::Map(of) => format!("Map<{}>", of.text()),
            Self::Tree(of) => format!("Tree<{}>", of.text()),
            Self::Maybe(of) => format!("Maybe<{}>", of.text()),
            Self::Record(fields) => record(fields),
            Self::Set(fields) => format!("Set<{}>", record(fields)),
            Self::Kept(fields) => format!("Kept<{}>", record(fields)),
            Self::Function(params, result) => {
                let params: Vec<String> = params.iter().map(Self::text).collect();
                format!("({}) -> {}", params.join(", "), result.text())
            }
        }
    }

    /// Whether each part of the type is one of which `of` is true.
    fn all(&self, of: fn(&Self) -> bool) -> bool {
        of(self)
            && match self {
                Self::List(inner)
                | Self::Option(inner)
                | Self::Map(inner)
                | Self::Tree(inner)
                | Self::Maybe(inner) => inner.all(of),
                Self::Record(fields) | Self::Set(fields) | Self::Kept(fields) => {
                    fields.iter().all(|field| field.all(of))
                }
                Self::Function(params, result) => {
                    params.iter().all(|param| param.all(of)) && result.all(of)
                }
                _ => true,
            }
    }

    /// Whether values can be compared.
    pub(super) fn is_data(&self) -> bool {
        self.all(|ty| !matches!(ty, Self::Function(..)))
    }

    /// Whether a file can hold values of it.
    pub(super) fn is_decoded(&self) -> bool {
        self.all(|ty| {
            !matches!(
                ty,
                Self::Function(..)
                    | Self::Path
                    | Self::Script
                    | Self::Package
                    | Self::Image
                    | Self::Overridable
                    | Self::Set(_)
                    | Self::Kept(_)
            )
        })
    }
}

fn record(fields: &[Type]) -> String {
    let field = |(at, ty): (usize, &Type)| format!("f{at}: {}", ty.text());
    let fields: Vec<String> = fields.iter().enumerate().map(field).collect();
    format!("{{ {} }}", fields.join(", "))
}
