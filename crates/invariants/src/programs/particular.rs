//! Forms that give values of one type alone.

use arbitrary::Result;

use super::Maker;
use super::types::Type;

impl Maker<'_, '_> {
    /// A form that gives values of this type alone.
    pub(super) fn particular(&mut self, ty: &Type, depth: u32) -> Result<String> {
        Ok(match ty {
            Type::Int => self.number(depth)?,
            Type::Bool => self.condition(depth)?,
            Type::Str => {
                let (a, b) = (self.expr(&Type::Str, depth)?, self.expr(&Type::Str, depth)?);
                match self.below(6)? {
                    5 => format!("({}).name", self.expr(&Type::Package, depth)?),
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
            Type::Set(fields) => self.changed_set(fields, depth)?,
            Type::Kept(fields) => format!("Kept({})", self.changed_set(fields, depth)?),
            Type::Record(fields) => {
                let set = Type::Set(fields.clone());
                let (name, text) = (self.name(), self.annotation(&set)?);
                format!("(let {name}: {text} = {} in members({name}))", self.expr(&set, depth)?)
            }
            Type::Package => {
                let name = self.name();
                let of = self.expr(&Type::Overridable, depth)?;
                format!("(let {name}: Overridable<Recipe> = {of} in {name}.package)")
            }
            other => self.literal(other, depth)?,
        })
    }

    fn number(&mut self, depth: u32) -> Result<String> {
        let (a, b) = (self.expr(&Type::Int, depth)?, self.expr(&Type::Int, depth)?);
        Ok(match self.below(9)? {
            8 => {
                let of = self.ty(1)?;
                format!("size({})", self.expr(&Type::Tree(Box::new(of)), depth)?)
            }
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
