//! Programs that must be accepted, made along their types.

use arbitrary::{Result, Unstructured};

mod packages;
mod particular;
mod types;

use self::types::Type;

/// The declarations that each program starts with.
const HEAD: &str = "import std\n\
    import ./lib.cbuild\n\
    type Shape = Dot | Square(Int) | Both(Str, List<Int>)\n\
    type Options = { name: Str, jobs: Int = 4, tag?: Str }\n\
    type Recipe = { name: Str, flags: List<Str> = [], n: Int = 0, tag?: Str }\n\
    type Tree<a> = Leaf | Node(Tree<a>, a, Tree<a>)\n\
    type Maybe<a> = { value?: a, n: Int = 1 }\n\
    type Kept<r> = | Kept(Set<r>)\n\
    protocol Web = \"io.web\"\n\
    fn counted<r>(x: { n: Int | r }, n: Int) -> { n: Int | r } = x with { n = x.n + n }\n\
    fn raised<r>(s: Set<{ n: Int | r }>, n: Int) -> Set<{ n: Int | r }> = \
    s |> extend((final, prev) => { n = prev.n + n })\n\
    fn wrapped<r>(x: r) -> Set<r> = set((_) => x)\n\
    fn unkept<r>(kept: Kept<r>) -> r = match kept { Kept(s) => members(s) }\n\
    fn size<a>(tree: Tree<a>) -> Int = match tree { Leaf => 0, Node(l, _, r) => size(l) + 1 + size(r) }\n\
    fn choose<a>(n: Int, x: a, y: a) -> a = if n > 0 then x else y\n\
    fn times(n: Int, total: Int = 1) -> Int = if n <= 0 then total else times(n - 1, total = total + n)\n";

/// Deepest nesting of generated expressions.
const DEPTH: u32 = 5;

/// A program with some items and tests.
///
/// # Errors
/// When there are no choices left at the start.
pub fn program(choices: &mut Unstructured<'_>) -> Result<String> {
    made(choices, None)
}

/// A program of which one expression or annotation is mostly of another type: it may be refused, but must
/// not go wrong if it is accepted.
///
/// # Errors
/// As [`program`].
pub fn spoiled_program(choices: &mut Unstructured<'_>) -> Result<String> {
    let at = choices.int_in_range(0..=60)?;
    made(choices, Some(at))
}

fn made(choices: &mut Unstructured<'_>, spoil: Option<u32>) -> Result<String> {
    let mut maker = Maker { choices, scope: Vec::new(), count: 0, spoil };
    let mut text = HEAD.to_owned();
    for _ in 0..maker.choices.int_in_range(1..=4)? {
        let ty = maker.ty(2)?;
        let value = maker.expr(&ty, DEPTH)?;
        let name = maker.name();
        let public = if maker.choices.arbitrary()? { "pub " } else { "" };
        text += &format!("{public}let {name}: {} = {value}\n", maker.annotation(&ty)?);
        maker.scope.push((name, ty));
    }
    let condition = maker.expr(&Type::Bool, DEPTH)?;
    Ok(text + &format!("test \"it\" {{ {condition} }}\n"))
}

struct Maker<'m, 'c> {
    choices: &'m mut Unstructured<'c>,
    /// Names in scope with their types.
    scope: Vec<(String, Type)>,
    count: usize,
    /// After how many more expressions and annotations one has another type than it should.
    spoil: Option<u32>,
}

impl Maker<'_, '_> {
    fn name(&mut self) -> String {
        self.count += 1;
        format!("v{}", self.count)
    }

    fn below(&mut self, end: u32) -> Result<u32> {
        self.choices.int_in_range(0..=end - 1)
    }

    /// Whether now is the time for another type.
    fn spoils(&mut self) -> bool {
        let now = self.spoil == Some(0);
        self.spoil = self.spoil.and_then(|left| left.checked_sub(1));
        now
    }

    /// A type as it is written behind a name.
    fn annotation(&mut self, ty: &Type) -> Result<String> {
        Ok(if self.spoils() { self.ty(1)?.text() } else { ty.text() })
    }

    fn data(&mut self, depth: u32) -> Result<Type> {
        let ty = self.ty(depth)?;
        Ok(if ty.is_data() { ty } else { Type::Int })
    }

