//! What a caller keeps between two checks, so that unchanged files are not read again.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::{Diagnostic, SourceId};
use cbuild_syntax::ast;

use crate::modules::ModuleKey;

/// What earlier checks found out about files. A long-lived caller hands the same one to every
/// check. It holds one version of each file that any check has reached.
#[derive(Debug, Default)]
pub struct Memory {
    parsed: BTreeMap<ModuleKey, Parsed>,
}

/// A parsed file.
#[derive(Debug)]
struct Parsed {
    text: String,
    file: Rc<ast::File>,
    /// Problems of the syntax, which point into `source`.
    problems: Vec<Diagnostic>,
    source: SourceId,
}

impl Memory {
    /// The parsed form of a module that a check has reached, as of its last text.
    pub fn file(&self, key: &ModuleKey) -> Option<&Rc<ast::File>> {
        self.parsed.get(key).map(|parsed| &parsed.file)
    }

    /// The text of a module when it was last parsed.
    pub fn text(&self, key: &ModuleKey) -> Option<&str> {
        self.parsed.get(key).map(|parsed| parsed.text.as_str())
    }

    /// Forgets a file, as when it was deleted.
    pub fn forget(&mut self, key: &ModuleKey) {
        self.parsed.remove(key);
    }

    /// Parses a text, unless it is the one that is known for the module.
    pub(crate) fn parse(
        &mut self,
        key: &ModuleKey,
        source: SourceId,
        text: &str,
    ) -> (Rc<ast::File>, Vec<Diagnostic>) {
        if let Some(known) = self.parsed.get(key)
            && known.text == text
        {
            return (Rc::clone(&known.file), known.problems_in(source));
        }
        let (file, problems) = cbuild_syntax::parse_file_only(source, text);
        let file = Rc::new(file);
        let parsed = Parsed {
            text: text.to_owned(),
            file: Rc::clone(&file),
            problems: problems.clone(),
            source,
        };
        self.parsed.insert(key.clone(), parsed);
        (file, problems)
    }
}

impl Parsed {
    /// The problems, when the text is known under another number.
    fn problems_in(&self, source: SourceId) -> Vec<Diagnostic> {
        let mut problems = self.problems.clone();
        for label in problems.iter_mut().flat_map(|problem| &mut problem.labels) {
            if label.source == self.source {
                label.source = source;
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_text_is_not_parsed_again_and_its_problems_follow_it() {
        let (mut memory, key) = (Memory::default(), ModuleKey::root("main.cbuild"));
        let (first, problems) = memory.parse(&key, SourceId(3), "let x = \n");
        assert!(!problems.is_empty());
        let (second, again) = memory.parse(&key, SourceId(5), "let x = \n");
        assert!(Rc::ptr_eq(&first, &second));
        let places = |found: &[Diagnostic]| {
            found.iter().flat_map(|d| &d.labels).map(|l| (l.source, l.span)).collect::<Vec<_>>()
        };
        let moved: Vec<_> =
            places(&problems).into_iter().map(|(_, span)| (SourceId(5), span)).collect();
        assert_eq!(places(&again), moved);
        let (third, problems) = memory.parse(&key, SourceId(0), "let x = 1\n");
        assert!(!Rc::ptr_eq(&first, &third));
        assert!(problems.is_empty());
        assert_eq!(memory.text(&key), Some("let x = 1\n"));
        memory.forget(&key);
        assert!(memory.file(&key).is_none());
    }
}
