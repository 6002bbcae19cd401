//! Types as nodes of an arena, with variables, levels and schemes.
//!
//! Nodes are shared, so that a type may be a large graph although its tree would be huger still;
//! each walk here therefore visits a node once.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cbuild_diag::{SourceId, Span};

use crate::ir::GlobalId;

/// Nodes that one substitution may make. Larger types can only be written on purpose, by aliases
/// that repeat each other.
const MAX_COPIES: u32 = 20_000;

/// A shared name. Names are ordered by their text, which keeps every listing deterministic.
pub(crate) type Name = Rc<str>;

/// A place in a source text.
pub(crate) type Place = (SourceId, Span);

/// A type: an index into [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TyId(u32);

/// A type variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct VarId(u32);

/// A type constructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConId(pub(crate) u32);

/// A type's outermost form.
#[derive(Clone, Debug)]
pub(crate) enum Ty {
    /// Something already reported; agrees with everything.
    Error,
    Var(VarId),
    Con(ConId, Rc<[TyId]>),
    Fn(Rc<[TyId]>, TyId),
    Record(Rc<Row>),
}

/// The fields of a record type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) fields: BTreeMap<Name, Field>,
    /// The variable that stands for further fields.
    pub(crate) rest: Option<TyId>,
    /// The alias that this record was written as, with its arguments; only for messages.
    pub(crate) alias: Option<(Name, Rc<[TyId]>)>,
}

/// A field of a record type.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) ty: TyId,
    pub(crate) presence: Presence,
    /// Where it was declared.
    pub(crate) place: Option<Place>,
}

/// Whether a literal may leave a field out. Unification does not look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    /// The field's type is an `Option`.
    Optional,
    /// The default is the value of this global.
    Default(GlobalId),
}

impl Field {
    pub(crate) fn required(ty: TyId) -> Self {
        Self { ty, presence: Presence::Required, place: None }
    }
}

/// What is known of a variable.
#[derive(Clone, Debug)]
enum VarState {
    /// Not determined yet; `level` counts the generalisable scopes around it.
    Unbound {
        level: u32,
    },
    /// Stands for any type: a type parameter, or a variable that was generalised.
    Rigid {
        level: u32,
        name: Name,
    },
    Bound(TyId),
}

#[derive(Clone, Debug)]
struct Var {
    state: VarState,
    /// For the tail of a record: it stands for a record that lacks these fields.
    lacks: Option<Rc<BTreeSet<Name>>>,
}

/// A type constructor's description.
#[derive(Clone, Debug)]
pub(crate) struct Con {
    pub(crate) name: Name,
    /// Where it was declared, as shown to the user; empty for built-in types.
    pub(crate) home: Name,
    pub(crate) arity: usize,
    /// Cases of a variant type.
    pub(crate) cases: Vec<Case>,
    /// Type parameters, as rigid variables that occur in `cases`.
    pub(crate) params: Rc<[VarId]>,
}

/// A case of a variant type.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: Name,
    pub(crate) fields: Vec<TyId>,
}

/// A type with quantified variables.
#[derive(Clone, Debug)]
pub(crate) struct Scheme {
    pub(crate) vars: Rc<[VarId]>,
    pub(crate) ty: TyId,
}

impl Scheme {
    pub(crate) fn mono(ty: TyId) -> Self {
        Self { vars: Rc::new([]), ty }
    }
}

/// What a variable is, for those who look.
pub(crate) enum VarView {
    Unbound(u32),
    Rigid(Name, u32),
}

/// All types of one run.
pub(crate) struct Types {
    nodes: Vec<Ty>,
    marks: Vec<u32>,
    stamp: u32,
    vars: Vec<Var>,
    pub(crate) cons: Vec<Con>,
    /// Number of generalisable scopes around the current place.
    pub(crate) level: u32,
    /// What is left of [`MAX_COPIES`] in the current substitution.
    copies: u32,
    /// Whether a substitution was given up since this was last asked.
    overflow: bool,
}

macro_rules! builtin {
    ($($con:ident $index:literal $name:literal $arity:literal;)*) => {
        impl ConId {
            $(#[allow(dead_code, reason = "the list is complete")]
            pub(crate) const $con: ConId = ConId($index);)*
        }
        /// Built-in type constructors: name and number of parameters.
        pub(crate) const BUILTIN: &[(&str, ConId, usize)] = &[$(($name, ConId($index), $arity)),*];
    };
}

