//! What the kernel reads of an ELF file before it starts it: the header, and the name of the loader.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// First bytes of an ELF file.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// Bytes of a header of 64 bits, the longer one.
const HEADER: usize = 64;

/// Most bytes of program headers that the Linux kernel reads.
const MAX_PROGRAM_HEADERS: u64 = 65_536;

/// Longest path of a loader with its final zero byte, as in the Linux kernel.
const MAX_LOADER: u64 = 4096;

/// Types of files that can be started: at a fixed place, or at any.
const EXECUTABLE: [u64; 2] = [2, 3];

/// Type of the program header that names the loader.
const INTERPRETER: u64 = 3;

/// What tells programs apart: bytes 4, 5, 18 and 19 of an ELF file (gABI, "ELF Header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// 1 for 32 bits, 2 for 64.
    pub(crate) class: u8,
    /// 1 for the least significant byte first, 2 for the most significant.
    pub(crate) order: u8,
    /// `e_machine`.
    pub(crate) number: u16,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.class == 1 { 32 } else { 64 };
        let order = if self.order == 1 { "little" } else { "big" };
        write!(f, "ELF machine {} ({bits} bits, {order} endian)", self.number)
    }
}

/// Where the fields of the two classes stand, and how long they are.
struct Layout {
    header: usize,
    table: (usize, usize),
    entry_length: usize,
    count: usize,
    entry: u64,
    offset: (usize, usize),
    length: (usize, usize),
}

const OF_32: Layout = Layout {
    header: 52,
    table: (28, 4),
    entry_length: 42,
    count: 44,
    entry: 32,
    offset: (4, 4),
    length: (16, 4),
};

const OF_64: Layout = Layout {
    header: 64,
    table: (32, 8),
    entry_length: 54,
    count: 56,
    entry: 56,
    offset: (8, 8),
    length: (32, 8),
};

/// An ELF file that the kernel would start.
#[derive(Debug)]
pub(crate) struct Elf {
    machine: Machine,
    loader: Option<Vec<u8>>,
}

/// A number of some bytes; zero where they are not all there.
fn number(bytes: &[u8], (at, length): (usize, usize), order: u8) -> u64 {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    match order {
        1 => bytes.iter().rev().fold(0, add),
        _ => bytes.iter().fold(0, add),
    }
}

/// Reads at most so many bytes at a place.
fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut read = 0;
    while read < length {
        match file.read_at(&mut bytes[read..], offset.saturating_add(read as u64)) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A place that no file has.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(read);
    Ok(bytes)
}

impl Elf {
    /// Reads a file that begins with [`MAGIC`]. The inner error says why the kernel would not start it.
    pub(crate) fn read(file: &File) -> io::Result<Result<Self, &'static str>> {
        let start = read_at(file, 0, HEADER)?;
        let [_, _, _, _, class @ (1 | 2), order @ (1 | 2), ..] = *start else {
            return Ok(Err("is an ELF file with a malformed header"));
        };
        let layout = if class == 1 { &OF_32 } else { &OF_64 };
        if start.len() < layout.header {
            return Ok(Err("is an ELF file whose header is cut off"));
        }
        let field = |at, length| number(&start, (at, length), order);
        if !EXECUTABLE.contains(&field(16, 2)) {
            return Ok(Err("is an ELF file, but no program"));
        }
        let length = field(layout.count, 2) * layout.entry;
        if field(layout.entry_length, 2) != layout.entry
            || !(1..=MAX_PROGRAM_HEADERS).contains(&length)
        {
            return Ok(Err("is an ELF file without program headers"));
        }
        let table = read_at(file, field(layout.table.0, layout.table.1), length as usize)?;
        if (table.len() as u64) < length {
            return Ok(Err("is an ELF file whose program headers are cut off"));
        }
        let number = u16::try_from(field(18, 2)).unwrap_or_default();
        let machine = Machine { class, order, number };
        Ok(loader(file, &table, layout, order)?.map(|loader| Self { machine, loader }))
    }

    /// What the program is for.
    pub(crate) fn machine(&self) -> Machine {
        self.machine
    }

    /// Path of the program that loads it with its libraries, if it needs one.
    pub(crate) fn loader(&self) -> Option<&[u8]> {
        self.loader.as_deref()
    }
}

