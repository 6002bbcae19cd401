//! Programs that must be accepted, made along their types.

use arbitrary::{Result, Unstructured};

/// Types of generated expressions.
#[derive(Clone, PartialEq)]
enum Type {
    Int,
    Bool,
    Str,
    Script,
    /// The variant type of each program.
    Shape,
    /// The record type with a default and an optional field of each program.
    Options,
    List(Box<Type>),
    Option(Box<Type>),
    Map(Box<Type>),
    Record(Vec<Type>),
    Function(Vec<Type>, Box<Type>),
}

/// The declarations that each program starts with.
const HEAD: &str = "import std\n\
    import ./lib.cbuild\n\
    type Shape = Dot | Square(Int) | Both(Str, List<Int>)\n\
    type Options = { name: Str, jobs: Int = 4, tag?: Str }\n\
    fn choose<a>(n: Int, x: a, y: a) -> a = if n > 0 then x else y\n\
    fn times(n: Int, total: Int = 1) -> Int = if n <= 0 then total else times(n - 1, total = total + n)\n";

/// Deepest nesting of generated expressions.
const DEPTH: u32 = 5;

/// A program with some items and tests.
///
/// # Errors
/// When there are no choices left at the start.
pub fn program(choices: &mut Unstructured<'_>) -> Result<String> {
    let mut maker = Maker { choices, scope: Vec::new(), count: 0 };
    let mut text = HEAD.to_owned();
    for _ in 0..maker.choices.int_in_range(1..=4)? {
        let ty = maker.ty(2)?;
        let value = maker.expr(&ty, DEPTH)?;
        let name = maker.name();
        let public = if maker.choices.arbitrary()? { "pub " } else { "" };
        text += &format!("{public}let {name}: {} = {value}\n", ty.text());
        maker.scope.push((name, ty));
    }
    let condition = maker.expr(&Type::Bool, DEPTH)?;
    Ok(text + &format!("test \"it\" {{ {condition} }}\n"))
}

impl Type {
    fn text(&self) -> String {
        match self {
            Self::Int => "Int".to_owned(),
            Self::Bool => "Bool".to_owned(),
            Self::Str => "Str".to_owned(),
            Self::Script => "Script".to_owned(),
            Self::Shape => "Shape".to_owned(),
            Self::Options => "Options".to_owned(),
            Self::List(of) => format!("List<{}>", of.text()),
            Self::Option(of) => format!("Option<{}>", of.text()),
            Self::Map(of) => format!("Map<{}>", of.text()),
            Self::Record(fields) => {
                let field = |(at, ty): (usize, &Self)| format!("f{at}: {}", ty.text());
                let fields: Vec<String> = fields.iter().enumerate().map(field).collect();
                format!("{{ {} }}", fields.join(", "))
            }
            Self::Function(params, result) => {
                let params: Vec<String> = params.iter().map(Self::text).collect();
                format!("({}) -> {}", params.join(", "), result.text())
            }
        }
    }

    /// Whether values can be compared.
    fn is_data(&self) -> bool {
        match self {
            Self::List(of) | Self::Option(of) | Self::Map(of) => of.is_data(),
            Self::Record(fields) => fields.iter().all(Self::is_data),
            Self::Function(..) => false,
            _ => true,
        }
    }
}

struct Maker<'m, 'c> {
    choices: &'m mut Unstructured<'c>,
    /// Names in scope with their types.
    scope: Vec<(String, Type)>,
    count: usize,
}

impl Maker<'_, '_> {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    fn below(&mut self, end: u32) -> Result<u32> {
        self.choices.int_in_range(0..=end - 1)
    }

    fn data(&mut self, depth: u32) -> Result<Type> {
        let ty = self.ty(depth)?;
        Ok(if ty.is_data() { ty } else { Type::Int })
    }

