//! Minimal version selection on small graphs written by hand, and its laws on random ones.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_diag::Span;
use cbuild_drv::Digest;
use cbuild_modules::{
    Entry, Lock, ModulePath, ModuleVersion, Outdated, Pin, Provider, Requirement, Roots,
    SelectError, Selection, Source, Version, select, verify,
};
use proptest::prelude::*;

type Requirements = BTreeMap<ModulePath, Requirement>;

/// Versions of modules and what they require.
#[derive(Clone, Debug, Default)]
struct World {
    known: BTreeMap<ModuleVersion, Requirements>,
    asked: BTreeSet<ModuleVersion>,
}

impl Provider for World {
    type Error = String;

    fn requirements(&mut self, module: &ModuleVersion, _: &Source) -> Result<Requirements, String> {
        assert!(self.asked.insert(module.clone()), "{module} is asked for twice");
        self.known.get(module).cloned().ok_or_else(|| format!("no {module}"))
    }
}

fn requirement(module: &str, source: Option<&str>) -> (ModulePath, Requirement) {
    let ModuleVersion { path, version } = module.parse().unwrap();
    let url = format!("https://e.org/{}-{version}", path.short_name());
    let source = Source::parse(source.unwrap_or(&url), &version).unwrap();
    let name = path.default_import().unwrap();
    (path, Requirement { version, source, name, span: Span::default() })
}

/// `a1.2` is the module `m/a/v1` at 1.2.0.
fn full(short: &str) -> String {
    let (name, version) = short.split_at(1);
    let (major, _) = version.split_once('.').unwrap();
    format!("m/{name}/v{major}@{version}.0")
}

fn requirements(text: &str) -> Requirements {
    text.split_whitespace().map(|short| requirement(&full(short), None)).collect()
}

/// Lines such as `a1.0: b1.1 c1.0`.
fn world(text: &str) -> World {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let known = lines.map(|line| {
        let (module, required) = line.split_once(':').unwrap();
        (full(module).parse().unwrap(), requirements(required))
    });
    World { known: known.collect(), asked: BTreeSet::new() }
}

fn root() -> ModulePath {
    "m/root/v1".parse().unwrap()
}

fn selection(root_text: &str, graph: &str) -> Selection {
    let (module, overrides) = (root(), BTreeMap::new());
    let required = requirements(root_text);
    let roots = Roots { module: &module, requirements: &required, overrides: &overrides };
    select(&roots, &mut world(graph)).unwrap()
}

