//! Embeds the explanations of `book/src/errors`, so that the binary needs no file beside it.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folders in variables; the listed folder is sorted"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&manifest).join("../../book/src/errors").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut table = String::from("&[\n");
    for file in files {
        let (name, path) = (file.file_name(), file.path().display().to_string());
        let Some(code) = name.to_str().and_then(|name| name.strip_suffix(".md")) else { continue };
        println!("cargo::rerun-if-changed={path}");
        writeln!(table, "    ({code:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    table.push(']');
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("explanations.rs"), table)
}
