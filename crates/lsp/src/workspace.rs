//! The open documents, and what checking them gave.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;

use cbuild_diag::{Diagnostic, SourceId, Sources, Span};
use cbuild_sema::index::{Index, Place};
use cbuild_sema::{LoadError, Loader, Memory, ModuleKey, Package};
use lsp_types::{Location, TextDocumentContentChangeEvent, Uri};
use url::Url;

use crate::lines::Lines;
use crate::{FilePlace, Outside};

/// A text that the editor has open.
pub(crate) struct Document {
    pub(crate) place: FilePlace,
    pub(crate) text: String,
    pub(crate) version: i32,
    pub(crate) lines: Lines,
}

impl Document {
    /// Applies a change to the text.
    fn change(&mut self, change: TextDocumentContentChangeEvent) {
        match change.range {
            None => self.text = change.text,
            Some(range) => {
                let start = self.lines.offset(&self.text, range.start) as usize;
                let end = (self.lines.offset(&self.text, range.end) as usize).max(start);
                self.text.replace_range(start..end, &change.text);
            }
        }
        self.lines = Lines::new(&self.text);
    }
}

/// What a check of some modules gave.
pub(crate) struct Analysis {
    pub(crate) sources: Sources,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) index: Index,
    /// Top folder of the package that was checked.
    pub(crate) root: PathBuf,
    by_key: BTreeMap<ModuleKey, SourceId>,
}

impl Analysis {
    /// The source of a module.
    pub(crate) fn source(&self, key: &ModuleKey) -> Option<SourceId> {
        self.by_key.get(key).copied()
    }

    /// The text of a place.
    pub(crate) fn text(&self, (source, span): Place) -> &str {
        let text = self.sources.text(source);
        text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

/// All that the server knows.
pub(crate) struct Workspace<'o> {
    pub(crate) outside: &'o mut dyn Outside,
    documents: BTreeMap<String, Document>,
    /// Parsed files of each package, by its top folder.
    memories: BTreeMap<PathBuf, Memory>,
    /// The last check of each document, with the state of all documents that it is of.
    analyses: BTreeMap<String, (u64, Rc<Analysis>)>,
    /// Counts changes.
    state: u64,
}

impl<'o> Workspace<'o> {
    pub(crate) fn new(outside: &'o mut dyn Outside) -> Self {
        Self {
            outside,
            documents: BTreeMap::new(),
            memories: BTreeMap::new(),
            analyses: BTreeMap::new(),
            state: 0,
        }
    }

    // ------------------------------------------------------------ documents

    pub(crate) fn open(&mut self, uri: &Uri, text: String, version: i32) {
        let place = self.place_of_uri(uri);
        let lines = Lines::new(&text);
        self.documents.insert(uri.to_string(), Document { place, text, version, lines });
        self.state += 1;
    }

    pub(crate) fn change(
        &mut self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) {
        if let Some(document) = self.documents.get_mut(uri.as_str()) {
            document.version = version;
            changes.into_iter().for_each(|change| document.change(change));
            self.state += 1;
        }
    }

    pub(crate) fn close(&mut self, uri: &Uri) {
        self.documents.remove(uri.as_str());
        self.analyses.remove(uri.as_str());
        self.state += 1;
    }

    /// Files outside of the editor may have changed.
    pub(crate) fn files_changed(&mut self) {
        self.outside.changed();
        self.state += 1;
    }

    pub(crate) fn document(&self, uri: &Uri) -> Option<&Document> {
        self.documents.get(uri.as_str())
    }

    /// Addresses of the open documents.
    pub(crate) fn open_documents(&self) -> Vec<Uri> {
        self.documents.keys().filter_map(|uri| Uri::from_str(uri).ok()).collect()
    }

    /// The module that a document is. One that is in no file is a package of its own.
    fn place_of_uri(&mut self, uri: &Uri) -> FilePlace {
        let path = path_of(uri);
        let found = path.as_deref().and_then(|path| self.outside.place(path));
        found.unwrap_or_else(|| FilePlace {
            root: path.unwrap_or_else(|| PathBuf::from(uri.as_str())),
            key: ModuleKey::root("main.cbuild"),
        })
    }

    // ------------------------------------------------------------ checks

