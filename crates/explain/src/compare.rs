//! Two file trees side by side.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cbuild_drv::Digest;

use crate::cause::{Cause, Hints, classify};
use crate::content::{self, Excerpt};
use crate::error::{Error, Result, io};

/// Deepest nesting of directories that is followed, that of the store.
const MAX_DEPTH: usize = 256;

/// One of the two trees.
#[derive(Clone, Debug)]
pub struct Side {
    /// Where it is on the host.
    pub path: PathBuf,
    /// Digest texts that are read as others: those of scratch paths, which a tree that was not
    /// registered still has, as those of the final paths.
    pub renamed: Vec<(Digest, Digest)>,
}

impl Side {
    /// A tree that is read as it is.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), renamed: Vec::new() }
    }
}

/// A place at which the trees differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Relative path; empty for the top.
    pub path: PathBuf,
    /// In what way.
    pub kind: DifferenceKind,
    /// What may be the reason.
    pub cause: Cause,
}

/// In what way two files differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The second tree has nothing there.
    OnlyFirst,
    /// The first tree has nothing there.
    OnlySecond,
    /// They are of different kinds, such as a file and a directory.
    Kind {
        /// Kind in the first tree.
        first: &'static str,
        /// Kind in the second tree.
        second: &'static str,
    },
    /// One of them is executable.
    Executable {
        /// Whether that is the first one.
        first: bool,
    },
    /// Symbolic links with different targets.
    Target {
        /// Target in the first tree.
        first: PathBuf,
        /// Target in the second tree.
        second: PathBuf,
    },
    /// Regular files with different bytes.
    Content(Excerpt),
}

/// Lists the places at which two trees differ, ordered by path. What lies below a directory that
/// only one of them has is not listed.
///
/// # Errors
/// When something cannot be read, or is nested deeper than objects may be.
pub fn compare(first: &Side, second: &Side, hints: &Hints) -> Result<Vec<Difference>> {
    let mut walk = Walk { first, second, hints, found: Vec::new() };
    walk.look(Path::new(""), 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    first: &'a Side,
    second: &'a Side,
    hints: &'a Hints,
    found: Vec<Difference>,
}

impl Walk<'_> {
    fn look(&mut self, path: &Path, depth: usize) -> Result<()> {
        let (a, b) = (place(&self.first.path, path), place(&self.second.path, path));
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep { path: a, limit: MAX_DEPTH });
        }
        let look = |at: &Path| fs::symlink_metadata(at).map_err(io("look at", at));
        let (meta_a, meta_b) = (look(&a)?, look(&b)?);
        let (first, second) = (kind(&meta_a), kind(&meta_b));
        if first != second {
            self.note(path, DifferenceKind::Kind { first, second }, Cause::Unknown);
        } else if meta_a.is_symlink() {
            self.links(path, &a, &b)?;
        } else if meta_a.is_dir() {
            self.directories(path, &a, &b, depth)?;
        } else {
            let executable = |meta: &Metadata| meta.permissions().mode() & 0o100 != 0;
            if executable(&meta_a) != executable(&meta_b) {
                let kind = DifferenceKind::Executable { first: executable(&meta_a) };
                self.note(path, kind, Cause::Umask);
            }
            let renamed = (&self.first.renamed[..], &self.second.renamed[..]);
            if let Some(excerpt) = content::compare((&a, renamed.0), (&b, renamed.1))? {
                let cause = self.cause(&excerpt, &a, &b)?;
                self.note(path, DifferenceKind::Content(excerpt), cause);
            }
        }
        Ok(())
    }

    /// The likely cause of a difference of two files. Where its place tells nothing, as in a program
    /// with a longer path in it, of which the headers differ first, what was varied and is in the second
    /// file only counts.
    fn cause(&self, excerpt: &Excerpt, a: &Path, b: &Path) -> Result<Cause> {
        let cause = classify(excerpt, self.hints);
        if !matches!(cause, Cause::Unknown | Cause::Randomness) {
            return Ok(cause);
        }
        for (mark, cause) in self.hints.marks() {
            if content::contains(b, mark.as_bytes())? && !content::contains(a, mark.as_bytes())? {
                return Ok(cause);
            }
        }
        Ok(cause)
    }

    fn links(&mut self, path: &Path, a: &Path, b: &Path) -> Result<()> {
        let read = |at: &Path| fs::read_link(at).map_err(io("read the link", at));
        let (first, second) = (read(a)?, read(b)?);
        let excerpt = content::compare_texts(
            (first.as_os_str(), &self.first.renamed),
            (second.as_os_str(), &self.second.renamed),
        );
        if let Some(excerpt) = excerpt {
            let cause = match classify(&excerpt, self.hints) {
                Cause::Unknown => Cause::Path,
                cause => cause,
            };
            self.note(path, DifferenceKind::Target { first, second }, cause);
        }
        Ok(())
    }

    fn directories(&mut self, path: &Path, a: &Path, b: &Path, depth: usize) -> Result<()> {
        let (in_a, in_b) = (names(a)?, names(b)?);
        for name in in_a.union(&in_b) {
            let inside = path.join(name);
            match (in_a.contains(name), in_b.contains(name)) {
                (true, true) => self.look(&inside, depth + 1)?,
                (true, false) => self.note(&inside, DifferenceKind::OnlyFirst, Cause::Unknown),
                (false, _) => self.note(&inside, DifferenceKind::OnlySecond, Cause::Unknown),
            }
        }
        Ok(())
    }

    fn note(&mut self, path: &Path, kind: DifferenceKind, cause: Cause) {
        self.found.push(Difference { path: path.to_owned(), kind, cause });
    }
}