/// The loader that the first program header of that type names.
fn loader(
    file: &File,
    table: &[u8],
    layout: &Layout,
    order: u8,
) -> io::Result<Result<Option<Vec<u8>>, &'static str>> {
    let mut entries = table.chunks_exact(layout.entry as usize);
    let Some(entry) = entries.find(|entry| number(entry, (0, 4), order) == INTERPRETER) else {
        return Ok(Ok(None));
    };
    let (offset, length) = (layout.offset, layout.length);
    let (offset, length) = (number(entry, offset, order), number(entry, length, order));
    if !(2..=MAX_LOADER).contains(&length) {
        return Ok(Err("is an ELF file with a malformed name of its loader"));
    }
    let name = read_at(file, offset, length as usize)?;
    Ok(match name.strip_suffix(&[0]) {
        // The kernel takes what stands before the first zero byte.
        Some(path) if name.len() as u64 == length => {
            Ok(path.split(|&byte| byte == 0).next().map(<[u8]>::to_vec))
        }
        _ => Err("is an ELF file with a malformed name of its loader"),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Elf, &'static str> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Elf::read(&file).unwrap()
    }

    /// A program of one class and byte order with these program headers behind the header.
    fn elf(class: u8, order: u8, headers: &[(u64, &[u8])]) -> Vec<u8> {
        let layout = if class == 1 { &OF_32 } else { &OF_64 };
        let mut bytes = vec![0; layout.header + headers.len() * layout.entry as usize];
        let put = |bytes: &mut Vec<u8>, (at, length): (usize, usize), value: u64| {
            let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
            let value = if order == 1 { &little[..length] } else { &big[8 - length..] };
            bytes[at..at + length].copy_from_slice(value);
        };
        bytes[..4].copy_from_slice(MAGIC);
        (bytes[4], bytes[5]) = (class, order);
        put(&mut bytes, (16, 2), 3);
        put(&mut bytes, (18, 2), 62);
        put(&mut bytes, layout.table, layout.header as u64);
        put(&mut bytes, (layout.entry_length, 2), layout.entry);
        put(&mut bytes, (layout.count, 2), headers.len() as u64);
        for (position, (kind, content)) in headers.iter().enumerate() {
            let at = layout.header + position * layout.entry as usize;
            let end = bytes.len() as u64;
            put(&mut bytes, (at, 4), *kind);
            put(&mut bytes, (at + layout.offset.0, layout.offset.1), end);
            put(&mut bytes, (at + layout.length.0, layout.length.1), content.len() as u64);
            bytes.extend_from_slice(content);
        }
        bytes
    }

    #[test]
    fn the_loader_is_found_in_every_class_and_order() {
        for (class, order) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let found = read(&elf(class, order, &[(1, b"code"), (3, b"/lib/ld.so\0")])).unwrap();
            assert_eq!(found.loader(), Some(&b"/lib/ld.so"[..]));
            assert_eq!(found.machine(), Machine { class, order, number: 62 });
            assert_eq!(read(&elf(class, order, &[(1, b"code")])).unwrap().loader(), None);
            for bad in [&b"/lib/ld.so"[..], b"\0", b"", &[0; 5000]] {
                assert!(read(&elf(class, order, &[(3, bad)])).is_err(), "{bad:?}");
            }
            assert!(read(&elf(class, order, &[])).is_err());
        }
    }

    #[test]
    fn what_is_cut_off_is_no_program() {
        let whole = elf(2, 1, &[(3, b"/lib/ld.so\0")]);
        for length in 4..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(rest in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(read(&[MAGIC, &rest].concat()));
            drop(read(&[MAGIC, &[2, 1], &rest].concat()));
        }
    }
}
