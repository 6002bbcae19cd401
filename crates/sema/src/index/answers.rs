//! The questions that an [`Index`] answers.

use super::*;

/// A field that a record has, or may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Name.
    pub name: String,
    /// Type as a reader writes it.
    pub ty: String,
    /// Whether a literal must give it.
    pub required: bool,
    /// A value to begin with, such as `""` for a text.
    pub sample: String,
    /// Where it is declared.
    pub declared: Option<Place>,
}

/// What can stand behind `base.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Members {
    /// Public names of a module.
    Module(Vec<Symbol>),
    /// Fields of a value.
    Fields(Vec<FieldInfo>),
    /// Members of a variant type.
    Type(Vec<Symbol>),
}

/// A parameter of something that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// Its name; function values and constructors have none.
    pub name: Option<String>,
    /// Its type at this call.
    pub ty: String,
    /// Whether it may be left out.
    pub optional: bool,
}

/// Something that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callable {
    /// Its name, if it is called by one.
    pub name: Option<String>,
    /// Parameters in order.
    pub parameters: Vec<ParameterInfo>,
    /// Type of the result.
    pub result: String,
    /// Where it is declared.
    pub declared: Option<Place>,
}

/// The documentation of a declaration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documentation {
    /// Text of its `///` comments, or of a file's `//!` comments.
    pub text: String,
    /// Whether it is declared with `pub`.
    pub public: bool,
}

impl Index {
    /// What the name at a byte stands for, with the place of that name. A name's end counts as part of it.
    pub fn symbol_at(&self, source: SourceId, offset: u32) -> Option<(Span, Symbol)> {
        let (span, target) = self.target_at(source, offset)?;
        Some((span, self.symbol(source, span, target)))
    }

    /// What the name at exactly this place stands for.
    pub fn symbol_of(&self, source: SourceId, span: Span) -> Option<Symbol> {
        let at =
            self.uses.binary_search_by_key(&(source, span), |(s, span, _)| (*s, *span)).ok()?;
        Some(self.symbol(source, span, self.uses[at].2))
    }

    fn target_at(&self, source: SourceId, offset: u32) -> Option<(Span, Target)> {
        let touches = |span: Span| span.start <= offset && offset <= span.end;
        let after = self.uses.partition_point(|(s, span, _)| (*s, span.start) <= (source, offset));
        let used = self.uses[..after]
            .iter()
            .rev()
            .take(2)
            .find(|(s, span, _)| *s == source && touches(*span))
            .map(|(_, span, target)| (*span, *target));
        let after =
            self.locals.partition_point(|(s, span, ..)| (*s, span.start) <= (source, offset));
        let bound = self.locals[..after]
            .iter()
            .rev()
            .take(2)
            .find(|(s, span, ..)| *s == source && touches(*span))
            .map(|(_, span, ..)| (*span, Target::Local(*span)));
        match (used, bound) {
            (Some(used), Some(bound)) if bound.0.start > used.0.start => Some(bound),
            (used, bound) => used.or(bound),
        }
    }

    /// Where all names stand that mean what is declared at a place, in the sources that were recorded; the
    /// declaration itself is one of them if its source was recorded. In order, each once.
    pub fn uses_of(&self, declared: Place) -> Vec<Place> {
        let mut found: Vec<Place> = self
            .uses
            .iter()
            .filter(|(source, _, target)| self.place_of(*source, *target) == Some(declared))
            .map(|(source, span, _)| (*source, *span))
            .collect();
        if self.local(declared).is_some() {
            found.push(declared);
        }
        found.sort();
        found.dedup();
        found
    }

    /// All names of a source with what they stand for, in order.
    pub fn symbols_in(&self, source: SourceId) -> Vec<(Span, Symbol)> {
        let uses = self.uses.iter().filter(|(s, ..)| *s == source);
        let mut found: Vec<(Span, Symbol)> =
            uses.map(|(_, span, target)| (*span, self.symbol(source, *span, *target)))
                .chain(
                    self.locals.iter().filter(|(s, ..)| *s == source).map(|(_, span, ..)| {
                        (*span, self.symbol(source, *span, Target::Local(*span)))
                    }),
                )
                .collect();
        found.sort_by_key(|(span, _)| *span);
        found.dedup_by_key(|(span, _)| *span);
        found
    }

