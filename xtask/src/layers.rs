//! The layer rules of the crates, asserted from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use crate::Result;
use crate::command::repository;

/// Each crate and the crates of the workspace that it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("diag", &[]),
    ("syntax", &["diag"]),
    ("sema", &["syntax", "diag"]),
    ("drv", &[]),
    ("cache", &[]),
    ("eval", &["sema", "syntax", "drv", "diag"]),
    ("store", &["drv"]),
    ("sandbox", &[]),
    ("fetch", &["drv", "store"]),
    ("modules", &["drv", "store", "fetch", "diag"]),
    ("build", &["drv", "store", "fetch", "sandbox"]),
    ("oci", &["drv", "store"]),
    ("explain", &["drv", "store"]),
    ("invariants", &["eval", "sema", "syntax", "modules", "fetch", "drv", "diag"]),
    ("doc", &["sema", "syntax", "diag"]),
    ("lsp", &["sema", "syntax", "diag"]),
];

/// Libraries that one crate alone may name, so that they can be replaced without a caller noticing.
const ONLY_IN: &[(&str, &str)] = &[
    ("pest", "syntax"),
    ("rowan", "syntax"),
    ("miette", "diag"),
    ("rusqlite", "store"),
    ("reqwest", "fetch"),
    ("tokio", "fetch"),
    ("oci-spec", "oci"),
    ("toml_edit", "modules"),
    ("pulldown-cmark", "doc"),
    ("lsp-server", "lsp"),
    ("lsp-types", "lsp"),
];

/// The only crate that may hold `unsafe` blocks.
const MAY_BE_UNSAFE: &str = "cbuild-sandbox";

/// Checks both tables, and that every other crate than the sandbox forbids `unsafe`; every violation is listed.
pub(crate) fn check() -> Result {
    let metadata = MetadataCommand::new()
        .current_dir(repository())
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        if package.name.as_str() != MAY_BE_UNSAFE {
            forbids_unsafe(package, &mut wrong);
        }
        if let Some(name) = package.name.strip_prefix("cbuild-") {
            seen.insert(name);
            match rules.get(name) {
                Some(allowed) => violations(package, name, allowed, &mut wrong),
                None => wrong.push(format!("crate `{name}` has no rule in xtask/src/layers.rs")),
            }
        }
    }
    let vanished = rules.keys().filter(|name| !seen.contains(**name));
    wrong.extend(vanished.map(|name| format!("the rule for `{name}` has no crate")));
    if wrong.is_empty() { Ok(()) } else { Err(format!("layer rules:\n  {}", wrong.join("\n  "))) }
}

fn forbids_unsafe(package: &Package, wrong: &mut Vec<String>) {
    let tops = package.targets.iter().filter(|target| target.is_lib() || target.is_bin());
    for top in tops {
        let text = std::fs::read_to_string(&top.src_path).unwrap_or_default();
        if !text.contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("`{}` lacks #![forbid(unsafe_code)]", top.src_path));
        }
    }
}

fn violations(package: &Package, name: &str, allowed: &[&str], wrong: &mut Vec<String>) {
    for dependency in &package.dependencies {
        // Tests may look at a crate from above; what ships may not.
        if dependency.kind == DependencyKind::Development {
            continue;
        }
        if let Some(used) = dependency.name.strip_prefix("cbuild-")
            && !allowed.contains(&used)
        {
            wrong.push(format!("crate `{name}` must not use crate `{used}`"));
        }
        for (library, home) in ONLY_IN {
            if dependency.name == *library && name != *home {
                wrong.push(format!("only crate `{home}` may name `{library}`, not `{name}`"));
            }
        }
    }
}
