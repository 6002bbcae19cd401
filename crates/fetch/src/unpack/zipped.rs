//! Zip archives, and so wheels.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;
use zip::{CompressionMethod, System};

use super::lzma::OfLzma;
use super::tree::{TreeWriter, shown};
use crate::error::{FetchError, UnsafeReason};

/// File type bits of a Unix mode, and the types that are known here.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

/// Reads an archive into the tree, in the order of its directory.
pub(super) fn read(file: File, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let corrupt =
        |tree: &TreeWriter<'_>, error: ZipError| tree.corrupt_after_last(&io::Error::from(error));
    let headers = file.try_clone().map_err(|error| tree.corrupt_after_last(&error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| corrupt(tree, e))?;
    for index in 0..archive.len() {
        agree(&headers, &archive, index).map_err(|error| tree.corrupt_after_last(&error))?;
        match method(&archive, index, tree)? {
            Method::OfZip => {
                let found = archive.by_index(index).map_err(|e| corrupt(tree, e))?;
                let about = About::of(&found);
                entry(&about, found, tree)?;
            }
            Method::OfLzma(method) => {
                let mut found = archive.by_index_raw(index).map_err(|e| corrupt(tree, e))?;
                let about = About::of(&found);
                let flags = found.flags().as_u16();
                let content = method.decoded(&mut found, about.size, flags, about.crc);
                let content = content.map_err(|error| tree.corrupt_after_last(&error))?;
                entry(&about, content, tree)?;
            }
        }
    }
    Ok(())
}

/// Refuses an entry whose own header and whose line in the directory differ in name or method:
/// some programs go by the one and some by the other.
fn agree(file: &File, archive: &ZipArchive<BufReader<File>>, index: usize) -> io::Result<()> {
    // What cannot be found is told by the reading of the entry.
    let Ok(entry) = archive.by_index_data(index) else { return Ok(()) };
    let header = |at: u64, mark: [u8; 4], method: usize, length: usize, name: u64| {
        let mut fields = [0; 30];
        file.read_exact_at(&mut fields, at)?;
        let short = |at: usize| u16::from_le_bytes([fields[at], fields[at + 1]]);
        if !fields.starts_with(&mark) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the header of an entry is not there",
            ));
        }
        let mut text = vec![0; usize::from(short(length))];
        file.read_exact_at(&mut text, at + name)?;
        Ok((text, short(method)))
    };
    let own = header(entry.header_start(), *b"PK\x03\x04", 8, 26, 30)?;
    let listed = header(entry.central_header_start(), *b"PK\x01\x02", 10, 28, 46)?;
    if own == listed {
        return Ok(());
    }
    let [own, listed] =
        [own, listed].map(|(name, method)| format!("`{}` (method {method})", shown(&name)));
    let message = format!("the header of an entry says {own}, and the directory {listed}");
    Err(io::Error::new(io::ErrorKind::InvalidData, message))
}

/// Most bytes that the end of a directory may have: its fields and a comment.
const MOST_END: u64 = 22 + 0xffff;

/// Whether the last bytes are the end of a zip archive's directory.
pub(super) fn ends_as_zip(file: &File) -> bool {
    let tail = || {
        let length = file.metadata()?.len();
        let from = length.saturating_sub(MOST_END);
        let mut tail = vec![0; usize::try_from(length - from).unwrap_or_default()];
        file.read_exact_at(&mut tail, from)?;
        io::Result::Ok(tail)
    };
    let tail = tail().unwrap_or_default();
    (0..tail.len()).any(|at| {
        let [b'P', b'K', 5, 6, rest @ ..] = &tail[at..] else { return false };
        let comment =
            rest.get(16..18).map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])));
        comment.is_some_and(|comment| rest.len() == 18 + comment)
    })
}

/// What the directory says of an entry.
struct About {
    name: Vec<u8>,
    mode: u32,
    size: u64,
    crc: u32,
}

impl About {
    fn of(entry: &ZipFile<'_, impl Read>) -> Self {
        // Archives from systems without modes have none of the bits of a type.
        let mode = entry.unix_mode().unwrap_or(0);
        Self { name: name(entry), mode, size: entry.size(), crc: entry.crc32() }
    }
}

