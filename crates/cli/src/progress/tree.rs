//! What runs, as a tree below the targets that wait for it, in a bounded number of lines.
//!
//! Knows steps and texts only: no terminal and no clock.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_build::Outlined;
use cbuild_drv::DrvId;

/// The steps of a run, each with the one step above it that is shown to wait for it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    steps: Vec<Outlined>,
    places: BTreeMap<DrvId, usize>,
}

/// A step that runs, and what is said about it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its place in the tree; `None` for one that is not there.
    pub(super) place: Option<usize>,
    pub(super) text: String,
}

/// The part of a tree that is shown.
struct Shown<'t> {
    tree: &'t Tree,
    texts: BTreeMap<usize, &'t str>,
    below: BTreeMap<usize, BTreeSet<usize>>,
    lines: Vec<String>,
}

impl Tree {
    pub(super) fn new(steps: Vec<Outlined>) -> Self {
        let places = steps.iter().enumerate().map(|(place, step)| (step.drv, place)).collect();
        Self { steps, places }
    }

    pub(super) fn place(&self, drv: &DrvId) -> Option<usize> {
        self.places.get(drv).copied()
    }

    /// At most `most` lines, and at least one where something runs. Where all do not fit, the first
    /// rows are shown and the others counted.
    pub(super) fn lines(&self, rows: &[Row], most: usize) -> Vec<String> {
        let most = most.max(1);
        for count in (1..=rows.len().min(most)).rev() {
            let mut lines = self.all_lines(&rows[..count]);
            if let more @ 1.. = rows.len() - count {
                lines.push(format!("… and {more} more"));
            }
            if lines.len() <= most {
                return lines;
            }
        }
        match rows {
            [] => Vec::new(),
            // Not even one fits with what waits for it.
            [row] => vec![row.text.clone()],
            [row, rest @ ..] => vec![format!("{} … and {} more", row.text, rest.len())],
        }
    }

    fn all_lines(&self, rows: &[Row]) -> Vec<String> {
        let (texts, below) = (BTreeMap::new(), BTreeMap::new());
        let mut shown = Shown { tree: self, texts, below, lines: Vec::new() };
        let mut tops = BTreeSet::new();
        for row in rows {
            match row.place {
                Some(place) => {
                    shown.texts.insert(place, &row.text);
                    tops.insert(shown.climb(place));
                }
                None => shown.lines.push(row.text.clone()),
            }
        }
        for top in tops {
            let text = shown.text(top, &[]);
            shown.lines.push(text);
            shown.put_below(top, "");
        }
        shown.lines
    }
}

impl Shown<'_> {
    /// Notes the steps above a step, and gives the last.
    fn climb(&mut self, mut place: usize) -> usize {
        // Each step above stands behind those that it waits for, so that this ends.
        while let Some(above) = self.tree.steps[place].above.filter(|&above| above > place) {
            self.below.entry(above).or_default().insert(place);
            place = above;
        }
        place
    }

    /// Whether a step has a line: it runs, or several branches meet there.
    fn has_line(&self, place: usize) -> bool {
        self.texts.contains_key(&place)
            || self.below.get(&place).is_none_or(|below| below.len() > 1)
    }

    fn put_below(&mut self, top: usize, indent: &str) {
        let below: Vec<usize> = self.below.get(&top).into_iter().flatten().copied().collect();
        for (number, &first) in below.iter().enumerate() {
            let (mut place, mut between) = (first, Vec::new());
            while !self.has_line(place) {
                between.push(place);
                let next = self.below.get(&place).and_then(|below| below.first());
                let Some(&next) = next else { break };
                place = next;
            }
            let is_last = number + 1 == below.len();
            let branch = if is_last { "└─ " } else { "├─ " };
            let text = self.text(place, &between);
            self.lines.push(format!("{indent}{branch}{text}"));
            let deeper = if is_last { "   " } else { "│  " };
            self.put_below(place, &format!("{indent}{deeper}"));
        }
    }

    /// The text of a step; steps between it and the line above are named at its end.
    fn text(&self, place: usize, between: &[usize]) -> String {
        let name = |place: usize| self.tree.steps[place].name.as_str();
        let text = self.texts.get(&place).copied().unwrap_or_else(|| name(place));
        match between {
            [] => text.to_owned(),
            [one] => format!("{text} → {}", name(*one)),
            [rest @ .., last] => format!("{text} → {} and {} more", name(*last), rest.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use cbuild_drv::{Digest, Name};

    use super::*;

    fn id(name: &str) -> DrvId {
        DrvId(Digest::of(name.as_bytes()))
    }

    /// Steps as `name>above`, each before the one above it.
    fn tree(steps: &[&str]) -> Tree {
        let names: Vec<&str> =
            steps.iter().map(|step| step.split('>').next().unwrap_or_default()).collect();
        let step = |step: &&str| {
            let (name, above) = step.split_once('>').unwrap_or((step, ""));
            let above = names.iter().position(|name| *name == above);
            Outlined { drv: id(name), name: Name::new(name).unwrap(), above }
        };
        Tree::new(steps.iter().map(step).collect())
    }

    fn shown(tree: &Tree, running: &[&str], most: usize) -> Vec<String> {
        let row = |name: &&str| Row { place: tree.place(&id(name)), text: format!("run {name}") };
        tree.lines(&running.iter().map(row).collect::<Vec<_>>(), most)
    }

    #[test]
    fn what_runs_hangs_below_what_waits() {
        let tree = tree(&["z>curl", "ssl>curl", "curl>app", "m4>bison", "bison>app", "app"]);
        let lines = shown(&tree, &["z", "ssl", "m4"], 10);
        assert_eq!(lines, ["app", "├─ curl", "│  ├─ run z", "│  └─ run ssl", "└─ run m4 → bison"]);
        assert_eq!(shown(&tree, &["z"], 10), ["app", "└─ run z → curl"]);
        assert_eq!(shown(&tree, &["app"], 10), ["run app"]);
        assert_eq!(shown(&tree, &[], 10), Vec::<String>::new());
        assert_eq!(shown(&tree, &["unknown"], 10), ["run unknown"]);
    }

    #[test]
    fn several_targets_are_several_trees_and_long_chains_are_short() {
        let tree = tree(&["a>b", "b>c", "c>d", "d>one", "one", "two"]);
        let lines = shown(&tree, &["a", "two"], 10);
        assert_eq!(lines, ["one", "└─ run a → b and 2 more", "run two"]);
    }

    #[test]
    fn there_are_never_too_many_lines() {
        let names: Vec<String> =
            (0..20).map(|number| format!("s{number}>m{}", number / 4)).collect();
        let middle: Vec<String> = (0..5).map(|number| format!("m{number}>top")).collect();
        let all: Vec<&str> =
            names.iter().chain(&middle).map(String::as_str).chain(["top"]).collect();
        let tree = tree(&all);
        let running: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
        let running: Vec<&str> = running.iter().map(String::as_str).collect();
        for most in 1..30 {
            let lines = shown(&tree, &running, most);
            assert!((1..=most).contains(&lines.len()), "{most}: {lines:#?}");
            let runs = lines.iter().filter(|line| line.contains("run s")).count();
            let told = lines
                .last()
                .and_then(|line| line.split("… and ").nth(1))
                .map_or(0, |more| more.trim_end_matches(" more").parse().unwrap());
            assert_eq!(runs + told, 20, "{most}: {lines:#?}");
        }
        assert_eq!(
            shown(&tree, &running, 6),
            ["top", "└─ m0", "   ├─ run s0", "   ├─ run s1", "   └─ run s2", "… and 17 more"]
        );
    }
}
