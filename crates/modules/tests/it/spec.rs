//! The examples of chapter 10 of the specification.

use std::collections::BTreeMap;
use std::path::Path;

use cbuild_diag::{Diagnostic, Sources, Span};
use cbuild_modules::{
    Lock, Manifest, ModulePath, ModuleVersion, Provider, Requirement, Roots, Source, codes, select,
};

type Requirements = BTreeMap<ModulePath, Requirement>;

/// The graph of a block, by version.
struct Graph(BTreeMap<ModuleVersion, Requirements>);

impl Provider for Graph {
    type Error = String;

    fn requirements(&mut self, module: &ModuleVersion, _: &Source) -> Result<Requirements, String> {
        self.0.get(module).cloned().ok_or_else(|| format!("the graph lacks {module}"))
    }
}

/// `a 1.0.0` is version 1.0.0 of `example.org/a/v1`.
fn module(text: &str) -> ModuleVersion {
    let (name, version) = text.trim().split_once(' ').unwrap();
    let (major, _) = version.split_once('.').unwrap();
    format!("example.org/{name}/v{major}@{version}").parse().unwrap()
}

fn requirements(text: &str) -> Requirements {
    let one = |text: &str| {
        let ModuleVersion { path, version } = module(text);
        let source = Source::parse("oci://example.org/modules", &version).unwrap();
        let name = path.default_import().unwrap();
        (path, Requirement { version, source, name, span: Span::default() })
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect()
}

fn selection(block: &str) {
    let (mut root, mut graph, mut expected) = (Requirements::new(), Graph(BTreeMap::new()), "");
    for line in block.lines() {
        if let Some(wanted) = line.strip_prefix("=> ") {
            expected = wanted;
        } else if let Some(required) = line.strip_prefix("root:") {
            root = requirements(required);
        } else {
            let (node, required) = line.split_once(':').unwrap();
            graph.0.insert(module(node), requirements(required));
        }
    }
    let (path, overrides) = ("example.org/root/v1".parse().unwrap(), BTreeMap::new());
    let roots = Roots { module: &path, requirements: &root, overrides: &overrides };
    let short = |m: &ModuleVersion| format!("{} {}", m.path.short_name(), m.version);
    let found = select(&roots, &mut graph).unwrap();
    let found = found.modules.values().map(|selected| match &selected.by {
        Some(by) => format!("{} by {}", short(&selected.module), short(by)),
        None => short(&selected.module),
    });
    assert_eq!(found.collect::<Vec<_>>().join(", "), expected);
}

fn problems(kind: &str, text: &str) -> Vec<Diagnostic> {
    let source = Sources::default().add("example", text);
    match kind {
        "cbuild-mod" | "cbuild-mod-error" => Manifest::parse(source, text).1,
        "cbuild-lock" | "cbuild-lock-error" => Lock::parse(source, text).1,
        other => panic!("unknown mark {other}"),
    }
}

fn chapter() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lang-spec/10-modules.md");
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn the_examples_hold() {
    let text = chapter();
    let mut count = 0;
    let mut blocks = text.split("```");
    blocks.next();
    while let (Some(block), rest) = (blocks.next(), blocks.next()) {
        let (mark, body) = block.split_once('\n').unwrap();
        match mark.split_once(' ').unwrap_or((mark, "")) {
            ("text", _) => continue,
            ("cbuild-select", _) => selection(body),
            (kind, "") => assert_eq!(problems(kind, body), [], "{body}"),
            (kind, code) => {
                let found: Vec<&str> = problems(kind, body).iter().map(|p| p.code).collect();
                assert_eq!(found, [code], "{body}");
            }
        }
        count += 1;
        assert!(rest.is_some(), "a block is not closed");
    }
    assert!(count >= 12, "only {count} blocks ran");
}

/// The chapter names every code that a reader of the two files can meet.
#[test]
fn the_codes_of_the_files_are_specified() {
    let text = chapter();
    for (code, explanation) in codes::ALL {
        assert_eq!(codes::explain(code), Some(*explanation));
        if *code < codes::FILE {
            assert!(text.contains(code), "{code} ({explanation}) is not in the specification");
        }
    }
}