    fn ty(&mut self, depth: u32) -> Result<Type> {
        let kinds = if depth == 0 { 6 } else { 11 };
        Ok(match self.below(kinds)? {
            0 => Type::Int,
            1 => Type::Bool,
            2 => Type::Str,
            3 => Type::Script,
            4 => Type::Shape,
            5 => Type::Options,
            6 => Type::List(Box::new(self.ty(depth - 1)?)),
            7 => Type::Option(Box::new(self.ty(depth - 1)?)),
            8 => Type::Map(Box::new(self.ty(depth - 1)?)),
            9 => {
                let count = self.below(3)?;
                Type::Record((0..count).map(|_| self.ty(depth - 1)).collect::<Result<_>>()?)
            }
            _ => {
                let count = self.below(3)?;
                let params = (0..count).map(|_| self.ty(depth - 1)).collect::<Result<_>>()?;
                Type::Function(params, Box::new(self.ty(depth - 1)?))
            }
        })
    }

    /// An expression of a type; where the type must be known from elsewhere, it is.
    fn expr(&mut self, ty: &Type, depth: u32) -> Result<String> {
        let known: Vec<String> =
            self.scope.iter().filter(|(_, of)| of == ty).map(|(name, _)| name.clone()).collect();
        if !known.is_empty() && self.below(3)? == 0 {
            return Ok(self.choices.choose(&known)?.clone());
        }
        if depth == 0 || self.choices.is_empty() {
            return self.literal(ty, 0);
        }
        match self.below(12)? {
            0..=3 => self.literal(ty, depth - 1),
            4 | 5 => self.particular(ty, depth - 1),
            other => self.general(ty, depth - 1, other),
        }
    }

    /// A form that gives values of every type.
    fn general(&mut self, ty: &Type, depth: u32, form: u32) -> Result<String> {
        Ok(match form {
            6 => {
                let condition = self.expr(&Type::Bool, depth)?;
                let (then, other) = (self.expr(ty, depth)?, self.expr(ty, depth)?);
                format!("(if {condition} then {then} else {other})")
            }
            7 => {
                let bound = self.ty(1)?;
                let value = self.expr(&bound, depth)?;
                let name = self.name();
                let annotated = bound.text();
                let body = self.with((name.clone(), bound), |maker| maker.expr(ty, depth))?;
                format!("(let {name}: {annotated} = {value} in {body})")
            }
            8 => {
                let text = ty.text();
                let (n, x, y) =
                    (self.expr(&Type::Int, depth)?, self.expr(ty, depth)?, self.expr(ty, depth)?);
                format!("(let c: (Int, {text}, {text}) -> {text} = choose in c({n}, {x}, {y}))")
            }
            9 => self.matching(ty, depth)?,
            10 => {
                let param = self.ty(1)?;
                let argument = self.expr(&param, depth)?;
                let name = self.name();
                let annotated = param.text();
                let body = self.with((name.clone(), param), |maker| maker.expr(ty, depth))?;
                let (result, called) = (ty.text(), self.name());
                format!(
                    "(let {called}: ({annotated}) -> {result} = {name} => {body} in {called}({argument}))"
                )
            }
            _ => {
                let (value, other) = (self.expr(ty, depth)?, self.ty(1)?);
                let text = Type::Record(vec![ty.clone(), other.clone()]).text();
                let (first, other) = (self.expr(ty, depth)?, self.expr(&other, depth)?);
                let name = self.name();
                format!(
                    "(let {name}: {text} = {{ f0 = {first}, f1 = {other} }} in ({name} with {{ f0 = {value} }}).f0)"
                )
            }
        })
    }

    fn with<T>(&mut self, name: (String, Type), run: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(name);
        let result = run(self);
        self.scope.pop();
        result
    }

    fn matching(&mut self, ty: &Type, depth: u32) -> Result<String> {
        let name = self.name();
        let bound = (name.clone(), Type::Int);
        Ok(match self.below(3)? {
            0 => {
                let looked = self.expr(&Type::Shape, depth)?;
                let dot = self.expr(ty, depth)?;
                let square = self.with(bound, |maker| maker.expr(ty, depth))?;
                let both = self.expr(ty, depth)?;
                format!(
                    "(match {looked} {{ Dot => {dot}, Square({name}) => {square}, Both(_, _) => {both} }})"
                )
            }
            1 => {
                let looked = self.expr(&Type::Option(Box::new(Type::Int)), depth)?;
                let (some, none) =
                    (self.with(bound, |maker| maker.expr(ty, depth))?, self.expr(ty, depth)?);
                format!(
                    "(match {looked} {{ Some(0) => {none}, Some({name}) => {some}, None => {none} }})"
                )
            }
            _ => {
                let looked = self.expr(&Type::Int, depth)?;
                let (zero, other) =
                    (self.expr(ty, depth)?, self.with(bound, |maker| maker.expr(ty, depth))?);
                format!("(match {looked} {{ 0 => {zero}, -1 => {zero}, {name} => {other} }})")
            }
        })
    }