fn shown(selection: &Selection) -> String {
    let one = |selected: &cbuild_modules::Selected| {
        let short = |module: &ModuleVersion| {
            let version = module.version.to_string();
            format!("{}{}", module.path.short_name(), version.strip_suffix(".0").unwrap())
        };
        let by = selected.by.as_ref().map(|by| format!("({})", short(by))).unwrap_or_default();
        format!("{}{by}", short(&selected.module))
    };
    selection.modules.values().map(one).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn selects(root: &str, graph: &str, expected: &str) {
    assert_eq!(shown(&selection(root, graph)), expected);
}

#[test]
fn the_highest_of_what_is_asked_for() {
    selects("", "", "");
    selects("a1.0", "a1.0:\na1.9:", "a1.0");
    selects("a1.0 b1.0", "a1.0: c1.2\nb1.0: c1.4\nc1.2:\nc1.4:\nc1.9:", "a1.0 b1.0 c1.4");
    // Two major versions are two modules.
    selects("a1.0 a2.0", "a1.0: b1.0\na2.0: b2.3\nb1.0:\nb2.3:", "a1.0 a2.0 b1.0 b2.3");
    // Modules may require each other.
    selects("a1.0", "a1.0: b1.1\nb1.1: a1.2\na1.2: b1.0\nb1.0:", "a1.2 b1.1(a1.0)");
}

#[test]
fn what_superseded_versions_ask_for_counts_and_is_noted() {
    selects(
        "a1.0 b1.0",
        "a1.0: c1.5\nb1.0: a1.1\na1.1: c1.2\nc1.5:\nc1.2:",
        "a1.1 b1.0 c1.5(a1.0)",
    );
    // What only a superseded version uses at all is left out.
    selects("a1.0 b1.0", "a1.0: c1.5\nb1.0: a1.1\na1.1:\nc1.5:", "a1.1 b1.0");
}

#[test]
fn overrides_and_the_root_have_no_version() {
    let module: ModulePath = "m/a/v1".parse().unwrap();
    let overrides = BTreeMap::from([("m/b/v1".parse().unwrap(), requirements("c1.3"))]);
    let required = requirements("b1.0 d1.0");
    let roots = Roots { module: &module, requirements: &required, overrides: &overrides };
    let mut world = world("d1.0: a1.7 b1.9 c1.1\nc1.1:\nc1.3:");
    assert_eq!(shown(&select(&roots, &mut world).unwrap()), "c1.3 d1.0");
}

#[test]
fn two_sources_for_one_thing_are_refused_unless_the_root_decides() {
    let (module, overrides) = (root(), BTreeMap::new());
    let other = |short: &str| requirement(&full(short), Some("https://elsewhere.org/c"));
    let mut world = world("a1.0: c1.0\nb1.0:\nc1.0:");
    world.known.get_mut(&full("b1.0").parse().unwrap()).unwrap().extend([other("c1.0")]);
    let mut required = requirements("a1.0 b1.0");
    let roots = Roots { module: &module, requirements: &required, overrides: &overrides };
    let Err(SelectError::Conflict(conflict)) = select(&roots, &mut world.clone()) else {
        panic!("accepted")
    };
    assert_eq!((conflict.module.to_string(), conflict.sources.len()), (full("c1.0"), 2));
    required.extend([other("c1.0")]);
    let roots = Roots { module: &module, requirements: &required, overrides: &overrides };
    let chosen = select(&roots, &mut world).unwrap();
    assert_eq!(
        chosen.modules.values().last().unwrap().source.to_string(),
        "https://elsewhere.org/c"
    );
}

#[test]
fn endless_chains_are_stopped() {
    struct Endless;
    impl Provider for Endless {
        type Error = String;
        fn requirements(&mut self, m: &ModuleVersion, _: &Source) -> Result<Requirements, String> {
            Ok([requirement(&format!("{}@1.{}.0", m.path, m.version.minor + 1), None)].into())
        }
    }
    let (module, overrides, required) = (root(), BTreeMap::new(), requirements("a1.0"));
    let roots = Roots { module: &module, requirements: &required, overrides: &overrides };
    assert!(matches!(select(&roots, &mut Endless), Err(SelectError::TooMany)));
}

/// A lock as it would be written for a selection.
fn lock(selection: &Selection) -> Lock {
    let hash = format!("sha256-{}=", "A".repeat(43));
    let entry = |selected: &cbuild_modules::Selected| Entry {
        version: selected.module.version.clone(),
        tree: Digest::of(b""),
        source: selected.source.clone(),
        pin: Pin::parse(&hash).unwrap(),
        by: selected.by.clone(),
    };
    let entries = selection.modules.iter().map(|(path, selected)| (path.clone(), entry(selected)));
    Lock { entries: entries.collect() }
}

fn known(world: &World, lock: &Lock) -> BTreeMap<ModulePath, Requirements> {
    let one = |(path, entry): (&ModulePath, &Entry)| {
        let module = ModuleVersion { path: path.clone(), version: entry.version.clone() };
        Some((path.clone(), world.known.get(&module)?.clone()))
    };
    lock.entries.iter().filter_map(one).collect()
}

/// Graphs of up to five modules with up to four versions each, and what the root requires.
fn any_graph() -> impl Strategy<Value = (World, Requirements)> {
    let some = || prop::collection::btree_map(0..5_usize, 0..4_usize, 0..4);
    prop::collection::vec(some(), 20..=20).prop_flat_map(move |nodes| {
        (Just(nodes), some()).prop_map(|(nodes, root)| {
            let text = |required: &BTreeMap<usize, usize>| -> Requirements {
                let one = |(module, version): (&usize, &usize)| {
                    requirement(
                        &full(&format!("{}1.{version}", char::from(b'a' + *module as u8))),
                        None,
                    )
                };
                required.iter().map(one).collect()
            };
            let known = nodes.iter().enumerate().map(|(index, required)| {
                let module = format!("{}1.{}", char::from(b'a' + (index / 4) as u8), index % 4);
                (full(&module).parse().unwrap(), text(required))
            });
            (World { known: known.collect(), asked: BTreeSet::new() }, text(&root))
        })
    })
}

/// The same by another way: all that can be reached, and the highest version of each.
fn reachable(world: &World, root: &Requirements) -> BTreeMap<ModulePath, Version> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![root];
    let mut highest: BTreeMap<ModulePath, Version> = BTreeMap::new();
    while let Some(required) = waiting.pop() {
        for (path, requirement) in required {
            let version = requirement.version.clone();
            let best = highest.entry(path.clone()).or_insert_with(|| version.clone());
            *best = version.clone().max(best.clone());
            let module = ModuleVersion { path: path.clone(), version };
            if let (true, Some(more)) = (seen.insert(module.clone()), world.known.get(&module)) {
                waiting.push(more);
            }
        }
    }
    highest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn selections_are_closed_minimal_and_fit_their_lock((world, required) in any_graph()) {
        let (module, overrides) = (root(), BTreeMap::new());
        let roots = Roots { module: &module, requirements: &required, overrides: &overrides };
        let chosen = select(&roots, &mut world.clone()).unwrap();
        // Closed: every requirement of the root and of what is selected is met.
        for from in std::iter::once(&required).chain(chosen.modules.values().map(|s| &world.known[&s.module])) {
            for (path, requirement) in from {
                prop_assert!(chosen.modules[path].module.version >= requirement.version);
            }
        }
        // Minimal: each version is the highest that anything reachable asks for, and no higher.
        let highest = reachable(&world, &required);
        for (path, selected) in &chosen.modules {
            prop_assert_eq!(&selected.module.version, &highest[path]);
        }
        // The lock that is written for it is accepted.
        let lock = lock(&chosen);
        prop_assert_eq!(verify(&roots, &lock, &known(&world, &lock)), vec![]);
    }

    #[test]
    fn a_lock_that_does_not_fit_is_found_out((world, required) in any_graph(), at in any::<prop::sample::Index>(), minor in 0..9_u64) {
        let (module, overrides) = (root(), BTreeMap::new());
        let roots = Roots { module: &module, requirements: &required, overrides: &overrides };
        let chosen = select(&roots, &mut world.clone()).unwrap();
        let good = lock(&chosen);
        prop_assume!(!good.entries.is_empty());
        let path = good.entries.keys().nth(at.index(good.entries.len())).unwrap().clone();
        // An entry is gone.
        let mut less = good.clone();
        less.entries.remove(&path);
        let found = verify(&roots, &less, &known(&world, &less));
        let missing = |one: &Outdated| matches!(one, Outdated::Missing { path: at, .. } if *at == path);
        prop_assert!(found.iter().any(missing), "{:?}", found);
        // An entry is too much.
        let mut more = good.clone();
        more.entries.insert("m/z/v1".parse().unwrap(), good.entries[&path].clone());
        let found = verify(&roots, &more, &known(&world, &more));
        prop_assert_eq!(found, vec![Outdated::Unused("m/z/v1".parse().unwrap())]);
        // A version that nothing asks for: higher than what was selected.
        let mut high = good.clone();
        let entry = high.entries.get_mut(&path).unwrap();
        entry.version.minor += minor + 4;
        entry.by = None;
        let found = verify(&roots, &high, &known(&world, &high));
        prop_assert!(!found.is_empty());
    }

    /// The order in which requirements are written and names are sorted does not matter: renaming
    /// the modules renames the result, and changes nothing else.
    #[test]
    fn order_does_not_matter((world, required) in any_graph(), shift in 1..5_u8) {
        let rename = |path: &ModulePath| -> ModulePath {
            let letter = path.short_name().as_bytes()[0] - b'a';
            format!("m/{}/v1", char::from(b'a' + (letter + shift) % 5)).parse().unwrap()
        };
        let renamed = |required: &Requirements| -> Requirements {
            let one = |(path, requirement): (&ModulePath, &Requirement)| {
                let module = format!("{}@{}", rename(path), requirement.version);
                self::requirement(&module, None)
            };
            required.iter().map(one).collect()
        };
        let other = World {
            known: world.known.iter().map(|(module, required)| {
                let version = module.version.clone();
                (ModuleVersion { path: rename(&module.path), version }, renamed(required))
            }).collect(),
            asked: BTreeSet::new(),
        };
        let (module, overrides) = (root(), BTreeMap::new());
        let run = |world: &World, required: &Requirements| {
            let roots = Roots { module: &module, requirements: required, overrides: &overrides };
            select(&roots, &mut world.clone()).unwrap()
        };
        let one: BTreeMap<ModulePath, Version> = run(&world, &required).modules.into_values()
            .map(|s| (rename(&s.module.path), s.module.version)).collect();
        let two: BTreeMap<ModulePath, Version> = run(&other, &renamed(&required)).modules.into_values()
            .map(|s| (s.module.path, s.module.version)).collect();
        prop_assert_eq!(one, two);
    }
}
