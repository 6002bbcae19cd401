//! What goes into an image: its document and the objects of its closure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cbuild_drv::digest::DIGEST_TEXT_LEN;
use cbuild_drv::image::ImageDocument;
use cbuild_drv::{STORE_DIR, StorePath};
use cbuild_store::{Entry, Error as StoreError, Store, Visitor};

use crate::error::OciError;

/// Largest image document that is read, in bytes.
const MAX_DOCUMENT: u64 = 4 << 20;

/// One object of the closure.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// Where its files are on the host.
    pub(crate) physical: PathBuf,
    /// Sum of the lengths of its files, in bytes.
    pub(crate) size: u64,
    /// The objects that it names itself.
    pub(crate) references: BTreeSet<StorePath>,
}

/// The document and the closure of an image object, without the object itself.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) document: ImageDocument,
    pub(crate) objects: BTreeMap<StorePath, Object>,
}

impl Contents {
    /// Reads the image object and looks up its closure, which is kept from collection while
    /// the store is open.
    pub(crate) fn load(store: &Store, image: &StorePath) -> Result<Self, OciError> {
        if !store.protect(std::slice::from_ref(image))?.is_empty() {
            return Err(StoreError::NotInStore { path: image.clone() }.into());
        }
        let document = read_document(store, image)?;
        let mut objects = BTreeMap::new();
        for path in store.closure(std::slice::from_ref(image))? {
            if path == *image {
                continue;
            }
            let info =
                store.info(&path)?.ok_or_else(|| StoreError::NotInStore { path: path.clone() })?;
            let physical = store.physical(&path);
            let object = Object { physical, size: info.size, references: info.references };
            objects.insert(path, object);
        }
        let contents = Self { document, objects };
        contents.check_named()?;
        Ok(contents)
    }

    /// The objects whose digest occurs in one of `texts`.
    pub(crate) fn named_in(&self, texts: &[String]) -> BTreeSet<StorePath> {
        let named = |path: &&StorePath| {
            let digest = path.digest().to_string();
            texts.iter().any(|text| text.contains(&digest))
        };
        self.objects.keys().filter(named).cloned().collect()
    }

    /// Refuses a document that names an object which the image will not hold.
    fn check_named(&self) -> Result<(), OciError> {
        let document = &self.document;
        let digests: BTreeSet<String> =
            self.objects.keys().map(|path| path.digest().to_string()).collect();
        let check = |field, text: &String| match store_names(text)
            .find(|name| name.get(..DIGEST_TEXT_LEN).is_none_or(|digest| !digests.contains(digest)))
        {
            Some(name) => Err(OciError::OutsideClosure {
                field,
                named: format!("{STORE_DIR}/{}", name.split('/').next().unwrap_or_default()),
            }),
            None => Ok(()),
        };
        document.cmd.iter().try_for_each(|text| check("cmd", text))?;
        document.env.values().try_for_each(|text| check("vars", text))?;
        document.contents.iter().try_for_each(|text| check("contents", text))
    }
}

/// What follows each `/cbuild/store/` in `text`.
fn store_names(text: &str) -> impl Iterator<Item = &str> {
    let prefix = format!("{STORE_DIR}/");
    let starts: Vec<_> = text.match_indices(&prefix).map(|(at, found)| at + found.len()).collect();
    starts.into_iter().map(move |start| &text[start..])
}

fn read_document(store: &Store, image: &StorePath) -> Result<ImageDocument, OciError> {
    let refuse = |reason: &str| OciError::NotAnImageObject {
        object: image.clone(),
        reason: reason.to_owned(),
    };
    let physical = store.physical(image);
    let metadata = physical.symlink_metadata().map_err(OciError::reading(&physical))?;
    if !metadata.is_file() {
        return Err(refuse("it is a folder or a link, and an image is one file"));
    }
    if metadata.len() > MAX_DOCUMENT {
        return Err(refuse("it has more than 4 MiB"));
    }
    let mut bytes = Bytes(Vec::new());
    store.read_object(image, &mut bytes).map_err(OciError::damaged(&physical))?;
    ImageDocument::parse(&bytes.0)
        .map_err(|source| OciError::Document { object: image.clone(), source })
}

/// The content of an object that is one file.
struct Bytes(Vec<u8>);

impl Visitor for Bytes {
    type Error = OciError;

    fn entry(&mut self, _: &Path, _: Entry<'_>) -> Result<(), OciError> {
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), OciError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}