    fn items(&mut self, of: &Type, depth: u32) -> Result<Vec<String>> {
        let most = if depth == 0 { 1 } else { 3 };
        (0..self.below(most + 1)?).map(|_| self.expr(of, depth)).collect()
    }

    fn literal(&mut self, ty: &Type, depth: u32) -> Result<String> {
        Ok(match ty {
            Type::Int => self
                .choices
                .choose(&["0", "1", "7", "-3", "100", "9223372036854775807"])?
                .to_string(),
            Type::Bool => self.choices.choose(&["true", "false"])?.to_string(),
            Type::Str => self
                .choices
                .choose(&[
                    "\"\"",
                    "\"a\"",
                    "\"b c\"",
                    "\"\\u{e9}\\n\"",
                    "\"\"\"\n  x\n    y\n  \"\"\"",
                    "\"it's\"",
                ])?
                .to_string(),
            Type::Script => {
                let (word, number) = (self.expr(&Type::Str, depth)?, self.expr(&Type::Int, depth)?);
                format!("sh\"echo $X #{{{word}}} #{{[{number}]}} #{{./dir/file}}\"")
            }
            Type::Shape => match self.below(3)? {
                0 => "Dot".to_owned(),
                1 => format!("Square({})", self.expr(&Type::Int, depth)?),
                _ => {
                    let text = self.expr(&Type::Str, depth)?;
                    format!("Shape.Both({text}, [{}])", self.items(&Type::Int, depth)?.join(", "))
                }
            },
            Type::Options => {
                let name = self.expr(&Type::Str, depth)?;
                let value = match self.below(3)? {
                    0 => format!("{{ name = {name} }}"),
                    1 => format!("{{ name = {name}, jobs = {} }}", self.expr(&Type::Int, depth)?),
                    _ => format!("{{ tag = {}, name = {name} }}", self.expr(&Type::Str, depth)?),
                };
                let bound = self.name();
                format!("(let {bound}: Options = {value} in {bound})")
            }
            Type::List(of) => format!("[{}]", self.items(of, depth)?.join(", ")),
            Type::Option(of) => match self.below(2)? {
                0 => "None".to_owned(),
                _ => format!("Some({})", self.expr(of, depth)?),
            },
            Type::Map(of) => {
                let values = self.items(of, depth)?;
                let key = |at: usize| ["a", "\"x-y\"", "\"\""][at % 3];
                let entries: Vec<String> =
                    values.iter().enumerate().map(|(at, v)| format!("{} = {v}", key(at))).collect();
                let bound = self.name();
                format!("(let {bound}: {} = {{ {} }} in {bound})", ty.text(), entries.join(", "))
            }
            Type::Record(fields) => {
                let mut values = Vec::new();
                for (at, field) in fields.iter().enumerate() {
                    values.push(format!("f{at} = {}", self.expr(field, depth)?));
                }
                format!("{{ {} }}", values.join(", "))
            }
            Type::Function(params, result) => {
                let names: Vec<String> = params.iter().map(|_| self.name()).collect();
                let typed = names.iter().cloned().zip(params.iter().cloned());
                let outer = self.scope.len();
                self.scope.extend(typed.clone());
                let body = self.expr(result, depth);
                self.scope.truncate(outer);
                let params: Vec<String> =
                    typed.map(|(name, ty)| format!("{name}: {}", ty.text())).collect();
                format!("(({}) => {})", params.join(", "), body?)
            }
        })
    }

