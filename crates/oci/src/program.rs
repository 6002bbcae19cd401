//! What a file is to a kernel that is asked to start it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::elf::{self, Elf};

/// Bytes of a file that the Linux kernel looks at to know what it is.
const BEGINNING: usize = 256;

/// A file that the kernel knows how to start.
#[derive(Debug)]
pub(crate) enum Program {
    /// It is loaded, by itself or by its loader.
    Elf(Elf),
    /// Its interpreter is started in its place.
    Script(Script),
}

/// The first line of a script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// Path of the interpreter.
    pub(crate) interpreter: Vec<u8>,
    /// What follows the path: one argument, with all its spaces.
    pub(crate) argument: Option<Vec<u8>>,
}

impl Program {
    /// Reads the beginning of a file. The inner error says why the kernel would not start it.
    pub(crate) fn read(path: &Path) -> io::Result<Result<Self, &'static str>> {
        let mut file = File::open(path)?;
        let mut start = Vec::with_capacity(BEGINNING);
        file.by_ref().take(BEGINNING as u64).read_to_end(&mut start)?;
        if start.is_empty() {
            return Ok(Err("is an empty file"));
        }
        if let Some(line) = start.strip_prefix(b"#!") {
            return Ok(script(line, start.len() == BEGINNING).map(Self::Script));
        }
        if start.starts_with(elf::MAGIC) {
            return Ok(Elf::read(&file)?.map(Self::Elf));
        }
        Ok(Err("is neither an ELF program nor a script that begins with `#!`"))
    }
}

/// What ends words of a first line, and nothing else does.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
    &text[start..]
}

/// Reads what follows `#!`, as `load_script` of Linux does; `is_cut` tells that the file goes on.
fn script(rest: &[u8], is_cut: bool) -> Result<Script, &'static str> {
    let end = rest.iter().position(|&byte| byte == b'\n');
    let line = without_spaces(&rest[..end.unwrap_or(rest.len())]);
    let length = line.iter().position(|&byte| is_space(byte) || byte == 0);
    if end.is_none() && is_cut && length.is_none() {
        return Err("is a script whose first line is longer than the kernel reads");
    }
    let (interpreter, rest) = line.split_at(length.unwrap_or(line.len()));
    if interpreter.is_empty() {
        return Err("is a script whose first line names no interpreter");
    }
    let rest = rest.split(|&byte| byte == 0).next().unwrap_or_default();
    let rest = without_spaces(rest);
    let last = rest.iter().rposition(|&byte| !is_space(byte));
    let argument = last.map(|last| rest[..=last].to_vec());
    Ok(Script { interpreter: interpreter.to_vec(), argument })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_kernel_does() {
        let found = |line: &str| {
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            script(line.as_bytes(), false)
                .map(|script| (text(script.interpreter), script.argument.map(text)))
        };
        for (line, interpreter, argument) in [
            ("/bin/sh\necho", "/bin/sh", None),
            (" \t/bin/sh \t\n", "/bin/sh", None),
            ("/bin/sh", "/bin/sh", None),
            ("/bin/sh\r\n", "/bin/sh\r", None),
            ("/bin/sh -e  -u \t\n", "/bin/sh", Some("-e  -u")),
            ("/bin/sh\0x -e\n", "/bin/sh", None),
        ] {
            let argument = argument.map(str::to_owned);
            assert_eq!(found(line), Ok((interpreter.to_owned(), argument)), "{line:?}");
        }
        for bad in ["", "\n", "  \t\n/bin/sh", "\0/bin/sh\n"] {
            assert!(found(bad).is_err(), "{bad:?}");
        }
        let long = [b'a'; BEGINNING];
        assert!(script(&long, true).is_err() && script(&long, false).is_ok());
        assert!(script(&[&long[..200], b" -e"].concat(), true).is_ok());
    }
}
