//! Pointers to what may be nested thousands of levels deep.
//!
//! Chains, such as `a + b + …` and `if … else if …`, are no nesting to a reader, but they are nested
//! trees. What the compiler writes for such trees (to drop, clone and show them) recurses; through
//! these pointers it does so on a stack that grows. This knows nothing of what the trees mean.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// Stack that must be left when a step begins: several times what the steps between two looks take.
const RED_ZONE: usize = 128 * 1024;
/// Size of the pieces that the stack grows by.
const SEGMENT: usize = 4 * 1024 * 1024;

/// Runs a step of a recursion, on a new piece of stack if the current one is nearly used up.
pub fn guarded<T>(step: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, SEGMENT, step)
}

/// A part that may be nested deeply. The default value of `T` is what is left of a part that was
/// taken out; it should cost nothing.
pub struct Deep<T: Default>(Box<T>);

impl<T: Default> Deep<T> {
    /// A pointer to a part.
    pub fn new(part: T) -> Self {
        Self(Box::new(part))
    }

    /// The part.
    pub fn into_inner(mut self) -> T {
        std::mem::take(&mut *self.0)
    }
}

impl<T: Default> Drop for Deep<T> {
    fn drop(&mut self) {
        let part = std::mem::take(&mut *self.0);
        guarded(|| drop(part));
    }
}

impl<T: Default> Deref for Deep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Default> DerefMut for Deep<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Default + Clone> Clone for Deep<T> {
    fn clone(&self) -> Self {
        Self(guarded(|| self.0.clone()))
    }
}

impl<T: Default + fmt::Debug> fmt::Debug for Deep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        guarded(|| self.0.fmt(f))
    }
}

/// A list whose items may be nested deeply.
pub struct DeepList<T>(Vec<T>);

impl<T> From<Vec<T>> for DeepList<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T> Drop for DeepList<T> {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.0);
        guarded(|| drop(items));
    }
}

impl<T> Deref for DeepList<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for DeepList<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

impl<'l, T> IntoIterator for &'l DeepList<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: Clone> Clone for DeepList<T> {
    fn clone(&self) -> Self {
        Self(guarded(|| self.0.clone()))
    }
}

impl<T: fmt::Debug> fmt::Debug for DeepList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        guarded(|| self.0.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default)]
    enum Nested {
        #[default]
        End,
        Inner(Deep<Nested>),
        Items(DeepList<Nested>),
    }

    impl Nested {
        fn depth(&self) -> usize {
            let (mut depth, mut inner) = (0, self);
            loop {
                inner = match inner {
                    Self::End => return depth,
                    Self::Inner(part) => part,
                    Self::Items(parts) => &parts[0],
                };
                depth += 1;
            }
        }
    }

    #[test]
    fn a_million_levels_are_dropped_cloned_and_shown() {
        let deep = (0..500_000).fold(Nested::End, |inner, _| {
            Nested::Items(vec![Nested::Inner(Deep::new(inner))].into())
        });
        assert_eq!(deep.clone().depth(), 1_000_000);
        let shown = format!("{deep:?}");
        assert_eq!(shown.matches("Items([Inner(").count(), 500_000);
    }
}