    /// A form that gives values of this type alone.
    fn particular(&mut self, ty: &Type, depth: u32) -> Result<String> {
        Ok(match ty {
            Type::Int => self.number(depth)?,
            Type::Bool => self.condition(depth)?,
            Type::Str => {
                let (a, b) = (self.expr(&Type::Str, depth)?, self.expr(&Type::Str, depth)?);
                match self.below(5)? {
                    0 => format!("({a} ++ {b})"),
                    1 => format!("\"#{{{a}}}-#{{{b}}}\""),
                    2 => format!("std.text.replace({a}, \"b\", {b})"),
                    3 => format!("std.text.join([{a}, {b}], \", \")"),
                    _ => format!("std.text.slice({a}, 0, {})", self.expr(&Type::Int, depth)?),
                }
            }
            Type::Script => {
                let (a, b) = (self.expr(ty, depth)?, self.expr(ty, depth)?);
                format!("({a} ++ sh\"; #{{{b}}}\")")
            }
            Type::List(of) => {
                let (a, b) = (self.expr(ty, depth)?, self.expr(ty, depth)?);
                match self.below(4)? {
                    0 => format!("({a} ++ {b})"),
                    1 => format!("std.list.reverse({a})"),
                    2 => {
                        let name = self.name();
                        let text = of.text();
                        let keep = self.with((name.clone(), (**of).clone()), |maker| {
                            maker.expr(&Type::Bool, depth)
                        })?;
                        format!("std.list.filter({a}, ({name}: {text}) => {keep})")
                    }
                    _ => format!("std.list.slice({a}, 1, {})", self.expr(&Type::Int, depth)?),
                }
            }
            Type::Option(of) => {
                let list = self.expr(&Type::List(of.clone()), depth)?;
                format!("std.list.at({list}, {})", self.expr(&Type::Int, depth)?)
            }
            Type::Map(of) => {
                let map = self.expr(ty, depth)?;
                let (key, value) = (self.expr(&Type::Str, depth)?, self.expr(of, depth)?);
                format!("std.map.set({map}, {key}, {value})")
            }
            other => self.literal(other, depth)?,
        })
    }

    fn number(&mut self, depth: u32) -> Result<String> {
        let (a, b) = (self.expr(&Type::Int, depth)?, self.expr(&Type::Int, depth)?);
        Ok(match self.below(8)? {
            form @ 0..=4 => format!("({a} {} {b})", ["+", "-", "*", "/", "%"][form as usize]),
            5 => format!("times({a} % 50)"),
            6 => {
                let of = self.ty(1)?;
                format!("std.list.length({})", self.expr(&Type::List(Box::new(of)), depth)?)
            }
            _ => format!("std.list.fold([{a}, {b}, 3], 0, (sum, item) => sum + lib.twice(item))"),
        })
    }

    fn condition(&mut self, depth: u32) -> Result<String> {
        Ok(match self.below(5)? {
            0 => {
                let ty = self.data(2)?;
                let text = ty.text();
                let (a, b) = (self.expr(&ty, depth)?, self.expr(&ty, depth)?);
                let (x, y) = (self.name(), self.name());
                format!("(let {x}: {text} = {a} {y}: {text} = {b} in {x} == {y})")
            }
            1 => {
                let (a, b) = (self.expr(&Type::Int, depth)?, self.expr(&Type::Int, depth)?);
                format!("({a} <= {b})")
            }
            2 => {
                let (a, b) = (self.expr(&Type::Bool, depth)?, self.expr(&Type::Bool, depth)?);
                format!("({a} && !{b})")
            }
            3 => {
                let (a, b) = (self.expr(&Type::Str, depth)?, self.expr(&Type::Str, depth)?);
                format!("({a} < {b})")
            }
            _ => {
                let of = self.data(1)?;
                let text = of.text();
                let (list, item) =
                    (self.expr(&Type::List(Box::new(of.clone())), depth)?, self.expr(&of, depth)?);
                let (x, y) = (self.name(), self.name());
                format!(
                    "(let {x}: List<{text}> = {list} {y}: {text} = {item} in std.list.contains({x}, {y}))"
                )
            }
        })
    }
}
