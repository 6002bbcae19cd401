//! "Did you mean": the known name that is closest to an unknown one.

use crate::ModuleKey;
use crate::checker::Checker;
use crate::foreign;
use crate::types::{ConId, Ty, TyId};

/// One concrete fix: what is said, and what an editor puts in the place of what is wrong.
pub(crate) struct Fix {
    pub(crate) text: String,
    pub(crate) replacement: Option<String>,
}

impl From<String> for Fix {
    fn from(text: String) -> Self {
        Self { text, replacement: None }
    }
}

/// Longest name, in characters, that others are compared with.
const LONGEST: usize = 100;

/// Most names of a similar length that one name is compared with, the nearest scope first.
const MOST_COMPARED: usize = 1000;

/// The candidate with the fewest edits, if it is close enough to be meant. Of equally close ones
/// the first in the candidates' order wins.
pub(crate) fn closest<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = wanted.chars().count();
    // With one letter changed, a name of one letter is any other.
    let allowed = (length / 3).max(1).min(length.saturating_sub(1));
    if allowed == 0 {
        return None;
    }
    if length > LONGEST {
        return None;
    }
    let is_near = |name: &&str| name.chars().count().abs_diff(length) <= allowed;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.into_iter().filter(is_near).take(MOST_COMPARED) {
        let distance = distance(wanted, candidate);
        if candidate != wanted && distance <= allowed && best.is_none_or(|(d, _)| distance < d) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, name)| name)
}

/// The closest name as a fix.
pub fn did_you_mean<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    meant(wanted, candidates).map(|fix| fix.text)
}

/// As [`did_you_mean`], with the name that is put in the place of the unknown one.
pub(crate) fn meant<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<Fix> {
    closest(wanted, candidates).map(|name| Fix {
        text: format!("did you mean `{name}`?"),
        replacement: Some(name.to_owned()),
    })
}

impl Checker<'_> {
    /// What is written in other languages as a member of a value, such as `items.map(f)`, is a function of
    /// the library's module for the type.
    pub(crate) fn function_instead(&self, value: TyId, name: &str) -> Option<Fix> {
        let Ty::Con(con, _) = self.types.get(value) else { return None };
        let module = match con {
            ConId::LIST => "list",
            ConId::STR | ConId::INT => "text",
            ConId::MAP => "map",
            ConId::OPTION => "option",
            ConId::PATH => "path",
            ConId::SCRIPT => "script",
            _ => return None,
        };
        let key = ModuleKey::std(format!("{module}.cbuild"));
        // Of the library only what a program uses is read.
        let index = self.modules.iter().position(|loaded| loaded.key == key);
        if con == ConId::INT && index.is_none() {
            return None;
        }
        let names: Vec<&str> =
            index.and_then(|index| self.scopes.get(index)).map_or_else(Vec::new, |scope| {
                let public = scope.values.iter().filter(|(_, entry)| entry.public);
                public.map(|(name, _)| &**name).collect()
            });
        if let Some(function) = foreign::function(name).filter(|_| con == ConId::LIST)
            && function == "std.text.join"
        {
            let text =
                format!("call the function `{function}`, with the list as its first argument");
            return Some(Fix::from(text));
        }
        let found = names.iter().copied().find(|known| *known == name);
        let foreign = || (con != ConId::INT).then(|| foreign_member(module, name)).flatten();
        let called = found.or_else(foreign).or_else(|| closest(name, names.iter().copied()));
        Some(Fix::from(match called {
            Some(called) => format!(
                "call the function `std.{module}.{called}`, with the value as its first argument or in front of `|>`"
            ),
            None => format!("its functions are in `std.{module}`"),
        }))
    }
}

/// What a member of another language's values is called in a module of the library, such as `length` for
/// `len`.
fn foreign_member(module: &str, name: &str) -> Option<&'static str> {
    if matches!(name, "len" | "length" | "size") {
        return matches!(module, "list" | "text").then_some("length");
    }
    foreign::function(name)?.strip_prefix("std.")?.strip_prefix(module)?.strip_prefix('.')
}

/// Number of characters, whatever their case, to insert, remove, replace or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replace = row[j] + usize::from(x != y);
            let mut best = replace.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, closest};

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["version", "name", "script", "src"];
        assert_eq!(closest("verison", names), Some("version"));
        assert_eq!(closest("nmae", names), Some("name"));
        assert_eq!(closest("scr", names), Some("src"));
        assert_eq!(closest("Script", names), Some("script"));
        assert_eq!(closest("hash", names), None);
        let (long, longer) = ("q".repeat(LONGEST), "q".repeat(LONGEST + 1));
        assert_eq!(closest(&format!("r{}", &long[1..]), [&*long]), Some(&*long));
        assert_eq!(closest(&format!("r{}", &longer[1..]), [&*longer]), None);
    }
}
