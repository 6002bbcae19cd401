//! The standard library's sources, embedded at build time.

/// Relative path and text of each file, sorted by path.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// Paths of all modules of the standard library, in ascending order.
pub(crate) fn modules() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|&(path, _)| path).filter(|path| path.ends_with(".cbuild"))
}

/// Text of a file of the standard library.
pub(crate) fn file(path: &str) -> Option<&'static str> {
    let found = FILES.binary_search_by_key(&path, |&(name, _)| name).ok()?;
    Some(FILES[found].1)
}