    /// Local variables of a source: where each is bound, its name and its type, in order.
    pub fn locals_in(&self, source: SourceId) -> impl Iterator<Item = (Span, &str, String)> {
        let locals = self.locals.iter().filter(move |(s, ..)| *s == source);
        locals.map(|(_, span, name, ty)| (*span, &**name, self.types.show(*ty)))
    }

    /// The innermost expression around a byte, with its type.
    pub fn type_at(&self, source: SourceId, offset: u32) -> Option<(Span, String)> {
        let inside = |span: &Span| span.start <= offset && offset < span.end.max(span.start + 1);
        self.expressions
            .iter()
            .filter(|(s, span, _)| *s == source && inside(span))
            .min_by_key(|(_, span, _)| span.end - span.start)
            .map(|(_, span, ty)| (*span, self.types.show(*ty)))
    }

    /// What the names of a file see without a qualifier: the file's own, those of the prelude and those
    /// that are built in. Values and modules, or types.
    pub fn visible(&self, source: SourceId, types: bool) -> Vec<Symbol> {
        let mut found: BTreeMap<&str, Symbol> = BTreeMap::new();
        if types {
            for (name, con, _) in BUILTIN {
                found.insert(name, self.symbol(source, Span::default(), Target::Con(*con)));
            }
        } else {
            for (name, case) in [("None", 0), ("Some", 1)] {
                let target = Target::Case(ConId::OPTION, case);
                found.insert(name, self.symbol(source, Span::default(), target));
            }
        }
        let own = self.by_source.get(&source).copied();
        for (module, private) in [(self.prelude, false), (own, true)] {
            let Some(at) = module else { continue };
            for (name, symbol) in self.names(at, types, private) {
                found.insert(name, symbol);
            }
        }
        found.into_values().collect()
    }

    /// The names of a module, values and modules or types and modules.
    fn names(&self, at: ModIdx, types: bool, private: bool) -> Vec<(&str, Symbol)> {
        let module = &self.modules[at];
        let symbol = |span: Span, target| self.symbol(module.source, span, target);
        let mut found = Vec::new();
        if types {
            for (name, entry) in module.scope.types.iter().filter(|(_, e)| private || e.public) {
                found.push((&**name, symbol(entry.span, entry.what.into())));
            }
        } else {
            for (name, entry) in module.scope.values.iter().filter(|(_, e)| private || e.public) {
                found.push((&**name, symbol(entry.span, entry.what.into())));
            }
        }
        for (name, entry) in module.scope.modules.iter().filter(|(_, e)| private || e.public) {
            let target = Target::Module((module.source, entry.span), entry.what);
            found.push((&**name, symbol(entry.span, target)));
        }
        found
    }

    /// What can stand behind the expression or module path at a place and a dot. `name` is the last
    /// identifier of it, by which modules and types are known.
    pub fn members(
        &self,
        source: SourceId,
        expr: Span,
        name: Span,
        types: bool,
    ) -> Option<Members> {
        let at = self.uses.binary_search_by_key(&(source, name), |(s, span, _)| (*s, *span));
        match at.ok().map(|at| self.uses[at].2) {
            Some(Target::Module(_, Some(target))) => {
                let mut all: Vec<Symbol> =
                    self.names(target, types, false).into_iter().map(|(_, s)| s).collect();
                if !types {
                    // Variant types lead to their cases.
                    let more = self.names(target, true, false).into_iter().map(|(_, s)| s);
                    all.extend(more.filter(|s| s.kind == Kind::Type && self.has_cases(s)));
                }
                return Some(Members::Module(all));
            }
            Some(Target::Module(_, None)) => return None,
            Some(Target::Con(con)) => return Some(Members::Type(self.type_members(con))),
            _ => {}
        }
        let ty = self.expression(source, expr).or_else(|| {
            let (_, target) = self.target_at(source, name.start)?;
            self.type_of(source, name, target)
        })?;
        Some(Members::Fields(self.fields(ty)))
    }

    fn has_cases(&self, symbol: &Symbol) -> bool {
        let con = self.cons.iter().find(|(_, place)| Some(**place) == symbol.declared);
        con.is_some_and(|(con, _)| !self.types.con_info(*con).cases.is_empty())
    }

