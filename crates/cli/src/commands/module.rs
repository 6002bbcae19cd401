//! `cbuild lock` and `cbuild mod`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cbuild_diag::Span;
use cbuild_fetch::shown_address;
use cbuild_modules::{
    Error, ImportName, LockChange, MANIFEST_FILE, ModulePath, ModuleVersion, Requirement, Source,
    Workspace, add_requirement, remove_requirement,
};
use serde_json::json;

use crate::args::ModCommand;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::places::{with_means, with_workspace};
use crate::session::{Session, shown};

/// Runs a command on the module of a folder.
pub(crate) fn run(session: &Session, dir: &Path, command: ModCommand) -> Result<(), Failure> {
    let root = module_root(dir)?;
    match command {
        ModCommand::Add { module, source, name } => {
            let (path, requirement) = requirement(&module, &source, name.as_deref())?;
            edit(session, &root, |workspace| Ok(add(workspace.text(), &path, &requirement)?))
        }
        ModCommand::Remove { modules } => edit(session, &root, |workspace| {
            let mut text = workspace.text().to_owned();
            // One may be named twice, as by its path and by its import.
            let paths: Result<BTreeSet<_>, _> =
                modules.iter().map(|module| removed(workspace, module)).collect();
            for path in paths? {
                let less = remove_requirement(&text, &path).map_err(not_toml)?;
                text = less.ok_or(Error::NotRequired(path))?;
            }
            Ok(text)
        }),
        ModCommand::Update { modules } => {
            edit(session, &root, |workspace| updated(workspace, &modules))
        }
        ModCommand::Vendor => vendor(session, &root),
        ModCommand::Publish { reference } => publish(session, &root, &reference),
    }
}

/// Selects versions and pins them.
pub(crate) fn lock(session: &Session, dir: &Path) -> Result<(), Failure> {
    let store = session.store()?;
    let root = module_root(dir)?;
    with_workspace(session, &store, &root, |workspace| report(session, &workspace.lock()?))
}

/// The nearest folder, from `dir` upwards, with a `cbuild.mod`.
fn module_root(dir: &Path) -> Result<PathBuf, Failure> {
    let folder = dir.canonicalize().map_err(|error| {
        let message = format!("cannot find `{}`: {error}", dir.display());
        Problem::new(Exit::Input, "E1011", message).help("name an existing folder")
    })?;
    let found = folder.ancestors().find(|folder| folder.join(MANIFEST_FILE).is_file());
    Ok(found.ok_or_else(|| Error::NoManifest(dir.to_owned()))?.to_owned())
}

