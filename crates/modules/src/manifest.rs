//! `cbuild.mod`: the name of a module and what it requires, as TOML.

use std::collections::BTreeMap;
use std::ops::Range;

use cbuild_diag::{Diagnostic, SourceId, Span};
use toml_edit::{Document, Item, Key, TableLike};

use crate::codes;
use crate::names::{ImportName, ModulePath, NameError, Version, parse_version};
use crate::source::Source;

/// Largest file that is read, in bytes.
pub(crate) const MAX_BYTES: u64 = 1 << 20;
/// Most requirements of one module.
const MAX_REQUIREMENTS: usize = 1000;

/// A parsed `cbuild.mod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The module's own path.
    pub module: ModulePath,
    /// The oldest cbuild that the module works with, as major, minor and patch.
    pub cbuild: Option<Version>,
    /// What it requires.
    pub require: BTreeMap<ModulePath, Requirement>,
    /// Local folders that stand for modules; they count in the root module only.
    pub overrides: BTreeMap<ModulePath, Override>,
}

/// One requirement: at least this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The lowest version that will do; its major version is the path's.
    pub version: Version,
    /// Where that version is.
    pub source: Source,
    /// Name for `import ext.NAME` in the files of the module that requires it.
    pub name: ImportName,
    /// Place of the key in the file.
    pub span: Span,
}

/// A local folder that stands for a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The folder, relative to the module's top folder or absolute.
    pub folder: String,
    /// Place of the value in the file.
    pub span: Span,
}

impl Manifest {
    /// Parses the text. `None` when it is not usable; what is wrong is in the diagnostics.
    pub fn parse(source: SourceId, text: &str) -> (Option<Self>, Vec<Diagnostic>) {
        let mut reader = Reader { source, text, problems: Vec::new() };
        let manifest = match Document::parse(text) {
            Ok(document) => reader.manifest(document.as_table()),
            Err(error) => {
                let span = error.span().unwrap_or_default();
                let message = format!("cbuild.mod is not TOML: {}", error.message().trim_end());
                let help = "each line is `key = value`, with texts in quotes, or `[require]`";
                reader.report(codes::SYNTAX, span, &message, "here", Some(help.to_owned()));
                None
            }
        };
        let usable = manifest.filter(|_| reader.problems.is_empty());
        (usable, reader.problems)
    }
}

