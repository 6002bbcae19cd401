//! What a session knows: the file that is loaded, and the definitions, each a module of its own that
//! sees those before it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cbuild_diag::Sources;
use cbuild_eval::{Evaluator, Value};
use cbuild_sema::{Checked, LoadError, Loader, Memory, ModuleKey, Name, NameKind, Package};

use crate::commands::build;
use crate::evaluation::{Buildable, Evaluated, accept, limits, located, with_decoded};
use crate::failure::{Exit, Failure, Problem, report_diagnostic};
use crate::output;
use crate::outside::{FileLoader, LazyStore, StoreWorld};
use crate::session::Session;
use crate::target;

/// A session's knowledge.
pub(super) struct State<'s> {
    session: &'s Session,
    /// Top folder of the package whose files can be read.
    root: PathBuf,
    /// Folder in the package that paths of definitions start from; empty or with a final `/`.
    folder: String,
    /// The loaded file, then the definitions.
    scopes: Vec<ModuleKey>,
    /// Texts of the definitions.
    texts: BTreeMap<ModuleKey, String>,
    /// Number of the next definition.
    next: usize,
    memory: Memory,
    /// Whether definitions are answered.
    pub(super) talkative: bool,
}

/// Reads definitions from memory and all else as usual.
struct PromptLoader<'t> {
    files: FileLoader,
    texts: &'t BTreeMap<ModuleKey, String>,
}

impl Loader for PromptLoader<'_> {
    fn load(&mut self, key: &ModuleKey) -> Result<String, LoadError> {
        match self.texts.get(key) {
            Some(text) => Ok(text.clone()),
            None => self.files.load(key),
        }
    }

    fn shown_name(&self, key: &ModuleKey) -> String {
        match self.texts.get(key) {
            Some(_) => key.stem().to_owned(),
            None => self.files.shown_name(key),
        }
    }

    fn resolve(&self, from: Package, name: &str) -> Option<ModuleKey> {
        self.files.resolve(from, name)
    }

    fn importable(&self, from: Package) -> Vec<String> {
        self.files.importable(from)
    }
}

impl<'s> State<'s> {
    /// A session in the working folder, with nothing in scope but the prelude and `std`.
    pub(super) fn new(session: &'s Session) -> Result<Self, Failure> {
        let here = target::working_folder()?;
        let (root, folder) = target::package_of(&here);
        Ok(Self {
            session,
            root,
            folder,
            scopes: Vec::new(),
            texts: BTreeMap::new(),
            next: 1,
            memory: Memory::default(),
            talkative: false,
        })
    }

