//! Which file of an object holds a reference.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;

use crate::cancel::Cancel;
use crate::disk;
use crate::error::{Error, IoContext, Result};
use crate::hidden::{self, Allowance, Seen, Watched};
use crate::scan::{Pattern, Patterns, Scanner};
use crate::store::Store;
use crate::tree::MAX_DEPTH;

impl Store {
    /// For each of the other objects that occurs in an object, the first file that names it: in
    /// its bytes, in what it holds in compressed form, as a link's target or in its own name. The
    /// path is relative, and empty where the object is itself a file.
    ///
    /// # Errors
    /// [`Error::NotInStore`] for an absent object, and when a file cannot be read.
    pub fn mentions(
        &self,
        object: &StorePath,
        others: &[StorePath],
    ) -> Result<BTreeMap<StorePath, PathBuf>> {
        let top = self.layout.object(object);
        if !disk::exists(&top)? {
            return Err(Error::NotInStore { path: object.clone() });
        }
        let mut patterns = Patterns::default();
        for (position, other) in others.iter().enumerate() {
            patterns.add(other.digest(), Pattern::Candidate(position));
        }
        let mut search = Search {
            patterns: &patterns,
            cancel: &self.cancel,
            found: BTreeMap::new(),
            total: others.len(),
            allowance: Allowance::default(),
        };
        search.look(&top, &mut PathBuf::new(), 0)?;
        let found = search.found.into_iter();
        Ok(found.map(|(position, file)| (others[position].clone(), file)).collect())
    }
}

struct Search<'p> {
    patterns: &'p Patterns,
    cancel: &'p Cancel,
    found: BTreeMap<usize, PathBuf>,
    total: usize,
    allowance: Allowance,
}

impl Search<'_> {
    fn look(&mut self, at: &Path, inside: &mut PathBuf, depth: usize) -> Result<()> {
        if self.found.len() == self.total {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep { path: at.to_owned(), limit: MAX_DEPTH });
        }
        if let Some(name) = inside.file_name() {
            let name = name.as_bytes().to_owned();
            self.note_text(&name, inside);
        }
        let metadata = fs::symlink_metadata(at).at("look at", at)?;
        if metadata.is_symlink() {
            let target = fs::read_link(at).at("read the link", at)?;
            self.note_text(target.as_os_str().as_bytes(), inside);
        } else if metadata.is_dir() {
            for name in disk::list(at)? {
                inside.push(&name);
                self.look(&at.join(&name), inside, depth + 1)?;
                inside.pop();
            }
        } else if metadata.is_file() {
            let mut file = File::open(at).at("open", at)?;
            let mut scanner = Scanner::new(self.patterns, usize::MAX, self.cancel);
            let found = &mut self.found;
            let mut note = |pattern| note(found, pattern, inside);
            let mut seen = Seen::default();
            let mut watched = Watched::new(&mut file, &mut seen);
            scanner.stream(&mut watched, |_, pattern| note(pattern)).at("read", at)?;
            let (length, allowance) = (metadata.len(), &mut self.allowance);
            hidden::look_inside(&file, length, seen, &mut scanner, allowance, &mut note)
                .at("read", at)?;
        }
        Ok(())
    }

    fn note_text(&mut self, text: &[u8], inside: &Path) {
        let found = &mut self.found;
        self.patterns.find(text, |_, pattern| note(found, pattern, inside));
    }
}

fn note(found: &mut BTreeMap<usize, PathBuf>, pattern: Pattern, inside: &Path) {
    if let Pattern::Candidate(position) = pattern {
        found.entry(position).or_insert_with(|| inside.to_owned());
    }
}
