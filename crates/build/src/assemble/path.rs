//! Relative paths inside a result, and symbolic links followed within one tree.

use std::collections::VecDeque;

use super::error::AssembleError;

/// Symbolic links that one path may pass through, as in Linux.
const MAX_LINKS: usize = 40;

/// Longest accepted path and greatest depth of a composed tree; Linux has the same for one path.
const MAX_PATH_LEN: usize = 4096;

/// Deepest accepted nesting of directories in a composed tree.
pub(super) const MAX_DEPTH: usize = 256;

/// The name of a file in its directory.
pub(super) type Component = Vec<u8>;

/// What a path's next component leads to.
pub(super) enum Step {
    /// A symbolic link with this target.
    Link(Vec<u8>),
    /// Anything else, also nothing.
    Other,
}

/// Why a path could not be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FollowError {
    /// `..` at the top of the tree.
    Escape,
    /// More than [`MAX_LINKS`] links.
    TooManyLinks,
}

/// Splits a path that a derivation names: relative, without `.`, `..`, doubled or final slashes.
/// The empty path has no component.
pub(super) fn components(path: &str) -> Result<Vec<Component>, AssembleError> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<Component> = path.split('/').map(|part| part.as_bytes().to_vec()).collect();
    let bad = |part: &Component| {
        part.is_empty() || part == b"." || part == b".." || part.contains(&0) || part.len() > 255
    };
    if path.len() > MAX_PATH_LEN || parts.len() > MAX_DEPTH || parts.iter().any(bad) {
        return Err(AssembleError::Path { path: path.to_owned() });
    }
    Ok(parts)
}

/// Follows `path` through symbolic links that stay within one tree; an absolute target starts at
/// the tree's top. `look` says what stands at a place whose parents are free of links.
/// With `last` unset, a link in the last component is not followed.
pub(super) fn follow<E: From<FollowError>>(
    path: &[Component],
    last: bool,
    mut look: impl FnMut(&[Component]) -> Result<Step, E>,
) -> Result<Vec<Component>, E> {
    let mut place: Vec<Component> = Vec::with_capacity(path.len());
    let mut ahead: VecDeque<Component> = path.iter().cloned().collect();
    let mut links = 0;
    while let Some(component) = ahead.pop_front() {
        match component.as_slice() {
            b"" | b"." => continue,
            b".." => {
                place.pop().ok_or(FollowError::Escape)?;
                continue;
            }
            _ => {}
        }
        place.push(component);
        if !last && ahead.is_empty() {
            break;
        }
        if let Step::Link(target) = look(&place)? {
            links += 1;
            if links > MAX_LINKS {
                return Err(FollowError::TooManyLinks.into());
            }
            place.pop();
            if target.starts_with(b"/") {
                place.clear();
            }
            target.split(|&b| b == b'/').rev().for_each(|part| ahead.push_front(part.to_vec()));
        }
    }
    Ok(place)
}

/// A place for messages: components joined by slashes.
pub(super) fn show(place: &[Component]) -> String {
    String::from_utf8_lossy(&place.join(&b'/')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(path: &str, links: &[(&str, &str)]) -> Result<String, FollowError> {
        let path: Vec<Component> = path.split('/').map(|p| p.as_bytes().to_vec()).collect();
        follow(&path, true, |place| {
            let here = show(place);
            let found = links.iter().find(|(at, _)| *at == here);
            Ok(found.map_or(Step::Other, |(_, to)| Step::Link(to.as_bytes().to_vec())))
        })
        .map(|place| show(&place))
    }

    #[test]
    fn links_are_followed_within_the_tree() {
        let links =
            [("bin", "usr/bin"), ("usr/lib64", "lib"), ("lib64", "/usr/lib64"), ("x", "../..")];
        assert_eq!(followed("bin/sh", &links), Ok("usr/bin/sh".into()));
        assert_eq!(followed("lib64/ld.so", &links), Ok("usr/lib/ld.so".into()));
        assert_eq!(followed("a/../b", &links), Ok("b".into()));
        assert_eq!(followed("x/y", &links), Err(FollowError::Escape));
        assert_eq!(followed("loop", &[("loop", "loop")]), Err(FollowError::TooManyLinks));
    }

    #[test]
    fn paths_of_derivations_are_plain() {
        assert_eq!(components("").map(|c| c.len()), Ok(0));
        assert_eq!(components("usr/bin").map(|c| c.len()), Ok(2));
        for bad in ["/", "/usr", "usr/", "a//b", "..", "a/../b", "./a", "a\0b"] {
            assert!(components(bad).is_err(), "{bad:?} must be refused");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_followed_path_ends_within_the_tree(
            path in "[ab./]{0,12}",
            links in proptest::collection::vec(("[ab]{1,2}(/[ab]){0,2}", "[ab./]{0,8}"), 0..6),
        ) {
            let links: Vec<(&str, &str)> =
                links.iter().map(|(at, to)| (at.as_str(), to.as_str())).collect();
            if let Ok(place) = followed(&path, &links) {
                proptest::prop_assert!(place.split('/').all(|part| part != ".." && part != "."));
                proptest::prop_assert!(links.iter().all(|(at, _)| *at != place));
            }
        }
    }
}