builtin! {
    INT 0 "Int" 0;
    BOOL 1 "Bool" 0;
    STR 2 "Str" 0;
    PATH 3 "Path" 0;
    HASH 4 "Hash" 0;
    SCRIPT 5 "Script" 0;
    LIST 6 "List" 1;
    OPTION 7 "Option" 1;
    MAP 8 "Map" 1;
    PROTOCOL 9 "Protocol" 1;
}

impl TyId {
    pub(crate) const INT: TyId = TyId(0);
    pub(crate) const BOOL: TyId = TyId(1);
    pub(crate) const STR: TyId = TyId(2);
    pub(crate) const PATH: TyId = TyId(3);
    pub(crate) const HASH: TyId = TyId(4);
    pub(crate) const SCRIPT: TyId = TyId(5);
    pub(crate) const ERROR: TyId = TyId(6);
}

impl Types {
    pub(crate) fn new() -> Self {
        let mut types = Self {
            nodes: Vec::new(),
            marks: Vec::new(),
            stamp: 0,
            vars: Vec::new(),
            cons: Vec::new(),
            level: 0,
            copies: 0,
            overflow: false,
        };
        for (name, id, arity) in BUILTIN {
            types.cons.push(Con {
                name: (*name).into(),
                home: "".into(),
                arity: *arity,
                cases: Vec::new(),
                params: Rc::new([]),
            });
            if *arity == 0 {
                types.con(*id, []);
            }
        }
        types.add(Ty::Error);
        types.declare_option();
        types
    }

    fn declare_option(&mut self) {
        let (var, ty) = self.rigid("a".into(), 1);
        let con = &mut self.cons[ConId::OPTION.0 as usize];
        con.params = Rc::new([var]);
        con.cases = vec![
            Case { name: "None".into(), fields: Vec::new() },
            Case { name: "Some".into(), fields: vec![ty] },
        ];
    }

    pub(crate) fn add(&mut self, ty: Ty) -> TyId {
        let id = TyId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(ty);
        self.marks.push(0);
        id
    }

    pub(crate) fn add_con(&mut self, con: Con) -> ConId {
        self.cons.push(con);
        ConId(u32::try_from(self.cons.len() - 1).unwrap_or(u32::MAX))
    }

    pub(crate) fn con_info(&self, con: ConId) -> &Con {
        &self.cons[con.0 as usize]
    }

    pub(crate) fn con(&mut self, con: ConId, args: impl Into<Rc<[TyId]>>) -> TyId {
        self.add(Ty::Con(con, args.into()))
    }

    pub(crate) fn list(&mut self, item: TyId) -> TyId {
        self.con(ConId::LIST, [item])
    }

    pub(crate) fn option(&mut self, item: TyId) -> TyId {
        self.con(ConId::OPTION, [item])
    }

    /// A record type; one that is nothing but its tail is the tail.
    pub(crate) fn record(&mut self, row: Row) -> TyId {
        match row.rest {
            Some(rest) if row.fields.is_empty() => rest,
            _ => self.add(Ty::Record(Rc::new(row))),
        }
    }

    pub(crate) fn fresh(&mut self) -> TyId {
        self.fresh_lacking(None)
    }

    /// A new variable for the tail of a record that has the given fields already.
    pub(crate) fn fresh_tail(&mut self, lacks: impl IntoIterator<Item = Name>) -> TyId {
        self.fresh_lacking(Some(Rc::new(lacks.into_iter().collect())))
    }

    fn fresh_lacking(&mut self, lacks: Option<Rc<BTreeSet<Name>>>) -> TyId {
        let level = self.level;
        self.new_var(VarState::Unbound { level }, lacks).1
    }

    /// A new type parameter.
    pub(crate) fn rigid(&mut self, name: Name, level: u32) -> (VarId, TyId) {
        self.new_var(VarState::Rigid { level, name }, None)
    }

    fn new_var(&mut self, state: VarState, lacks: Option<Rc<BTreeSet<Name>>>) -> (VarId, TyId) {
        let var = VarId(u32::try_from(self.vars.len()).unwrap_or(u32::MAX));
        self.vars.push(Var { state, lacks });
        (var, self.add(Ty::Var(var)))
    }

    /// Follows bound variables.
    pub(crate) fn resolve(&self, mut ty: TyId) -> TyId {
        while let Ty::Var(var) = &self.nodes[ty.0 as usize]
            && let VarState::Bound(target) = &self.vars[var.0 as usize].state
        {
            ty = *target;
        }
        ty
    }