    /// The session of the command.
    pub(super) fn session(&self) -> &'s Session {
        self.session
    }

    /// Folder that the paths of definitions and expressions start from.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.join(&self.folder)
    }

    fn loader<'t>(
        session: &Session,
        root: &Path,
        texts: &'t BTreeMap<ModuleKey, String>,
    ) -> Result<PromptLoader<'t>, Failure> {
        Ok(PromptLoader { files: FileLoader::new(session.places(root)?), texts })
    }

    /// Takes the names of a file into scope; definitions are forgotten.
    pub(super) fn load(&mut self, path: &str) -> Result<(), Failure> {
        if path.is_empty() {
            return Err(missing("a file or folder", ":load examples/redis"));
        }
        // A target's name is not looked at: all names of its file are in scope.
        let entry = match target::find(Path::new(path)) {
            Ok(entry) => entry,
            Err(failure) if path.contains(':') || path == "std" => {
                target::parse(path).map_err(|_| failure)?.entry
            }
            Err(failure) => return Err(failure),
        };
        let folder = entry.module.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let (root, scopes) = (entry.package_root, vec![entry.module.clone()]);
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let before = (
            std::mem::replace(&mut self.root, root),
            std::mem::replace(&mut self.scopes, scopes),
            std::mem::take(&mut self.texts),
            std::mem::replace(&mut self.folder, folder),
        );
        let loaded = self.check("true").map(|_| ());
        if loaded.is_err() {
            (self.root, self.scopes, self.texts, self.folder) = before;
        } else if self.talkative {
            output::line(&format!("loaded {path}"))?;
        }
        loaded
    }

    /// Reads the files again, which every input does anyway, and says what is wrong with them.
    pub(super) fn reload(&mut self) -> Result<(), Failure> {
        self.check("true").map(|_| ())
    }

    /// Checks an expression in the current scope.
    fn check(&mut self, text: &str) -> Result<(CheckedInput, Sources), Failure> {
        let mut sources = Sources::default();
        let mut loader = Self::loader(self.session, &self.root, &self.texts)?;
        let (memory, scopes) = (&mut self.memory, &self.scopes);
        let found = cbuild_sema::check_expr_in(&mut sources, &mut loader, memory, scopes, text);
        let (checked, sources) = accept(self.session, found.checked, sources)?;
        Ok((CheckedInput { checked, value: found.value, ty: found.ty }, sources))
    }

    /// Evaluates an expression and hands its value on.
    fn with_value<T>(
        &mut self,
        text: &str,
        use_it: impl FnOnce(
            &mut Evaluator<'_>,
            Value,
            &CheckedInput,
        ) -> Result<T, cbuild_diag::Diagnostic>,
    ) -> Result<T, Failure> {
        let (input, sources) = self.check(text)?;
        let store = self.session.store()?;
        let store = LazyStore::of(self.session, &store);
        let places = self.session.places(&self.root)?;
        let mut world = StoreWorld::new(&store, places, &input.checked.keys);
        let mut evaluator =
            Evaluator::new(&input.checked.program, &mut world, limits(self.session));
        let result =
            evaluator.global(input.value).and_then(|value| use_it(&mut evaluator, value, &input));
        result.map_err(|diagnostic| located(diagnostic, with_decoded(sources, &evaluator)))
    }

    /// Prints the value of an expression.
    pub(super) fn evaluate(&mut self, text: &str) -> Result<(), Failure> {
        let json = self.session.options.json;
        let line = self.with_value(text, |evaluator, value, input| {
            if json {
                return evaluator.to_json(&value).map(|value| value.to_string());
            }
            let shown = evaluator.show(&value)?;
            // Of a function the type says more.
            Ok(if shown == "<function>" { format!("{shown} : {}", input.ty) } else { shown })
        })?;
        output::line(&line)
    }

    /// Prints the type of an expression.
    pub(super) fn show_type(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Err(missing("an expression", ":type std.list.map"));
        }
        let (input, _) = self.check(text)?;
        output::line(&input.ty)
    }

    /// Builds the value of an expression and prints where it is.
    pub(super) fn build(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Err(missing("an expression", ":build std.zlib"));
        }
        let found = self.with_value(text, |evaluator, value, _| {
            let target = evaluator.buildable(&value);
            Ok(target.map(|target| (target, evaluator.graph().clone())).ok_or(value.kind()))
        })?;
        let (target, graph) = found.map_err(|kind| {
            let message = format!("this is {kind}, which cannot be built");
            Problem::new(Exit::Input, "E1016", message).help("build a Package or an Image")
        })?;
        let buildable = Buildable {
            text: text.to_owned(),
            target: cbuild_build::Target { drv: target.drv, output: target.output },
            image: target.image,
        };
        let store = self.session.store()?;
        let evaluated = Evaluated { graph, targets: vec![buildable], decoded: Vec::new() };
        for path in build::realise(self.session, &store, &evaluated)? {
            output::line(&store.physical(&path).display().to_string())?;
        }
        Ok(())
    }

    /// Adds definitions. Those with errors are not kept. Tests among them are run.
    pub(super) fn define(&mut self, text: &str, names: &[String]) -> Result<(), Failure> {
        let key = ModuleKey {
            package: self.scopes.last().map_or(Package::Root, |scope| scope.package),
            path: format!("{}(input {}).cbuild", self.folder, self.next),
        };
        self.texts.insert(key.clone(), self.with_std(text, names));
        self.scopes.push(key.clone());
        let checked = self.check("true");
        let (input, sources) = match checked {
            Ok(found) => found,
            Err(failure) => {
                self.scopes.pop();
                self.texts.remove(&key);
                return Err(failure);
            }
        };
        self.next += 1;
        if self.talkative && !names.is_empty() {
            let known = self.names(None)?;
            for name in known.iter().filter(|known| names.contains(&known.name)) {
                output::line(&headline(name))?;
            }
        }
        self.run_tests(&key, &input, sources)
    }

    /// The text of a definition, which like an expression sees `std` without an import.
    fn with_std(&self, text: &str, names: &[String]) -> String {
        // Later definitions see what the first one has imported.
        let known = !self.texts.is_empty() || names.iter().any(|name| name == "std");
        if known { text.to_owned() } else { format!("{text}\nimport std\n") }
    }

    fn run_tests(
        &mut self,
        key: &ModuleKey,
        input: &CheckedInput,
        sources: Sources,
    ) -> Result<(), Failure> {
        let Some(module) = input.checked.modules.get(key).copied() else { return Ok(()) };
        let store = self.session.store()?;
        let store = LazyStore::of(self.session, &store);
        let places = self.session.places(&self.root)?;
        let mut world = StoreWorld::new(&store, places, &input.checked.keys);
        let mut evaluator =
            Evaluator::new(&input.checked.program, &mut world, limits(self.session));
        let results = evaluator.run_tests(module);
        for (at, (name, result)) in results.into_iter().enumerate() {
            let seen = evaluator.observe_test(module, at);
            let wrong = match (result, seen) {
                (Ok(true), _) => None,
                (Ok(false), seen) => seen.map(|seen| seen.diagnostic(&name, &sources)),
                (Err(error), _) => Some(error),
            };
            let word = if wrong.is_some() { "FAILED" } else { "ok" };
            if let Some(diagnostic) = wrong {
                report_diagnostic(&diagnostic, &sources, self.session.manner());
            }
            output::line(&format!("{word} {name}"))?;
        }
        Ok(())
    }

    /// The names in scope, or those behind a dot.
    pub(super) fn names(&mut self, base: Option<&str>) -> Result<Vec<Name>, Failure> {
        let mut loader = Self::loader(self.session, &self.root, &self.texts)?;
        Ok(cbuild_sema::names_in(&mut loader, &mut self.memory, &self.scopes, base))
    }

    /// Prints what is known of a name.
    pub(super) fn show_doc(&mut self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Err(missing("a name", ":doc std.list.map"));
        }
        let (base, last) = match text.rsplit_once('.') {
            Some((base, last)) => (Some(base), last),
            None => (None, text),
        };
        let names = self.names(base)?;
        let mut found = names.iter().filter(|name| name.name == last).peekable();
        if found.peek().is_none() {
            let near = cbuild_sema::did_you_mean(last, names.iter().map(|name| name.name.as_str()));
            return Err(Problem::new(
                Exit::Input,
                "E1064",
                format!("there is no name `{text}` here"),
            )
            .help(near.unwrap_or_else(|| "Tab after a dot lists the names".to_owned()))
            .into());
        }
        for name in found {
            output::line(&headline(name))?;
            for line in name.doc.lines() {
                output::line(format!("  {line}").trim_end())?;
            }
        }
        Ok(())
    }
}

/// An expression that was checked.
struct CheckedInput {
    checked: Checked,
    value: cbuild_sema::ir::GlobalId,
    ty: String,
}

fn headline(name: &Name) -> String {
    match name.kind {
        NameKind::Value | NameKind::Constructor | NameKind::Field => {
            format!("{} : {}", name.name, name.ty)
        }
        NameKind::Function => format!("fn {}{}", name.name, name.ty),
        NameKind::Type => format!("type {} = {}", name.name, name.ty),
        NameKind::Module => format!("{} : {}", name.name, name.ty),
    }
}

fn missing(what: &str, example: &str) -> Failure {
    Problem::new(Exit::Input, "E1065", format!("{what} must follow"))
        .help(format!("for example `{example}`"))
        .into()
}
