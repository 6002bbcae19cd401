//! Debian packages: an `ar` container with the member `data.tar`, compressed in some way.
//!
//! The container is read here rather than by the `ar` crate, which panics on a bad index into
//! its name table and allocates whatever size a header names. A package needs neither long
//! names nor a symbol table, so what remains is a fixed header.

use std::io::{self, BufRead, BufReader, Read};

use super::tree::TreeWriter;
use crate::error::FetchError;

const HEADER: usize = 60;

/// Reads the data part of a package into the tree.
pub(super) fn read(mut source: impl BufRead, tree: &mut TreeWriter<'_>) -> Result<(), FetchError> {
    let mut magic = [0; 8];
    source.read_exact(&mut magic).map_err(|error| tree.corrupt("at its start", &error))?;
    loop {
        let Some((name, size)) = member(&mut source).map_err(|e| tree.corrupt_part("ar", &e))?
        else {
            return Err(tree.unknown("it is an ar container without a member `data.tar`"));
        };
        if name == "data.tar" || name.starts_with("data.tar.") {
            return super::read_tar(BufReader::new(source.take(size)), tree);
        }
        // Members are padded to even lengths.
        skip(&mut source, size + size % 2).map_err(|error| tree.corrupt_part(&name, &error))?;
    }
}

/// Name and size of the next member; `None` at the end.
fn member(source: &mut impl Read) -> io::Result<Option<(String, u64)>> {
    let mut header = Vec::new();
    source.by_ref().take(HEADER as u64).read_to_end(&mut header)?;
    if header.is_empty() {
        return Ok(None);
    }
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message.to_owned());
    let text = std::str::from_utf8(&header).map_err(|_| invalid("a member's header is no text"))?;
    let (Some(name), Some(size), Some("`\n")) =
        (text.get(..16), text.get(48..58), text.get(58..60))
    else {
        return Err(invalid("a member's header is not whole"));
    };
    let size = size.trim_end().parse().map_err(|_| invalid("a member's size is no number"))?;
    Ok(Some((name.trim_end().trim_end_matches('/').to_owned(), size)))
}

fn skip(source: &mut impl Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut source.by_ref().take(bytes), &mut io::sink())?;
    if skipped < bytes {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends too early"));
    }
    Ok(())
}