/// Changes `cbuild.mod` and locks; when locking fails, both files stay as they were.
fn edit(
    session: &Session,
    root: &Path,
    change: impl FnOnce(&Workspace<'_>) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let store = session.store()?;
    with_means(session, &store, |means| {
        let name = shown(root);
        let before = Workspace::open(root, Path::new(&name), means)?;
        let text = change(&before)?;
        let after = Workspace::with_text(root, Path::new(&name), text, means)?;
        report(session, &after.lock_and_save()?)
    })
}

fn requirement(
    module: &str,
    source: &str,
    name: Option<&str>,
) -> Result<(ModulePath, Requirement), Failure> {
    let ModuleVersion { path, version } = module.parse().map_err(wrong_name)?;
    let source = Source::parse(source, &version).map_err(|message| {
        let message = format!("`{}` is not a source: {message}", shown_address(source));
        Problem::new(Exit::Input, "E1105", message)
    })?;
    let name: ImportName = match name {
        Some(name) => name.parse(),
        None => path.default_import(),
    }
    .map_err(|error| {
        Problem::new(Exit::Input, "E1106", error.to_string()).help("give a name with `--as NAME`")
    })?;
    Ok((path, Requirement { version, source, name, span: Span::default() }))
}

fn add(text: &str, path: &ModulePath, requirement: &Requirement) -> Result<String, Problem> {
    add_requirement(text, path, requirement).map_err(not_toml)
}

/// The text of `cbuild.mod` with newer versions: those that are given, or the newest there are.
fn updated(workspace: &Workspace<'_>, modules: &[String]) -> Result<String, Failure> {
    let required = &workspace.manifest().require;
    let mut text = workspace.text().to_owned();
    let mut wanted = Vec::new();
    for module in modules {
        let (path, version) = match module.split_once('@') {
            Some(_) => {
                let ModuleVersion { path, version } = module.parse().map_err(wrong_name)?;
                (path, Some(version))
            }
            None => (named(workspace, module)?, None),
        };
        let known = required.get(&path).ok_or_else(|| Error::NotRequired(path.clone()))?;
        wanted.push((path, known, version));
    }
    if modules.is_empty() {
        // An archive does not tell its versions; it is only updated when it is asked for.
        let tells = |known: &Requirement| !matches!(known.source, Source::Archive { .. });
        let all = required.iter().filter(|(_, known)| tells(known));
        wanted.extend(all.map(|(path, known)| (path.clone(), known, None)));
    }
    for (path, known, version) in wanted {
        let found = match version {
            None => workspace.newest(&path, known)?,
            Some(version) => {
                let moved = known.source.moved(&known.version, &version);
                let source = moved.ok_or_else(|| {
                    let why = "its address does not name the version".to_owned();
                    let (path, place) = (path.clone(), known.source.shown());
                    Error::NoVersion { path, place, why }
                })?;
                Some((version, source))
            }
        };
        if let Some((version, source)) = found {
            let requirement = Requirement { version, source, ..known.clone() };
            text = add(&text, &path, &requirement)?;
        }
    }
    Ok(text)
}

/// The module to remove: as [`named`], or with the version that is required.
fn removed(workspace: &Workspace<'_>, text: &str) -> Result<ModulePath, Problem> {
    if !text.contains('@') {
        return named(workspace, text);
    }
    let ModuleVersion { path, version } = text.parse().map_err(wrong_name)?;
    match workspace.manifest().require.get(&path) {
        Some(known) if known.version != version => {
            let message = format!("cbuild.mod requires `{path}@{}`, not `{text}`", known.version);
            Err(Problem::new(Exit::Input, "E1103", message)
                .help(format!("name it without a version: `cbuild mod remove {path}`")))
        }
        _ => Ok(path),
    }
}

/// The module that a text names: by its path, or by the name that it is imported by, also as `ext.NAME`.
fn named(workspace: &Workspace<'_>, text: &str) -> Result<ModulePath, Problem> {
    let required = &workspace.manifest().require;
    let name = text.strip_prefix("ext.").unwrap_or(text);
    let imported = required.iter().find(|(_, requirement)| requirement.name.as_str() == name);
    match imported {
        Some((path, _)) => Ok(path.clone()),
        None if text.contains('/') => text.parse().map_err(wrong_name),
        None => {
            let message = format!("nothing that cbuild.mod requires is imported as `{text}`");
            let names =
                required.values().map(|requirement| format!("`{}`", requirement.name.as_str()));
            let names = names.collect::<Vec<_>>().join(", ");
            Err(Problem::new(Exit::Input, "E1103", message).help(match names.as_str() {
                "" => "it requires nothing; add a module with `cbuild mod add`".to_owned(),
                names => format!("its imports are {names}"),
            }))
        }
    }
}

fn wrong_name(error: cbuild_modules::NameError) -> Problem {
    Problem::new(Exit::Input, "E1103", error.to_string())
        .help("modules are named as in `example.org/tls/v1`, versions as in `@1.4.0`")
}

fn not_toml(error: impl std::fmt::Display) -> Problem {
    Problem::new(Exit::Input, "E1101", format!("cbuild.mod is not TOML: {error}"))
}

fn report(session: &Session, change: &LockChange) -> Result<(), Failure> {
    if session.options.json {
        let versions = change.versions.iter().map(|(path, (before, after))| {
            let text = |v: &Option<cbuild_modules::Version>| v.as_ref().map(ToString::to_string);
            json!({"module": path.to_string(), "before": text(before), "after": text(after)})
        });
        let versions: Vec<_> = versions.collect();
        let (modules, changed) = (change.modules, change.changed);
        return output::json(
            &json!({"modules": modules, "changed": changed, "versions": versions}),
        );
    }
    for (path, versions) in &change.versions {
        output::line(&match versions {
            (None, Some(after)) => format!("+ {path}@{after}"),
            (Some(before), None) => format!("- {path}@{before}"),
            (Some(before), Some(after)) => format!("  {path}@{after} (was {before})"),
            (None, None) => continue,
        })?;
    }
    let noun = if change.modules == 1 { "module" } else { "modules" };
    let state = if change.changed { "written" } else { "unchanged" };
    output::line(&format!("cbuild.lock {state}: {} {noun}", change.modules))
}

fn vendor(session: &Session, root: &Path) -> Result<(), Failure> {
    let store = session.store()?;
    let folders = with_workspace(session, &store, root, |workspace| Ok(workspace.vendor()?))?;
    for folder in folders {
        if session.options.json {
            output::json(&json!({"folder": folder.display().to_string()}))?;
        } else {
            output::line(&shown(&folder))?;
        }
    }
    Ok(())
}

fn publish(session: &Session, root: &Path, reference: &str) -> Result<(), Failure> {
    let store = session.store()?;
    let done =
        with_workspace(session, &store, root, |workspace| Ok(workspace.publish(reference)?))?;
    if session.options.json {
        return output::json(&json!({
            "module": done.module.to_string(),
            "source": done.source.to_string(),
            "manifest": done.manifest,
            "tree": done.tree.to_string(),
        }));
    }
    output::line(&format!("{} {} {}", done.module, done.source, done.tree))
}