    fn type_members(&self, con: ConId) -> Vec<Symbol> {
        let info = self.types.con_info(con);
        let mut all: Vec<Symbol> = (0..info.cases.len())
            .map(|case| self.symbol(SourceId(0), Span::default(), Target::Case(con, case)))
            .collect();
        if !info.cases.is_empty() && info.cases.iter().all(|case| case.fields.is_empty()) {
            let name = &info.name;
            let derived = [
                ("parse", Kind::Function, format!("(Str) -> Option<{name}>")),
                ("show", Kind::Function, format!("({name}) -> Str")),
                ("all", Kind::Value, format!("List<{name}>")),
            ];
            all.extend(derived.map(|(name, kind, ty)| Symbol {
                name: name.to_owned(),
                kind,
                declared: None,
                ty: Some(ty),
                module: None,
            }));
        }
        all
    }

    fn expression(&self, source: SourceId, span: Span) -> Option<TyId> {
        let key = |entry: &(SourceId, Span, TyId)| (entry.0, entry.1);
        let at = self.expressions.binary_search_by_key(&(source, span), key).ok()?;
        Some(self.expressions[at].2)
    }

    fn fields(&self, ty: TyId) -> Vec<FieldInfo> {
        let plain = |name: &str, ty: &str| FieldInfo {
            name: name.to_owned(),
            ty: ty.to_owned(),
            required: true,
            sample: String::new(),
            declared: None,
        };
        match self.types.get(ty) {
            Ty::Con(con, args) if Some(con) == self.special.set => self.fields(args[0]),
            Ty::Con(con, _) if Some(con) == self.special.package => {
                vec![plain("name", "Str"), plain("version", "Str")]
            }
            Ty::Con(con, args) if Some(con) == self.special.overridable => vec![
                plain("name", "Str"),
                plain("version", "Str"),
                plain("recipe", &self.types.show(args[0])),
                plain("package", "Package"),
            ],
            Ty::Record(_) => self.row_fields(ty),
            _ => Vec::new(),
        }
    }

    fn row_fields(&self, ty: TyId) -> Vec<FieldInfo> {
        let row = self.types.row(ty);
        let fields = row.fields.iter().map(|(name, field)| FieldInfo {
            name: name.to_string(),
            ty: self.types.show(field.ty),
            required: field.presence == Presence::Required,
            sample: self.types.sample(match (field.presence, self.types.get(field.ty)) {
                (Presence::Optional, Ty::Con(ConId::OPTION, args)) => args[0],
                _ => field.ty,
            }),
            declared: field.place,
        });
        fields.collect()
    }

    /// The fields that the record literal at a place may be given, by its expected type; `None` if nothing
    /// is known of it.
    pub fn literal_fields(&self, source: SourceId, literal: Span) -> Option<Vec<FieldInfo>> {
        let mut ty = self.expression(source, literal)?;
        if let Ty::Con(con, args) = self.types.get(ty)
            && (Some(con) == self.special.part || con == ConId::OPTION)
        {
            ty = args[0];
        }
        match self.types.get(ty) {
            Ty::Record(_) => Some(self.row_fields(ty)),
            _ => None,
        }
    }

    /// The fields of the value of an expression.
    pub fn fields_of(&self, source: SourceId, expr: Span) -> Vec<FieldInfo> {
        self.expression(source, expr).map(|ty| self.fields(ty)).unwrap_or_default()
    }

    /// Type of an expression that was recorded.
    pub fn type_of_expression(&self, source: SourceId, expr: Span) -> Option<String> {
        self.expression(source, expr).map(|ty| self.types.show(ty))
    }

    /// The cases of the variant type of an expression, with the number of values that each carries.
    pub fn cases_of(&self, source: SourceId, expr: Span) -> Vec<(Symbol, usize)> {
        let Some(Ty::Con(con, _)) = self.expression(source, expr).map(|ty| self.types.get(ty))
        else {
            return Vec::new();
        };
        let cases = self.types.con_info(con).cases.iter().enumerate();
        cases
            .map(|(case, info)| {
                let target = Target::Case(con, case);
                (self.symbol(source, Span::default(), target), info.fields.len())
            })
            .collect()
    }

