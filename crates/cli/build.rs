//! Embeds the standard library's files, so that the binary needs no file beside it, and an identity
//! of the sources that the binary is made from, so that builds do not read each other's caches.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folders in variables; the listed folder is sorted"
)]

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else if name.ends_with(".cbuild") {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

/// Every file below a folder, in the order of their names.
fn all_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            all_files(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// A number of 128 bits that differs when a source of the program differs.
fn identity(repository: &Path) -> io::Result<String> {
    let mut files = vec![repository.join("Cargo.toml"), repository.join("Cargo.lock")];
    for folder in ["crates", "stdlib", "lang-spec"] {
        let folder = repository.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        all_files(&folder, &mut files)?;
    }
    // Nobody gains anything from making two versions of cbuild that have the same identity.
    let (mut low, mut high) = (DefaultHasher::new(), DefaultHasher::new());
    high.write_u8(1);
    for file in files {
        let name = file.strip_prefix(repository).unwrap_or(&file).to_owned();
        let content = (name, fs::read(&file)?);
        content.hash(&mut low);
        content.hash(&mut high);
    }
    Ok(format!("{:016x}{:016x}", high.finish(), low.finish()))
}

fn main() -> io::Result<()> {
    let manifest = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let repository = Path::new(&manifest).join("../..").canonicalize()?;
    println!("cargo::rustc-env=CBUILD_IDENTITY={}", identity(&repository)?);
    let library = Path::new(&manifest).join("../../stdlib").canonicalize()?;
    let mut files = Vec::new();
    collect(&library, "", &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for (name, path) in &files {
        println!("cargo::rerun-if-changed={}", path.display());
        let line =
            writeln!(table, "    ({name:?}, include_str!({:?})),", path.display().to_string());
        line.map_err(io::Error::other)?;
    }
    table.push(']');
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("stdlib.rs"), table)
}
