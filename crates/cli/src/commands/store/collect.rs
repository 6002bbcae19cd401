//! `cbuild store gc`, `optimise` and `roots`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cbuild_drv::StorePath;
use cbuild_store::{EndedRoot, GcOptions};
use indicatif::HumanBytes;
use serde_json::{Value, json};

use crate::failure::{Exit, Failure, Problem};
use crate::output;
use crate::session::Session;

/// Deletes what nothing keeps.
pub(super) fn collect(
    session: &Session,
    dry_run: bool,
    older_than: Option<u64>,
    max_size: Option<u64>,
) -> Result<(), Failure> {
    let store = session.store()?;
    let report = store.gc(GcOptions { dry_run, stop_after: None, max_size, older_than })?;
    if session.options.json {
        return output::json(&json!({
            "deleted": report.deleted.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "bytes": report.freed,
            "kept": report.kept,
            "foreign": report.foreign,
            "ended_roots": report.ended.iter().map(ended).collect::<Vec<_>>(),
            "records": report.records,
            "record_bytes": report.records_freed,
            "dry_run": dry_run,
        }));
    }
    if dry_run || session.options.verbose {
        report.deleted.iter().try_for_each(|path| output::line(&path.to_string()))?;
    }
    let verb = if dry_run { "would delete" } else { "deleted" };
    let (deleted, bytes) = (report.deleted.len(), HumanBytes(report.freed));
    output::line(&format!("{verb} {deleted} objects, {bytes}; {} stay", report.kept))?;
    if let Some(wanted) = max_size {
        let there: u64 = store.objects()?.iter().map(|object| object.size).sum();
        let stay = if dry_run { there.saturating_sub(report.freed) } else { there };
        if stay > wanted {
            let (stay, wanted) = (HumanBytes(stay), HumanBytes(wanted));
            let kept = "running processes and roots keep them, and `--older-than` what is younger";
            let note = format!("{stay} stay, more than {wanted}: {kept}; see `cbuild store roots`");
            output::note(session, &note);
        }
    }
    if report.foreign > 0 {
        let note = "objects stay that belong to another user, or that such a one refers to";
        output::note(session, &format!("{} {note}: let that user collect", report.foreign));
    }
    for root in &report.ended {
        let verb = if dry_run { "would forget" } else { "forgot" };
        output::line(&format!("{verb} the root {}: {}", root.link.display(), root.reason))?;
    }
    if report.records == 0 {
        return Ok(());
    }
    let bytes = HumanBytes(report.records_freed);
    output::line(&format!("{verb} {} logs and records of actions, {bytes}", report.records))
}

fn ended(root: &EndedRoot) -> Value {
    json!({"link": root.link.display().to_string(), "reason": root.reason})
}

/// Stores equal files once.
pub(super) fn optimise(session: &Session, dry_run: bool) -> Result<(), Failure> {
    let report = session.store()?.optimise(dry_run)?;
    if session.options.json {
        return output::json(&json!({
            "files": report.files,
            "bytes": report.bytes,
            "dry_run": dry_run,
        }));
    }
    let verb = if dry_run { "would link" } else { "linked" };
    output::line(&format!("{verb} {} equal files, {}", report.files, HumanBytes(report.bytes)))
}

/// Lists roots, or ends some.
pub(super) fn roots(session: &Session, remove: &[PathBuf]) -> Result<(), Failure> {
    let store = session.store()?;
    for link in remove {
        let removed = store.remove_root(link)?;
        if removed.is_empty() {
            let message = format!("`{}` is no root", link.display());
            return Err(Problem::new(Exit::Input, "E1029", message)
                .help("`cbuild store roots` lists them")
                .into());
        }
        removed.iter().try_for_each(|root| print(session, &root.link, &root.path, None))?;
    }
    if !remove.is_empty() {
        return Ok(());
    }
    let sizes: BTreeMap<StorePath, u64> =
        store.objects()?.into_iter().map(|info| (info.path, info.size)).collect();
    for root in store.roots()? {
        // A root may outlive its object, when that was damaged and dropped.
        let closure = store.closure(std::slice::from_ref(&root.path)).unwrap_or_default();
        let bytes = closure.iter().filter_map(|path| sizes.get(path)).sum();
        print(session, &root.link, &root.path, Some(bytes))?;
    }
    Ok(())
}

fn print(
    session: &Session,
    link: &Path,
    path: &StorePath,
    bytes: Option<u64>,
) -> Result<(), Failure> {
    if session.options.json {
        return output::json(&json!({
            "link": link.display().to_string(),
            "path": path.to_string(),
            "closure_bytes": bytes,
        }));
    }
    let size = bytes.map(|bytes| format!("  {}", HumanBytes(bytes))).unwrap_or_default();
    output::line(&format!("{} -> {path}{size}", link.display()))
}