    /// The outermost form, never a bound variable.
    pub(crate) fn get(&self, ty: TyId) -> Ty {
        self.nodes[self.resolve(ty).0 as usize].clone()
    }

    pub(crate) fn view(&self, var: VarId) -> VarView {
        match &self.vars[var.0 as usize].state {
            VarState::Unbound { level } => VarView::Unbound(*level),
            VarState::Rigid { name, level } => VarView::Rigid(name.clone(), *level),
            VarState::Bound(_) => VarView::Unbound(u32::MAX),
        }
    }

    /// The fields that a tail variable must not bring; `None` if it is no tail.
    pub(crate) fn lacks(&self, var: VarId) -> Option<Rc<BTreeSet<Name>>> {
        self.vars[var.0 as usize].lacks.clone()
    }

    /// Makes the variable a tail that lacks these fields, too.
    pub(crate) fn add_lacks(&mut self, var: VarId, names: impl IntoIterator<Item = Name>) {
        let entry = &mut self.vars[var.0 as usize].lacks;
        let mut set = entry.as_deref().cloned().unwrap_or_default();
        set.extend(names);
        *entry = Some(Rc::new(set));
    }

    /// Gives an unbound variable its type. The caller has made all checks.
    pub(crate) fn set(&mut self, var: VarId, ty: TyId) {
        self.vars[var.0 as usize].state = VarState::Bound(ty);
    }

    pub(crate) fn lower_level(&mut self, var: VarId, to: u32) {
        if let VarState::Unbound { level } = &mut self.vars[var.0 as usize].state {
            *level = (*level).min(to);
        }
    }

    pub(crate) fn is_error(&self, ty: TyId) -> bool {
        matches!(self.get(ty), Ty::Error)
    }

    pub(crate) fn is_unknown(&self, ty: TyId) -> bool {
        match self.get(ty) {
            Ty::Var(var) => matches!(self.view(var), VarView::Unbound(_)),
            _ => false,
        }
    }

    /// Starts a walk that visits each node once.
    pub(crate) fn start_walk(&mut self) {
        self.stamp += 1;
    }

    /// Whether the walk meets the node for the first time.
    pub(crate) fn first_visit(&mut self, ty: TyId) -> bool {
        let mark = &mut self.marks[ty.0 as usize];
        std::mem::replace(mark, self.stamp) != self.stamp
    }

    /// The types directly inside, in a fixed order.
    pub(crate) fn children(&self, ty: &Ty) -> Vec<TyId> {
        match ty {
            Ty::Error | Ty::Var(_) => Vec::new(),
            Ty::Con(_, args) => args.to_vec(),
            Ty::Fn(params, result) => params.iter().copied().chain([*result]).collect(),
            Ty::Record(row) => row.fields.values().map(|f| f.ty).chain(row.rest).collect(),
        }
    }

    /// The variables in a type in order of first occurrence, each once.
    pub(crate) fn free_vars(&mut self, ty: TyId) -> Vec<VarId> {
        self.start_walk();
        let mut found = Vec::new();
        let mut todo = vec![ty];
        while let Some(ty) = todo.pop() {
            let ty = self.resolve(ty);
            if !self.first_visit(ty) {
                continue;
            }
            let form = self.get(ty);
            if let Ty::Var(var) = form {
                found.push(var);
            }
            todo.extend(self.children(&form).into_iter().rev());
        }
        found
    }

    /// The type parameters that occur in a type.
    pub(crate) fn rigid_vars(&mut self, ty: TyId) -> Vec<VarId> {
        let vars = self.free_vars(ty);
        vars.into_iter().filter(|v| matches!(self.view(*v), VarView::Rigid(..))).collect()
    }

    /// The name of a type parameter.
    pub(crate) fn var_name(&self, var: VarId) -> String {
        match self.view(var) {
            VarView::Rigid(name, _) => name.to_string(),
            VarView::Unbound(_) => "_".to_owned(),
        }
    }

    /// Replaces variables.
    pub(crate) fn substitute(&mut self, ty: TyId, map: &BTreeMap<VarId, TyId>) -> TyId {
        if map.is_empty() {
            return ty;
        }
        self.copies = MAX_COPIES;
        self.copy(ty, map, &mut BTreeMap::new())
    }

