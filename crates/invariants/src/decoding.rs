//! Decoding of files.

use cbuild_eval::{Evaluator, codes};
use cbuild_sema::ir::Export;

use crate::evaluation::{SmallWorld, examine_fault, limits};
use crate::package::checked;

/// Types that files are decoded as; together they reach every decoder.
const TYPES: &[&str] = &[
    "Map<Str>",
    "List<Int>",
    "Option<Map<List<Option<Bool>>>>",
    "{ name: Str, port: Int = 80, tag?: Str, level: Level, hash?: Hash }",
    "Tree",
    "{ package: List<{ name: Str, version: Str, source?: Str, checksum?: Str, dependencies: List<Str> = [] }> }",
    "Str",
    "{}",
];

/// Names of files, by their formats.
const FILES: &[&str] = &["f.toml", "f.json", "f.yaml"];

/// The outcome of decoding a file: the printed value, or the code of the error.
fn outcome(ty: &str, file: &str, bytes: &[u8]) -> Result<String, &'static str> {
    let program = format!(
        "type Level = Quiet | Loud(Int) | Both(Int, Str)\ntype Tree = Leaf | Node(List<Tree>)\n\
         pub let value: {ty} = decode<{ty}>(./{file})\n"
    );
    let (mut sources, checked) = checked(&program);
    assert!(checked.diagnostics.is_empty(), "{program} gives {:?}", checked.diagnostics);
    let entry = &checked.program.modules[checked.entry.0 as usize];
    let Some(Export::Value { global, .. }) = entry.exports.get("value") else {
        panic!("no value in {program}")
    };
    let mut world = SmallWorld { file: Some(bytes) };
    let mut evaluator = Evaluator::new(&checked.program, &mut world, limits());
    let shown = evaluator.global(*global).and_then(|value| evaluator.show(&value));
    for file in evaluator.decoded() {
        sources.put(file.id, file.name.clone(), file.text.clone());
    }
    shown.map_err(|fault| {
        examine_fault(&sources, &fault);
        let limit = [codes::SIZE, codes::CANCELLED].contains(&fault.code);
        let own = matches!(fault.code, "E0420" | "E0421" | "E0422" | "E0423" | "E0424");
        assert!(own || limit, "{fault} is no error of decoding");
        fault.code
    })
}

/// Files of any bytes are decoded, or refused with a place in them; the first byte chooses the type
/// and the format. JSON is what another reader takes for JSON.
pub fn decode(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let choice = usize::from(choice);
    let ty = TYPES[choice % TYPES.len()];
    let file = FILES[choice / TYPES.len() % FILES.len()];
    let found = outcome(ty, file, bytes);
    if file == "f.json" {
        // A reader of its own, which nests as deep as the file does.
        let sound = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        // Of what is sound JSON, keys that are there twice and deep nesting are refused.
        assert!(sound || found.is_err(), "this is no JSON, yet it gives {found:?}");
    }
}
