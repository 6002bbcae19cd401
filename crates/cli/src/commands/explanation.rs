//! How differences and changes are shown, as text and as JSON.

use std::path::Path;

use cbuild_explain::{
    Change, Difference, DifferenceKind, Excerpt, Explained, Explanation, FileChange, Hints,
    LineChange, Why, line_changes,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output;

/// Most lines of one changed text, and most differing files, that are shown as text.
const MAX_LINES: usize = 20;
const MAX_FILES: usize = 100;

/// Most lines of one changed text whose places are looked for: each is a search through all files.
const MAX_PLACES: usize = 200;

/// Bytes around the first difference that are shown: before it, and from it on.
const SHOWN: (usize, usize) = (16, 32);

/// Says where a new line of text, which replaces others, comes from in the sources, such as `main.cbuild:12`.
pub(crate) type Locate<'a> = &'a dyn Fn(&str, &[&str]) -> Option<String>;

/// Prints differing files with causes, and what is known to have been different.
pub(crate) fn print_differences(differences: &[Difference], hints: &Hints) -> Result<(), Failure> {
    for difference in differences.iter().take(MAX_FILES) {
        let what = kind_text(&difference.kind);
        let place = shown_path(&difference.path);
        output::line(&format!("  {place}: {what}; likely cause: {}", difference.cause))?;
        if let DifferenceKind::Content(excerpt) = &difference.kind {
            output::line(&format!("    first   {}", around(&excerpt.first, excerpt)))?;
            output::line(&format!("    second  {}", around(&excerpt.second, excerpt)))?;
        }
        if let Some(varied) = hints.varied(difference.cause) {
            output::line(&format!("    varied: {varied}"))?;
        }
        output::line(&format!("    fix: {}", difference.cause.help()))?;
    }
    if let Some(more) = differences.len().checked_sub(MAX_FILES).filter(|&more| more > 0) {
        output::line(&format!("  and {more} more; `--json` lists all"))?;
    }
    Ok(())
}

fn shown_path(path: &Path) -> String {
    if path.as_os_str().is_empty() { "(the object)".to_owned() } else { path.display().to_string() }
}

fn kind_text(kind: &DifferenceKind) -> String {
    match kind {
        DifferenceKind::OnlyFirst => "only in the first".to_owned(),
        DifferenceKind::OnlySecond => "only in the second".to_owned(),
        DifferenceKind::Kind { first, second } => format!("{first} and {second}"),
        DifferenceKind::Executable { first: true } => "executable in the first only".to_owned(),
        DifferenceKind::Executable { first: false } => "executable in the second only".to_owned(),
        DifferenceKind::Target { first, second } => {
            format!("links to `{}` and `{}`", first.display(), second.display())
        }
        DifferenceKind::Content(excerpt) if excerpt.sizes.0 == excerpt.sizes.1 => {
            format!("{} bytes, from byte {} on", excerpt.sizes.0, excerpt.offset)
        }
        DifferenceKind::Content(excerpt) => {
            let (first, second) = excerpt.sizes;
            format!("{first} and {second} bytes, from byte {} on", excerpt.offset)
        }
    }
}

/// The bytes around the difference: text as it is, other bytes as `\xNN`.
fn around(bytes: &[u8], excerpt: &Excerpt) -> String {
    let at = usize::try_from(excerpt.offset - excerpt.start).unwrap_or(bytes.len());
    let from = at.saturating_sub(SHOWN.0).min(bytes.len());
    let to = (at + SHOWN.1).min(bytes.len());
    let more = if to < bytes.len() { "…" } else { "" };
    format!("{}{more}", bytes[from..to].escape_ascii())
}

/// Differences as JSON.
pub(crate) fn differences_to_json(differences: &[Difference], hints: &Hints) -> Vec<Value> {
    let one = |difference: &Difference| {
        let mut value = json!({
            "file": difference.path.display().to_string(),
            "difference": kind_text(&difference.kind),
            "cause": difference.cause.to_string(),
        });
        if let Some(varied) = hints.varied(difference.cause) {
            value["varied"] = varied.into();
        }
        if let DifferenceKind::Content(excerpt) = &difference.kind {
            value["offset"] = excerpt.offset.into();
            value["first"] = around(&excerpt.first, excerpt).into();
            value["second"] = around(&excerpt.second, excerpt).into();
        }
        value
    };
    differences.iter().map(one).collect()
}

/// Prints what two actions differ in, indented by `depth` levels.
pub(crate) fn print_explained(
    explained: &Explained,
    locate: Locate<'_>,
    depth: usize,
) -> Result<(), Failure> {
    let indent = "  ".repeat(depth);
    if explained.whys.is_empty() {
        return output::line(&format!(
            "{indent}the two actions differ in nothing that is recorded"
        ));
    }
    for why in &explained.whys {
        print_why(why, locate, depth)?;
    }
    Ok(())
}

fn print_why(why: &Why, locate: Locate<'_>, depth: usize) -> Result<(), Failure> {
    let indent = "  ".repeat(depth);
    match &why.change {
        Change::Text { part, before: Some(before), after: Some(after) } => {
            output::line(&format!("{indent}{part} changed:"))?;
            print_lines(&line_changes(before, after), locate, depth + 1)
        }
        Change::Text { part, before: None, after } => {
            output::line(&format!("{indent}{part} is new:"))?;
            let lines = line_changes("", after.as_deref().unwrap_or_default());
            print_lines(&lines, locate, depth + 1)
        }
        Change::Text { part, .. } => output::line(&format!("{indent}{part} is gone")),
        Change::Input { before: None, after } => {
            let name = after.as_ref().map(|path| path.name().to_string()).unwrap_or_default();
            output::line(&format!("{indent}input {name} is new"))
        }
        Change::Input { before: Some(before), after: None } => {
            output::line(&format!("{indent}input {} is gone", before.name()))
        }
        Change::Input { before: Some(before), after: Some(after) } => {
            let names = if before.name() == after.name() {
                after.name().to_string()
            } else {
                format!("{} (before: {})", after.name(), before.name())
            };
            output::line(&format!("{indent}input {names} changed:"))?;
            why.explanation.as_ref().map_or(Ok(()), |why| print_explanation(why, locate, depth + 1))
        }
    }
}

fn print_explanation(
    explanation: &Explanation,
    locate: Locate<'_>,
    depth: usize,
) -> Result<(), Failure> {
    let indent = "  ".repeat(depth);
    match explanation {
        Explanation::Built(explained) => print_explained(explained, locate, depth),
        Explanation::Source(files) => files.iter().try_for_each(|file| print_file(file, depth)),
        Explanation::NotReproducible(key) => output::line(&format!(
            "{indent}the same action {key} gave two results; `cbuild build --check=vary` finds the cause"
        )),
        Explanation::Above => output::line(&format!("{indent}as explained above")),
        Explanation::Unknown(missing) => output::line(&format!("{indent}{missing}")),
    }
}

fn print_file(file: &FileChange, depth: usize) -> Result<(), Failure> {
    let place = shown_path(&file.path);
    output::line(&format!("{}source file {place} was {}", "  ".repeat(depth), file.verb))?;
    // The file itself is the place.
    print_lines(&file.lines, &|_, _| None, depth + 1)
}

fn print_lines(lines: &[LineChange], locate: Locate<'_>, depth: usize) -> Result<(), Failure> {
    let indent = "  ".repeat(depth);
    let before = removed(lines);
    for line in lines.iter().take(MAX_LINES) {
        let text = match line {
            LineChange::Removed(_, text) => format!("{indent}- {text}"),
            LineChange::Added(_, text) => {
                let place =
                    locate(text, &before).map_or(String::new(), |place| format!("   ({place})"));
                format!("{indent}+ {text}{place}")
            }
        };
        output::line(&text)?;
    }
    match lines.len().checked_sub(MAX_LINES) {
        Some(more) if more > 0 => output::line(&format!("{indent}… {more} more lines")),
        _ => Ok(()),
    }
}

/// What two actions differ in, as JSON.
pub(crate) fn explained_to_json(explained: &Explained, locate: Locate<'_>) -> Value {
    json!({
        "name": explained.name,
        "before": explained.before.to_string(),
        "after": explained.after.to_string(),
        "changes": explained.whys.iter().map(|why| why_to_json(why, locate)).collect::<Vec<_>>(),
    })
}

fn why_to_json(why: &Why, locate: Locate<'_>) -> Value {
    match &why.change {
        Change::Text { part, before, after } => {
            let (old, new) = (before.as_deref(), after.as_deref());
            let lines = line_changes(old.unwrap_or_default(), new.unwrap_or_default());
            json!({
                "part": part, "before": before, "after": after,
                "lines": lines_to_json(&lines, locate),
            })
        }
        Change::Input { before, after } => {
            let text =
                |path: &Option<cbuild_drv::StorePath>| path.as_ref().map(ToString::to_string);
            let because = why.explanation.as_ref().map(|why| match why {
                Explanation::Built(explained) => explained_to_json(explained, locate),
                Explanation::Source(files) => json!({
                    "files": files.iter().map(|file| json!({
                        "file": file.path.display().to_string(),
                        "was": file.verb,
                        "lines": lines_to_json(&file.lines, &|_, _| None),
                    })).collect::<Vec<_>>(),
                }),
                Explanation::NotReproducible(key) => json!({"not_reproducible": key.to_string()}),
                Explanation::Above => json!({"above": true}),
                Explanation::Unknown(missing) => json!({"unknown": missing}),
            });
            json!({"input": {"before": text(before), "after": text(after)}, "because": because})
        }
    }
}

fn removed(lines: &[LineChange]) -> Vec<&str> {
    let old = lines.iter().filter_map(|line| match line {
        LineChange::Removed(_, text) => Some(text.as_str()),
        LineChange::Added(..) => None,
    });
    old.collect()
}

fn lines_to_json(lines: &[LineChange], locate: Locate<'_>) -> Vec<Value> {
    let before = removed(lines);
    let one = |(at_all, line): (usize, &LineChange)| match line {
        LineChange::Removed(at, text) => json!({"removed": text, "line": at}),
        LineChange::Added(at, text) => {
            let place = (at_all < MAX_PLACES).then(|| locate(text, &before)).flatten();
            json!({"added": text, "line": at, "place": place})
        }
    };
    lines.iter().enumerate().map(one).collect()
}
