//! `cbuild.lock`: what was selected, one line a module, and the hashes that pin it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use cbuild_diag::{Diagnostic, SourceId, Span};
use cbuild_drv::Digest;
use cbuild_fetch::shown_address;

use crate::codes;
use crate::names::{ModulePath, ModuleVersion, Version};
use crate::source::{Pin, Source};

/// First line of the file: the format and its version.
const FORMAT: &str = "cbuild-lock-1";

/// Largest file that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// A parsed `cbuild.lock`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// One entry a module.
    pub entries: BTreeMap<ModulePath, Entry>,
}

/// What is pinned of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The version that was selected.
    pub version: Version,
    /// Digest of the module's tree.
    pub tree: Digest,
    /// Where it comes from.
    pub source: Source,
    /// What the source gave.
    pub pin: Pin,
    /// The module that asked for this version, when it is a version that was not selected itself; it
    /// is then the only reason for this one.
    pub by: Option<ModuleVersion>,
}

impl Lock {
    /// Parses the text. What is wrong is reported with its place, and left out.
    pub fn parse(source: SourceId, text: &str) -> (Self, Vec<Diagnostic>) {
        let mut lock = Self::default();
        let mut problems = Vec::new();
        // Editors put a byte order mark in front, as they do with `cbuild.mod`.
        let whole = text.len();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut at = whole - text.len();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let content = line.trim_end_matches(['\n', '\r']);
            let span = Span { start: byte(at), end: byte(at + content.len()) };
            at += line.len();
            let result = match index {
                0 if content == FORMAT => Ok(()),
                0 => Err(format!("the first line is not `{FORMAT}`")),
                _ => line_entry(content).and_then(|(path, entry)| {
                    match lock.entries.insert(path.clone(), entry) {
                        None => Ok(()),
                        Some(_) => Err(format!("`{path}` stands here a second time")),
                    }
                }),
            };
            if let Err(message) = result {
                let shown = format!("cbuild.lock is not valid: {message}");
                problems.push(
                    Diagnostic::error(codes::LOCK_SYNTAX, source, span, shown, "in this line")
                        .help("run `cbuild lock` to write it anew; after a merge, remove the conflicting lines first"),
                );
                // With another format, nothing below means what it seems to mean.
                if index == 0 {
                    break;
                }
            }
        }
        if text.is_empty() {
            let message = format!("cbuild.lock is not valid: the first line is not `{FORMAT}`");
            let span = Span::default();
            problems.push(
                Diagnostic::error(codes::LOCK_SYNTAX, source, span, message, "the file is empty")
                    .help("run `cbuild lock` to write it anew"),
            );
        }
        (lock, problems)
    }

    /// The text, which [`Lock::parse`] reads.
    pub fn to_text(&self) -> String {
        let mut text = format!("{FORMAT}\n");
        for (path, Entry { version, tree, source, pin, by }) in &self.entries {
            // Writing into a string cannot fail.
            let _ = write!(text, "{path}@{version} {tree} {source} {pin}");
            if let Some(by) = by {
                let _ = write!(text, " by {by}");
            }
            text.push('\n');
        }
        text
    }
}

fn line_entry(line: &str) -> Result<(ModulePath, Entry), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (fields, by) = match words.as_slice() {
        [module, tree, source, pin] => ([module, tree, source, pin], None),
        [module, tree, source, pin, "by", by] => ([module, tree, source, pin], Some(by)),
        _ => {
            return Err("a line is `PATH@VERSION TREE SOURCE PIN`, or that and `by PATH@VERSION`"
                .to_owned());
        }
    };
    let [module, tree, source, pin] = fields;
    let ModuleVersion { path, version } = module.parse().map_err(|e| format!("{e}"))?;
    let tree = Digest::parse(tree).map_err(|error| error.to_string())?;
    let parsed = Source::parse(source, &version)?;
    if parsed.to_string() != **source {
        let (source, parsed) = (shown_address(source), parsed.shown());
        return Err(format!("the source `{source}` is written in full as `{parsed}`"));
    }
    let found = Pin::parse(pin).filter(|pin| pin.fits(&parsed));
    let pin = found.ok_or_else(|| format!("`{pin}` does not pin a source of this kind"))?;
    let by = by.map(|by| by.parse::<ModuleVersion>()).transpose().map_err(|e| format!("{e}"))?;
    Ok((path, Entry { version, tree, source: parsed, pin, by }))
}

/// A position in a file, which is smaller than 4 GiB.
fn byte(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
