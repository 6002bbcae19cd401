//! Tar archives: v7, ustar, GNU, pax and star.

mod header;
mod members;
mod pax;
mod sparse;

use std::io::{self, Read};

use super::decode::other_format;
use super::tree::TreeWriter;
use crate::error::{FetchError, UnsafeReason};
use header::{BLOCK, Block};
use members::{Kind, Member, Members};
pub(super) use sparse::Segment;

/// Reads an archive into the tree, to its end, so that checksums of the compression are checked.
pub(super) fn read(mut source: impl Read, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let first = first_block(&mut source, tree)?;
    let mut members = Members::new(first, source);
    while let Some(member) = members.next().map_err(|error| tree.corrupt_after_last(&error))? {
        entry(&member, &mut members, tree)?;
        let left = members.left();
        tree.drain(&member.name, left, &mut members)?;
    }
    let limit = tree.limits().unpacked_bytes;
    members.rest(limit).map_err(|error| tree.corrupt_after_last(&error))
}

/// The first block, which must be a header or the mark of an archive without entries.
fn first_block(source: &mut impl Read, tree: &TreeWriter<'_>) -> Result<Block, FetchError> {
    let mut bytes = Vec::new();
    let read = source.take(BLOCK as u64).read_to_end(&mut bytes);
    read.map_err(|error| tree.corrupt_after_last(&error))?;
    if let Some(format) = other_format(&bytes) {
        return Err(tree.unknown(&format!("it is {format}, which is not read")));
    }
    let Ok(bytes) = <[u8; BLOCK]>::try_from(bytes) else {
        return Err(tree.unknown("it is shorter than one block of a tar archive"));
    };
    let block = Block::new(bytes);
    if block.is_zero() || block.is_header() {
        Ok(block)
    } else {
        Err(tree.unknown("its first block is no tar header"))
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