    fn ty(&mut self, depth: u32) -> Result<Type> {
        let kinds = if depth == 0 { 11 } else { 19 };
        Ok(match self.below(kinds)? {
            0 => Type::Int,
            1 => Type::Bool,
            2 => Type::Str,
            3 => Type::Script,
            4 => Type::Shape,
            5 => Type::Options,
            6 => Type::Hash,
            7 => Type::Path,
            8 => Type::Package,
            9 => Type::Image,
            10 => Type::Overridable,
            11 => Type::List(Box::new(self.ty(depth - 1)?)),
            12 => Type::Option(Box::new(self.ty(depth - 1)?)),
            13 => Type::Map(Box::new(self.ty(depth - 1)?)),
            14 => Type::Tree(Box::new(self.ty(depth - 1)?)),
            15 => Type::Maybe(Box::new(self.ty(depth - 1)?)),
            16 | 17 => {
                let count = self.below(3)?;
                let fields = (0..count).map(|_| self.ty(depth - 1)).collect::<Result<_>>()?;
                match self.below(3)? {
                    0 => Type::Record(fields),
                    1 => Type::Set(fields),
                    _ => Type::Kept(fields),
                }
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
        if self.spoils() {
            let other = self.ty(1)?;
            return self.literal(&other, depth.min(1));
        }
        let known: Vec<String> =
            self.scope.iter().filter(|(_, of)| of == ty).map(|(name, _)| name.clone()).collect();
        if !known.is_empty() && self.below(3)? == 0 {
            return Ok(self.choices.choose(&known)?.clone());
        }
        if depth == 0 || self.choices.is_empty() {
            return self.literal(ty, 0);
        }
        match self.below(15)? {
            12 if ty.is_decoded() => self.decoded(ty),
            12 | 13 => self.through_rows(ty, depth - 1),
            14 => self.member(ty, depth - 1),
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
                let annotated = self.annotation(&bound)?;
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
                let annotated = self.annotation(&param)?;
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

    /// A value as a member of a set.
    fn member(&mut self, ty: &Type, depth: u32) -> Result<String> {
        let set = Type::Set(vec![ty.clone(), Type::Int]);
        let (name, text) = (self.name(), self.annotation(&set)?);
        let value = self.expr(&set, depth)?;
        let field = ["{}.f0", "members({}).f0"][self.below(2)? as usize].replace("{}", &name);
        Ok(format!("(let {name}: {text} = {value} in {field})"))
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
                match self.below(3)? {
                    0 if depth > 0 => {
                        let package = self.expr(&Type::Package, depth - 1)?;
                        format!("sh\"#{{{package}}}/bin/x #{{{word}}}\"")
                    }
                    _ => format!("sh\"echo $X #{{{word}}} #{{[{number}]}} #{{./dir/file}}\""),
                }
            }
            Type::Hash => packages::HASH.to_owned(),
            Type::Path => self.choices.choose(&["./a.toml", "./dir/b", "./missing"])?.to_string(),
            Type::Package => self.package(depth.saturating_sub(1))?,
            Type::Image => self.image(depth.saturating_sub(1))?,
            Type::Overridable => self.overridable(depth)?,
            Type::Set(fields) => self.set(fields, depth)?,
            Type::Kept(fields) => format!("Kept({})", self.set(fields, depth)?),
            Type::Tree(of) => match self.below(2)? {
                0 => "Leaf".to_owned(),
                _ => {
                    let item = self.expr(of, depth)?;
                    let left =
                        if depth == 0 { "Leaf".to_owned() } else { self.expr(ty, depth - 1)? };
                    format!("Node({left}, {item}, Leaf)")
                }
            },
            Type::Maybe(of) => {
                let bound = self.name();
                let value = match self.below(3)? {
                    0 => "{}".to_owned(),
                    1 => format!("{{ value = {} }}", self.expr(of, depth)?),
                    _ => format!(
                        "{{ value = {}, n = 2 }}",
                        self.expr(&Type::Option(of.clone()), depth)?
                    ),
                };
                format!("(let {bound}: {} = {value} in {bound})", self.annotation(ty)?)
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
}
