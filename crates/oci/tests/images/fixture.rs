//! A small store with an application, a library and an image of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use cbuild_drv::image::{
    Connection, Contract, Endpoint, EnvVariable, IMAGE_DOCUMENT_VERSION, ImageDocument,
};
use cbuild_drv::{ActionKey, Digest, Name, OutputName, StorePath};
use cbuild_oci::{Format, ImageSummary, OciError, PackOptions, pack};
use cbuild_store::{BuiltOutput, Store};
use tempfile::TempDir;

/// A store in a temporary folder, and room for results.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

/// Folders of the store are read-only, and only root can empty such folders.
impl Drop for Fixture {
    fn drop(&mut self) {
        for entry in walkdir::WalkDir::new(self.folder.path()).into_iter().flatten() {
            if entry.file_type().is_dir() {
                let writable = fs::Permissions::from_mode(0o755);
                // What stays read-only makes the removal fail, which harms no test.
                drop(fs::set_permissions(entry.path(), writable));
            }
        }
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    /// A place for a result.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Registers what `fill` makes at the path it is given, with references to `candidates`.
    pub(crate) fn object(
        &self,
        name: &str,
        candidates: &[&StorePath],
        fill: impl FnOnce(&Path),
    ) -> StorePath {
        let scratch = self.store.scratch().unwrap();
        let physical = scratch.path().join("out");
        fill(&physical);
        let output = OutputName::out();
        let name = Name::new(name).unwrap();
        let key = ActionKey(Digest::of(name.as_str().as_bytes()));
        let built = BuiltOutput {
            output: output.clone(),
            scratch: StorePath::scratch(&key, &output, &name),
            name,
            physical,
        };
        let candidates: BTreeSet<_> = candidates.iter().map(|path| (*path).clone()).collect();
        self.store.register(&key, vec![built], &candidates).unwrap().remove(&output).unwrap()
    }

    /// A library with all kinds of files that a store knows.
    pub(crate) fn library(&self) -> StorePath {
        self.object("library-1.0", &[], |out| {
            let long = "a-folder-with-a-name-that-does-not-fit-a-tar-header";
            fs::create_dir_all(out.join("share").join(long)).unwrap();
            fs::write(out.join("share").join(long).join("data"), "data\n".repeat(300)).unwrap();
            fs::write(out.join("share/empty"), "").unwrap();
            symlink("share//empty", out.join("link")).unwrap();
        })
    }

    /// A folder object with an executable `bin/app` of these bytes.
    pub(crate) fn application(&self, program: &[u8], candidates: &[&StorePath]) -> StorePath {
        self.object("app-1.0", candidates, |out| {
            fs::create_dir_all(out.join("bin")).unwrap();
            fs::write(out.join("bin/app"), program).unwrap();
            fs::set_permissions(out.join("bin/app"), fs::Permissions::from_mode(0o755)).unwrap();
        })
    }

    /// The image object of a document.
    pub(crate) fn image(&self, document: &ImageDocument, candidates: &[&StorePath]) -> StorePath {
        let json = document.to_json().unwrap();
        self.object("app-image", candidates, |out| fs::write(out, json).unwrap())
    }

    /// The image that most tests use.
    pub(crate) fn sample(&self) -> StorePath {
        let library = self.library();
        let program = [elf(INTEL, None), format!("pretends to need {library}").into()].concat();
        let app = self.application(&program, &[&library]);
        self.image(&document(&app), &[&app])
    }

    /// Packs to a file or folder named after the format.
    pub(crate) fn pack(
        &self,
        image: &StorePath,
        options: &PackOptions,
    ) -> Result<(PathBuf, ImageSummary), OciError> {
        let out = self.out(options.format.as_str());
        let summary = pack(&self.store, image, options, &out)?;
        Ok((out, summary))
    }
}

/// Class, byte order and number of the machine of a program.
pub(crate) type Machine = (u8, u8, u16);

pub(crate) const INTEL: Machine = (2, 1, 62);
pub(crate) const ARM: Machine = (2, 1, 183);
pub(crate) const MIPS: Machine = (1, 2, 8);

/// What the kernel looks at in a program: its header, and one that names its loader.
pub(crate) fn elf((class, order, machine): Machine, loader: Option<&str>) -> Vec<u8> {
    let number = |value: u64, length: usize| match order {
        1 => value.to_le_bytes()[..length].to_vec(),
        _ => value.to_be_bytes()[8 - length..].to_vec(),
    };
    let (word, header, entry) = if class == 1 { (4, 52, 32) } else { (8, 64, 56) };
    let loader = loader.map(|path| [path.as_bytes(), &[0]].concat()).unwrap_or_default();
    let kind = if loader.is_empty() { 1 } else { 3 };
    let mut bytes = vec![0x7f, b'E', b'L', b'F', class, order, 1];
    bytes.resize(16, 0);
    let mut add = |value, length| bytes.extend(number(value, length));
    // Type, machine, version, entry point, places of program headers and sections, flags, lengths.
    [(3, 2), (machine.into(), 2), (1, 4), (0, word), (header, word), (0, word), (0, 4)]
        .into_iter()
        .chain([(header, 2), (entry, 2), (1, 2), (0, 2), (0, 2), (0, 2)])
        .for_each(|(value, length)| add(value, length));
    let (place, size) = ((header + entry, word), (loader.len() as u64, word));
    let fields = match class {
        1 => [(kind, 4), place, (0, word), (0, word), size, size, (4, 4), (0, 4)],
        _ => [(kind, 4), (4, 4), place, (0, word), (0, word), size, size, (0, word)],
    };
    fields.into_iter().for_each(|(value, length)| add(value, length));
    bytes.extend(loader);
    bytes
}

/// Default options for a format.
pub(crate) fn options(format: Format) -> PackOptions {
    PackOptions { format, ..PackOptions::default() }
}

/// A document that uses every field.
pub(crate) fn document(app: &StorePath) -> ImageDocument {
    let endpoint =
        Endpoint { protocol: "io.example".to_owned(), transport: "tcp".to_owned(), port: 6390 };
    let needed = Connection { protocol: "io.redis".to_owned() };
    let variable = EnvVariable { variable: "LEVEL".to_owned(), required: false };
    let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    ImageDocument {
        cbuild_image: IMAGE_DOCUMENT_VERSION,
        name: "demo/app".to_owned(),
        tag: "1.0".to_owned(),
        system: "x86_64-linux".to_owned(),
        cmd: vec![format!("{app}/bin/app"), "--flag".to_owned()],
        env: BTreeMap::from(
            [("ZED", "1"), ("ALPHA", "a=b")].map(|(k, v)| (k.to_owned(), v.to_owned())),
        ),
        user: "1234:5678".to_owned(),
        workdir: "/var/lib/app".to_owned(),
        contents: Vec::new(),
        contract: Contract {
            listens: BTreeMap::from([("api".to_owned(), endpoint)]),
            connects: BTreeMap::from([("cache".to_owned(), needed)]),
            env: BTreeMap::from([("level".to_owned(), variable)]),
            volumes: map("data", "/data"),
        },
    }
}
