//! What two resolved derivations differ in.

use std::collections::{BTreeMap, BTreeSet};

use cbuild_drv::{Action, Assemble, Derivation, Exec, FetchKind, STORE_DIR, StorePath, Template};

/// One difference between an earlier and a later derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A text that only one of them has, or that differs. References to objects are written without
    /// their digests, so that a changed input is not told again at each place that names it.
    Text {
        /// What it is, for example ``variable `CFLAGS` ``.
        part: String,
        /// The earlier text.
        before: Option<String>,
        /// The later text.
        after: Option<String>,
    },
    /// An input that only one of them has, or that is another object.
    Input {
        /// The earlier object.
        before: Option<StorePath>,
        /// The later object.
        after: Option<StorePath>,
    },
}

/// All differences: inputs first, then texts, each ordered by name.
pub fn changes(before: &Derivation<StorePath>, after: &Derivation<StorePath>) -> Vec<Change> {
    let mut changes = inputs(&before.references(), &after.references());
    let (mut old, new) = (parts(before), parts(after));
    for (part, text) in new {
        let earlier = old.remove(&part);
        if earlier.as_ref() != Some(&text) {
            changes.push(Change::Text { part, before: earlier, after: Some(text) });
        }
    }
    let gone = old.into_iter();
    changes.extend(gone.map(|(part, text)| Change::Text { part, before: Some(text), after: None }));
    changes
}

/// Pairs the inputs of one side with those of the other: by name, then by name without version.
fn inputs(before: &BTreeSet<StorePath>, after: &BTreeSet<StorePath>) -> Vec<Change> {
    let mut old: Vec<&StorePath> = before.difference(after).collect();
    let mut new: Vec<&StorePath> = after.difference(before).collect();
    let mut pairs = Vec::new();
    let exact = |path: &StorePath| path.name().to_string();
    for key in [&exact as &dyn Fn(&StorePath) -> String, &|path| stem(path).to_owned()] {
        new.retain(|path| {
            let twin = old.iter().position(|other| key(other) == key(path));
            if let Some(at) = twin {
                pairs.push((Some(old.remove(at).clone()), Some((*path).clone())));
            }
            twin.is_none()
        });
    }
    pairs.extend(old.into_iter().map(|path| (Some(path.clone()), None)));
    pairs.extend(new.into_iter().map(|path| (None, Some(path.clone()))));
    let name = |pair: &(Option<StorePath>, Option<StorePath>)| {
        pair.1.as_ref().or(pair.0.as_ref()).map(|path| path.name().clone())
    };
    pairs.sort_by_key(name);
    pairs.into_iter().map(|(before, after)| Change::Input { before, after }).collect()
}

/// The part of a name before the first hyphen that a digit follows.
fn stem(path: &StorePath) -> &str {
    let name = path.name().as_str();
    let version = name
        .match_indices('-')
        .find(|(at, _)| name.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit));
    version.map_or(name, |(at, _)| &name[..at])
}

fn text(template: &Template<StorePath>) -> String {
    template.render(|path| format!("{STORE_DIR}/…-{}", path.name()), |output| format!("${output}"))
}

/// Every text of a derivation under a name for readers.
fn parts(derivation: &Derivation<StorePath>) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::from([("name".to_owned(), derivation.name.to_string())]);
    let mut put = |part: String, text: String| {
        parts.insert(part, text);
    };
    match &derivation.action {
        Action::Exec(exec) => {
            put("kind".to_owned(), "a program".to_owned());
            put("system".to_owned(), derivation.system.to_string());
            let outputs: Vec<&str> = derivation.outputs.iter().map(|name| name.as_str()).collect();
            put("outputs".to_owned(), outputs.join(", "));
            exec_parts(exec, &mut put);
        }
        Action::Fetch(fetch) => {
            put("kind".to_owned(), "a download".to_owned());
            put("hash".to_owned(), fetch.hash.to_string());
            let kept = match fetch.kind {
                FetchKind::File { executable: false } => "as a file".to_owned(),
                FetchKind::File { executable: true } => "as an executable file".to_owned(),
                FetchKind::Archive { strip } => format!("unpacked, without {strip} components"),
            };
            put("kept".to_owned(), kept);
        }
        Action::Assemble(assemble) => {
            put("kind".to_owned(), "a composition".to_owned());
            assemble_parts(assemble, &mut put);
        }
    }
    parts
}

