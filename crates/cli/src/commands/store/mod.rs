//! `cbuild store`.

mod collect;
pub(super) mod history;
mod mend;
mod transfer;

use std::path::Path;

use cbuild_drv::StorePath;
use cbuild_store::{ObjectInfo, Store};
use serde_json::json;

use crate::args::StoreCommand;
use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Runs a command on the store.
pub(crate) fn run(session: &Session, command: StoreCommand) -> Result<(), Failure> {
    match command {
        StoreCommand::Info { paths } => info(session, &paths),
        StoreCommand::Ls => list(session),
        StoreCommand::Verify { rebuild_index, repair } => {
            mend::verify(session, rebuild_index, repair)
        }
        StoreCommand::Repair { from } => mend::repair(session, &from),
        StoreCommand::Gc { dry_run, older_than, max_size } => {
            collect::collect(session, dry_run, older_than, max_size)
        }
        StoreCommand::Optimise { dry_run } => collect::optimise(session, dry_run),
        StoreCommand::Roots { remove } => collect::roots(session, &remove),
        StoreCommand::History { name, limit } => history::list(session, name.as_deref(), limit),
        StoreCommand::Add { path, name } => transfer::add(session, &path, name),
        StoreCommand::Export { paths, output } => transfer::export(session, &paths, &output),
        StoreCommand::Import { file } => transfer::import(session, &file),
    }
}

fn info(session: &Session, paths: &[String]) -> Result<(), Failure> {
    let store = session.store()?;
    if paths.is_empty() {
        return summary(session, &store);
    }
    for text in paths {
        let path = parse_path(&store, text)?;
        let Some(info) = store.info(&path)? else {
            return Err(cbuild_store::Error::NotInStore { path }.into());
        };
        describe(session, &store, &info)?;
    }
    Ok(())
}

/// A store path as it is inside a sandbox, as it is on the host, its last component alone, or a link to
/// it such as `build -o` makes.
pub(crate) fn parse_path(store: &Store, text: &str) -> Result<StorePath, Failure> {
    let given = Path::new(text);
    let base = given.strip_prefix(store.store_dir()).ok().and_then(Path::to_str);
    let error = match StorePath::parse(base.unwrap_or(text)) {
        Ok(path) => return Ok(path),
        Err(error) => error,
    };
    let place = std::fs::read_link(given).or_else(|_| std::path::absolute(given));
    let place = place.unwrap_or_else(|_| given.to_owned());
    // A path inside of an object names none.
    if place.file_name().is_some_and(|name| name.to_str().is_some_and(is_object))
        && let Ok(given) = std::path::absolute(given)
        && let Some(path) = store.object_at(&given)?
    {
        return Ok(path);
    }
    Err(elsewhere(text, &place).unwrap_or_else(|| no_path(&error.to_string())).into())
}

fn is_object(name: &str) -> bool {
    StorePath::parse(name).is_ok()
}

fn no_path(error: &str) -> Problem {
    Problem::new(Exit::Input, "E1027", error)
        .help("give a path as `cbuild build` or `cbuild store ls` prints it")
}

/// What is wrong with a path of another store.
fn elsewhere(text: &str, place: &Path) -> Option<Problem> {
    place.file_name()?.to_str().filter(|name| is_object(name))?;
    let folder = place.parent().filter(|folder| folder.ends_with("store"))?;
    let root = folder.parent()?.display();
    let problem = Problem::new(Exit::Input, "E1027", format!("`{text}` is in another store"));
    Some(problem.help(format!("name that store: `--root {root}`")))
}

fn summary(session: &Session, store: &Store) -> Result<(), Failure> {
    let objects = store.objects()?;
    let bytes: u64 = objects.iter().map(|object| object.size).sum();
    let roots = store.roots()?;
    if session.options.json {
        return output::json(&json!({
            "root": store.root().display().to_string(),
            "objects": objects.len(),
            "bytes": bytes,
            "roots": roots.len(),
        }));
    }
    output::line(&format!("root     {}", store.root().display()))?;
    output::line(&format!("objects  {}", objects.len()))?;
    output::line(&format!("size     {}", indicatif::HumanBytes(bytes)))?;
    output::line(&format!("roots    {}", roots.len()))
}

fn describe(session: &Session, store: &Store, info: &ObjectInfo) -> Result<(), Failure> {
    let references: Vec<String> = info.references.iter().map(ToString::to_string).collect();
    if session.options.json {
        return output::json(&json!({
            "path": info.path.to_string(),
            "physical": store.physical(&info.path).display().to_string(),
            "tree": info.tree.to_string(),
            "self_reference": info.self_reference,
            "references": references,
            "bytes": info.size,
            "registered": info.registered_at,
        }));
    }
    output::line(&info.path.to_string())?;
    output::line(&format!("  physical   {}", store.physical(&info.path).display()))?;
    output::line(&format!("  tree       {}", info.tree))?;
    output::line(&format!("  size       {}", indicatif::HumanBytes(info.size)))?;
    references.iter().try_for_each(|reference| output::line(&format!("  refers to  {reference}")))
}

fn list(session: &Session) -> Result<(), Failure> {
    let store = session.store()?;
    for object in store.objects()? {
        if session.options.json {
            output::json(&json!({"path": object.path.to_string(), "bytes": object.size}))?;
        } else {
            output::line(&object.path.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn store_paths_are_read_in_every_form() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("one")).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let path = store.add_tree(&file, &cbuild_drv::Name::new("x").unwrap()).unwrap();
        let physical = store.physical(&path).display().to_string();
        let link = folder.path().join("link");
        store.add_root(&link, &path).unwrap();
        let base = format!("{}-x", path.digest());
        for text in [&path.to_string(), &base, &physical, &link.display().to_string()] {
            assert_eq!(parse_path(&store, text).map_err(|error| error.text()), Ok(path.clone()));
        }
        let other = Store::open(&folder.path().join("two")).unwrap();
        for text in [&physical, &link.display().to_string()] {
            let error = parse_path(&other, text).unwrap_err().text();
            assert!(error.contains("is in another store"), "{error}");
            assert!(error.contains(&format!("--root {}/one`", folder.path().display())), "{error}");
        }
        assert!(parse_path(&other, "x").unwrap_err().text().contains("cbuild store ls"));
    }
}
