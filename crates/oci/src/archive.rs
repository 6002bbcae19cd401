//! A tar writer whose bytes depend on its arguments alone: GNU format, fixed time.
//!
//! The byte layout is specified in `lang-spec/09-images.md`. Only the header's number fields
//! and its checksum come from the `tar` crate; names and link targets are written here, since
//! they are bytes that must arrive unchanged.

use std::io::{self, Write};

use tar::{EntryType, Header};

/// Modification time of every entry, in seconds since the epoch.
pub(crate) const MTIME: u64 = 1;

/// Size of a tar block in bytes.
pub(crate) const BLOCK: u64 = 512;

/// Longest name that stands in the header itself.
const MAX_SHORT_NAME: usize = 100;

/// Permission bits and owner of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Permission bits.
    pub(crate) mode: u32,
    /// Numeric owner.
    pub(crate) uid: u32,
    /// Numeric group.
    pub(crate) gid: u32,
}

impl Attributes {
    /// Owned by root.
    pub(crate) const fn root(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }
}

/// Number of zero bytes that fill the last block of `size` bytes of content.
pub(crate) fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK) as usize
}

/// The header block of one entry; `name` and `link` are cut to what the block can hold.
pub(crate) fn header_block(
    kind: EntryType,
    name: &[u8],
    link: &[u8],
    attributes: Attributes,
    size: u64,
) -> [u8; BLOCK as usize] {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(attributes.mode);
    header.set_uid(attributes.uid.into());
    header.set_gid(attributes.gid.into());
    header.set_mtime(MTIME);
    header.set_size(size);
    let fields = header.as_old_mut();
    let short = name.len().min(MAX_SHORT_NAME);
    fields.name[..short].copy_from_slice(&name[..short]);
    let short = link.len().min(MAX_SHORT_NAME);
    fields.linkname[..short].copy_from_slice(&link[..short]);
    header.set_cksum();
    *header.as_bytes()
}

/// Writes entries in the order in which they are given.
pub(crate) struct TarWriter<W> {
    out: W,
}

impl<W: Write> TarWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out }
    }

    /// A folder; `name` has no final slash.
    pub(crate) fn directory(&mut self, name: &[u8], attributes: Attributes) -> io::Result<()> {
        let mut name = name.to_vec();
        name.push(b'/');
        self.header(EntryType::Directory, &name, b"", attributes, 0)
    }

    /// A symbolic link with the bytes of its target.
    pub(crate) fn symlink(&mut self, name: &[u8], target: &[u8]) -> io::Result<()> {
        self.header(EntryType::Symlink, name, target, Attributes::root(0o777), 0)
    }

    /// Header of a regular file. The caller writes exactly `size` bytes to [`Self::content`]
    /// and then calls [`Self::end_file`].
    pub(crate) fn begin_file(
        &mut self,
        name: &[u8],
        attributes: Attributes,
        size: u64,
    ) -> io::Result<()> {
        self.header(EntryType::Regular, name, b"", attributes, size)
    }

    /// Where the content of the file that was begun goes.
    pub(crate) fn content(&mut self) -> &mut W {
        &mut self.out
    }

    /// Fills the last block of a file of `size` bytes.
    pub(crate) fn end_file(&mut self, size: u64) -> io::Result<()> {
        self.out.write_all(&[0; BLOCK as usize][..padding(size)])
    }

    /// Ends the archive with two zero blocks.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        Ok(self.out)
    }

    fn header(
        &mut self,
        kind: EntryType,
        name: &[u8],
        link: &[u8],
        attributes: Attributes,
        size: u64,
    ) -> io::Result<()> {
        if link.len() > MAX_SHORT_NAME {
            self.long_text(EntryType::GNULongLink, link)?;
        }
        if name.len() > MAX_SHORT_NAME {
            self.long_text(EntryType::GNULongName, name)?;
        }
        self.out.write_all(&header_block(kind, name, link, attributes, size))
    }

    /// The entry before a header whose name or target does not fit: the text and one NUL.
    fn long_text(&mut self, kind: EntryType, text: &[u8]) -> io::Result<()> {
        let size = text.len() as u64 + 1;
        let root = Attributes::root(0o644);
        self.out.write_all(&header_block(kind, b"././@LongLink", b"", root, size))?;
        self.out.write_all(text)?;
        self.out.write_all(&[0])?;
        self.end_file(size)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::digest::Sha256Digest;

    fn sample() -> Vec<u8> {
        let mut tar = TarWriter::new(Vec::new());
        tar.directory(b"d", Attributes::root(0o555)).unwrap();
        let long = [b"d/".as_slice(), &[b'x'; 120]].concat();
        tar.begin_file(&long, Attributes { mode: 0o444, uid: 65532, gid: 3_000_000 }, 3).unwrap();
        tar.content().write_all(b"abc").unwrap();
        tar.end_file(3).unwrap();
        tar.symlink(b"d/\xff", b".//a/../\xfe").unwrap();
        tar.symlink(&[b'n'; 100], &[b't'; 101]).unwrap();
        tar.finish().unwrap()
    }

    #[test]
    fn entries_read_back_unchanged() {
        let bytes = sample();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = String::new();
            entry.read_to_string(&mut content).unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), MTIME);
            seen.push((
                entry.path_bytes().into_owned(),
                entry.link_name_bytes().map(|b| b.into_owned()),
                (header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()),
                content,
            ));
        }
        let long = [b"d/".as_slice(), &[b'x'; 120]].concat();
        let expected = [
            (b"d/".to_vec(), None, (0o555, 0, 0), String::new()),
            (long, None, (0o444, 65532, 3_000_000), "abc".to_owned()),
            (b"d/\xff".to_vec(), Some(b".//a/../\xfe".to_vec()), (0o777, 0, 0), String::new()),
            (vec![b'n'; 100], Some(vec![b't'; 101]), (0o777, 0, 0), String::new()),
        ];
        assert_eq!(seen, expected);
    }

    const SAMPLE: &str = "sha256:eb6701863a7c4e6561bac4cc9f0e8df54e6c7b26f61f393763ec13d4d0b5d750";

    #[test]
    fn bytes_are_pinned() {
        assert_eq!(Sha256Digest::of(&sample()).to_string(), SAMPLE);
    }

    #[test]
    fn padding_fills_blocks() {
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