fn exec_parts(exec: &Exec<StorePath>, put: &mut dyn FnMut(String, String)) {
    put("program".to_owned(), text(&exec.program));
    for (at, arg) in exec.args.iter().enumerate() {
        put(format!("argument {}", at + 1), text(arg));
    }
    for (name, value) in &exec.env {
        put(format!("variable `{name}`"), text(value));
    }
    for (path, content) in &exec.files {
        put(format!("file `{path}`"), text(content));
    }
    if !exec.forbidden.is_empty() {
        let names: Vec<&str> = exec.forbidden.iter().map(|path| path.name().as_str()).collect();
        put("forbidden references".to_owned(), names.join("\n"));
    }
    if let Some(root) = &exec.root {
        put("root".to_owned(), root.name().to_string());
    }
}

fn assemble_parts(assemble: &Assemble<StorePath>, put: &mut dyn FnMut(String, String)) {
    let layers = assemble
        .layers
        .iter()
        .map(|layer| format!("{}/{} to /{}\n", layer.source.name(), layer.from, layer.into));
    put("layers".to_owned(), layers.collect());
    put("left out".to_owned(), assemble.exclude.join("\n"));
    for (path, target) in &assemble.links {
        put(format!("link `{path}`"), text(target));
    }
    for (path, file) in &assemble.files {
        let program = if file.executable { "program" } else { "file" };
        put(format!("{program} `{path}`"), text(&file.text));
    }
    let directories: Vec<&str> = assemble.directories.iter().map(String::as_str).collect();
    put("directories".to_owned(), directories.join("\n"));
}

#[cfg(test)]
mod tests {
    use cbuild_drv::{Digest, Name, OutputName, Segment, System};

    use super::*;

    fn object(name: &str, content: &str) -> StorePath {
        let digest = Digest::of(content.as_bytes());
        StorePath::of_content(&Name::new(name).unwrap(), &digest, false, &BTreeSet::new())
    }

    fn step(input: StorePath, script: &str) -> Derivation<StorePath> {
        let program = [Segment::Reference(input), Segment::Text("/bin/sh".to_owned())];
        Derivation {
            name: Name::new("step").unwrap(),
            system: System::new("x86_64-linux").unwrap(),
            outputs: BTreeSet::from([OutputName::out()]),
            action: Action::Exec(Exec {
                root: None,
                program: program.into_iter().collect(),
                args: vec![Template::from("-c"), Template::from(script)],
                env: cbuild_drv::Texts::new(),
                files: cbuild_drv::Texts::new(),
                inputs: BTreeSet::new(),
                forbidden: BTreeSet::new(),
                limits: cbuild_drv::StepLimits::default(),
            }),
        }
    }

    #[test]
    fn an_input_and_a_script_that_changed_are_told_once_each() {
        let (old, new) = (object("sh-1.0", "a"), object("sh-1.1", "b"));
        let found = changes(&step(old.clone(), "true"), &step(new.clone(), "false"));
        let script = Change::Text {
            part: "argument 2".to_owned(),
            before: Some("true".to_owned()),
            after: Some("false".to_owned()),
        };
        assert_eq!(found[0], Change::Input { before: Some(old.clone()), after: Some(new) });
        assert_eq!(found[1], script);
        // The path of a program has the new version's name in it, which is no other change by digest.
        assert!(matches!(&found[2], Change::Text { part, .. } if part == "program"));
        let same = changes(&step(old.clone(), "true"), &step(old, "true"));
        assert_eq!(same, []);
    }
}
