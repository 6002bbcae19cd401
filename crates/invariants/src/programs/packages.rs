//! Packages, images, sets and decoded files.

use arbitrary::Result;

use super::Maker;
use super::types::Type;

/// The hash of nothing in particular.
pub(super) const HASH: &str = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

impl Maker<'_, '_> {
    /// A package, from nothing but texts, scripts and other packages.
    pub(super) fn package(&mut self, depth: u32) -> Result<String> {
        Ok(match self.below(8)? {
            0 => {
                let name = self.package_name(depth)?;
                format!("std.tree.text_file({name}, {})", self.expr(&Type::Script, depth)?)
            }
            1 => {
                let (name, program) = (self.package_name(depth)?, self.expr(&Type::Script, depth)?);
                let (argument, input) =
                    (self.expr(&Type::Script, depth)?, self.expr(&Type::Package, depth)?);
                format!(
                    "std.build.derivation {{ name = {name}, program = {program}, args = [{argument}], \
                     env = {{ A = {argument} }}, inputs = [{input}], outputs = [\"out\", \"lib\"] }}"
                )
            }
            2 => "std.fetch.local(./dir, \"src\")".to_owned(),
            3 => format!("std.fetch.url(\"https://example.org/a.txt\", {HASH})"),
            4 => {
                let strip = self.expr(&Type::Int, depth)?;
                format!(
                    "std.fetch.tarball {{ urls = [\"https://example.org/a-1.tar.gz\"], hash = {HASH}, strip = {strip} }}"
                )
            }
            5 => {
                let (name, tree) = (self.package_name(depth)?, self.expr(&Type::Package, depth)?);
                let script = self.expr(&Type::Script, depth)?;
                format!(
                    "std.tree.assemble {{ name = {name}, layers = [{{ tree = {tree}, into = \"a\" }}], \
                     files = {{ b = {script} }}, links = {{ c = sh\"#{{{tree}}}/x\" }} }}"
                )
            }
            6 => {
                let (of, name) =
                    (self.expr(&Type::Package, depth)?, ["out", "lib"][self.below(2)? as usize]);
                format!("std.build.output({of}, \"{name}\")")
            }
            _ => {
                let bound = self.name();
                format!(
                    "(let {bound}: Package = {} in {bound})",
                    self.expr(&Type::Overridable, depth)?
                )
            }
        })
    }

    /// Mostly a text that can be the name of a package.
    fn package_name(&mut self, depth: u32) -> Result<String> {
        match self.below(4)? {
            0 => self.expr(&Type::Str, depth),
            other => Ok(format!("\"p{other}\"")),
        }
    }

    pub(super) fn image(&mut self, depth: u32) -> Result<String> {
        let (command, port) = (self.expr(&Type::Script, depth)?, self.expr(&Type::Int, depth)?);
        let content = self.expr(&Type::Package, depth)?;
        Ok(format!(
            "std.oci.image {{ name = \"app\", cmd = [{command}], contents = [{content}], \
             listens = {{ main = std.oci.tcp(Web, {port}) }} }}"
        ))
    }

    /// A package with its recipe, or one made of another by a change of the recipe.
    pub(super) fn overridable(&mut self, depth: u32) -> Result<String> {
        let (bound, recipe) = (self.name(), self.name());
        let ty = Type::Overridable.text();
        if depth > 0 && self.below(2)? == 0 {
            let old = self.expr(&Type::Overridable, depth - 1)?;
            let flags = self.expr(&Type::List(Box::new(Type::Str)), depth - 1)?;
            return Ok(format!(
                "(let {bound}: {ty} = {old} in {bound} |> override(({recipe}) => {recipe} with {{ flags = {recipe}.flags ++ {flags} }}))"
            ));
        }
        let (name, flags) = (self.expr(&Type::Str, depth.saturating_sub(1))?, self.below(3)?);
        Ok(format!(
            "(let {bound}: {ty} = overridable({{ name = {name}, n = {flags} }}, ({recipe}) => \
             std.tree.text_file(\"r\", sh\"#{{{recipe}.name}} #{{{recipe}.flags}} #{{{recipe}.n}}\")) in {bound})"
        ))
    }

    /// A set whose members may refer to each other.
    pub(super) fn set(&mut self, fields: &[Type], depth: u32) -> Result<String> {
        let last = self.name();
        let members = Type::Record(fields.to_vec());
        let text = self.annotation(&members)?;
        let made = self.with((last.clone(), members.clone()), |maker| {
            maker.literal(&members, depth.saturating_sub(1))
        })?;
        Ok(format!("set(({last}: {text}) => {made})"))
    }

    /// A set with an overlay, or one that comes out of something else.
    pub(super) fn changed_set(&mut self, fields: &[Type], depth: u32) -> Result<String> {
        let ty = Type::Set(fields.to_vec());
        let (bound, text) = (self.name(), self.annotation(&ty)?);
        let set = self.expr(&ty, depth)?;
        let members = Type::Record(fields.to_vec());
        Ok(match self.below(4)? {
            0 => format!("wrapped({})", self.expr(&members, depth)?),
            1 => {
                let kept = self.expr(&Type::Kept(fields.to_vec()), depth)?;
                let inner = self.name();
                format!("(match {kept} {{ Kept({inner}) => {inner} }})")
            }
            _ => {
                let (last, before) = (self.name(), self.name());
                let outer = self.scope.len();
                self.scope.extend([(last.clone(), members.clone()), (before.clone(), members)]);
                let mut part = Vec::new();
                for (at, field) in fields.iter().enumerate() {
                    if self.below(2)? == 0 {
                        part.push(format!("f{at} = {}", self.expr(field, depth)?));
                    }
                }
                self.scope.truncate(outer);
                let part = part.join(", ");
                format!(
                    "(let {bound}: {text} = {set} in {bound} |> extend(({last}, {before}) => {{ {part} }}))"
                )
            }
        })
    }

    /// A value that is read from a file, which may say something else.
    pub(super) fn decoded(&mut self, ty: &Type) -> Result<String> {
        let file = *self.choices.choose(&["./a.toml", "./a.json", "./a.yaml", "./a.txt"])?;
        Ok(format!("decode<{}>({file})", self.annotation(ty)?))
    }

    /// A value that goes through functions with row variables and through sets of open records.
    pub(super) fn through_rows(&mut self, ty: &Type, depth: u32) -> Result<String> {
        let (value, number) = (self.expr(ty, depth)?, self.expr(&Type::Int, depth)?);
        let form = [
            "counted({r}, {n}).f",
            "members(raised(wrapped({r}), {n})).f",
            "raised(wrapped({r}), {n}).f",
            "unkept(Kept(wrapped({r}))).f",
        ];
        let form = *self.choices.choose(&form)?;
        let record = format!("{{ n = {number}, f = {value} }}");
        Ok(form.replace("{r}", &record).replace("{n}", "2"))
    }
}