    /// Whether a type grew too large since this was last asked. It was replaced by the error type.
    pub(crate) fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.overflow)
    }

    fn copy(
        &mut self,
        ty: TyId,
        map: &BTreeMap<VarId, TyId>,
        memo: &mut BTreeMap<TyId, TyId>,
    ) -> TyId {
        let ty = self.resolve(ty);
        if let Some(done) = memo.get(&ty) {
            return *done;
        }
        if self.copies == 0 {
            self.overflow = true;
            return TyId::ERROR;
        }
        self.copies -= 1;
        let copied = cbuild_syntax::deep::guarded(|| match self.get(ty) {
            Ty::Error => ty,
            Ty::Var(var) => map.get(&var).copied().unwrap_or(ty),
            Ty::Con(con, args) => match self.copy_all(&args, map, memo) {
                Some(args) => self.con(con, args),
                None => ty,
            },
            Ty::Fn(params, result) => {
                let new_params = self.copy_all(&params, map, memo);
                let new_result = self.copy(result, map, memo);
                if new_params.is_none() && new_result == result {
                    ty
                } else {
                    self.add(Ty::Fn(new_params.unwrap_or(params), new_result))
                }
            }
            Ty::Record(row) => self.copy_row(ty, &row, map, memo),
        });
        memo.insert(ty, copied);
        copied
    }

    /// `None` when nothing changed.
    fn copy_all(
        &mut self,
        types: &[TyId],
        map: &BTreeMap<VarId, TyId>,
        memo: &mut BTreeMap<TyId, TyId>,
    ) -> Option<Rc<[TyId]>> {
        let copied: Vec<TyId> = types.iter().map(|ty| self.copy(*ty, map, memo)).collect();
        (copied != types).then(|| copied.into())
    }

    fn copy_row(
        &mut self,
        ty: TyId,
        row: &Row,
        map: &BTreeMap<VarId, TyId>,
        memo: &mut BTreeMap<TyId, TyId>,
    ) -> TyId {
        let mut changed = false;
        let mut fields = BTreeMap::new();
        for (name, field) in &row.fields {
            let new = self.copy(field.ty, map, memo);
            changed |= new != field.ty;
            fields.insert(name.clone(), Field { ty: new, ..field.clone() });
        }
        let rest = row.rest.map(|rest| self.copy(rest, map, memo));
        changed |= rest != row.rest;
        let alias = row.alias.as_ref().map(|(name, args)| {
            let copied = self.copy_all(args, map, memo);
            // An argument that the alias does not use still shows in its name.
            changed |= copied.is_some();
            (name.clone(), copied.unwrap_or_else(|| args.clone()))
        });
        if changed { self.record(Row { fields, rest, alias }) } else { ty }
    }

    /// A use of a scheme: its variables replaced by new ones.
    pub(crate) fn instantiate(&mut self, scheme: &Scheme) -> TyId {
        if scheme.vars.is_empty() {
            return scheme.ty;
        }
        let map = self.fresh_map(&scheme.vars);
        self.substitute(scheme.ty, &map)
    }

    /// New variables for the given ones, with the same duties.
    pub(crate) fn fresh_map(&mut self, vars: &[VarId]) -> BTreeMap<VarId, TyId> {
        vars.iter()
            .map(|var| {
                let lacks = self.lacks(*var);
                (*var, self.fresh_lacking(lacks))
            })
            .collect()
    }

    /// Quantifies the variables that belong to scopes inside the current level, which become type
    /// parameters named `a`, `b` and so on.
    pub(crate) fn generalise(&mut self, ty: TyId) -> Scheme {
        let mut vars = Vec::new();
        let mut used = BTreeSet::new();
        let mut unnamed = Vec::new();
        for var in self.free_vars(ty) {
            match self.view(var) {
                VarView::Unbound(level) if level > self.level => {
                    vars.push(var);
                    unnamed.push(var);
                }
                VarView::Rigid(name, level) => {
                    used.insert(name);
                    if level > self.level {
                        vars.push(var);
                    }
                }
                VarView::Unbound(_) => {}
            }
        }
        let level = self.level + 1;
        let mut names = (0u32..).map(letter).filter(|name| !used.contains(name));
        for var in unnamed {
            if let Some(name) = names.next() {
                self.vars[var.0 as usize].state = VarState::Rigid { level, name };
            }
        }
        Scheme { vars: vars.into(), ty }
    }
}

/// `a` … `z`, `a1` … and so on.
fn letter(index: u32) -> Name {
    let letter = char::from(b'a' + u8::try_from(index % 26).unwrap_or(0));
    match index / 26 {
        0 => letter.to_string().into(),
        round => format!("{letter}{round}").into(),
    }
}