/// A place in a tree. Joining an empty path would add a slash, which a file cannot have.
fn place(top: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { top.to_owned() } else { top.join(path) }
}

fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_symlink() {
        "a symbolic link"
    } else if metadata.is_dir() {
        "a directory"
    } else if metadata.is_file() {
        "a file"
    } else {
        "a special file"
    }
}

#[expect(clippy::disallowed_methods, reason = "the names are collected into a sorted set")]
fn names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let failed = |error| io("read the folder", folder)(error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_kind_of_difference_is_found() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (top, text) in [(a.path(), "one"), (b.path(), "two")] {
            fs::create_dir(top.join("d")).unwrap();
            fs::write(top.join("d/content"), text).unwrap();
            fs::write(top.join("same"), "same").unwrap();
            fs::write(top.join(text), "").unwrap();
            fs::write(top.join("x"), "").unwrap();
            symlink(text, top.join("link")).unwrap();
        }
        fs::set_permissions(b.path().join("x"), PermissionsExt::from_mode(0o755)).unwrap();
        fs::create_dir(a.path().join("k")).unwrap();
        fs::write(b.path().join("k"), "").unwrap();
        let found = compare(&Side::new(a.path()), &Side::new(b.path()), &Hints::default());
        let found = found.unwrap();
        let paths: Vec<&str> = found.iter().map(|d| d.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["d/content", "k", "link", "one", "two", "x"]);
        assert!(matches!(found[0].kind, DifferenceKind::Content(_)));
        let kind = DifferenceKind::Kind { first: "a directory", second: "a file" };
        assert_eq!(found[1].kind, kind);
        assert_eq!(found[3].kind, DifferenceKind::OnlyFirst);
        assert_eq!(found[4].kind, DifferenceKind::OnlySecond);
        assert_eq!(found[5].kind, DifferenceKind::Executable { first: false });
    }

    #[test]
    fn a_renamed_digest_is_no_difference() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (last, scratch) = (Digest::of(b"final"), Digest::of(b"scratch"));
        // The digest lies across the boundary of the chunks in which files are read.
        let filler = "x".repeat(crate::content::CHUNK - 20);
        fs::write(a.path().join("f"), format!("{filler}/{last}-n")).unwrap();
        fs::write(b.path().join("f"), format!("{filler}/{scratch}-n")).unwrap();
        symlink(format!("/cbuild/store/{last}-n"), a.path().join("l")).unwrap();
        symlink(format!("/cbuild/store/{scratch}-n"), b.path().join("l")).unwrap();
        let plain = compare(&Side::new(a.path()), &Side::new(b.path()), &Hints::default());
        let plain = plain.unwrap();
        assert_eq!(plain.len(), 2);
        assert_eq!(plain[0].cause, Cause::Reference);
        let renamed = vec![(scratch, last)];
        let second = Side { path: b.path().to_owned(), renamed };
        assert_eq!(compare(&Side::new(a.path()), &second, &Hints::default()).unwrap(), []);
    }

    /// A program with a longer path in it differs in its headers first.
    #[test]
    fn what_only_the_second_builder_could_know_is_found_anywhere() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for distance in [100, crate::content::CHUNK - 5, crate::content::CHUNK * 2 - 5] {
            let file = |header: &str, path: &str| {
                [
                    header.as_bytes(),
                    &[0x07; 4096].repeat(distance / 4096 + 1)[..distance],
                    path.as_bytes(),
                ]
                .concat()
            };
            fs::write(a.path().join("f"), file("\x01", "/build/x.c")).unwrap();
            fs::write(b.path().join("f"), file("\x02", "/build/moved/x.c")).unwrap();
            let folders = ("/build".to_owned(), "/build/moved".to_owned());
            let hints = Hints { build_folder: Some(folders), ..Hints::default() };
            let compared = |a: &Path, b: &Path, hints: &Hints| {
                compare(&Side::new(a), &Side::new(b), hints).unwrap()[0].cause
            };
            assert_eq!(compared(a.path(), b.path(), &hints), Cause::Path, "{distance}");
            assert_eq!(compared(b.path(), a.path(), &hints), Cause::Unknown, "{distance}");
            assert_eq!(compared(a.path(), b.path(), &Hints::default()), Cause::Unknown);
        }
    }
}