    /// What is called, by the place of the callee and of the last name in it.
    pub fn callable(&self, source: SourceId, callee: Span, name: Span) -> Option<Callable> {
        let at = self.uses.binary_search_by_key(&(source, name), |(s, span, _)| (*s, *span));
        let target = at.ok().map(|at| self.uses[at].2);
        let symbol = target.map(|target| self.symbol(source, name, target));
        let ty = match target {
            Some(Target::Case(con, case)) => {
                let fields = &self.types.con_info(con).cases.get(case)?.fields;
                let parameters = fields.iter().map(|ty| self.parameter(None, *ty, false)).collect();
                let result = self.types.con_info(con).name.to_string();
                let (name, declared) = symbol.map_or((None, None), |s| (Some(s.name), s.declared));
                return Some(Callable { name, parameters, result, declared });
            }
            Some(target) => self.expression(source, callee).or(self.type_of(source, name, target)),
            None => self.expression(source, callee),
        }?;
        let Ty::Fn(types, result) = self.types.get(ty) else { return None };
        let item =
            match symbol.as_ref().filter(|s| s.kind == Kind::Function).and_then(|s| s.declared) {
                Some(place) => self.function_at(place),
                None => None,
            };
        let parameters = types.iter().enumerate().map(|(index, ty)| {
            let param = item.and_then(|item| item.params.get(index));
            let name = param.map(|param| param.name.text.clone());
            self.parameter(name, *ty, param.is_some_and(|param| param.default.is_some()))
        });
        Some(Callable {
            parameters: parameters.collect(),
            result: self.types.show(result),
            declared: symbol.as_ref().and_then(|s| s.declared),
            name: symbol.map(|s| s.name),
        })
    }

    fn parameter(&self, name: Option<String>, ty: TyId, optional: bool) -> ParameterInfo {
        ParameterInfo { name, ty: self.types.show(ty), optional }
    }

    /// The function item whose name stands at a place.
    pub fn function_at(&self, (source, span): Place) -> Option<&ast::Fn> {
        self.file(source)?.items.iter().find_map(|item| match &item.kind {
            ast::ItemKind::Fn(def) if def.name.span == span => Some(def),
            _ => None,
        })
    }

    /// What the comments in front of a declaration say; for an import those on top of the module.
    pub fn documentation(&self, symbol: &Symbol) -> Documentation {
        if let Some(file) = symbol.module.and_then(|module| self.file(module)) {
            return Documentation { text: file.doc.clone(), public: false };
        }
        let Some((source, span)) = symbol.declared else { return Documentation::default() };
        let Some(file) = self.file(source) else { return Documentation::default() };
        for item in &file.items {
            let name = match &item.kind {
                ast::ItemKind::Let(def) => &def.name,
                ast::ItemKind::Fn(def) => &def.name,
                ast::ItemKind::Type(def) => {
                    if let ast::TypeBody::Variants(cases) = &def.body
                        && let Some(case) = cases.iter().find(|case| case.name.span == span)
                    {
                        return Documentation { text: case.doc.clone(), public: item.public };
                    }
                    &def.name
                }
                ast::ItemKind::Protocol { name, .. } => name,
                ast::ItemKind::Import(_) | ast::ItemKind::Test { .. } => continue,
            };
            if name.span == span {
                return Documentation { text: item.doc.clone(), public: item.public };
            }
        }
        Documentation::default()
    }

    // ------------------------------------------------------------ targets

    fn local(&self, (source, span): Place) -> Option<(&Name, TyId)> {
        let at = self.locals.binary_search_by_key(&(source, span), |(s, p, ..)| (*s, *p)).ok()?;
        Some((&self.locals[at].2, self.locals[at].3))
    }

    fn place_of(&self, source: SourceId, target: Target) -> Option<Place> {
        match target {
            Target::Global(id) => self.globals.get(id.0 as usize).map(|global| global.place),
            Target::Case(con, case) => self.cases.get(&(con, case)).copied(),
            Target::Con(con) => self.cons.get(&con).copied(),
            Target::Alias(index) => self.aliases.get(&index).map(|(_, place)| *place),
            Target::Module(place, _) | Target::Parameter(place) => Some(place),
            Target::Local(span) => Some((source, span)),
            Target::Field(place, _) => place,
        }
    }

