//! Values.

/// An evaluated value (its parts may be lazy still). Cheap to clone.
#[derive(Clone, Debug)]
pub enum Value {
    /// A number.
    Int(i64),
}