    /// The check of a document as it is now.
    pub(crate) fn analysis(&mut self, uri: &Uri) -> Option<Rc<Analysis>> {
        if let Some((state, known)) = self.analyses.get(uri.as_str())
            && *state == self.state
        {
            return Some(Rc::clone(known));
        }
        let place = self.documents.get(uri.as_str())?.place.clone();
        let only = std::slice::from_ref(&place.key);
        let analysis = Rc::new(self.check(&place.root, only, &BTreeMap::new()));
        self.analyses.insert(uri.to_string(), (self.state, Rc::clone(&analysis)));
        Some(analysis)
    }

    /// The check of a document with another text, of which nothing is remembered.
    pub(crate) fn analysis_with(&mut self, uri: &Uri, text: String) -> Option<Analysis> {
        let place = self.documents.get(uri.as_str())?.place.clone();
        let texts = BTreeMap::from([(place.key.clone(), text)]);
        Some(self.check(&place.root, std::slice::from_ref(&place.key), &texts))
    }

    /// Checks modules of a package, some of which may have other texts than they have.
    pub(crate) fn check(
        &mut self,
        root: &Path,
        modules: &[ModuleKey],
        texts: &BTreeMap<ModuleKey, String>,
    ) -> Analysis {
        let memory = self.memories.entry(root.to_owned()).or_default();
        let outside = &mut *self.outside;
        let mut overlay = Overlay { outside, documents: &self.documents, root, texts };
        let mut sources = Sources::default();
        let (diagnostics, index) =
            cbuild_sema::check_for_editor(&mut sources, &mut overlay, memory, modules, &|key| {
                modules.contains(key)
            });
        let by_key = index
            .sources()
            .filter_map(|source| index.key(source).map(|key| (key.clone(), source)))
            .collect();
        Analysis { sources, diagnostics, index, root: root.to_owned(), by_key }
    }

    /// The text of a module as it is now, in the editor or on disk.
    pub(crate) fn text(&mut self, root: &Path, key: &ModuleKey) -> Option<String> {
        let texts = BTreeMap::new();
        let outside = &mut *self.outside;
        Overlay { outside, documents: &self.documents, root, texts: &texts }.load(key).ok()
    }

    // ------------------------------------------------------------ places

    /// The address of a module: that of its document if it is open, else that of its file.
    pub(crate) fn uri(&mut self, root: &Path, key: &ModuleKey) -> Option<Uri> {
        let open = self.documents.iter().find(|(_, document)| {
            document.place.key == *key
                && (key.package != Package::Root || document.place.root == root)
        });
        if let Some((uri, _)) = open {
            return Uri::from_str(uri).ok();
        }
        uri_of(&self.outside.file(root, key)?)
    }

    /// A place as the protocol names it.
    pub(crate) fn location(
        &mut self,
        analysis: &Analysis,
        (source, span): Place,
    ) -> Option<Location> {
        let key = analysis.index.key(source)?;
        let uri = self.uri(&analysis.root, key)?;
        let range = Lines::new(analysis.sources.text(source)).range(span);
        Some(Location { uri, range })
    }
}

/// The path of a file's address.
pub(crate) fn path_of(uri: &Uri) -> Option<PathBuf> {
    Url::parse(uri.as_str()).ok()?.to_file_path().ok()
}

/// The address of a file.
pub(crate) fn uri_of(path: &Path) -> Option<Uri> {
    Uri::from_str(Url::from_file_path(path).ok()?.as_str()).ok()
}

/// The start of a text.
pub(crate) const TOP: Span = Span { start: 0, end: 0 };

/// Files, with the texts of open documents in front of them.
struct Overlay<'a> {
    outside: &'a mut dyn Outside,
    documents: &'a BTreeMap<String, Document>,
    root: &'a Path,
    texts: &'a BTreeMap<ModuleKey, String>,
}

impl Loader for Overlay<'_> {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        if let Some(text) = self.texts.get(key) {
            return Ok(text.clone());
        }
        let open = self
            .documents
            .values()
            .find(|document| document.place.key == *key && document.place.root == self.root);
        match open {
            Some(document) => Ok(document.text.clone()),
            None => self.outside.load(self.root, key),
        }
    }

    fn shown_name(&self, key: &ModuleKey) -> String {
        self.outside.shown_name(self.root, key)
    }

    fn resolve(&self, from: Package, name: &str) -> Option<ModuleKey> {
        self.outside.resolve(self.root, from, name)
    }

    fn importable(&self, from: Package) -> Vec<String> {
        self.outside.importable(self.root, from)
    }
}