    fn type_of(&self, source: SourceId, span: Span, target: Target) -> Option<TyId> {
        match target {
            Target::Global(id) => self.globals.get(id.0 as usize)?.ty,
            Target::Local(bound) => self
                .expression(source, span)
                .or_else(|| self.local((source, bound)).map(|(_, ty)| ty)),
            Target::Parameter(place) => self.local(place).map(|(_, ty)| ty),
            Target::Field(_, ty) => Some(ty),
            _ => None,
        }
    }

    fn symbol(&self, source: SourceId, span: Span, target: Target) -> Symbol {
        let declared = self.place_of(source, target);
        let ty = self.type_of(source, span, target).map(|ty| self.types.show(ty));
        let (name, kind, ty) = match target {
            Target::Global(id) => match self.globals.get(id.0 as usize) {
                Some(global) => (global.name.to_string(), global.kind, ty),
                None => (String::new(), Kind::Value, ty),
            },
            Target::Case(con, case) => {
                let info = self.types.con_info(con);
                let name = info.cases.get(case).map_or(&info.name, |case| &case.name);
                (name.to_string(), Kind::Constructor, Some(self.case_type(con, case)))
            }
            Target::Con(con) => {
                let info = self.types.con_info(con);
                (info.name.to_string(), Kind::Type, None)
            }
            Target::Alias(index) => {
                let name = self.aliases.get(&index).map(|(name, _)| name.to_string());
                (name.unwrap_or_default(), Kind::Type, None)
            }
            Target::Module(place, _) => (self.module_name(place), Kind::Module, None),
            Target::Local(bound) => {
                let name = self.local((source, bound)).map(|(name, _)| name.to_string());
                (name.unwrap_or_default(), Kind::Local, ty)
            }
            Target::Parameter(place) => {
                let name = self.parameter_name(place);
                (name, Kind::Parameter, ty)
            }
            Target::Field(..) => (String::new(), Kind::Field, ty),
        };
        let module = match target {
            Target::Module(_, Some(index)) => self.modules.get(index).map(|module| module.source),
            _ => None,
        };
        Symbol { name, kind, declared, ty, module }
    }

    fn module_name(&self, (source, span): Place) -> String {
        let module = self.by_source.get(&source).map(|at| &self.modules[*at]);
        let found = module
            .and_then(|module| module.scope.modules.iter().find(|(_, entry)| entry.span == span));
        found.map(|(name, _)| name.to_string()).unwrap_or_default()
    }

    fn parameter_name(&self, (source, span): Place) -> String {
        let params = self.file(source).into_iter().flat_map(|file| &file.items).filter_map(
            |item| match &item.kind {
                ast::ItemKind::Fn(def) => Some(&def.params),
                _ => None,
            },
        );
        let name = params.flatten().find(|param| param.name.span == span);
        name.map(|param| param.name.text.clone()).unwrap_or_default()
    }

    /// The type of a constructor: what it makes, or the function that makes it.
    fn case_type(&self, con: ConId, case: usize) -> String {
        let info = self.types.con_info(con);
        let params: Vec<String> = info.params.iter().map(|var| self.types.var_name(*var)).collect();
        let whole = match params.as_slice() {
            [] => info.name.to_string(),
            params => format!("{}<{}>", info.name, params.join(", ")),
        };
        match info.cases.get(case).map(|case| case.fields.as_slice()) {
            None | Some([]) => whole,
            Some(fields) => {
                let fields: Vec<String> = fields.iter().map(|ty| self.types.show(*ty)).collect();
                format!("({}) -> {whole}", fields.join(", "))
            }
        }
    }
}

impl Types {
    /// A value of a type to begin with, for what is inserted by an editor.
    pub(crate) fn sample(&self, ty: TyId) -> String {
        match self.get(ty) {
            Ty::Con(ConId::STR, _) => "\"\"".to_owned(),
            Ty::Con(ConId::SCRIPT, _) => "sh\"\"".to_owned(),
            Ty::Con(ConId::INT, _) => "0".to_owned(),
            Ty::Con(ConId::BOOL, _) => "false".to_owned(),
            Ty::Con(ConId::LIST, _) => "[]".to_owned(),
            Ty::Con(ConId::OPTION, _) => "None".to_owned(),
            Ty::Con(ConId::MAP, _) | Ty::Record(_) => "{}".to_owned(),
            _ => "abort(\"to be written\")".to_owned(),
        }
    }
}
