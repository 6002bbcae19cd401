//! Interned names and record shapes of one evaluation.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_sema::ir::{Program, Symbol};

use crate::value::Shape;

/// Names and shapes; they live as long as the evaluator.
pub(crate) struct Shapes {
    names: Vec<Rc<str>>,
    symbols: BTreeMap<Rc<str>, Symbol>,
    shapes: BTreeMap<Box<[Symbol]>, Rc<Shape>>,
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
        let mut shapes =
            Self { names, symbols, shapes: BTreeMap::new(), some: Symbol(0), none: Symbol(0) };
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
}
