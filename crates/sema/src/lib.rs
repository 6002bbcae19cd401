//! Names, modules and types of the cbuild language.

pub mod ir;