struct Reader<'a> {
    source: SourceId,
    text: &'a str,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn report(
        &mut self,
        code: &'static str,
        span: Range<usize>,
        message: &str,
        label: &str,
        help: Option<String>,
    ) {
        let problem = Diagnostic::error(code, self.source, to_span(&span), message, label);
        self.problems.push(match help {
            Some(help) => problem.help(help),
            None => problem,
        });
    }

    fn shape(&mut self, span: Range<usize>, message: &str, help: &str) {
        self.report(codes::SHAPE, span, message, "here", Some(help.to_owned()));
    }

    fn name_problem(&mut self, error: &NameError, span: Range<usize>) {
        let (code, help) = match error {
            NameError::Path { .. } => (
                codes::MODULE_PATH,
                "write a path of your own and the major version, as in `example.org/name/v1`"
                    .to_owned(),
            ),
            NameError::Version { .. } => {
                (codes::VERSION, "write three numbers, as in `1.4.0`".to_owned())
            }
            NameError::Major { path, version } => {
                let name = path.as_str().rsplit_once('/').map_or(path.as_str(), |(name, _)| name);
                (
                    codes::VERSION,
                    format!("require `{name}/v{}`, which is a module of its own", version.major),
                )
            }
            NameError::Import(_) => {
                (codes::IMPORT_NAME, "give it a name: `as = \"name\"`".to_owned())
            }
        };
        self.report(code, span, &error.to_string(), "here", Some(help));
    }

    fn manifest(&mut self, table: &dyn TableLike) -> Option<Manifest> {
        self.known_keys(table, &["module", "cbuild", "require", "override"]);
        let module = self.module(table);
        let cbuild = self.language(table);
        let mut require = BTreeMap::new();
        for (key, item) in self.table(table, "require") {
            if require.len() >= MAX_REQUIREMENTS {
                let message = format!("more than {MAX_REQUIREMENTS} requirements");
                self.shape(key_span(&key), &message, "split the module");
                break;
            }
            if let Some((path, requirement)) = self.requirement(&key, &item) {
                require.insert(path, requirement);
            }
        }
        self.distinct_names(&require);
        let mut overrides = BTreeMap::new();
        for (key, item) in self.table(table, "override") {
            let path = self.path(&key);
            match (path, item.as_str()) {
                (Some(path), Some(folder)) if !folder.is_empty() => {
                    let (folder, span) =
                        (folder.to_owned(), to_span(&item.span().unwrap_or_default()));
                    overrides.insert(path, Override { folder, span });
                }
                (Some(_), _) => {
                    let span = item.span().unwrap_or_else(|| key_span(&key));
                    self.shape(
                        span,
                        "an override is the path of a folder",
                        "write `\"../folder\"`",
                    );
                }
                (None, _) => {}
            }
        }
        Some(Manifest { module: module?, cbuild, require, overrides })
    }

    fn known_keys(&mut self, table: &dyn TableLike, known: &[&str]) {
        let unknown: Vec<Key> = table
            .iter()
            .filter(|(name, _)| !known.contains(name))
            .filter_map(|(name, _)| Some(table.get_key_value(name)?.0.clone()))
            .collect();
        for key in unknown {
            let message = format!("the key `{}` is not known here", key.get());
            let help = format!("known keys are {}", known.join(", "));
            self.shape(key_span(&key), &message, &help);
        }
    }

    fn module(&mut self, table: &dyn TableLike) -> Option<ModulePath> {
        let Some(item) = table.get("module") else {
            let end = self.text.lines().next().map_or(0, str::len);
            self.shape(
                0..end,
                "the module has no name",
                "add `module = \"example.org/name/v1\"` on top",
            );
            return None;
        };
        let span = item.span().unwrap_or_default();
        let Some(text) = item.as_str() else {
            self.shape(span, "the module's name is not a text", "write it in quotes");
            return None;
        };
        text.parse().map_err(|error| self.name_problem(&error, span)).ok()
    }

    /// The language version, and whether this cbuild is new enough.
    fn language(&mut self, table: &dyn TableLike) -> Option<Version> {
        let item = table.get("cbuild")?;
        let span = item.span().unwrap_or_default();
        let full = item.as_str().map(|text| match text.matches('.').count() {
            1 => format!("{text}.0"),
            _ => text.to_owned(),
        });
        let Some(version) = full.and_then(|full| parse_version(&full).ok()) else {
            let help = "write the oldest version that will do, as in `cbuild = \"0.1\"`";
            self.report(
                codes::VERSION,
                span,
                "`cbuild` is not a version",
                "here",
                Some(help.into()),
            );
            return None;
        };
        let own = env!("CARGO_PKG_VERSION");
        if parse_version(own).is_ok_and(|own| version > own) {
            let message = format!("this module needs cbuild {version} or newer; this is {own}");
            let help = Some("install a newer cbuild".to_owned());
            self.report(codes::TOO_NEW, span, &message, "needed here", help);
        }
        Some(version)
    }

    /// Keys and values of a table in the file's order; a problem if it is no table.
    fn table(&mut self, parent: &dyn TableLike, name: &str) -> Vec<(Key, Item)> {
        let Some(item) = parent.get(name) else { return Vec::new() };
        let Some(table) = item.as_table_like() else {
            let help = format!("write `[{name}]` on a line of its own, and the entries below it");
            self.shape(item.span().unwrap_or_default(), &format!("`{name}` is not a table"), &help);
            return Vec::new();
        };
        let pairs = table.iter().filter_map(|(name, _)| table.get_key_value(name));
        pairs.map(|(key, item)| (key.clone(), item.clone())).collect()
    }

    fn path(&mut self, key: &Key) -> Option<ModulePath> {
        key.get().parse().map_err(|error| self.name_problem(&error, key_span(key))).ok()
    }

    fn requirement(&mut self, key: &Key, item: &Item) -> Option<(ModulePath, Requirement)> {
        let path = self.path(key)?;
        let span = item.span().unwrap_or_else(|| key_span(key));
        let Some(table) = item.as_table_like() else {
            let help = "write `{ version = \"1.4.0\", source = \"…\" }`";
            self.shape(span, "a requirement is a table with a version and a source", help);
            return None;
        };
        self.known_keys(table, &["version", "source", "as"]);
        let version = self.text(table, "version", &span);
        let source = self.text(table, "source", &span);
        let (version, at) = version?;
        let version = parse_version(&version).and_then(|version| {
            path.accepts(&version)?;
            Ok(version)
        });
        let version = version.map_err(|error| self.name_problem(&error, at)).ok()?;
        let (source, at) = source?;
        let source = Source::parse(&source, &version).map_err(|message| {
            let help = "as in `git+https://example.org/tls#v1.4.0` or `oci://example.org/modules/tls:1.4.0`";
            self.report(codes::SOURCE, at, &message, "not a source", Some(help.into()));
        });
        let name = match table.get("as") {
            None => path.default_import().map_err(|error| (error, key_span(key))),
            Some(item) => {
                let text = item.as_str().unwrap_or_default();
                text.parse().map_err(|error| (error, item.span().unwrap_or(span)))
            }
        };
        let name = name.map_err(|(error, span)| self.name_problem(&error, span)).ok()?;
        let span = to_span(&key_span(key));
        Some((path, Requirement { version, source: source.ok()?, name, span }))
    }

    fn text(
        &mut self,
        table: &dyn TableLike,
        name: &str,
        around: &Range<usize>,
    ) -> Option<(String, Range<usize>)> {
        let Some(item) = table.get(name) else {
            let message = format!("a requirement needs a `{name}`");
            self.shape(around.clone(), &message, &format!("add `{name} = \"…\"`"));
            return None;
        };
        let span = item.span().unwrap_or_else(|| around.clone());
        let Some(text) = item.as_str() else {
            self.shape(span, &format!("`{name}` is not a text"), "write it in quotes");
            return None;
        };
        Some((text.to_owned(), span))
    }

    fn distinct_names(&mut self, require: &BTreeMap<ModulePath, Requirement>) {
        let mut seen: BTreeMap<&ImportName, (&ModulePath, Span)> = BTreeMap::new();
        let mut ordered: Vec<_> = require.iter().collect();
        ordered.sort_by_key(|(_, requirement)| requirement.span);
        for (path, requirement) in ordered {
            let Some((first, span)) = seen.insert(&requirement.name, (path, requirement.span))
            else {
                continue;
            };
            let name = &requirement.name;
            let message = format!("two requirements would both be imported as `ext.{name}`");
            let problem = Diagnostic::error(
                codes::IMPORT_NAME,
                self.source,
                requirement.span,
                message,
                format!("`{path}` is `ext.{name}`"),
            );
            self.problems.push(
                problem
                    .label(self.source, span, format!("`{first}` is, too"))
                    .help("give one of them another name: `as = \"name\"`"),
            );
        }
    }
}

fn key_span(key: &Key) -> Range<usize> {
    key.span().unwrap_or_default()
}

fn to_span(range: &Range<usize>) -> Span {
    let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span { start: byte(range.start), end: byte(range.end) }
}