fn entry(
    about: &About,
    mut content: impl Read,
    tree: &mut TreeWriter<'_>,
) -> Result<(), FetchError> {
    let name = &about.name;
    match about.mode & TYPE {
        _ if name.ends_with(b"/") => tree.directory(name),
        DIRECTORY => tree.directory(name),
        SYMLINK => {
            let target = target(&mut content, tree)?;
            tree.symlink(name, &target)
        }
        0 | REGULAR => {
            tree.file(name, about.mode & 0o100 != 0, about.size, &mut content)?;
            end(&mut content, tree)
        }
        _ => Err(tree.refused(name, UnsafeReason::Special)),
    }
}

/// How the content of an entry is decoded.
enum Method {
    /// By the `zip` crate.
    OfZip,
    /// Here, with the library that reads xz elsewhere.
    OfLzma(OfLzma),
}

/// Refuses an entry whose content cannot be read, and says which method that would need.
fn method(
    archive: &ZipArchive<BufReader<File>>,
    index: usize,
    tree: &TreeWriter<'_>,
) -> Result<Method, FetchError> {
    let Ok(entry) = archive.by_index_data(index) else { return Ok(Method::OfZip) };
    if entry.encrypted() {
        let what = "it is encrypted, which is not supported".to_owned();
        return Err(tree.unsupported(entry.name_raw(), what));
    }
    #[expect(deprecated, reason = "nothing else tells the number of an unknown method")]
    let CompressionMethod::Unsupported(number) = entry.compression() else {
        return Ok(Method::OfZip);
    };
    match number {
        14 => Ok(Method::OfLzma(OfLzma::Lzma)),
        95 => Ok(Method::OfLzma(OfLzma::Xz)),
        _ => {
            let name = name_of(number).map(|name| format!(" ({name})")).unwrap_or_default();
            let what = format!("its compression method {number}{name} is not supported");
            Err(tree.unsupported(entry.name_raw(), what))
        }
    }
}

/// Names of compression methods (APPNOTE.TXT, section 4.4.5).
fn name_of(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "shrink",
        2..=5 => "reduce",
        6 => "implode",
        9 => "Deflate64",
        10 => "PKWARE DCL implode",
        16 => "IBM z/OS CMPSC",
        18 => "IBM TERSE",
        19 => "IBM LZ77",
        94 => "MP3",
        96 => "JPEG",
        97 => "WavPack",
        98 => "PPMd",
        99 => "AES encryption",
        _ => return None,
    })
}

/// The name of an entry, with `/` between its components. Names that are not UTF-8 are of a code
/// page that nothing tells, and stay the bytes that they are.
fn name(entry: &ZipFile<'_, impl Read>) -> Vec<u8> {
    let raw = entry.name_raw();
    match std::str::from_utf8(raw) {
        // Programs of DOS and Windows that break the rule write `\`, and then throughout.
        Ok(text) if entry.system() == System::Dos && !text.contains('/') => {
            text.replace('\\', "/").into_bytes()
        }
        _ => raw.to_vec(),
    }
}

/// The target of a link, which is its content; one byte more than allowed is enough to refuse it.
fn target(entry: &mut impl Read, tree: &TreeWriter<'_>) -> Result<Vec<u8>, FetchError> {
    let mut target = Vec::new();
    let most = tree.limits().name_bytes as u64 + 1;
    entry.take(most).read_to_end(&mut target).map_err(|e| tree.corrupt_after_last(&e))?;
    Ok(target)
}

/// Reads to the end of an entry, where its checksum is compared.
fn end(entry: &mut impl Read, tree: &TreeWriter<'_>) -> Result<(), FetchError> {
    let mut more = [0];
    match entry.read(&mut more) {
        Ok(0) => Ok(()),
        Ok(_) => {
            let message = "it holds more bytes than its directory says";
            Err(tree.corrupt_after_last(&io::Error::new(io::ErrorKind::InvalidData, message)))
        }
        Err(error) => Err(tree.corrupt_after_last(&error)),
    }
}
