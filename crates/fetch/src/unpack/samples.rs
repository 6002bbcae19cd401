//! Trees and archives for tests.
#![expect(clippy::disallowed_methods, reason = "entries of folders are sorted by name")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::unpack;
use crate::error::FetchError;
use crate::limits::Limits;

/// A tree in memory.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Node {
    File { executable: bool, content: Vec<u8> },
    Link(Vec<u8>),
    Folder(BTreeMap<Vec<u8>, Node>),
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { executable, content } => {
                write!(f, "File({executable}, {})", content.escape_ascii())
            }
            Self::Link(target) => write!(f, "Link({})", target.escape_ascii()),
            Self::Folder(children) => {
                let shown = children.iter().map(|(k, v)| (String::from_utf8_lossy(k), v));
                f.debug_map().entries(shown).finish()
            }
        }
    }
}

/// Reads a tree from disk.
pub(super) fn on_disk(path: &Path) -> Node {
    let metadata = fs::symlink_metadata(path).unwrap();
    if metadata.is_symlink() {
        return Node::Link(fs::read_link(path).unwrap().into_os_string().into_vec());
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
        return Node::Folder(
            entries.map(|e| (e.file_name().into_vec(), on_disk(&e.path()))).collect(),
        );
    }
    assert!(metadata.is_file(), "{path:?} is neither file, link nor folder");
    let executable = metadata.permissions().mode() & 0o100 != 0;
    Node::File { executable, content: fs::read(path).unwrap() }
}

/// How a tree is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Tar,
    TarPax,
    TarGz,
    TarGzTwoMembers,
    TarBz2,
    TarXz,
    TarZst,
    Zip,
    Deb(&'static str),
}

pub(super) const FORMATS: [Format; 11] = [
    Format::Tar,
    Format::TarPax,
    Format::TarGz,
    Format::TarGzTwoMembers,
    Format::TarBz2,
    Format::TarXz,
    Format::TarZst,
    Format::Zip,
    Format::Deb("data.tar.xz"),
    Format::Deb("data.tar.zst"),
    Format::Deb("data.tar"),
];

/// Packs a folder's entries.
pub(super) fn pack(tree: &BTreeMap<Vec<u8>, Node>, format: Format) -> Vec<u8> {
    match format {
        Format::Tar => tar(tree, false),
        Format::TarPax => tar(tree, true),
        Format::TarGz => gz(&tar(tree, false)),
        Format::TarGzTwoMembers => {
            let whole = tar(tree, false);
            let (first, second) = whole.split_at(whole.len() / 3);
            [gz(first), gz(second)].concat()
        }
        Format::TarBz2 => bz2(&tar(tree, false)),
        Format::TarXz => xz(&tar(tree, false)),
        Format::TarZst => zstd::encode_all(tar(tree, false).as_slice(), 1).unwrap(),
        Format::Zip => zip(tree),
        Format::Deb(member) => deb(tree, member),
    }
}

pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn bz2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A package with the members that real ones have; some names are written in each of both ways.
fn deb(tree: &BTreeMap<Vec<u8>, Node>, member: &str) -> Vec<u8> {
    let dotted = BTreeMap::from([(b".".to_vec(), Node::Folder(tree.clone()))]);
    let plain = tar(&dotted, false);
    let data = match member {
        "data.tar.xz" => xz(&plain),
        "data.tar.zst" => zstd::encode_all(plain.as_slice(), 1).unwrap(),
        _ => plain,
    };
    let mut builder = ar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        builder.append(&header, bytes).unwrap();
    };
    add("debian-binary", b"2.0\n");
    add("control.tar.gz", &[gz(&tar(&BTreeMap::new(), false)), vec![0]].concat());
    add(member, &data);
    builder.into_inner().unwrap()
}

fn tar(tree: &BTreeMap<Vec<u8>, Node>, pax: bool) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    if pax {
        // What `git archive` writes first.
        let record = b"13 comment=x\n";
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::XGlobalHeader);
        header.set_path("pax_global_header").unwrap();
        header.set_size(record.len() as u64);
        header.set_cksum();
        builder.append(&header, record.as_slice()).unwrap();
    }
    add_to_tar(&mut builder, b"", tree, pax);
    builder.into_inner().unwrap()
}

