//! Names, paths and other texts that leave the language, checked at the call.

use std::collections::BTreeSet;
use std::rc::Rc;

use cbuild_drv::{Derivation, Input, Name, OutputName, Segment, System, Template};

use super::args::refused;
use crate::codes;
use crate::fault::{Fault, FaultBody, Place};
use crate::machine::Machine;
use crate::value::{Package, Value};

/// File name endings of archives that say nothing about the content.
const ARCHIVE_SUFFIXES: [&str; 15] = [
    ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".tgz", ".txz", ".tbz2", ".tar", ".zip", ".whl",
    ".deb", ".crate", ".gz", ".xz", ".zst",
];

/// Longest name of a file, in bytes (`NAME_MAX` of Linux).
const MAX_PATH_PART: usize = 255;

/// Longest path that a link can lead to or a call can take, in bytes (`PATH_MAX` of Linux without the NUL).
pub(super) const MAX_PATH: usize = 4095;

/// Platform of steps that run no program.
const ANYWHERE: &str = "any";

/// The name of a derivation: `name`, or `name-version`.
pub(super) fn derivation_name(name: &str, version: &str, place: Place) -> Result<Name, Fault> {
    let text = if version.is_empty() { name.to_owned() } else { format!("{name}-{version}") };
    Name::new(text).map_err(|error| {
        FaultBody::new(codes::NAME, place, error.to_string(), "the name is given in this call")
    })
}

/// The name that a download has by its first address: the last component of the path.
pub(super) fn name_from_url(url: &str, archive: bool, place: Place) -> Result<String, Fault> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let after_scheme = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last = match after_scheme.trim_end_matches('/').rsplit_once('/') {
        Some((_, last)) => last,
        None => "",
    };
    let suffix = ARCHIVE_SUFFIXES.iter().find_map(|suffix| last.strip_suffix(suffix));
    let name = if archive { suffix.unwrap_or(last) } else { last };
    match Name::new(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => {
            let message = format!("no name can be made from the address `{}`", url.escape_debug());
            Err(FaultBody::new(codes::NAME, place, message, "in this call")
                .help("give the field `name`"))
        }
    }
}

/// A platform that programs can be for.
pub(super) fn system(text: &str, place: Place) -> Result<System, Fault> {
    let known = System::KNOWN.contains(&text).then(|| System::new(text).ok()).flatten();
    known.ok_or_else(|| {
        let message =
            format!("`{}` is no system that programs can be built for", text.escape_debug());
        FaultBody::new(codes::NAME, place, message, "in this call")
            .help(format!("known are {}", System::KNOWN.join(", ")))
    })
}

/// The platform of steps that run no program.
pub(super) fn anywhere(place: Place) -> Result<System, Fault> {
    System::new(ANYWHERE).map_err(|error| FaultBody::defect(place, error.to_string()))
}

/// Refuses texts that the kernel would cut: it ends them at a NUL.
pub(super) fn no_nul(
    template: &Template<Input>,
    what: impl FnOnce() -> String,
    place: Place,
) -> Result<(), Fault> {
    let nul =
        |segment: &Segment<Input>| matches!(segment, Segment::Text(text) if text.contains('\0'));
    if !template.segments().iter().any(nul) {
        return Ok(());
    }
    Err(refused(place, format!("{} holds a NUL character, `\\u{{0}}`", what()))
        .help("take it out: a NUL ends a text for the kernel; a file of `files` may hold one"))
}

/// Refuses paths that are not clean and relative. `what` says what the path is for.
pub(super) fn relative_path(path: &str, what: &str, place: Place) -> Result<(), Fault> {
    let bad = |part: &str| {
        matches!(part, "" | "." | "..") || part.contains('\0') || part.len() > MAX_PATH_PART
    };
    if path.split('/').any(bad) || path.len() > MAX_PATH {
        let message = format!("`{}` cannot be the path of {what}", path.escape_debug());
        return Err(refused(place, message).help(format!(
            "paths are relative, without `.`, `..`, `//`, NUL or a slash at either end, with at most {MAX_PATH_PART} bytes between slashes"
        )));
    }
    Ok(())
}

/// Refuses a file that would have to be a folder as well, as the path of another one leads through it.
pub(super) fn no_file_in_file<'p>(
    paths: impl Iterator<Item = &'p str>,
    place: Place,
) -> Result<(), Fault> {
    let paths: BTreeSet<&str> = paths.collect();
    for path in &paths {
        let mut above = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
        if let Some(file) = above.find(|folder| paths.contains(folder)) {
            let message =
                format!("`{file}` is a file in `files`, and `{path}` would be a file in it");
            return Err(refused(place, message)
                .help("a file holds no other one: rename or move one of them"));
        }
    }
    Ok(())
}

/// Refuses names that cannot be those of environment variables.
pub(super) fn variable_name(name: &str, place: Place) -> Result<(), Fault> {
    let head = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if head && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(refused(place, format!("`{name}` cannot be the name of an environment variable"))
        .help("such names consist of letters, digits and `_` and do not begin with a digit"))
}

impl Machine<'_> {
    /// Adds a derivation with the single output `out` and wraps it as a package.
    pub(super) fn package(
        &mut self,
        name: impl Into<Rc<String>>,
        version: impl Into<Rc<String>>,
        derivation: Derivation<Input>,
    ) -> Value {
        self.package_of(name, version, derivation, OutputName::out())
    }

    /// Adds a derivation and wraps one of its outputs as a package.
    pub(super) fn package_of(
        &mut self,
        name: impl Into<Rc<String>>,
        version: impl Into<Rc<String>>,
        derivation: Derivation<Input>,
        output: OutputName,
    ) -> Value {
        let label = derivation.name.clone();
        let drv = self.graph.add(derivation);
        let input = Input::Output { drv, output };
        Value::Package(Rc::new(Package {
            name: name.into(),
            version: version.into(),
            label,
            input,
            drv,
        }))
    }
}

#[cfg(test)]
mod tests {
    use cbuild_diag::{SourceId, Span};

    use super::*;

    const HERE: Place = Place { source: SourceId(0), span: Span { start: 0, end: 0 } };

    #[test]
    fn names_come_from_the_last_component() {
        let name = |url, archive| name_from_url(url, archive, HERE).map_err(|f| f.diagnostic.code);
        assert_eq!(name("https://a.org/b/redis-7.0.15.tar.gz", true), Ok("redis-7.0.15".into()));
        assert_eq!(name("https://a.org/b/x.tar.gz?y=/z.zip#w", false), Ok("x.tar.gz".into()));
        assert_eq!(name("mirror://debian/pool/h.deb", true), Ok("h".into()));
        assert_eq!(name("https://a.org/", true), Err(codes::NAME));
        assert_eq!(name("https://a.org/%20", false), Err(codes::NAME));
    }

    #[test]
    fn paths_are_checked() {
        for good in ["a", "a/b", ".hidden", "a..b", "ü"] {
            assert!(relative_path(good, "a file", HERE).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0", &"a".repeat(256)] {
            assert!(relative_path(bad, "a file", HERE).is_err(), "{bad}");
        }
    }

    #[test]
    fn variable_names_are_checked() {
        assert!(variable_name("_A1", HERE).is_ok());
        for bad in ["", "1A", "A-B", "A=B", "É"] {
            assert!(variable_name(bad, HERE).is_err(), "{bad}");
        }
    }
}
