//! Completion of file names: after `:load`, and in the paths of the language, as after `import`.

use std::path::Path;

/// Most names that are offered.
const MAX_NAMES: usize = 1_000;

/// The beginning of a path, which an input ends with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<'t> {
    /// The beginning.
    pub(super) partial: &'t str,
    /// Where it begins in the input.
    pub(super) start: usize,
    /// Whether it is the argument of `:load`, which starts from the working folder.
    pub(super) request: bool,
    /// Whether only folders and sources can be meant.
    pub(super) sources: bool,
}

/// The path at the end of a text, if one is there.
pub(super) fn wanted(text: &str) -> Option<Wanted<'_>> {
    if let Some(request) = text.strip_prefix(':') {
        let (word, rest) = request.split_once(char::is_whitespace)?;
        let is_load = !word.is_empty() && "load".starts_with(word);
        let partial = rest.trim_start();
        let start = text.len() - partial.len();
        return is_load.then_some(Wanted { partial, start, request: true, sources: true });
    }
    let before = text.trim_end_matches(is_path_char);
    let partial = &text[before.len()..];
    if !partial.starts_with("./") && !partial.starts_with("../") {
        return None;
    }
    let sources = before.trim_end().ends_with("import");
    Some(Wanted { partial, start: before.len(), request: false, sources })
}

/// What a path in the language consists of; other names cannot be written there.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.+-/".contains(c)
}

/// Names that the path may go on with, in order; those of folders end with a slash. A folder that
/// cannot be read has none.
#[expect(clippy::disallowed_methods, reason = "the names are sorted")]
pub(super) fn names(from: &Path, wanted: &Wanted<'_>) -> Vec<String> {
    let (folder, last) = split(wanted.partial);
    let Ok(entries) = std::fs::read_dir(from.join(folder)) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let mut name = entry.file_name().into_string().ok()?;
            let hidden = name.starts_with('.') && !last.starts_with('.');
            let writable = wanted.request || name.chars().all(is_path_char);
            if hidden || !writable || !name.starts_with(last) {
                return None;
            }
            // Links are followed, as they are when the path is used.
            if entry.path().is_dir() {
                name.push('/');
            } else if wanted.sources && !name.ends_with(".cbuild") {
                return None;
            }
            Some(name)
        })
        .collect();
    found.sort_unstable();
    found.truncate(MAX_NAMES);
    found
}

/// The folder of a partial path, with its slash, and the beginning of a name in it.
pub(super) fn split(partial: &str) -> (&str, &str) {
    partial.split_at(partial.rfind('/').map_or(0, |slash| slash + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, bool, bool)>) {
        let found = wanted(text);
        let seen = found.as_ref().map(|found| (found.partial, found.request, found.sources));
        assert_eq!(seen, expected, "{text:?}");
        if let Some(found) = found {
            assert_eq!(found.start, text.len() - found.partial.len());
        }
    }

    #[test]
    fn where_paths_stand() {
        check(":load ", Some(("", true, true)));
        check(":l exa", Some(("exa", true, true)));
        check(":load /etc/a b", Some(("/etc/a b", true, true)));
        check(":load", None);
        check(":type ./a", None);
        check("import ./li", Some(("./li", false, true)));
        check("import ../", Some(("../", false, true)));
        check("std.source(./src", Some(("./src", false, false)));
        check("a./b", None);
        check("std.list", None);
        check("", None);
    }
}
