//! Interned names and record shapes of one evaluation.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_sema::ir::{Program, Symbol};

use crate::value::Shape;

/// How many positions of fields are remembered.
const SEEN: usize = 64;

/// Addresses of a shape and of a name, the name's length, and the name's position in the shape.
type Seen = (usize, usize, u32, u32);

/// Names and shapes; they live as long as the evaluator.
pub(crate) struct Shapes {
    names: Vec<Rc<str>>,
    symbols: BTreeMap<Rc<str>, Symbol>,
    shapes: BTreeMap<Box<[Symbol]>, Rc<Shape>>,
    seen: Box<[Cell<Seen>; SEEN]>,
    /// The constructor of a present optional value.
    pub(crate) some: Symbol,
    /// The constructor of an absent optional value.
    pub(crate) none: Symbol,
}

impl Shapes {
    /// Starts from the names of a program.
    pub(crate) fn new(program: &Program) -> Self {
        let names = program.symbols.clone();
        let symbols = names.iter().cloned().zip((0..).map(Symbol)).collect();
        let (some, none) = (Symbol(0), Symbol(0));
        let seen = Box::new([const { Cell::new((0, 0, 0, 0)) }; SEEN]);
        let mut shapes = Self { names, symbols, shapes: BTreeMap::new(), seen, some, none };
        shapes.some = shapes.symbol("Some");
        shapes.none = shapes.symbol("None");
        shapes
    }

    /// Interns a name.
    pub(crate) fn symbol(&mut self, name: &str) -> Symbol {
        if let Some(&symbol) = self.symbols.get(name) {
            return symbol;
        }
        let symbol = Symbol(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let name: Rc<str> = name.into();
        self.names.push(name.clone());
        self.symbols.insert(name, symbol);
        symbol
    }

    /// The symbol of a name that occurs somewhere.
    pub(crate) fn find(&self, name: &str) -> Option<Symbol> {
        self.symbols.get(name).copied()
    }

    /// The text of a symbol.
    pub(crate) fn name(&self, symbol: Symbol) -> &str {
        self.names.get(symbol.0 as usize).map_or("?", |name| name)
    }

    /// The shape of field names that are sorted by text.
    pub(crate) fn shape(&mut self, names: &[Symbol]) -> Rc<Shape> {
        if let Some(shape) = self.shapes.get(names) {
            return shape.clone();
        }
        let shape = Rc::new(Shape::new(names));
        self.shapes.insert(names.into(), shape.clone());
        shape
    }

    /// The position of a field that the evaluator knows by name. Functions of the library read the
    /// same fields of records of the same shape again and again; neither ever moves.
    pub(crate) fn position(&self, shape: &Rc<Shape>, name: &'static str) -> Option<usize> {
        let (of, at) = (Rc::as_ptr(shape).addr(), name.as_ptr().addr());
        let len = u32::try_from(name.len()).ok()?;
        let seen = &self.seen[((of >> 5) ^ at ^ (at >> 6)) % SEEN];
        let known = seen.get();
        if (known.0, known.1, known.2) == (of, at, len) {
            return Some(known.3 as usize);
        }
        // The names of a record are few and in order, those of the program are many.
        let found = shape.names.binary_search_by(|&symbol| self.name(symbol).cmp(name)).ok()?;
        seen.set((of, at, len, u32::try_from(found).ok()?));
        Some(found)
    }
}
