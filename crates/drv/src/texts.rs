//! Texts by name, such as the environment of a step.

use std::iter::Map;
use std::ops::Index;
use std::slice::Iter;

use crate::template::Template;

/// Templates by name, in ascending order of the names.
///
/// A graph has thousands of steps with one or two variables each, so there is no spare room, as a
/// tree would have it; to add one name after the other takes time that grows with their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts<R>(Vec<(String, Template<R>)>);

/// Iterator over [`Texts`], in ascending order of the names.
pub type Entries<'t, R> =
    Map<Iter<'t, (String, Template<R>)>, fn(&'t (String, Template<R>)) -> Entry<'t, R>>;

/// A name and its text.
type Entry<'t, R> = (&'t String, &'t Template<R>);

impl<R> Texts<R> {
    /// No texts.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a text or replaces the one of that name.
    pub fn insert(&mut self, name: String, text: Template<R>) {
        match self.0.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => self.0[at].1 = text,
            Err(at) => self.0.insert(at, (name, text)),
        }
    }

    /// The text of a name.
    pub fn get(&self, name: &str) -> Option<&Template<R>> {
        let at = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// All names and texts, in ascending order of the names.
    pub fn iter(&self) -> Entries<'_, R> {
        self.0.iter().map(|(name, text)| (name, text))
    }

    /// All names in ascending order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &String> {
        self.0.iter().map(|(name, _)| name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<R> Default for Texts<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> FromIterator<(String, Template<R>)> for Texts<R> {
    /// Of texts with the same name the last one stays.
    fn from_iter<I: IntoIterator<Item = (String, Template<R>)>>(texts: I) -> Self {
        let mut texts: Vec<_> = texts.into_iter().collect();
        if !texts.is_sorted_by(|a, b| a.0 < b.0) {
            // The sort is stable and the reversal puts the later of two equal names first.
            texts.reverse();
            texts.sort_by(|a, b| a.0.cmp(&b.0));
            texts.dedup_by(|later, kept| later.0 == kept.0);
        }
        texts.shrink_to_fit();
        Self(texts)
    }
}

impl<R, const N: usize> From<[(String, Template<R>); N]> for Texts<R> {
    fn from(texts: [(String, Template<R>); N]) -> Self {
        texts.into_iter().collect()
    }
}

impl<'t, R> IntoIterator for &'t Texts<R> {
    type Item = Entry<'t, R>;
    type IntoIter = Entries<'t, R>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<R> Index<&str> for Texts<R> {
    type Output = Template<R>;

    /// Panics if there is no text of that name.
    fn index(&self, name: &str) -> &Template<R> {
        self.get(name).expect("a text of that name")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[(&str, &str)]) -> Texts<()> {
        names.iter().map(|(name, text)| ((*name).to_owned(), Template::from(*text))).collect()
    }

    #[test]
    fn names_are_in_order_and_the_last_text_of_a_name_stays() {
        let texts = named(&[("b", "1"), ("a", "2"), ("b", "3"), ("c", "4")]);
        assert_eq!(texts.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(texts["b"], Template::from("3"));
        let mut inserted = Texts::new();
        for (name, text) in &named(&[("c", "4"), ("a", "2")]) {
            inserted.insert(name.clone(), text.clone());
        }
        inserted.insert("b".to_owned(), Template::from("1"));
        inserted.insert("b".to_owned(), Template::from("3"));
        assert_eq!(inserted, texts);
        assert_eq!(texts.get("d"), None);
    }
}