fn add_to_tar(
    builder: &mut Builder<Vec<u8>>,
    above: &[u8],
    tree: &BTreeMap<Vec<u8>, Node>,
    pax: bool,
) {
    for (name, node) in tree {
        let path = [above, name].concat();
        let mut header = Header::new_ustar();
        let (kind, mode, content): (_, _, &[u8]) = match node {
            Node::File { executable, content } => {
                (EntryType::Regular, if *executable { 0o755 } else { 0o644 }, content)
            }
            Node::Link(_) => (EntryType::Symlink, 0o777, b""),
            // A folder that cannot be written must not keep its entries from being unpacked.
            Node::Folder(_) => (EntryType::Directory, 0o555, b""),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        if pax {
            let target: &[u8] = if let Node::Link(target) = node { target } else { b"" };
            let records = [("path", path.as_slice()), ("linkpath", target)];
            let records = records.into_iter().filter(|(_, value)| !value.is_empty());
            builder.append_pax_extensions(records).unwrap();
            raw_name(&mut header, b"short");
            header.set_cksum();
            builder.append(&header, content).unwrap();
        } else if let Node::Link(target) = node {
            // The writer would normalise the target.
            let (kind, name, target) = (EntryType::Symlink, path.clone(), target.clone());
            add_raw(builder, &Raw { kind, name, target, content: Vec::new() });
        } else {
            let mut gnu = Header::new_gnu();
            gnu.set_entry_type(kind);
            gnu.set_mode(mode);
            gnu.set_size(content.len() as u64);
            builder.append_data(&mut gnu, os(&path), content).unwrap();
        }
        if let Node::Folder(children) = node {
            add_to_tar(builder, &[&path, b"/".as_slice()].concat(), children, pax);
        }
    }
}

fn os(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn zip(tree: &BTreeMap<Vec<u8>, Node>) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    add_to_zip(&mut writer, "", tree);
    writer.finish().unwrap().into_inner()
}

fn add_to_zip(
    writer: &mut zip::ZipWriter<Cursor<Vec<u8>>>,
    above: &str,
    tree: &BTreeMap<Vec<u8>, Node>,
) {
    for (name, node) in tree {
        let path = format!("{above}{}", std::str::from_utf8(name).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        match node {
            Node::File { executable, content } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                writer.start_file(&path, options.unix_permissions(mode)).unwrap();
                writer.write_all(content).unwrap();
            }
            Node::Link(target) => {
                writer.add_symlink(&path, std::str::from_utf8(target).unwrap(), options).unwrap();
            }
            Node::Folder(children) => {
                writer.add_directory(&path, options).unwrap();
                add_to_zip(writer, &format!("{path}/"), children);
            }
        }
    }
}

/// One entry of a tar archive with a name that no careful program would write.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) kind: EntryType,
    pub(super) name: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) content: Vec<u8>,
}

impl Raw {
    pub(super) fn file(name: &str, content: &str) -> Self {
        Self::new(EntryType::Regular, name, "", content)
    }

    pub(super) fn link(kind: EntryType, name: &str, target: &str) -> Self {
        Self::new(kind, name, target, "")
    }

    pub(super) fn new(kind: EntryType, name: &str, target: &str, content: &str) -> Self {
        let (name, target) = (name.as_bytes().to_vec(), target.as_bytes().to_vec());
        Self { kind, name, target, content: content.as_bytes().to_vec() }
    }
}

/// A tar archive of raw entries; names of more than 100 bytes become GNU long names.
pub(super) fn raw_tar(entries: &[Raw]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    entries.iter().for_each(|entry| add_raw(&mut builder, entry));
    builder.into_inner().unwrap()
}

fn add_raw(builder: &mut Builder<Vec<u8>>, entry: &Raw) {
    let long = [(b'L', &entry.name), (b'K', &entry.target)];
    for (kind, name) in long.into_iter().filter(|(_, name)| name.len() > 100) {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::new(kind));
        header.set_size(name.len() as u64);
        header.set_cksum();
        builder.append(&header, name.as_slice()).unwrap();
    }
    let mut header = Header::new_gnu();
    header.set_entry_type(entry.kind);
    header.set_mode(0o644);
    header.set_size(entry.content.len() as u64);
    raw_name(&mut header, &entry.name);
    let target = &entry.target[..entry.target.len().min(100)];
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    builder.append(&header, entry.content.as_slice()).unwrap();
}

fn raw_name(header: &mut Header, name: &[u8]) {
    let name = &name[..name.len().min(100)];
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
}

/// A folder with an archive, beside it a file that must not change, and room for the tree.
pub(super) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("work")).unwrap();
        fs::create_dir_all(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/victim"), "precious").unwrap();
        Self { folder }
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Unpacks bytes, and asserts that on an error nothing is left and that nothing outside changed.
    pub(super) fn unpack(
        &self,
        bytes: &[u8],
        strip: u32,
        limits: &Limits,
    ) -> Result<Node, FetchError> {
        let (archive, tree) = (self.path("archive"), self.path("work/tree"));
        fs::write(&archive, bytes).unwrap();
        let result = unpack(&archive, &tree, strip, "the archive", limits);
        let left = if result.is_ok() { vec!["tree"] } else { vec![] };
        assert_eq!(names(&self.path("work")), left);
        assert_eq!(names(&self.path("")), ["archive", "outside", "work"]);
        assert_eq!(names(&self.path("outside")), ["victim"]);
        assert_eq!(fs::read(self.path("outside/victim")).unwrap(), b"precious");
        result.map(|()| {
            let node = on_disk(&tree);
            fs::remove_dir_all(&tree).unwrap();
            node
        })
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
