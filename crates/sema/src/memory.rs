//! What a caller keeps between two checks, so that unchanged files are not read again.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cbuild_diag::{Diagnostic, SourceId};
use cbuild_syntax::{Outline, ast};

use crate::modules::ModuleKey;
use crate::record::{self, Digest, MAX_RECORDS, Record};

/// What earlier checks found out about files. A long-lived caller hands the same one to every
/// check. It holds one version of each file that any check has reached.
///
/// What checks with [`crate::Bodies::Changed`] found can also be kept from one process to the next:
/// see [`Memory::from_bytes`] and [`Memory::to_bytes`].
#[derive(Debug, Default)]
pub struct Memory {
    parsed: BTreeMap<ModuleKey, Parsed>,
    records: BTreeMap<ModuleKey, Record>,
    /// Modules whose records were asked for.
    reached: BTreeSet<ModuleKey>,
    /// Whether the records differ from those that were read.
    changed: bool,
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
    /// What an earlier process wrote with [`Memory::to_bytes`]; `None` if the bytes are no such
    /// thing. The bytes must come from the same build of cbuild, which the caller makes sure of:
    /// another one may find other things wrong with the same modules.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let records = record::decode(bytes)?.into_iter().collect();
        Some(Self { records, ..Self::default() })
    }

    /// What later processes may know; `None` if it is what this one was given.
    ///
    /// It takes less than a tenth of the size of the modules, and holds at most 20,000 of them.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let all = self.records.len() <= MAX_RECORDS;
        let kept = |key: &ModuleKey| all || self.reached.contains(key);
        let records = self.records.iter().filter(|(key, _)| kept(key)).take(MAX_RECORDS);
        self.changed.then(|| record::encode(records))
    }

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

    /// The outline of a module, if this is its text.
    pub(crate) fn outline(&mut self, key: &ModuleKey, text: &Digest) -> Option<&Outline> {
        self.reached.insert(key.clone());
        let record = self.records.get(key).filter(|record| record.text == *text)?;
        Some(&record.outline)
    }

    pub(crate) fn record(&self, key: &ModuleKey) -> Option<&Record> {
        self.records.get(key)
    }

    /// Keeps what is known of a module from now on; nothing if its text is not in the language.
    pub(crate) fn keep(&mut self, key: &ModuleKey, record: Option<Record>) {
        if self.records.get(key) == record.as_ref() {
            return;
        }
        self.changed = true;
        match record {
            Some(record) => self.records.insert(key.clone(), record),
            None => self.records.remove(key),
        };
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
        for edit in problems.iter_mut().flat_map(|problem| &mut problem.edits) {
            if edit.source == self.source {
                edit.source = source;
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
