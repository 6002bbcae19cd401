//! Which objects share a layer.
//!
//! The objects that the command names are the application, the last layer: a release changes
//! them. The others are dependencies, below it; the largest get a layer each, as far as the
//! budget goes, because sharing those saves most.

use std::collections::BTreeSet;

use cbuild_drv::StorePath;

use crate::contents::Contents;

/// Smallest dependency that gets a layer of its own, in bytes of its files. Below this the
/// request for one more blob costs about as much as its transfer.
const MIN_OWN_LAYER: u64 = 1 << 20;

/// The objects of one layer, in byte order of their names, and what the layer is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Short description for the image's history.
    pub(crate) label: String,
    /// The objects.
    pub(crate) objects: BTreeSet<StorePath>,
}

/// Groups for at most `max_layers` (at least 1) layers, lowest first; the application is last.
pub(crate) fn group(contents: &Contents, max_layers: usize) -> Vec<Group> {
    let all: BTreeSet<StorePath> = contents.objects.keys().cloned().collect();
    let application = contents.named_in(&contents.document.cmd);
    let mut rest: BTreeSet<StorePath> = all.difference(&application).cloned().collect();
    if max_layers < 2 || rest.is_empty() || application.is_empty() {
        return vec![Group { label: "application".to_owned(), objects: all }];
    }
    let own = own_layers(contents, &rest, max_layers - 2);
    let mut groups = Vec::new();
    for path in own {
        rest.remove(&path);
        groups.push(Group { label: path.name().to_string(), objects: BTreeSet::from([path]) });
    }
    if !rest.is_empty() {
        groups.push(Group { label: "dependencies".to_owned(), objects: rest });
    }
    groups.push(Group { label: "application".to_owned(), objects: application });
    groups
}

/// The largest of `dependencies`, at most `budget`. A runtime can share a layer only with
/// all those below it, so the one that most objects need comes first.
fn own_layers(
    contents: &Contents,
    dependencies: &BTreeSet<StorePath>,
    budget: usize,
) -> Vec<StorePath> {
    let size = |path: &StorePath| contents.objects[path].size;
    let mut large: Vec<_> =
        dependencies.iter().filter(|path| size(path) >= MIN_OWN_LAYER).cloned().collect();
    large.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.cmp(b)));
    large.truncate(budget);
    large.sort_by_cached_key(|path| (std::cmp::Reverse(dependents(contents, path)), path.clone()));
    large
}

/// How many objects of the image need `path`, directly or not.
fn dependents(contents: &Contents, path: &StorePath) -> usize {
    let mut found = BTreeSet::from([path]);
    let mut pending = vec![path];
    while let Some(needed) = pending.pop() {
        for (user, object) in &contents.objects {
            if object.references.contains(needed) && found.insert(user) {
                pending.push(user);
            }
        }
    }
    found.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::Object;
    use crate::pack::tests::document;

    fn path(digit: char, name: &str) -> StorePath {
        // Any digest serves; one of each letter is enough to tell objects apart.
        let digest = cbuild_drv::Digest::of(&[digit as u8]);
        StorePath::parse(&format!("{digest}-{name}")).unwrap()
    }

    fn contents(sizes: &[(&str, u64, &[usize])]) -> Contents {
        let paths: Vec<_> = sizes.iter().map(|(name, ..)| path('0', name)).collect();
        let paths: Vec<_> = (paths.iter().zip(b'a'..))
            .map(|(p, digit)| path(digit as char, p.name().as_str()))
            .collect();
        let objects = sizes.iter().zip(&paths).map(|((_, size, references), path)| {
            let references = references.iter().map(|&at| paths[at].clone()).collect();
            (path.clone(), Object { physical: "/none".into(), size: *size, references })
        });
        let objects = objects.collect();
        Contents { document: document(&[&format!("{}/bin/app", paths[0])]), objects }
    }

    fn shape(groups: &[Group]) -> Vec<(String, Vec<String>)> {
        let names = |group: &Group| {
            let mut names: Vec<_> = group.objects.iter().map(|p| p.name().to_string()).collect();
            names.sort();
            names
        };
        groups.iter().map(|group| (group.label.clone(), names(group))).collect()
    }

    fn check(contents: &Contents, max_layers: usize, expected: &[(&str, &[&str])]) {
        let expected: Vec<_> = (expected.iter())
            .map(|(label, names)| {
                ((*label).to_owned(), names.iter().map(|n| (*n).to_owned()).collect())
            })
            .collect();
        assert_eq!(shape(&group(contents, max_layers)), expected);
    }

    #[test]
    fn a_single_object_is_a_single_layer() {
        check(&contents(&[("app", 5, &[])]), 8, &[("application", &["app"])]);
    }

    #[test]
    fn large_dependencies_get_their_own_layers_most_needed_first() {
        let big = 8 << 20;
        let image = contents(&[
            ("app", 5, &[1, 2]),
            ("ssl", 2 * big, &[3]),
            ("tiny", 10, &[3]),
            ("libc", big, &[]),
        ]);
        let all = ["app", "libc", "ssl", "tiny"];
        check(&image, 1, &[("application", &all)]);
        check(&image, 2, &[("dependencies", &all[1..]), ("application", &["app"])]);
        check(
            &image,
            3,
            &[("ssl", &["ssl"]), ("dependencies", &["libc", "tiny"]), ("application", &["app"])],
        );
        let full: [(&str, &[&str]); 4] = [
            ("libc", &["libc"]),
            ("ssl", &["ssl"]),
            ("dependencies", &["tiny"]),
            ("application", &["app"]),
        ];
        check(&image, 4, &full);
        check(&image, 100, &full);
    }
}
