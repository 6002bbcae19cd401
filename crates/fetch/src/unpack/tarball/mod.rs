//! Tar archives: v7, ustar, GNU, pax and star.

mod header;
mod members;
mod pax;
mod sparse;

use std::io::{self, Read};

use super::decode::{Decoded, IMAGE_MARKS, inner_format, is_page, other_format};
use super::tree::TreeWriter;
use crate::error::{FetchError, UnsafeReason};
pub(super) use header::BLOCK;
use header::Block;
use members::{Kind, Member, Members};
pub(super) use sparse::Segment;

/// Reads an archive into the tree, to its end, so that checksums of the compression are checked.
pub(super) fn read(source: Decoded<'_>, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let Decoded { bytes: mut source, is_compressed } = source;
    let Some(first) = first_block(&mut source, is_compressed, tree)? else { return Ok(()) };
    let mut members = Members::new(first, source);
    while let Some(member) = members.next().map_err(|error| tree.corrupt_after_last(&error))? {
        entry(&member, &mut members, tree)?;
        let left = members.left();
        tree.drain(&member.name, left, &mut members)?;
    }
    let limit = tree.limits().unpacked_bytes;
    members.rest(limit).map_err(|error| tree.corrupt_after_last(&error))
}

/// The first block; `None` when the archive has no entries, which is zeros and nothing else.
fn first_block(
    source: &mut impl Read,
    is_compressed: bool,
    tree: &TreeWriter<'_>,
) -> Result<Option<Block>, FetchError> {
    let corrupt = |error: io::Error| tree.corrupt_after_last(&error);
    let mut start = Vec::new();
    source.by_ref().take(BLOCK as u64).read_to_end(&mut start).map_err(corrupt)?;
    let first = <[u8; BLOCK]>::try_from(start.as_slice()).ok().map(Block::new);
    if let Some(block) = first.as_ref().filter(|block| block.is_header()) {
        return Ok(Some(block.clone()));
    }
    source.by_ref().take((IMAGE_MARKS - BLOCK) as u64).read_to_end(&mut start).map_err(corrupt)?;
    let is_zero = first.is_some() && start.iter().all(|&byte| byte == 0);
    // Without a hash in the archive, this alone tells damage from another format.
    let mut only_zeros = true;
    if is_zero || is_compressed {
        only_zeros = rest(source, tree.limits().unpacked_bytes).map_err(corrupt)?;
    }
    if is_zero && only_zeros {
        return Ok(None);
    }
    let known = other_format(&start).map(|format| format!("it is {format}"));
    let inner = inner_format(&start).filter(|_| is_compressed);
    let inner = inner.map(|format| format!("what is compressed in it is {format}"));
    Err(match known.or(inner) {
        Some(known) => tree.unknown(&format!("{known}, which is not read")),
        None if is_page(&start) => {
            tree.unknown("it is an HTML page, such as an error of the server")
        }
        None if start.is_empty() => tree.unknown("it is empty"),
        None if first.is_none() => tree.unknown("it is shorter than one block of a tar archive"),
        None if first.is_some_and(|block| block.is_zero()) => {
            tree.unknown("it starts with zeros, and something else than an archive follows")
        }
        None => tree.unknown("its first block is no tar header"),
    })
}

/// Reads what is left, at most `limit` bytes, and tells whether it is zeros.
fn rest(source: &mut impl Read, limit: u64) -> io::Result<bool> {
    let (mut buffer, mut left, mut only_zeros) = (vec![0; 1 << 16], limit, true);
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => return Ok(only_zeros),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        only_zeros &= buffer[..read].iter().all(|&byte| byte == 0);
        left =
            left.checked_sub(read as u64).ok_or_else(|| invalid("it is too long after its end"))?;
    }
}

fn entry(
    member: &Member,
    content: &mut Members<impl Read>,
    tree: &mut TreeWriter<'_>,
) -> Result<(), FetchError> {
    let name = &member.name;
    match &member.kind {
        Kind::Folder => tree.directory(name),
        Kind::Symlink(target) => tree.symlink(name, target),
        Kind::HardLink(target) => tree.hard_link(name, target),
        Kind::Special => Err(tree.refused(name, UnsafeReason::Special)),
        Kind::File { executable } => {
            let size = content.left();
            tree.file(name, *executable, size, content)
        }
        Kind::Holes { executable, size, segments } => {
            tree.sparse_file(name, *executable, *size, segments, content)
        }
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.to_owned())
}
