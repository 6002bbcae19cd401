//! Evaluator.

use cbuild_diag::{Diagnostic, SourceId, Sources};
use cbuild_drv::{Digest, StorePath};
use cbuild_eval::{Evaluator, Limits, World, codes};
use cbuild_sema::Checked;
use cbuild_sema::ir::GlobalId;

use crate::package::{MAIN, checked, checked_quickly, examine};

/// A world with a few files, all of which are small.
pub(crate) struct SmallWorld<'a> {
    /// What each file that is decoded holds; `None` for a text that suits its name.
    pub(crate) file: Option<&'a [u8]>,
}

impl World for SmallWorld<'_> {
    fn import_source(&mut self, _: SourceId, path: &str) -> Result<StorePath, String> {
        if path == "./missing" {
            return Err("there is no such file".to_owned());
        }
        let digest = Digest::of(path.as_bytes());
        StorePath::parse(&format!("{digest}-file")).map_err(|error| error.to_string())
    }

    fn read_source(&mut self, _: SourceId, path: &str) -> Result<(String, Vec<u8>), String> {
        let text: &[u8] = match (self.file, path.rsplit_once('.')) {
            (Some(bytes), _) => bytes,
            (None, Some((_, "toml"))) => b"name = 'a'\nport = 80\nlist = [1, 2]\n[t]\na = 1\n",
            (None, Some((_, "json"))) => b"{\"name\": \"a\", \"port\": 80, \"list\": [1]}",
            (None, Some((_, "yaml"))) => b"name: a\nport: 80\nlist: [1, two]\n",
            _ => return Err("there is no such file".to_owned()),
        };
        Ok((path.trim_start_matches("./").to_owned(), text.to_vec()))
    }
}

/// Small limits, so that no program runs for long.
pub(crate) fn limits() -> Limits {
    Limits {
        depth: 3_000,
        items: 1 << 12,
        text: 1 << 14,
        steps: Some(100_000),
        ..Limits::default()
    }
}

/// What becomes of each global of the main file: its printed value, or the error.
type Values = Vec<(String, Result<String, String>)>;

fn values(sources: &mut Sources, checked: &Checked) -> Values {
    let program = &checked.program;
    let Some(entry) = program.modules.get(checked.entry.0 as usize) else { return Vec::new() };
    let source = entry.source;
    assert_eq!(sources.name(source), MAIN, "the entry is another file");
    let mut world = SmallWorld { file: None };
    let mut evaluator = Evaluator::new(program, &mut world, limits());
    let mut values = Vec::new();
    let mut faults = Vec::new();
    for (index, global) in program.globals.iter().enumerate() {
        if global.source != source {
            continue;
        }
        let value = evaluator.global(GlobalId(u32::try_from(index).unwrap()));
        let json = value.clone().and_then(|value| evaluator.to_json(&value));
        let shown = value.and_then(|value| evaluator.show(&value));
        faults.extend(json.err());
        if let Err(fault) = &shown {
            faults.push(fault.clone());
        }
        values.push((global.name.clone(), shown.map_err(|fault| fault.to_string())));
    }
    for file in evaluator.decoded() {
        sources.put(file.id, file.name.clone(), file.text.clone());
    }
    drop(evaluator);
    faults.iter().for_each(|fault| examine_fault(sources, fault));
    values
}

/// Errors are located, and never say that the program is not what the checker vouched for.
pub(crate) fn examine_fault(sources: &Sources, fault: &Diagnostic) {
    examine(sources, fault);
    let defect = fault.code == codes::DEFECT || fault.code == codes::EXTERN;
    assert!(!defect, "{fault}: {:?}", fault.notes);
}

/// Whether an outcome depends on how much is evaluated before a limit is met.
fn limited(outcome: &Result<String, String>) -> bool {
    let limits = [codes::DEPTH, codes::SIZE, codes::CANCELLED];
    outcome.as_ref().is_err_and(|fault| limits.iter().any(|code| fault.starts_with(code)))
}

/// A program that is accepted evaluates to values or to located errors, within the limits, and its
/// formatted text to the same.
pub fn evaluate(text: &str) {
    let (sources, found) = checked(text);
    if !found.has_errors() {
        evaluate_checked(text, sources, &found);
    }
}

fn evaluate_checked(text: &str, mut sources: Sources, found: &Checked) {
    let before = values(&mut sources, found);
    let Ok(printed) = cbuild_syntax::format(SourceId(0), text) else { return };
    let (mut sources, found) = checked_quickly(&printed);
    assert!(!found.has_errors(), "the formatted text is refused:\n{printed}");
    let after = values(&mut sources, &found);
    assert_eq!(before.len(), after.len(), "formatting changes the items:\n{printed}");
    for ((name, before), (_, after)) in before.iter().zip(&after) {
        assert!(
            before == after || limited(before) && limited(after),
            "formatting changes `{name}` from {before:?} to {after:?}:\n{printed}"
        );
    }
}

/// A program of the generator is accepted, and holds to [`evaluate`]; its tests are true.
pub fn generated(text: &str) {
    let (sources, found) = checked_quickly(text);
    let wrong: Vec<String> = found
        .diagnostics
        .iter()
        .map(|diagnostic| {
            cbuild_diag::render(&sources, diagnostic, cbuild_diag::RenderOptions::plain())
        })
        .collect();
    assert!(wrong.is_empty(), "a sound program is refused:\n{text}\n{}", wrong.join("\n"));
    evaluate_checked(text, sources, &found);
}

/// A program that the generator has spoiled is refused with diagnostics that hold to what all do, or is
/// sound, and then holds to [`evaluate`]. Tells whether it was accepted.
pub fn spoiled(text: &str) -> bool {
    let (sources, found) = checked_quickly(text);
    found.diagnostics.iter().for_each(|diagnostic| examine(&sources, diagnostic));
    let accepted = !found.has_errors();
    if accepted {
        evaluate_checked(text, sources, &found);
    }
    accepted
}
